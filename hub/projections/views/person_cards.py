"""View: the cards each person holds, by issuing province, with who took whose place, and second current cards of one province.

A row belongs to a holder as events name one, and says what those events say: an event that names no holder is no part of it, so
that the standing of a card is to be read from `card_standing`. Temporary cards are counted apart (G10, G15).
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import psycopg

from hub.domain.card import Fact, Finding, with_fact, without_fact
from hub.domain.person import PLACE_KINDS, Cards, HeldCard, cards_of
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.card_standing import fact_told, predecessor
from hub.projections.views.findings import Found, Listed, policies_of_province

_encode = json.JSONEncoder(separators=(",", ":")).encode
_KINDS = PLACE_KINDS | {"holder_data_corrected"}

# What a row keeps of each card, by (issuing province, card key in hex).
Told = dict[tuple[str, str], list[Fact]]


class PersonCards(NamedTuple):
    """A row's values: *cards* are all that the holder ever had, the counts are of current ones."""

    told: str
    cards: str
    current_count: int
    temporary_count: int
    findings: str
    finding_count: int


def held_of(text: str) -> list[HeldCard]:
    """Reads the cards of a row."""
    return [HeldCard(*entry) for entry in json.loads(text)]


def _holders(recorded: Recorded) -> Iterator[bytes]:
    """Names the holders: the one the event names, and the one that a corrected document makes of him."""
    event = recorded.event
    if recorded.kind in _KINDS and event.holder.key and event.card.key:
        yield event.holder.key
        if recorded.kind == "holder_data_corrected" and event.holder_data_corrected.corrected_holder.key:
            yield event.holder_data_corrected.corrected_holder.key


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the holders of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None:
            for key in _holders(about):
                yield (key,)


class Holder(NamedTuple):
    """A row decoded: what was reported of each card, and what follows from it, or the row as long as nothing was added to it."""

    told: Told
    follows: Cards | Row


def decode(row: Row) -> Holder:
    """Reads a row; what follows from what was reported is parsed by nobody."""
    return Holder(_read(row[0]), row)


def evolve(key: Key, known: Holder | None, recorded: Recorded, corrected: Recorded | None) -> Holder | None:
    """Adds what the event says of the holder's cards and takes what it corrects out."""
    told = {} if known is None else dict(known.told)
    if corrected is not None:
        told = {card: left for card, facts in told.items() if (left := without_fact(facts, corrected.position))}
    if not recorded.is_reversal and key[0] in _holders(recorded):
        for card, fact in _facts_told(recorded, key[0]):
            told[card] = with_fact(told.get(card, []), fact._replace(detail={**fact.detail, "recorded_us": recorded.recorded_us}))
    return Holder(told, _cards(told)) if told else None


def _facts_told(recorded: Recorded, holder: bytes) -> Iterator[tuple[tuple[str, str], Fact]]:
    event = recorded.event
    province, own = event.card.issuing_province, recorded.card.hex()
    if recorded.kind == "holder_data_corrected":
        corrected = event.holder_data_corrected.corrected_holder.key
        if corrected and corrected != event.holder.key:
            # The card goes over from the document that was wrong to the right one.
            is_right = holder == corrected
            yield (province, own), Fact(recorded.occurred_us, recorded.position, "holder_data_corrected", {"gone": not is_right})
        return
    fact = fact_told(recorded, is_predecessor=False)
    assert fact is not None, "every kind of this view tells a fact of its card"
    if recorded.kind == "card_superseded":
        fact = fact._replace(detail={**fact.detail, "successor": event.card_superseded.successor.key.hex()})
    if event.replacement_applied.keeps_bank_account or event.card_superseded.same_bank_account:
        fact = fact._replace(detail={**fact.detail, "same_account": True})
    if (before := predecessor(recorded)) and before.hex() != own:
        fact = fact._replace(detail={**fact.detail, "predecessor": before.hex()})
        yield (province, before.hex()), Fact(recorded.occurred_us, recorded.position, "card_superseded", {"successor": own})
    yield (province, own), fact


def _cards(told: Told) -> Cards:
    mine = {card: [fact for fact in facts if not fact.detail.get("gone")] for card, facts in told.items() if not _is_gone(facts)}
    return cards_of(told=mine, policies=policies_of_province)


def encode(holder: Holder) -> Row:
    """Writes a row."""
    told, cards = holder
    if not isinstance(cards, Cards):
        return cards
    current = [card for card in cards.held if card.is_current]
    temporary = sum(card.is_temporary for card in current)
    return PersonCards(
        told=_encode([[*card, facts] for card, facts in sorted(told.items())]),
        cards=_encode(cards.held),
        current_count=len(current) - temporary,
        temporary_count=temporary,
        findings=_encode(cards.findings),
        finding_count=len(cards.findings),
    )


def listed_persons(connection: psycopg.Connection) -> list[Listed]:
    """Reads the second current cards of all persons, in the order of the journal."""
    rows = connection.execute("SELECT encode(key, 'hex'), told, findings FROM views.person_cards WHERE finding_count > 0").fetchall()
    listed = []
    for key, text, findings in rows:
        facts = {fact.position: (province, fact) for (province, _), told in _read(text).items() for fact in told}
        for entry in json.loads(findings):
            finding = Finding(*entry)
            province, fact = facts[finding.position]
            listed.append(Listed("person", key, province, Found(*finding, fact.kind, fact.occurred_us, fact.detail["recorded_us"], 0)))
    return sorted(listed, key=lambda one: one.found)


def _is_gone(facts: list[Fact]) -> bool:
    """Whether the last correction of the holder's document took the card away."""
    return next((bool(fact.detail["gone"]) for fact in reversed(facts) if "gone" in fact.detail), False)


def _read(text: str) -> Told:
    return {(province, card): [Fact(*entry) for entry in facts] for province, card, facts in json.loads(text)}


PERSON_CARDS = Projection(
    name="person_cards",
    key_columns=(("key", "bytea"),),
    value_columns=(
        ("told", "text"),
        ("cards", "text"),
        ("current_count", "integer"),
        ("temporary_count", "integer"),
        ("findings", "text"),
        ("finding_count", "integer"),
    ),
    kinds=_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=("finding_count",),
)
