"""Lines that native libraries write to descriptor 2 past all logging, such as GmSSL's at each wrong signature: counted, and logged in one.

Descriptor 2 becomes a pipe that a thread reads; Python's own standard error goes on to where descriptor 2 led before.
"""

import logging
import os
import sys
import threading
import time

SAY_AGAIN_S = 60.0
MOST_CHARS = 200

log = logging.getLogger(__name__)


def log_native_lines() -> None:
    """Takes over descriptor 2 for the rest of the process; called before logging is set up."""
    before = os.dup(2)
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    os.close(writer)
    sys.stderr = os.fdopen(before, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    threading.Thread(target=_drain, args=(reader,), name="native-stderr", daemon=True).start()


def _drain(reader: int) -> None:
    count, said_at = 0, -SAY_AGAIN_S
    with os.fdopen(reader, "r", encoding="utf-8", errors="replace") as lines:
        for line in lines:
            count += 1
            if time.monotonic() - said_at >= SAY_AGAIN_S:
                newest = line[:MOST_CHARS].strip()
                log.warning("native libraries wrote %d lines to standard error since the last report, the newest: %s", count, newest)
                count, said_at = 0, time.monotonic()
