"""The views that no answer rests on, folded in a process of their own, which gives way where the processor is short.

The process that folds what answers rest on starts it, adds what it counts to its own numbers, starts it again when it ends, and stops it.
However that process ends, the kernel ends this one with it. A hub makes the first one as a copy of itself, before it serves; later ones are
new interpreters.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from signal import Signals

from hub.child import Child, Copy, is_called, python
from hub.config import Config
from hub.giving_way import work_behind
from hub.projections import runner
from hub.telemetry import relay
from hub.telemetry.process_log import speak_on_stderr
from hub.telemetry.setup import TelemetrySettings, store_in, tracing

log = logging.getLogger(__name__)

# Questions and batches come first where the processor is short. With ten, on two busy cores, these views were 6 s late after 30 s of 5,000
# events a second, and later all the time.
NICENESS = 2
REPORT_EVERY_S = 1.0
# What a page takes; one that is killed in the middle of a page loses nothing.
STOP_S = 3.0
START_AGAIN_S = 0.5
MOST_WAIT_S = 8.0
# One that worked for so long did not end by what it began with.
WORKED_S = 30.0
# What the list of processes calls it.
NAME = "other-views"
_TRACES = "traces"


@contextlib.contextmanager
def prepared(dsn: str, *, traced: bool) -> Iterator[runner.Beside]:
    """Copies this process, before gRPC is at work in it, and gives what has the other views folded: by that copy at first."""
    spare: list[Copy] = []
    # Where there is no room for it now, it is started when it is wanted.
    with contextlib.suppress(OSError):
        spare.append(Copy(partial(_fold, dsn, traced)))
    try:
        yield partial(folding, traced=traced, spare=spare)
    finally:
        for unused in spare:
            unused.kill()
            unused.wait()


@contextlib.contextmanager
def folding(dsn: str, *, traced: bool = False, spare: list[Copy] | None = None) -> Iterator[None]:
    """Has the other views folded meanwhile, and traces of it kept as those of this process if it is *traced*.

    It takes its first process from *spare*, if there is one.
    """
    watched = _Watched(dsn, traced, [] if spare is None else spare)
    try:
        yield
    finally:
        watched.stop()


class _Watched:
    """The process, and the thread that reads what it says until it ends, and starts it again."""

    _child: Child | Copy | None

    def __init__(self, dsn: str, traced: bool, spare: list[Copy]) -> None:
        # Not among the arguments: those are for everybody to read.
        self._environment = {**os.environ, "HUB_DSN": dsn}
        self._command = python("hub.projections.other_views", *([_TRACES] if traced else []))
        self._stopping, self._lock = threading.Event(), threading.Lock()
        self._spare, self._child = spare, None
        self._thread = threading.Thread(target=self._watch, name=NAME)
        self._thread.start()

    def _watch(self) -> None:
        wait_s = START_AGAIN_S
        while (child := self._start()) is not None:
            began_s = time.monotonic()
            ended = _ended(child)
            wait_s = START_AGAIN_S if time.monotonic() - began_s > WORKED_S else min(MOST_WAIT_S, 2 * wait_s)
            if not self._stopping.wait(wait_s):
                log.warning("projections: the process of the other views ended by %s and is started again", ended)

    def _start(self) -> Child | Copy | None:
        """Starts the process, None if it is to be stopped."""
        while True:
            with self._lock:
                if self._stopping.is_set():
                    return None
                try:
                    self._child = self._begin()
                except OSError as failure:
                    log.warning("projections: the process of the other views cannot be started: %s", failure.strerror)
                else:
                    return self._child
            self._stopping.wait(MOST_WAIT_S)

    def _begin(self) -> Child | Copy:
        if not self._spare:
            return Child(self._command, self._environment)
        copy = self._spare.pop()
        copy.begin()
        return copy

    def stop(self) -> None:
        """Asks it to end after the page under way, and kills it where that takes too long."""
        with self._lock:
            self._stopping.set()
            child = self._child
        if child is not None:
            child.terminate()
            self._thread.join(STOP_S)
            child.kill()
        self._thread.join()


def _ended(child: Child | Copy) -> str:
    """Adds what a child counts to the numbers of this process until it ends, and returns how it ended."""
    assert child.stdout is not None
    with child.stdout as lines:
        for line in lines:
            relay.add(line)
    code = child.wait()
    return Signals(-code).name if code < 0 else f"exit code {code}"


def main() -> None:
    """Folds the other views of the database that the environment names, until it is asked to end."""
    _fold(Config().dsn, _TRACES in sys.argv)


def _fold(dsn: str, traced: bool) -> None:
    is_called(NAME)
    work_behind(NICENESS)
    config, stop = Config(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    all_is_said = speak_on_stderr("hub project")
    counted = relay.Counted()
    # A copy has what its parent had counted.
    counted.since()
    reporting = threading.Thread(target=_report, args=(counted, stop), name="report", daemon=True)
    reporting.start()
    with _traced(config) if traced else contextlib.nullcontext():
        runner.follow(dsn, stop)
    reporting.join()
    _say(counted)
    all_is_said()


def _traced(config: Config) -> contextlib.AbstractContextManager[None]:
    store = store_in(config.data_dir, config.trace_keep_hours, config.trace_max_bytes)
    settings = TelemetrySettings(store, config.otlp_endpoint, share=config.trace_share, slow_ms=config.trace_slow_ms)
    return tracing(settings, "hub project")


def _report(counted: relay.Counted, stop: threading.Event) -> None:
    while not stop.wait(REPORT_EVERY_S):
        _say(counted)


def _say(counted: relay.Counted) -> None:
    if line := counted.since():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
