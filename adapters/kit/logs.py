"""The log of an adapter: one line a happening on standard error, with the id of the trace it belongs to where there is one."""

import logging

from adapters.kit.trace import current_trace


def log_to_standard_error() -> None:
    """Sets up logging for the process."""
    handler = logging.StreamHandler()
    handler.addFilter(_with_trace_id)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s%(in_trace)s", handlers=[handler])


def _with_trace_id(record: logging.LogRecord) -> bool:
    trace = current_trace()
    record.in_trace = f" trace_id={trace.trace_id}" if trace else ""
    return True
