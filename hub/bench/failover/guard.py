"""Ends what Patroni has started once the measurement that watches over it is gone, killed or not: a process of its own.

PostgreSQL outlives its Patroni, and Patroni its measurement. It imports only what Python itself brings.
"""

import contextlib
import os
import signal
import sys
from pathlib import Path


def of_directory(directory: Path) -> list[int]:
    """Returns the processes of PostgreSQL whose working directory lies in a directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                is_server = (process / "comm").read_text(encoding="utf-8", errors="replace") == "postgres\n"
                if is_server and (process / "cwd").readlink().is_relative_to(directory):
                    found.append(int(process.name))
    return found


def signal_all(pids: list[int], number: signal.Signals) -> None:
    """Sends each process a signal."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


if __name__ == "__main__":
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    # The other end is closed with the process that started this one.
    sys.stdin.read()
    while pids := of_directory(Path(sys.argv[1])):
        signal_all(pids, signal.SIGKILL)
