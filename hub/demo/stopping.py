"""What Ctrl-C does to the demo: the first has it finish in order, the second ends it at once; nothing stays running either way."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any, Literal

from hub.stage import Stage

STOPPING = (
    "停止中：停流量 → 等视图跟上 → 核对日志与视图 → 删除演示数据库。再按一次 Ctrl-C：立即结束，不核对。\n"
    "Stopping: end the traffic → let the views catch up → check journal and views → remove the database. "
    "Ctrl-C again: end at once, unchecked."
)
AT_ONCE = "立即结束，不再核对：停止全部进程，删除数据库 … ending at once, unchecked: stopping every process, removing the database …"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What shells report of a command that Ctrl-C ended.
ENDED_AT_ONCE = 130


class EndedAtOnce(KeyboardInterrupt):
    """Somebody does not want to wait for the end of the demo."""


class Stopping:
    """Takes the signals while a demo runs; *is_asked* once the first has come."""

    def __init__(self) -> None:
        """Nothing has been asked; before there is something to check, one signal is enough to end at once."""
        self.is_asked = False
        self._phase: Literal["starting", "showing", "ending"] = "starting"
        self._stage: Stage | None = None

    def listen(self) -> None:
        """Takes the signals from now on."""
        for number in SIGNALS:
            signal.signal(number, self._take)

    @contextlib.contextmanager
    def on(self, stage: Stage) -> Iterator[None]:
        """Knows the processes to end; once they are being stopped nothing interrupts that any more."""
        self._stage = stage
        try:
            yield
        finally:
            self._phase = "ending"

    def show_begins(self) -> None:
        """From now on the first signal lets the demo finish what it has begun."""
        self._phase = "showing"

    def _take(self, *_: Any) -> None:
        if self._phase == "showing" and not self.is_asked:
            self.is_asked = True
            _say(STOPPING)
            return
        was_ending, self._phase = self._phase == "ending", "ending"
        if self._stage is not None:
            # What waits for one of them, on this thread or another, has its answer at once.
            self._stage.kill()
        if not was_ending:
            _say(AT_ONCE)
            raise EndedAtOnce


def _say(text: str) -> None:
    # Past the live picture, which has taken the place of the standard streams and may be at work on the screen.
    with contextlib.suppress(OSError):
        os.write(2, f"\n{text}\n".encode(sys.__stderr__.encoding if sys.__stderr__ else "utf-8", "replace"))
