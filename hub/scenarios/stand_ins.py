"""What the intake does to a step, in memory: it finds what is wrong with identifiers, quarantines, and puts keys in their place."""

import hashlib

from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import Message

from hub.domain.declared_loss import declared_loss
from hub.domain.pseudonym import references_of
from hub.domain.roles import Rights


def identifier_problems(event: event_pb2.Event, kind: str) -> list[tuple[str, str]]:
    """Returns what is wrong with identifiers, as the intake finds it."""
    found = [("", place, ref) for place, ref in references_of(event)]
    found += [(f"{kind}.", place, ref) for place, ref in references_of(getattr(event, kind))]
    problems = [(f"{prefix}{'.'.join(place.path)}.clear", place.problem(ref)) for prefix, place, ref in found]
    return [(path, problem.lower()) for path, problem in problems if problem is not None]


def stand_in(event: event_pb2.Event, kind: str, broken: list[tuple[str, str]], rights: Rights, recorded_us: int) -> event_pb2.Event:
    """Returns what takes the number of an event in quarantine."""
    stand_in = event_pb2.Event(occurred_at=event.occurred_at)
    stand_in.event_quarantined.declared_kind = kind
    if (card := declared_loss(event, kind, broken, rights)) is not None:
        stand_in.event_quarantined.blocked_card.CopyFrom(card)
        if any(path == "occurred_at" for path, _ in broken):
            stand_in.occurred_at.FromMicroseconds(recorded_us)
    return stand_in


def pseudonymise(event: event_pb2.Event, kind: str) -> None:
    """Puts keys into the references of an event."""
    for message in (event, getattr(event, kind)):
        key_references(message)


def key_references(message: Message) -> None:
    """Puts keys into the references of a message."""
    for place, ref in references_of(message):
        ref.key = key_named(place.name(ref))


def key_named(name: str) -> bytes:
    """Returns the key of an identifier by its name."""
    return hashlib.sha256(name.encode()).digest()
