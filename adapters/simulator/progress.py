"""Watches what arrives: the adapters' /status before, during and after a run, and the difference in the tally."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from adapters.simulator.province import PATIENCE_S, AdapterUnreachable, Connection
from adapters.simulator.tally import Tally

LOOK_AGAIN_S: Final = 0.2
PROGRESS_S: Final = 0.5
# Long enough for a hub that is restarted; after that the tally says that not everything has arrived.
SETTLE_S, SETTLE_AFTER_STOP_S = 120.0, 15.0


class Arrival:
    """Knows the adapters' counters when the run began."""

    def __init__(
        self,
        connections: tuple[Connection, Connection],
        threads: ThreadPoolExecutor,
        tally: Tally,
        stop: asyncio.Event,
    ) -> None:
        """Takes a connection to each adapter, for /status alone."""
        self.connections = connections
        self._threads, self._tally, self._stop = threads, tally, stop
        self._before: list[dict[str, Any]] = []
        self._began = 0.0

    async def begin(self) -> None:
        """Notes the adapters' counters, waiting for those still starting; raises AdapterUnreachable."""
        deadline = time.monotonic() + PATIENCE_S
        while not self._before:
            try:
                self._before = await self._statuses()
            except AdapterUnreachable:
                if self._stop.is_set() or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(LOOK_AGAIN_S)
        self._began = time.monotonic()

    async def watch(self, progress: Callable[[Tally], None], stopped: threading.Event) -> None:
        """Calls *progress* with what the adapters say now until cancelled; passes the stop on to the threads."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            if self._stop.is_set():
                stopped.set()
            await self._look()
            progress(self._tally)

    async def settle(self) -> None:
        """Waits until the hub has acknowledged everything, or for as long as it is worth waiting."""
        deadline = time.monotonic() + (SETTLE_AFTER_STOP_S if self._stop.is_set() else SETTLE_S)
        while True:
            await self._look()
            if self._tally.settled or time.monotonic() > deadline:
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _statuses(self) -> list[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        return [await loop.run_in_executor(self._threads, connection.status) for connection in self.connections]

    async def _look(self) -> None:
        with contextlib.suppress(AdapterUnreachable):
            self._count(await self._statuses())

    def _count(self, now: list[dict[str, Any]]) -> None:
        tally, pending, waiting = self._tally, 0, 0
        tally.quarantined = tally.files_refused = tally.lines_refused = 0
        for before, after in zip(self._before, now, strict=True):
            for feed, state in after["feeds"].items():
                tally.events[feed] = state["next_sequence"] - before["feeds"][feed]["next_sequence"]
                tally.quarantined += _since(before["feeds"][feed], state, "quarantined")
                pending += state["pending"]
            if files := after.get("files"):
                waiting += files["waiting"]
                tally.files_refused += _since(before["files"], files, "rejected")
                tally.lines_refused += _since(before["files"], files, "refused_lines")
        tally.settled = not pending and not waiting
        tally.seconds = time.monotonic() - self._began


def _since(before: dict[str, int], after: dict[str, int], counter: str) -> int:
    """Returns what a counter has grown by; one that is lower than before belongs to an adapter that was started again."""
    return after[counter] - before[counter] if after[counter] >= before[counter] else after[counter]
