"""A batch as it comes in, and once it is prepared.

Its events stay bytes until each has its turn, so that no batch costs more memory than its own size.

A parsed message takes many times the bytes it came as: two million empty events are 4 MB on the wire and were half a gigabyte here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from hub.domain.errors import BatchTooLarge, RequestInvalid, RequestMalformed
from hub.domain.event_rules import Violation
from hub.intake.message_reader import reader
from hub.journal.batch import Batch

BATCH_EVENTS = 500
BATCH_BYTES = 1024 * 1024
# A batch and what is around it; what exceeds the limit of a batch by little is still answered with a reason.
MESSAGE_BYTES = BATCH_BYTES + 64 * 1024
# An ordinary event has 200 bytes. One that is larger than this is quarantined as it came, without being parsed.
EVENT_BYTES = 16 * 1024
# A batch of large events counts as that many, so that the quota of events is one of bytes, too.
BYTES_OF_AN_EVENT = 2 * 1024
_EVENTS_FIELD = 3
_EVENTS_TAG = _EVENTS_FIELD << 3 | 2
# The byte of that tag occurs a few times in an ordinary event; it is no character of a text.
SUSPICIOUS_TAGS = 20_000

Kind = type[feed_service_pb2.AppendEventsRequest | feed_service_pb2.StreamEventsRequest | feed_service_pb2.ValidateEventsRequest]


@dataclass(frozen=True, slots=True)
class Received:
    """A request without its events, those as they came (none of a batch that is too large), and how many and how large it was."""

    request: Any
    sent: Sequence[bytes]
    size: int
    count: int

    @property
    def weight(self) -> int:
        """How much of the quota of events it takes; a full bucket always has room for it."""
        return min(max(self.count, self.size // BYTES_OF_AN_EVENT), BATCH_EVENTS)

    def check_size(self) -> None:
        """Raises BatchTooLarge."""
        if self.count > BATCH_EVENTS or self.size > BATCH_BYTES:
            found = {"events": self.count, "bytes": self.size, "limit_events": BATCH_EVENTS, "limit_bytes": BATCH_BYTES}
            events = f"more than {BATCH_EVENTS}" if self.count == BATCH_EVENTS + 1 else f"{self.count:,}"
            raise BatchTooLarge(f"It has {events} events and {self.size:,} bytes.", **found)


class Proof(NamedTuple):
    """A batch's blind, the digest of its events, and both with the signature as the field of an event."""

    blind: bytes
    digest: bytes
    field: bytes


@dataclass(slots=True)
class Prepared:
    """A batch ready to be written, what to remember once it is, which events are quarantined (by offset), when the last good one was.

    *proof* is what is kept of it with its last event.
    """

    batch: Batch
    new_identifiers: dict[str, bytes]
    quarantined: dict[int, list[Violation]]
    newest_s: int | None = None
    proof: Proof | None = None


def batch_reader(kind: Kind) -> Callable[[bytes], Received]:
    """Returns what reads requests of a type; it raises RequestMalformed, RequestInvalid for more trace parents than a batch has events."""
    read = reader(_with_events_as_bytes(kind), MESSAGE_BYTES)
    others = [field.name for field in kind.DESCRIPTOR.fields if field.number != _EVENTS_FIELD]

    def read_batch(data: bytes) -> Received:
        if data.count(_EVENTS_TAG) > SUSPICIOUS_TAGS and (too_many := _too_many(data)):
            # Half a million events of no bytes take 5 ms to parse, and everybody waits for it.
            return Received(read(data[: too_many.at]), (), len(data), too_many.events)
        request: Any = read(data)
        count = len(request.events)
        kept = {name: getattr(request, name) for name in others}
        if len(parents := kept.get("trace_parents", ())) > max(count, BATCH_EVENTS):
            raise RequestInvalid([("trace_parents", "repeated.max_items")])
        sent = list(request.events) if count <= BATCH_EVENTS and len(data) <= BATCH_BYTES else ()
        # What is kept while the batch waits must not be what was sent to fill the memory.
        slim: Any = type(request)(**(kept | {"trace_parents": parents[:BATCH_EVENTS]} if parents else kept))
        return Received(slim, sent, len(data), count)

    return read_batch


class _TooMany(NamedTuple):
    """Where the first event of a batch is, and how many were counted."""

    at: int
    events: int


def _too_many(data: bytes) -> _TooMany | None:
    """Counts the events of a batch without parsing it, up to one more than it may have; None if it has no more or is malformed."""
    count = at = first = 0
    try:
        while at < len(data):
            begin = at
            tag, at = _varint(data, at)
            length, at = _varint(data, at) if tag & 7 in (0, 2) else (len(data), at)
            at += length if tag & 7 else 0
            if tag == _EVENTS_TAG:
                first = first if count else begin
                count += 1
                if count > BATCH_EVENTS:
                    return _TooMany(first, count)
    except IndexError:
        pass
    return None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) & 128:
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
    return value | byte << shift, at + 1


def read_event(sent: bytes) -> event_pb2.Event | None:
    """Parses an event, None if it is above EVENT_BYTES; raises RequestMalformed. What is unknown here is still in it."""
    if len(sent) > EVENT_BYTES:
        return None
    try:
        return event_pb2.Event.FromString(sent)
    except DecodeError:
        raise RequestMalformed from None


def _with_events_as_bytes(kind: Kind) -> type[Any]:
    """Makes the type of the same fields that leaves events as bytes: `repeated bytes` has the wire format of a repeated message."""
    file = descriptor_pb2.FileDescriptorProto(name="hub/batch.proto", package="hub", syntax="proto3")
    message = file.message_type.add()
    kind.DESCRIPTOR.CopyToProto(message)
    for field in message.field:
        field.ClearField("options")
        if field.number == _EVENTS_FIELD:
            assert field.name == "events"
            field.type = field.TYPE_BYTES
            field.ClearField("type_name")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"hub.{kind.DESCRIPTOR.name}"))
