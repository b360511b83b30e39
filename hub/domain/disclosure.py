"""What of the journal a province may read: which events concern it, and which identifiers it gets in clear.

An event concerns the card's issuer and the side where it happened or that told it; what the hub decided about a card concerns both in
the same way. An identifier of a card is given in clear to its issuer and to nobody else; persons, names, telephones and accounts only
to the issuer that sent them itself. Every other reference goes out without a value: the hub's keys are for life, and two events of a
person must not become linkable on the other side. Events name each other by feed and number instead.
"""

from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.quarantine import HANDLING_KINDS

# What the two sides or the hub lay down for both of them.
_FOR_BOTH_SIDES = ("agreement_", "rules_", "hotlist_published")


class Reader(NamedTuple):
    """Who reads: a participant's URI name and its province."""

    urn: str
    province: str


class Origin(NamedTuple):
    """Where an event was recorded: the feed's name, "" outside a feed, its owner's URI name and the province that one speaks for."""

    feed: str
    owner: str
    province: str


def concerns(event: event_pb2.Event, kind: str, origin: Origin, reader: Reader) -> bool:
    """Whether a reader is told of an event."""
    if kind == "event_quarantined" or kind in HANDLING_KINDS:
        return origin.owner == reader.urn
    if kind.startswith(_FOR_BOTH_SIDES):
        return True
    province = reader.province
    return province in (event.card.issuing_province, origin.province) or event.service_region[:2] == province


def is_readable(ref: Any, event: event_pb2.Event, origin: Origin, reader: Reader) -> bool:
    """Whether a reader gets the identifier of a reference in clear."""
    if isinstance(ref, references.CardRef):
        return ref.issuing_province == reader.province
    return event.card.issuing_province == reader.province == origin.province


def identifier_of(ref: Any, name: str) -> str:
    """Returns the identifier within its name, such as S00000123 of card|51|S00000123."""
    parts = 2 if isinstance(ref, (references.CardRef, references.PersonRef)) else 1
    return name.split("|", parts)[parts]
