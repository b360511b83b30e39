"""What the hub says while it runs: structured lines on stderr, and two logs that are kept, of who called and of what bears on security.

Nobody waits for a log: lines go through bounded queues and are dropped and counted where those are full. No line may hold what names a
person or a card: an exception is told by its type and place, never by its message, which may quote a row.
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
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import Any, NamedTuple

from hub.telemetry import names
from hub.telemetry.kept_log import KeptLog, time_of

WAITING_RECORDS = 10_000
WRITE_EVERY_S = 0.25
TIDY_EVERY_S = 600.0
FLUSH_PATIENCE_S = 2.0
_PID = os.getpid()
_json = json.JSONEncoder(ensure_ascii=False, default=str).encode
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class AccessLine(NamedTuple):
    """One call: participants, methods, codes and numbers only."""

    time_ns: int
    participant: str
    method: str
    code: str
    reason: str
    duration_s: float
    request_bytes: int
    response_bytes: int
    events: int
    trace_id: str
    peer_serial: str = ""


class _Kept:
    """The two logs of this process; the thread is there in processes that serve."""

    access: KeptLog | None = None
    security: KeptLog | None = None
    service = ""
    thread: threading.Thread | None = None


def access(line: AccessLine) -> None:
    """Queues a line of the access log; dropped before the logs are opened."""
    if _Kept.access is not None:
        _Kept.access.add(line)


def security(event: str, **fields: str | int) -> None:
    """Adds a line to the security log: at once in a command, by the thread in a process that serves."""
    if _Kept.security is None:
        return
    _Kept.security.add({"time": time_of(time.time_ns()), "event": event, "service": _Kept.service, "pid": _PID, **fields})
    if _Kept.thread is None:
        _Kept.security.write()


def open_kept_logs(service: str, directory: Path, keep_days: int, max_bytes: int) -> None:
    """Opens the access and the security log of this process; what waits is written when it ends."""
    if _Kept.security is None:
        _Kept.service = service
        _Kept.access = KeptLog("access", directory, keep_days, max_bytes, _access_json)
        _Kept.security = KeptLog("security", directory, keep_days, max_bytes, _json)
        atexit.register(flush)


def set_up_logs(service: str, directory: Path, keep_days: int, max_bytes: int) -> None:
    """Sets up all logs of a process that serves: stderr as JSON lines (readable ones on a terminal), access and security in *directory*."""
    open_kept_logs(service, directory, keep_days, max_bytes)
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(WAITING_RECORDS)
    stderr = _Stderr()
    stderr.setFormatter(_Readable() if sys.stderr.isatty() else _JsonLines(service))
    logging.handlers.QueueListener(waiting, stderr).start()
    logging.basicConfig(level=logging.INFO, handlers=[_Queued(waiting)], force=True)
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed
    atexit.register(_await_empty, waiting)
    if _Kept.thread is None:
        _Kept.thread = threading.Thread(target=_write_and_tidy, name="logs", daemon=True)
        _Kept.thread.start()


def flush() -> None:
    """Writes what waits in the access and security logs."""
    for kept in (_Kept.access, _Kept.security):
        if kept is not None:
            kept.write()


def _write_and_tidy() -> None:
    tidy_at = 0.0
    while True:
        time.sleep(WRITE_EVERY_S)
        flush()
        if time.monotonic() >= tidy_at:
            tidy_at = time.monotonic() + TIDY_EVERY_S
            for kept in (_Kept.access, _Kept.security):
                if kept is not None:
                    kept.tidy()


def _access_json(line: AccessLine) -> str:
    """Renders what the general encoder would take four times as long for."""
    time_ns, participant, method, code, reason, duration_s, request_bytes, response_bytes, events, trace_id, peer_serial = line
    return (
        f'{{"time": "{time_of(time_ns)}", "participant": {_quoted(participant)}, "method": {_quoted(method)}, "code": {_quoted(code)}, '
        f'"reason": {_quoted(reason)}, "duration_s": {duration_s:.6f}, "request_bytes": {request_bytes}, '
        f'"response_bytes": {response_bytes}, "events": {events}, "trace_id": {_quoted(trace_id)}, '
        f'"peer_serial": {_quoted(peer_serial)}, "service": "{_Kept.service}", "pid": {_PID}}}'
    )


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
        """Renders what the arguments and the exception say now: they may change, and must not be held."""
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
        """Renders a record; `extra` fields such as trace_id stand beside the others."""
        line = {
            "time": time_of(int(record.created * 1_000_000) * 1_000),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "pid": record.process,
        }
        return _json({**line, **_extra(record)})


class _Readable(logging.Formatter):
    """A line for who looks at the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Renders time, level, message and the extra fields."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items())
        return f"{clock} {record.levelname:<7} {record.getMessage()}{extra}"


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _told(error: BaseException) -> dict[str, Any]:
    """Tells an exception without its message: its type, its SQLSTATE if it has one, and where it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    sqlstate = getattr(error, "sqlstate", None)
    return {"error": type(error).__name__, "places": places, **({"sqlstate": sqlstate} if sqlstate else {})}
