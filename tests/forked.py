"""Starts `hub …` as a process forked from one that has imported it: most of what a start costs is the same imports again.

The command line itself is started as users start it in the tests of the demo, of the deployment and of encodings. Each ends with the
process that started it: the server that forks it lives as long as any of them.
"""

import atexit
import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from hub.child import end_with_parent, forks_of

_forks = forks_of("hub.preloaded")


class Forked:
    """A process with the interface of subprocess.Popen; its output goes to the end of *log*."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._process = _forks.Process(target=_run, args=(list(arguments), dict(environment), str(log)), daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Returns its exit code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout_s: float | None = None) -> int:
        """Waits for its end and returns its exit code; raises subprocess.TimeoutExpired."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("hub", timeout_s or 0)
        return self._process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


def children_called(name: str) -> list[psutil.Process]:
    """The processes at work that began here, or were forked for this one, which the list of processes calls so."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            # One that has ended is listed until its parent has looked.
            if child.name() == name and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _run(arguments: list[str], environment: dict[str, str], log: str) -> None:
    end_with_parent()
    # It is ended with the test run, and yet may have children of its own, as a hub has that was started in another way.
    multiprocessing.current_process().daemon = False
    # A Ctrl-C is for the test run, which stops what it has started.
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["hub", *arguments]
    from hub.cli import main

    try:
        main()
    finally:
        # multiprocessing ends a process without them, and the log's last lines are written by one.
        atexit._run_exitfuncs()
