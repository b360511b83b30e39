"""What of the journal a participant may read: what concerns its province and is its to read, and which identifiers it gets in clear.

An event concerns the card's issuer and the side where it happened or that reported it; what the hub decided about a card concerns both in
the same way. Of these a participant reads what the scope of its role READER names. An identifier of a card is given in clear to who has
the role ISSUER for it and to nobody else; persons, names, telephones and accounts only where the issuer's side sent them itself. Every
other reference goes out without a value: the hub's keys are for life, and two events of a person must not become linkable on the other
side. Events name each other by feed and number instead.
"""

from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.quarantine import HANDLING_KINDS
from hub.domain.role_table import NOBODY, role_table
from hub.domain.roles import Rights

# What the two sides or the hub lay down for both of them.
FOR_BOTH_SIDES = ("agreement_", "service_item_", "rules_", "hotlist_published")


class Reader(NamedTuple):
    """Who reads: a participant's URI name and what it may do."""

    urn: str
    rights: Rights

    @property
    def province(self) -> str:
        """Its province."""
        return self.rights.province


class Origin(NamedTuple):
    """Where an event was recorded: the feed's name, "" outside a feed, its owner's URI name and the province that one speaks for."""

    feed: str
    owner: str
    province: str


def concerns(event: event_pb2.Event, kind: str, origin: Origin, reader: Reader) -> bool:
    """Whether a reader gets an event."""
    return _may_read(event, kind, origin, reader) and _is_of(event, kind, origin, reader)


def may_ask_for(kind: str, rights: Rights) -> bool:
    """Whether there can be events of a kind that are a reader's to read; of those that nobody gets there is nothing to refuse."""
    read_as = role_table().kinds.get(kind, NOBODY).read_as
    if read_as == "DECISIONS":
        return not rights.reads.isdisjoint(("DECISIONS", "OWN_DECISIONS"))
    return read_as in ("", *rights.reads) or ("OWN_EVENTS" in rights.reads and read_as != "QUARANTINE")


def _may_read(event: event_pb2.Event, kind: str, origin: Origin, reader: Reader) -> bool:
    reads, read_as = reader.rights.reads, role_table().kinds.get(kind, NOBODY).read_as
    if read_as in reads:
        return True
    if kind == "decision_made":
        return "OWN_DECISIONS" in reads and bool(event.decision_made.participant == reader.urn)
    return "OWN_EVENTS" in reads and origin.owner == reader.urn and read_as not in ("", "QUARANTINE")


def _is_of(event: event_pb2.Event, kind: str, origin: Origin, reader: Reader) -> bool:
    if kind == "event_quarantined" or kind in HANDLING_KINDS:
        return origin.owner == reader.urn
    if kind.startswith(FOR_BOTH_SIDES):
        return True
    province = reader.province
    return province in (event.card.issuing_province, origin.province) or event.service_region[:2] == province


def is_readable(ref: Any, event: event_pb2.Event, origin: Origin, reader: Reader) -> bool:
    """Whether a reader gets the identifier of a reference in clear."""
    if isinstance(ref, references.CardRef):
        return reader.rights.issues(ref.issuing_province, event.issuer_region)
    return reader.rights.issues(event.card.issuing_province, event.issuer_region) and origin.province == reader.province


def identifier_of(ref: Any, name: str) -> str:
    """Returns the identifier within its name, such as S00000123 of card|51|S00000123."""
    parts = 2 if isinstance(ref, (references.CardRef, references.PersonRef)) else 1
    return name.split("|", parts)[parts]
