"""View: what contradicts what on each card, with both events; uses after its loss or cancellation among them, whichever was reported first.

A row is a fold of its own: it keeps the card's facts, and its uses in a table beside it, so that findings appear and vanish as late facts
reorder history. A use is only added, and compared with the instant before which nothing had happened that could make it a finding; the
uses of a card are read again only where a fact or a correction may change what they are. A row belongs to the card number where an event
names one, else to the identifier the event was addressed by. What follows from other cards of the holder is in `unverified`. Policy is the
reference tables' at the time the view is folded.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain import reference
from hub.domain.card import STATE_KINDS, Fact, Finding, PolicyAt, policies_of, standing, with_fact, without_fact
from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.findings import PAYMENT_KINDS, UNVERIFIED, USE_KINDS, Use, use_after
from hub.domain.succession import DIED
from hub.journal.reader import Recorded
from hub.projections.projection import Items, Key, Projection, Row
from hub.projections.views.card_standing import fact_told, facts_of, predecessor, subject

# Of the uses that are findings a row has the last ones.
FINDINGS_KEPT = 256
_ALWAYS_US = 2**62
_KIND_NAMES = {number: name for name, number in KIND_NUMBERS.items()}
_encode = json.JSONEncoder(separators=(",", ":")).encode
_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO
_OUT_OF_USE = frozenset({"TEMP_LOST", "FORMALLY_LOST", "CANCELLED"})
# A fact of these kinds makes no use a finding, whatever the card was before: it ends nothing.
_HARMLESS_PARTS = ("bank_account_", "transit_", "pin_", "ecard_", "production_")
HARMLESS = frozenset(kind for kind in STATE_KINDS if kind.startswith(_HARMLESS_PARTS)) | {
    "card_applied",
    "card_handed_over",
    "card_returned",
    "social_function_activated",
    "insured_region_moved",
}


class Found(NamedTuple):
    """A finding as the view has it: both positions, code, and of the later event its kind, instants and medium (0: no use)."""

    position: int
    against_position: int
    code: str
    kind: str
    occurred_us: int
    recorded_us: int
    medium: int


class _Use(NamedTuple):
    """A use as a row has it; *kind* is the number of its kind."""

    position: int
    occurred_us: int
    recorded_us: int
    kind: int
    medium: int


class Card(NamedTuple):
    """A row: *lost_from_us* is the instant up to which no use is a finding, None if none is; *uses* are its items."""

    issuing_province: str
    facts: str
    recorded: str
    findings: str
    finding_count: int
    has_died: bool
    lost_from_us: int | None
    uses: Sequence[Row] = ()


_NOTHING = Card("", "[]", "{}", "[]", 0, False, None)


def decode(row: Row) -> Card:
    """Reads a row; its texts are parsed only where a fact changes."""
    return Card(*row)


def encode(card: Card) -> Row:
    """Writes a row; its uses are items."""
    return card[:-1]


def added(card: Card | None, recorded: Recorded, corrected: Recorded | None) -> Row | None:
    """Returns the use that an event is, where it cannot be a finding."""
    if corrected is not None or recorded.kind not in USE_KINDS or recorded.is_reversal:
        return None
    if card is not None and card.lost_from_us is not None and recorded.occurred_us > card.lost_from_us:
        return None
    return _use(recorded)


def given(card: Card | None, uses: Sequence[Row]) -> Card | None:
    """Returns a card with its uses."""
    return card._replace(uses=uses) if card is not None else _NOTHING._replace(uses=uses) if uses else None


def found_of(text: str) -> list[Found]:
    """Reads the findings of a row."""
    return [Found(*entry) for entry in json.loads(text)]


def keys(recorded: Recorded, corrected: Recorded | None) -> list[Key]:
    """Names the cards that the event and the one it corrects are about, their predecessors included."""
    named = []
    for about in (recorded, corrected) if corrected is not None else (recorded,):
        if key := about.card:
            named.append((key,))
        if about.kind in STATE_KINDS and (key := predecessor(about)):
            named.append((key,))
    return named


def evolve(key: Key, row: Card | None, recorded: Recorded, corrected: Recorded | None) -> Card | None:
    """Adds the event as a fact or a use, takes what it corrects out, and finds again what its place in history changes."""
    event = recorded.event
    is_own = recorded.card == key[0]
    is_use = is_own and recorded.kind in USE_KINDS and not recorded.is_reversal
    card = row if row is not None else _NOTHING
    if corrected is None and is_use:
        return _used(card, _Use(*_use(recorded)))
    is_about = not is_use and (is_own or predecessor(recorded) == key[0])
    fact = fact_told(recorded, not is_own) if is_about else None
    if corrected is None and fact is None:
        return row
    facts, told, uses = facts_of(card.facts), json.loads(card.recorded), card.uses
    if corrected is not None:
        facts = without_fact(facts, corrected.position)
        told.pop(str(corrected.position), None)
        uses = [use for use in uses if use[0] != corrected.position]
    if is_use:
        uses = [*uses, _use(recorded)]
    elif fact is not None:
        facts = with_fact(facts, fact)
        told[str(recorded.position)] = recorded.recorded_us
    if not facts and not uses:
        return None
    return _found_again(card.issuing_province or subject(event).issuing_province, facts, told, uses)


def _use(recorded: Recorded) -> Row:
    return recorded.position, recorded.occurred_us, recorded.recorded_us, KIND_NUMBERS[recorded.kind], recorded.event.medium


def _judged(use: _Use) -> Use:
    return Use(use.occurred_us, use.position, use.medium, _KIND_NAMES[use.kind] in PAYMENT_KINDS)


def _used(card: Card, use: _Use) -> Card:
    """Adds a use that may be a finding: nothing that is already found changes by it."""
    finding = use_after(facts_of(card.facts), _judged(use), policies_of_province(card.issuing_province))
    found = [] if finding is None else _kept([*found_of(card.findings), _found_use(finding, use)])
    card = card._replace(uses=[*card.uses, use])
    return card._replace(findings=_encode(found), finding_count=len(found)) if found else card


def _found_again(province: str, facts: list[Fact], told: dict[str, int], uses: Sequence[Row]) -> Card:
    policy_at, by_position = policies_of_province(province), {fact.position: fact for fact in facts}
    found = [_found_fact(finding, by_position, told) for finding in standing(facts, _ALWAYS_US, policy_at).findings]
    lost_from_us = min((fact.occurred_us for fact in facts if not is_harmless(fact)), default=None)
    if lost_from_us is not None:
        late = sorted(_Use(*use) for use in uses if use[1] > lost_from_us)
        found += [_found_use(finding, use) for use in late if (finding := use_after(facts, _judged(use), policy_at)) is not None]
    found = _kept(found)
    has_died = any(fact.detail.get("death") for fact in facts)
    return Card(province, _encode(facts), _encode(told), _encode(found), len(found), has_died, lost_from_us, uses)


def is_harmless(fact: Fact) -> bool:
    """Whether a fact makes no later use a finding, whatever the card was before."""
    return fact.kind in HARMLESS or (fact.kind == "card_registered" and fact.detail.get("status") not in _OUT_OF_USE)


def unverified_uses(card: Card, facts: list[Fact]) -> list[Found]:
    """Returns the uses of a card after the holder's death as another card's event has it; *facts* are all of this card."""
    if not any(fact.kind == DIED for fact in facts):
        return []
    policy_at = policies_of_province(card.issuing_province)
    found = ((use_after(facts, _judged(use), policy_at), use) for use in (_Use(*use) for use in sorted(card.uses)))
    return [_found_use(finding, use) for finding, use in found if finding is not None and finding.code == UNVERIFIED]


def _kept(found: list[Found]) -> list[Found]:
    """Returns all findings between facts and the last of the uses, in the order of the journal."""
    ordered = sorted(found)
    late = [one for one in ordered if one.kind in USE_KINDS]
    if len(late) <= FINDINGS_KEPT:
        return ordered
    return [one for one in ordered if one.kind not in USE_KINDS or one.position >= late[-FINDINGS_KEPT].position]


def _found_fact(finding: Finding, facts: dict[int, Fact], told: dict[str, int]) -> Found:
    fact = facts[finding.position]
    return Found(*finding, fact.kind, fact.occurred_us, told[str(fact.position)], 0)


def _found_use(finding: Finding, use: _Use) -> Found:
    return Found(*finding, _KIND_NAMES[use.kind], use.occurred_us, use.recorded_us, use.medium)


@cache
def policies_of_province(province: str) -> PolicyAt:
    """Returns the policy of an issuing province by the reference tables."""
    return policies_of(reference.load(), province)


class Listed(NamedTuple):
    """A finding with what it is about: a card or a person, its key in hex, and the issuing province."""

    about: str
    key: str
    issuing_province: str
    found: Found


def listed(connection: psycopg.Connection, card: bytes | None = None) -> list[Listed]:
    """Reads the findings of all cards, or of one, in the order of the journal."""
    rows = connection.execute(
        """SELECT encode(key, 'hex'), issuing_province, findings FROM views.card_findings
           WHERE finding_count > 0 AND (%(card)s::bytea IS NULL OR key = %(card)s)""",
        {"card": card},
    ).fetchall()
    found = [Listed("card", key, province, one) for key, province, text in rows for one in found_of(text)]
    return sorted(found, key=lambda one: one.found)


FINDINGS = Projection(
    name="card_findings",
    key_columns=(("key", "bytea"),),
    value_columns=(
        ("issuing_province", "text"),
        ("facts", "text"),
        ("recorded", "text"),
        ("findings", "text"),
        ("finding_count", "integer"),
        ("has_died", "boolean"),
        ("lost_from_us", "bigint"),
    ),
    kinds=STATE_KINDS | USE_KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    indexes=("finding_count", "key WHERE has_died"),
    items=Items(
        name="card_findings_uses",
        columns=(("position", "bigint"), ("occurred_us", "bigint"), ("recorded_us", "bigint"), ("kind", "integer"), ("medium", "integer")),
        kinds=USE_KINDS,
        watched="lost_from_us IS NOT NULL",
        added=added,
        of=lambda card: card.uses,
        given=given,
    ),
)
