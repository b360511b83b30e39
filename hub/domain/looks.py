"""A look at a card's record: who looked, at which card, why, and what was shown. It is an event, recorded before anything is shown."""

from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2, references_pb2

KIND = "card_record_queried"
# What is recorded where the caller gives no reason: silence is recorded as silence.
NOT_STATED = "NOT_STATED"
Shown = hub_decisions_pb2.ShownRecord


class Looker(NamedTuple):
    """Who looks: a participant's URI name, and the operator where the hub's own operators do."""

    participant: str
    operator: str = ""


class Look(NamedTuple):
    """What is looked at: a card by its key (None where all are listed), what is shown of it, why, as of which position.

    *position* is that of the decision or quarantined event which is shown, 0 if it is none.
    """

    card: references_pb2.CardRef | None
    shown: int
    purpose_code: str = ""
    as_of_position: int = 0
    position: int = 0


def look_event(looker: Looker, look: Look, at_us: int) -> event_pb2.Event:
    """Returns the event of a look."""
    event = event_pb2.Event()
    event.occurred_at.FromMicroseconds(at_us)
    if look.card is not None:
        event.card.CopyFrom(look.card)
    looked = event.card_record_queried
    looked.participant, looked.operator = looker
    looked.purpose_code = look.purpose_code or NOT_STATED
    looked.shown = look.shown  # type: ignore[assignment]
    looked.as_of_position, looked.position = look.as_of_position, look.position
    return event


def card_by_key(province: str, kind: int, key: bytes) -> references_pb2.CardRef:
    """Names a card by its key."""
    return references_pb2.CardRef(issuing_province=province, kind=kind, key=key)  # type: ignore[arg-type]
