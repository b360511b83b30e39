"""The logs of a process, set up in one call: lines on stderr, and two logs that are kept, of who called and of what bears on security.

Nobody waits for a log: lines go through bounded queues and are dropped and counted where those are full. No line may hold what names a
person or a card: participants, methods, codes and numbers only.
"""

import atexit
import json
import os
import threading
import time
from json.encoder import encode_basestring as _quoted
from pathlib import Path
from typing import NamedTuple

from hub.telemetry.daily_log import DailyLog, time_of
from hub.telemetry.process_log import speak_on_stderr

WRITE_EVERY_S = 0.25
TIDY_EVERY_S = 600.0
_json = json.JSONEncoder(ensure_ascii=False, default=str).encode


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


class _Kept:
    """The two logs of this process; the thread is there in processes that serve."""

    access: DailyLog | None = None
    security: DailyLog | None = None
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
    _Kept.security.add({"time": time_of(time.time_ns()), "event": event, "service": _Kept.service, "pid": os.getpid(), **fields})
    if _Kept.thread is None:
        _Kept.security.write()


def open_kept_logs(service: str, directory: Path, keep_days: int, max_bytes: int) -> None:
    """Opens the access and the security log of this process; what waits is written when it ends."""
    if _Kept.security is None:
        _Kept.service = service
        _Kept.access = DailyLog("access", directory, keep_days, max_bytes, _access_json)
        _Kept.security = DailyLog("security", directory, keep_days, max_bytes, _json)
        atexit.register(flush)


def set_up_logs(service: str, directory: Path, keep_days: int, max_bytes: int) -> None:
    """Sets up all logs of a process that serves: stderr as JSON lines (readable ones on a terminal), access and security in *directory*."""
    open_kept_logs(service, directory, keep_days, max_bytes)
    speak_on_stderr(service)
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
    time_ns, participant, method, code, reason, duration_s, request_bytes, response_bytes, events, trace_id = line
    return (
        f'{{"time": "{time_of(time_ns)}", "participant": {_quoted(participant)}, "method": {_quoted(method)}, "code": {_quoted(code)}, '
        f'"reason": {_quoted(reason)}, "duration_s": {duration_s:.6f}, "request_bytes": {request_bytes}, '
        f'"response_bytes": {response_bytes}, "events": {events}, "trace_id": {_quoted(trace_id)}, '
        f'"service": "{_Kept.service}", "pid": {os.getpid()}}}'
    )
