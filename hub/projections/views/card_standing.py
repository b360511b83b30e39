"""View: what each card's state-changing facts are, ordered by (occurred_at, position); its standing at an instant is derived.

A row belongs to the identifier an event was addressed by; a reader of a card takes the rows of all its identifiers together. It says
who holds the card by the last fact that names a holder, so that the holder's other cards are found.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.domain.card import STATE_KINDS, Fact, fact_of, with_fact, without_fact
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.holder_cards import holder_told

# What a row keeps of an event that names the holder: when it occurred, its position, and the holder's key in hex.
Holder = list[Any]

# json.dumps makes an encoder for every call that names separators.
_encode = json.JSONEncoder(separators=(",", ":")).encode


def facts_of(text: str) -> list[Fact]:
    """Reads the facts of a row."""
    return [Fact(*entry) for entry in json.loads(text)]


def subject(event: event_pb2.Event) -> references_pb2.CardRef:
    """Returns the card that an event is about; of an event in quarantine it is the one that it declares lost."""
    return event.card if event.HasField("card") else event.event_quarantined.blocked_card


def predecessor(recorded: Recorded) -> bytes:
    """Returns the key of the card that the event cancels by enabling its successor, empty if it does not."""
    event = recorded.event
    return event.social_function_activated.supersedes.key if recorded.kind == "social_function_activated" else b""


def _is_elsewhere(recorded: Recorded) -> bool:
    """Whether the event changes a concession of the other province's, which is none of the card's own."""
    event = recorded.event
    province = event.service_region[:2]
    return recorded.kind == "transit_concession_rebound" and province not in ("", event.card.issuing_province)


def fact_told(recorded: Recorded, is_predecessor: bool) -> Fact | None:
    """Returns the fact of the event for the card it is addressed by, or for that card's predecessor; None if it has none."""
    if recorded.kind not in STATE_KINDS or recorded.is_reversal or _is_elsewhere(recorded):
        return None
    if is_predecessor:
        # Enabling a card cancels its predecessor in the same province (L6, L15).
        return Fact(recorded.occurred_us, recorded.position, "card_superseded", {})
    fact = fact_of(recorded.kind, recorded.event, recorded.occurred_us, recorded.position)
    if before := predecessor(recorded):
        return fact._replace(detail={**fact.detail, "before": before.hex()})
    # An event does not say its own number, by which an answer may name the request.
    return fact._replace(detail={**fact.detail, "request": f"#{recorded.sequence}"}) if fact.kind == "loss_request_submitted" else fact


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the cards that the event and the one it corrects are about, their predecessors included."""
    for about in (recorded, corrected):
        if about is not None:
            for key in (subject(about.event).key, predecessor(about)):
                if key:
                    yield (key,)


class Card(NamedTuple):
    """A row: the issuing province, the facts in their order, and what names a holder."""

    province: str
    facts: list[Fact]
    holders: list[Holder]

    @property
    def holder(self) -> bytes | None:
        """The key of who has the card by the last fact that names a holder."""
        return bytes.fromhex(self.holders[-1][2]) if self.holders else None


def decode(row: Row) -> Card:
    """Reads a row."""
    province, facts, holders, _ = row
    return Card(province, facts_of(facts), json.loads(holders) if holders else [])


def encode(card: Card) -> Row:
    """Writes a row."""
    return card.province, _encode(card.facts), _encode(card.holders), card.holder


def evolve(key: Key, known: Card | None, recorded: Recorded, corrected: Recorded | None) -> Card | None:
    """Adds the event's fact; a correction first takes the corrected fact out, a reversal only does that."""
    event = recorded.event
    province, facts, holders = known if known is not None else ("", [], [])
    if corrected is not None:
        facts = without_fact(facts, corrected.position)
        holders = [told for told in holders if told[1] != corrected.position]
    card = subject(event)
    is_own = card.key == key[0]
    if (is_own or predecessor(recorded) == key[0]) and (fact := fact_told(recorded, not is_own)) is not None:
        facts = with_fact(facts, fact)
        if is_own and (holder := holder_told(recorded)) and all(told[1] != recorded.position for told in holders):
            holders = sorted([*holders, [recorded.occurred_us, recorded.position, holder.hex()]])
    return Card(province or card.issuing_province, facts, holders) if facts else None


CARD_STANDING = Projection(
    name="card_standing",
    key_columns=(("key", "bytea"),),
    value_columns=(("issuing_province", "text"), ("facts", "text"), ("holders", "text"), ("holder", "bytea")),
    kinds=STATE_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    in_parts=True,
)
