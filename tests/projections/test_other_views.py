"""The views that no answer rests on have a process of their own: it is started again when it ends, and ends with its parent."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import psutil
import psycopg
import pytest

from hub.journal.reader import head_position
from hub.projections import FOLDED_FIRST, PROJECTIONS, other_views, runner
from hub.projections.engine import positions
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.losses import LOSSES
from hub.telemetry import names
from tests.databases import fresh_database
from tests.hub_process import RunningHub
from tests.recording import Recording, journey
from tests.seeds import one_in

OTHERS = [view for view in PROJECTIONS if view not in FOLDED_FIRST]
WITHIN_S = 60.0


def wait_until(is_so: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def processes_of(pid: int) -> list[psutil.Process]:
    """The processes that a process has the other views folded by."""
    return [child for child in psutil.Process(pid).children() if child.is_running() and child.name() == other_views.NAME]


def process_of(pid: int, *but: psutil.Process) -> psutil.Process:
    """The process that a process has the other views folded by, as soon as it is there and is none of *but*."""
    wait_until(lambda: bool(set(processes_of(pid)) - set(but)))
    return next(process for process in processes_of(pid) if process not in but)


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_what_the_loss_process_rests_on_waits_for_no_other_view(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(dsn, stop, lambda _: contextlib.nullcontext()))
    thread.start()
    journal.append(journey())
    wait_until(lambda: set(positions(views, FOLDED_FIRST).values()) == {1})
    stop.set()
    thread.join()
    assert (LOSSES in FOLDED_FIRST, positions(views, [DAILY_USAGE])) == (True, {DAILY_USAGE.name: 0})


class Folding(NamedTuple):
    """A runner in a thread, the process that it started, and what that folds."""

    process: psutil.Process
    dsn: str
    journal: Recording
    views: psycopg.Connection

    def has_folded(self) -> bool:
        return set(positions(self.views, OTHERS).values()) == {head_position(self.views)}


@pytest.fixture(scope="module")
def folding(server_dsn: str) -> Iterator[Folding]:
    stop = threading.Event()
    with (
        fresh_database(server_dsn, f"hub_other_views_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as views,
    ):
        thread = threading.Thread(target=runner.run, args=(dsn, stop, other_views.folding))
        thread.start()
        yield Folding(process_of(os.getpid()), dsn, journal, views)
        stop.set()
        thread.join()


# The first one of these: what the process counts it says once a second, and has counted nothing yet.
def test_what_it_folds_is_counted_by_the_process_that_started_it(folding: Folding) -> None:
    before = names.VIEW_FOLDED.values.get((DAILY_USAGE.name,), 0)
    folding.journal.append(journey(), journey(at_s=1_800_000_000))
    wait_until(lambda: names.VIEW_FOLDED.values.get((DAILY_USAGE.name,), 0) == before + 2)
    assert folding.process.is_running()


def test_the_other_views_are_folded_by_a_process_that_gives_way(folding: Folding) -> None:
    folding.journal.append(journey())
    wait_until(folding.has_folded)
    assert folding.process.nice() == min(19, os.nice(0) + other_views.NICENESS)


def test_the_address_of_the_database_is_not_among_its_arguments(folding: Folding) -> None:
    assert not any(folding.dsn in word for word in folding.process.cmdline())


# The last one of these: the process is another afterwards.
def test_a_killed_process_is_started_again_and_one_line_says_so(folding: Folding, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=other_views.__name__):
        folding.process.kill()
        process_of(os.getpid(), folding.process)
        folding.journal.append(journey())
        wait_until(folding.has_folded)
    assert caplog.messages == ["projections: the process of the other views ended by SIGKILL and is started again"]


def test_a_process_that_stands_still_is_killed_when_the_runner_stops(dsn: str, views: psycopg.Connection) -> None:
    others = processes_of(os.getpid())
    with other_views.folding(dsn):
        process = process_of(os.getpid(), *others)
        process.suspend()
    assert is_gone(process)


@pytest.mark.parametrize("number", one_in(2, [signal.SIGKILL, signal.SIGTERM]), ids=["killed", "stopped"])
def test_a_hub_that_ends_leaves_no_process_behind(hub: RunningHub, number: signal.Signals) -> None:
    edge = hub.edges[0]
    assert edge.process is not None
    process = process_of(edge.process.pid)
    edge.signal(number)
    edge.process.wait(WITHIN_S)
    wait_until(lambda: is_gone(process))


@pytest.mark.slow
def test_a_hub_says_in_one_line_that_the_process_was_started_again(hub: RunningHub) -> None:
    edge = hub.edges[0]
    assert edge.process is not None
    killed = process_of(edge.process.pid)
    killed.kill()
    process_of(edge.process.pid, killed)
    line = "projections: the process of the other views ended by SIGKILL and is started again"
    wait_until(lambda: edge.log.read_text().count(line) == 1)
