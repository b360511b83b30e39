"""Lines that native libraries write to descriptor 2 past all logging, as gRPC's core does at each refused TLS handshake: counted, and said
in one line a minute of each kind.

gRPC gives Python no word of a refused handshake. Its own line has the reason and not the peer; the peer is in the lines of its tracer
`handshaker`, which is switched on unless GRPC_TRACE says which tracers are.
"""

import contextlib
import faulthandler
import fcntl
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable

log = logging.getLogger(__name__)

SAY_AGAIN_S = 60.0
MOST_CHARS = 200
MOST_PEERS = 20
PIPE_BYTES = 1 << 20
_REFUSED = re.compile(r"Handshake failed with error (?:SSL_ERROR_SSL: )?(.*)")
# The tracer's word of a refusal goes over two lines.
_FAILED = "handshake failed (TSI"
_PEER = re.compile(r"endpoint_peer_address=(?:ipv[46]:)?([^,}\s]{1,64})")
# What the tracer says of handshakes that succeed, or says again.
_TRACED = re.compile(r"(?:handshaker\.cc|channel_trace\.h|trace\.cc):\d+\]|shutdown=(?:true|false) index=")


def log_native_lines() -> None:
    """Takes over descriptor 2 for the rest of the process; called before logging is set up, and before anything begins to listen.

    What ends the process is still said there.
    """
    os.environ.setdefault("GRPC_TRACE", "handshaker")
    before = os.dup(2)
    reader, writer = os.pipe()
    # Who writes to a full pipe waits, and that is the core with all connections: there is room for a storm of them.
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.dup2(writer, 2)
    os.close(writer)
    sys.stderr = os.fdopen(before, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    # A native crash takes with it what is in the pipe.
    faulthandler.enable(sys.stderr)
    threading.Thread(target=_drain, args=(reader,), name="native-stderr", daemon=True).start()


def _drain(reader: int) -> None:
    with os.fdopen(reader, "r", encoding="utf-8", errors="replace") as lines:
        watch(lines)


def watch(lines: Iterable[str]) -> None:
    """Reads lines to their end, and logs what they say."""
    refused, other = _Counted(), _Counted()
    has_failed = False
    for line in lines:
        has_failed = has_failed or _FAILED in line
        if has_failed and (found := _PEER.search(line)) is not None:
            has_failed = False
            if refused.is_new(found[1].rpartition(":")[0]):
                log.warning("tls: a handshake was refused", extra={"peer": found[1]})
        elif (found := _REFUSED.search(line)) is not None:
            if count := refused.add():
                log.warning("tls: handshakes were refused", extra={"count": count, "reason": found[1][:MOST_CHARS].strip()})
        elif not has_failed and _TRACED.search(line) is None and (count := other.add()):
            extra = {"count": count, "newest": line[:MOST_CHARS].strip()}
            log.warning("native libraries wrote to standard error", extra=extra)


class _Counted:
    """How many lines of a kind came since it was last said, and which peers were named in this minute."""

    def __init__(self) -> None:
        self._count, self._said_at = 0, -SAY_AGAIN_S
        self._hosts: set[str] = set()
        self._hosts_since = -SAY_AGAIN_S

    def add(self) -> int:
        """Counts one more; returns how many to say, 0 for nothing yet."""
        self._count += 1
        if time.monotonic() - self._said_at < SAY_AGAIN_S:
            return 0
        count, self._count, self._said_at = self._count, 0, time.monotonic()
        return count

    def is_new(self, host: str) -> bool:
        """Whether a host is named for the first time in this minute, in which MOST_PEERS are."""
        if time.monotonic() - self._hosts_since >= SAY_AGAIN_S:
            self._hosts_since = time.monotonic()
            self._hosts.clear()
        if host in self._hosts or len(self._hosts) >= MOST_PEERS:
            return False
        self._hosts.add(host)
        return True
