"""Ctrl-C in the demo, on a real terminal: what it does is said at once, a second ends it at once, and nothing stays running."""

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

CTRL_C = b"\x03"
START_S = 120.0
AT_ONCE_S = 15.0


class Terminal:
    """A demo on a terminal of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._ours, theirs = pty.openpty()
        # The shell makes the terminal the demo's own: Ctrl-C typed there becomes a signal as for a person.
        program = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from hub.cli import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, "demo", "--rate", "50"],
            env={**os.environ, "HUB_DATA_DIR": str(data_dir), "COLUMNS": "120", "LINES": "45", "TERM": "xterm"},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.screen = b""

    def read_until(self, text: str, within_s: float) -> None:
        """Reads the screen until a text is on it."""
        deadline = time.monotonic() + within_s
        while text not in self.screen.decode(errors="replace"):
            assert time.monotonic() < deadline, self.screen.decode(errors="replace")[-3000:]
            self._read(0.1)

    def press(self, key: bytes) -> None:
        """Types a key."""
        os.write(self._ours, key)

    def end(self, within_s: float) -> int:
        """Waits until the demo has ended, reading on so that it can write, and returns its exit code."""
        deadline = time.monotonic() + within_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.screen.decode(errors="replace")[-3000:]
            self._read(0.1)
        return self.process.returncode

    def close(self) -> None:
        """Ends what is left, whatever the test found."""
        self.process.kill()
        self.process.wait()
        for left in processes_of(self.data_dir):
            left.kill()
        os.close(self._ours)

    def _read(self, within_s: float) -> None:
        if select.select([self._ours], [], [], within_s)[0]:
            # The other end of a terminal is closed with an error.
            with contextlib.suppress(OSError):
                self.screen += os.read(self._ours, 65_536)


def processes_of(data_dir: Path, cluster: str = "") -> list[psutil.Process]:
    """Every process that works for the demo: by its settings or its arguments, and the server by the cluster it lives on."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            seen = (process.environ().get("HUB_DATA_DIR", ""), *process.cmdline())
            if any(str(data_dir) in one for one in seen) or (cluster and process.cwd() == cluster):
                found.append(process)
    return found


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path / "data")
    yield opened
    opened.close()


@pytest.mark.slow
def test_a_second_ctrl_c_ends_the_demo_at_once_and_leaves_nothing_running(terminal: Terminal) -> None:
    terminal.read_until("日志位置 position", START_S)
    cluster = str((terminal.data_dir / "demo/postgres").resolve())
    names = [process.name() for process in processes_of(terminal.data_dir, cluster)]
    assert (names.count("postgres") > 5, len(names) - names.count("postgres") > 5) == (True, True)
    terminal.press(CTRL_C)
    terminal.read_until("Ctrl-C again: end at once", 5)
    terminal.press(CTRL_C)
    terminal.read_until("ending at once, unchecked", 5)
    assert terminal.end(AT_ONCE_S) == 130
    assert processes_of(terminal.data_dir, cluster) == []
    assert not Path(cluster).exists()
    assert "Traceback" not in terminal.screen.decode(errors="replace")


def test_ctrl_c_while_the_demo_starts_ends_it_at_once(terminal: Terminal) -> None:
    terminal.read_until("starting database", START_S)
    terminal.press(CTRL_C)
    terminal.read_until("ending at once, unchecked", 5)
    assert terminal.end(AT_ONCE_S) == 130
    assert processes_of(terminal.data_dir) == []
    assert "Traceback" not in terminal.screen.decode(errors="replace")
