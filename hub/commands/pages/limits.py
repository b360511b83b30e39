"""The limits of the protocol, from the constants that the hub keeps them by."""

from collections.abc import Iterator

from hub.api.cards.service import STREAM_CHECKS
from hub.api.cards.view_wait import VIEW_WAIT_S
from hub.api.edge.first_message import FIRST_MESSAGE_S
from hub.api.edge.group_services import GROUP_SERVICES
from hub.api.edge.open_streams import STREAM_AGE_S
from hub.api.edge.seats import FIRST_SEATS
from hub.api.edge.transport import CONNECTION_AGE_S, METADATA_BYTES, STREAMS_OF_A_CONNECTION
from hub.api.feeds.pace import CALL_PATIENCE_S, TARGET_SHARE
from hub.api.feeds.service import STREAM_WINDOW
from hub.api.hotlists.service import PIECE_BYTES
from hub.api.joint_services.case_service import WATCHES
from hub.api.subscriptions.service import SUBSCRIPTIONS
from hub.intake.batches import BATCH_BYTES, BATCH_EVENTS, EVENT_BYTES, MESSAGE_BYTES
from hub.intake.message_reader import REQUEST_BYTES
from hub.journal.decisions import WAITING_DECISIONS
from hub.journal.writer import WAITING_BYTES, WAITING_EVENTS

HEAD = ("what", "limit", "beyond it")
_UNSEEN = "gRPC's own RESOURCE_EXHAUSTED, without a reason"


def rows() -> Iterator[tuple[str, str, str]]:
    """Yields what is limited, to how much, and what happens beyond it."""
    yield "events in a batch", f"{BATCH_EVENTS}", "BATCH_TOO_LARGE, which says how large it was and the limits"
    yield "bytes of a batch", _bytes(BATCH_BYTES), "BATCH_TOO_LARGE"
    yield (
        "bytes of an event",
        _bytes(EVENT_BYTES),
        "the event is quarantined (`too_large`) without being parsed, and the feed goes on",
    )
    yield "bytes of a request that is no batch", _bytes(REQUEST_BYTES), "REQUEST_TOO_LARGE"
    yield "bytes of a message", _bytes(MESSAGE_BYTES), f"{_UNSEEN}: the hub never sees the message"
    yield "metadata of a call, names and values", _bytes(METADATA_BYTES), _UNSEEN
    yield "from a call to its request", f"{FIRST_MESSAGE_S:g} s", "REQUEST_LATE"
    yield "batches of a stream under way", f"{STREAM_WINDOW}", "the next one is not read yet"
    yield "questions of a stream under way", f"{STREAM_CHECKS}", "the next one is not read yet"
    waiting = f"{WAITING_EVENTS:,} or {_bytes(WAITING_BYTES)}"
    yield "events or bytes that wait for a commit", waiting, "QUEUE_FULL; a stream is held back instead"
    yield (
        "of these, what one participant has waiting",
        "as much as is free: half if it is alone, a third each if they are two",
        "QUEUE_FULL; a stream is held back instead",
    )
    yield (
        "calls, events and streams of a participant",
        "its quota ([quotas.md](quotas.md))",
        "QUOTA_EXCEEDED; a stream is held back instead",
    )
    yield (
        "services of groups that a participant asks about at one edge, of one card in a day",
        f"{GROUP_SERVICES}",
        "QUOTA_EXCEEDED, before anything is looked at",
    )
    yield (
        "events that the views have not folded",
        f"what they fold in {TARGET_SHARE:.0%} of `HUB_MAX_LAG_S` ([bulk-load.md](bulk-load.md))",
        f"a stream is held back, a call waits {CALL_PATIENCE_S:g} s, then HELD_BACK; a participant that sends little is not",
    )
    yield "streams of HTTP/2 on one connection", f"{STREAMS_OF_A_CONNECTION}", "they wait with the client"
    yield "decisions that wait for a commit", f"{WAITING_DECISIONS:,}", "QUEUE_FULL"
    yield (
        "subscriptions of a process",
        f"{SUBSCRIPTIONS}; of one participant as many as a quarter of what is free, {FIRST_SEATS} in any case",
        "QUEUE_FULL",
    )
    yield "watches of cases of a process", f"{WATCHES}, shared out like subscriptions", "QUEUE_FULL"
    yield "wait for `min_position`", f"{VIEW_WAIT_S:g} s", "VIEW_BEHIND"
    yield "bytes of a piece of a hotlist", _bytes(PIECE_BYTES), "the rest follows in further pieces"
    yield "age of a stream", f"{STREAM_AGE_S / 60:g} min", "it ends with OK: open it again from the last position or number"
    yield "age of a connection", f"{CONNECTION_AGE_S / 60:g} min", "`GOAWAY`; streams open on it go on to their end"


def _bytes(size: int) -> str:
    whole, rest = divmod(size, 1024 * 1024)
    parts = [f"{whole} MiB"] if whole else []
    return " + ".join([*parts, f"{rest // 1024} KiB"] if rest else parts)
