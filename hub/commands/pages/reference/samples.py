"""What the examples of the reference share: a card, an event, instants; the numbers are well-formed and nobody's."""

from typing import NamedTuple

from chuanyu.exchange.v1 import card_lifecycle_pb2, event_pb2, references_pb2
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

FEED = "cq.card-center"
TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# 2026-03-02 09:30:15 in +08:00.
_AT_S = 1_772_415_015
_CARD_NO = "A12345678"


class Example(NamedTuple):
    """A request and the answer to it; of a stream, one of each."""

    request: Message
    response: Message


def at(seconds: int = 0) -> Timestamp:
    """Returns the instant of the loss, or one so many seconds later."""
    return Timestamp(seconds=_AT_S + seconds)


def card() -> references_pb2.CardRef:
    """Returns the card that all examples are about."""
    return references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear=_CARD_NO)


def loss() -> event_pb2.Event:
    """Returns the loss of the card, as its issuer reports it."""
    return event_pb2.Event(
        occurred_at=at(),
        source=event_pb2.Source(system="cq-card-center", message_id="20260302-000017"),
        card=card(),
        issuer_region="500199",
        temporary_loss_reported=card_lifecycle_pb2.TemporaryLossReported(channel=card_lifecycle_pb2.REPORT_CHANNEL_WINDOW),
    )
