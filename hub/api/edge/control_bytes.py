"""What comes on connections beside messages: pings, settings, headers, updates of windows.

gRPC answers each ping and each change of settings, and bounds only how many answers wait. So a client that sends nothing else has threads
of the edge for itself, without a call that the gate would see. The kernel counts what each connection brought; what is not explained by
messages that were read, by calls that began and by what the client was sent is counted here, by certificate.
"""

import time
from dataclasses import dataclass, field

from hub.api.edge.transport import UNREAD_BYTES_OF_A_STREAM

# Unexplained, so many a second and so many at once: two hundred times what a client needs for pings, and little work for gRPC.
CONTROL_BYTES_PER_S = 256 * 1024
CONTROL_BYTES_AT_ONCE = 4 * 1024 * 1024
# Frames and TLS around a message, and the update of the window for its answer.
AROUND_A_MESSAGE = 256
# Metadata and TLS of a call.
AROUND_A_CALL = 16 * 1024
# A client says now and again how far it has read: a small part of what it was sent.
SENT_FOR_A_BYTE = 16
# Messages of so many open calls may have come and wait unread.
CALLS_UNREAD = 256


@dataclass(frozen=True, slots=True)
class Brought:
    """What the connections of a certificate brought since the last look, and how many of their calls are open now."""

    received: int
    sent: int
    begun: int
    is_open: int


@dataclass(slots=True)
class ControlBytes:
    """Of one certificate."""

    level: float = 0.0
    at_s: float = field(default_factory=time.monotonic)

    def are_too_many(self, brought: Brought, explained: int, now_s: float) -> bool:
        """Counts what was brought, of which messages *explained* so much, and says whether too much of it was none."""
        explained += brought.begun * AROUND_A_CALL + brought.sent // SENT_FOR_A_BYTE
        self.level = max(0.0, self.level + brought.received - explained - (now_s - self.at_s) * CONTROL_BYTES_PER_S)
        self.at_s = now_s
        return self.level > CONTROL_BYTES_AT_ONCE + min(brought.is_open, CALLS_UNREAD) * UNREAD_BYTES_OF_A_STREAM
