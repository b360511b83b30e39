"""What may happen to a running system: an orderly restart, a kill, a stop, each at a moment that the plan has drawn.

Each ends with the system running again. Whether anything was lost is not looked at here.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import psycopg

from hub.child import START_S
from hub.stage import Stage

EDGES = ("edge-1", "edge-2")
# How long a file may take to come; without one the adapter is killed all the same.
AWAIT_FILE_S = 2.0


class Round(NamedTuple):
    """What happens to which, after so much undisturbed work; a stop lasts for a while."""

    kind: str
    target: str
    before_s: float
    lasts_s: float


class Disturbances:
    """The system under test, and what can be done to it."""

    def __init__(self, stage: Stage, data_dir: Path, dsn: str, urls: Mapping[str, str]) -> None:
        """Takes a stage with two edges, a projector and both adapters at *urls*, on an embedded database that is kept running."""
        self._stage, self._data_dir, self._dsn, self._urls = stage, data_dir, dsn, urls
        self.kills_in_mid_file = 0

    def perform(self, planned: Round) -> None:
        """Lets the system work for a while and then does what is planned."""
        time.sleep(planned.before_s)
        acts: dict[str, Callable[[Round], None]] = {"roll": self._roll, "kill": self._kill, "stop": self._stop}
        acts[planned.kind](planned)
        self._stage.watch()

    def _roll(self, _: Round) -> None:
        """Restarts the edges, one after the other, as an upgrade does."""
        for edge in EDGES:
            self._stage.end(edge, signal.SIGTERM)
            self._start_again(edge)

    def _kill(self, planned: Round) -> None:
        if planned.target == "database":
            os.kill(postmaster_pid(self._data_dir), signal.SIGKILL)
            await_database(self._dsn)
            return
        if planned.target == "chongqing":
            self._await_file()
        self._stage.end(planned.target, signal.SIGKILL)
        if planned.target == "chongqing":
            self.kills_in_mid_file += any((self._data_dir / "chongqing/inbox/processing").glob("*.dat"))
        self._start_again(planned.target)

    def _stop(self, planned: Round) -> None:
        if planned.target == "database":
            stop_the_database(self._data_dir, planned.lasts_s)
            return
        self._stage.signal(planned.target, signal.SIGSTOP)
        time.sleep(planned.lasts_s)
        self._stage.signal(planned.target, signal.SIGCONT)

    def _start_again(self, name: str) -> None:
        self._stage.start_again(name)
        if name in self._urls:
            self._stage.await_answer(self._urls[name])
        else:
            self._stage.first_line(name)

    def _await_file(self) -> None:
        """Waits until a file is being read, so that the kill meets it."""
        give_up_at = time.monotonic() + AWAIT_FILE_S
        while time.monotonic() < give_up_at and not any((self._data_dir / "chongqing/inbox/processing").glob("*.dat")):
            time.sleep(0.001)


def stop_the_database(data_dir: Path, lasts_s: float) -> None:
    """Stops every process of the embedded database for a while."""
    postmaster = psutil.Process(postmaster_pid(data_dir))
    family = [postmaster, *postmaster.children()]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
    time.sleep(lasts_s)
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.resume()


def await_database(dsn: str) -> None:
    """Waits until what keeps the embedded database running has started it again; raises psycopg.OperationalError."""
    give_up_at = time.monotonic() + START_S
    while True:
        try:
            psycopg.connect(dsn).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)


def postmaster_pid(data_dir: Path) -> int:
    """Returns the process of the embedded database that all its others come from."""
    return int((data_dir / "postgres/postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
