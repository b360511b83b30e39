"""Lines on stderr: one JSON object each, readable ones on a terminal; nobody who logs waits for them.

An exception is logged by its type and place, never by its message, which may quote a row.
"""

import atexit
import json
import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hub.telemetry import names
from hub.telemetry.daily_log import time_of
from hub.telemetry.repeats import Repeats

WAITING_RECORDS = 10_000
FLUSH_PATIENCE_S = 2.0
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def speak_on_stderr(service: str) -> Callable[[], None]:
    """Sends all that is logged to stderr, through a bounded queue and a thread; what it returns waits a moment until all is said."""
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(WAITING_RECORDS)
    stderr = _Stderr()
    stderr.setFormatter(_Readable() if sys.stderr.isatty() else _JsonLines(service))
    logging.handlers.QueueListener(waiting, stderr).start()
    queued = _Queued(waiting)
    queued.addFilter(Repeats())
    logging.basicConfig(level=logging.INFO, handlers=[queued], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    all_is_said = partial(_await_empty, waiting)
    atexit.register(all_is_said)
    return all_is_said


def _await_empty(waiting: "queue.Queue[logging.LogRecord]") -> None:
    """Gives stderr a moment to take what waits; a reader that is stuck must not keep the process."""
    give_up_at = time.monotonic() + FLUSH_PATIENCE_S
    while waiting.unfinished_tasks and time.monotonic() < give_up_at:
        time.sleep(0.005)


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Logs what ended a thread: the default would print its message, too."""
    error = failed.exc_value or failed.exc_type()
    logging.getLogger(__name__).critical("a thread has ended", exc_info=error, extra={"thread_name": getattr(failed.thread, "name", "")})


class _Queued(logging.handlers.QueueHandler):
    """Hands records on, or counts them as dropped where too many wait."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Renders what the arguments and the exception say now: they may change, and must not be kept."""
        record.msg, record.args = record.getMessage(), None
        if record.exc_info and record.exc_info[1] is not None:
            vars(record).update(_told(record.exc_info[1]))
        record.exc_info = record.exc_text = record.stack_info = None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Never waits."""
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            names.LOG_LINES_DROPPED.add("process")


class _Stderr(logging.Handler):
    """Writes whole lines to stderr, past its buffer and without a lock: neither may hold up the end of the process."""

    def createLock(self) -> None:  # noqa: N802 (the name is logging's)
        """Needs none: one thread writes."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one line, or counts it as dropped."""
        try:
            os.write(sys.stderr.fileno(), f"{self.format(record)}\n".encode())
        except (OSError, ValueError):
            names.LOG_LINES_DROPPED.add("process")


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Renders a record; `extra` fields such as trace_id are beside the others."""
        line = {
            "time": time_of(int(record.created * 1_000_000) * 1_000),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "pid": record.process,
        }
        return json.dumps({**line, **_extra(record)}, ensure_ascii=False, default=str)


class _Readable(logging.Formatter):
    """A line for a person at the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Renders time, level, message and the extra fields."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        return f"{clock} {record.levelname:<7} {record.getMessage()}{extra}"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _told(error: BaseException) -> dict[str, Any]:
    """Describes an exception without its message: its type, its SQLSTATE if it has one, and where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    sqlstate = getattr(error, "sqlstate", None)
    return {"error": type(error).__name__, "places": places, **({"sqlstate": sqlstate} if sqlstate else {})}
