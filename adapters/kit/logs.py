"""The log of an adapter: one JSON object a line on standard error, in the form of the hub's; readable lines on a terminal.

An exception is logged by its type and place, never by its message, which may quote what a province sent.
"""

import json
import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

from adapters.kit.native_stderr import log_native_lines
from adapters.kit.trace import current_trace

# What uvicorn adds for terminals only, colour codes among it.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


def log_to_standard_error(service: str) -> None:
    """Sets up logging for the process, that of libraries, their lines past all logging, and what ends a thread or the process included."""
    log_native_lines()
    handler = logging.StreamHandler()
    handler.setFormatter(_Readable() if sys.stderr.isatty() else JsonLines(service))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    sys.excepthook = _ended
    threading.excepthook = lambda failed: _log_end(failed.exc_value or failed.exc_type())


def _ended(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, place)
    else:
        _log_end(error)


def _log_end(error: BaseException) -> None:
    logging.getLogger(__name__).critical("ended by a fault", exc_info=error)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, service: str) -> None:
        """Names the adapter in every line."""
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """Renders a record; `extra` fields, the trace id and an exception are beside the others."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.created % 1 * 1_000_000):06d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "service": self._service,
            "pid": record.process,
        }
        return json.dumps({**line, **_further(record)}, ensure_ascii=False, default=str)


class _Readable(logging.Formatter):
    """A line for somebody at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        further = "".join(f" {name}={value}" for name, value in _further(record).items())
        return f"{clock} {record.levelname:<7} {record.getMessage()}{further}"


def _further(record: logging.LogRecord) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    if trace := current_trace():
        fields["trace_id"] = trace.trace_id
    if record.exc_info and (error := record.exc_info[1]) is not None:
        fields |= {"error": type(error).__name__, "places": _places(error)}
    return fields


def _places(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
