"""View: what contradicts what on each card, with both events; uses after its loss or cancellation among them, whichever was reported first.

A row is a fold of its own: it keeps the card's facts and its last uses, so that findings appear and vanish as late facts reorder
history. It belongs to the card number where an event names one, else to the identifier the event was addressed by. A loss reported
after more uses than a row keeps finds only those it keeps. What follows from other cards of the holder is in `unverified`. Policy is
the reference tables' at the time the view is folded.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain import reference
from hub.domain.card import STATE_KINDS, Fact, Finding, PolicyAt, policies_of, standing, with_fact, without_fact
from hub.domain.event_rules import KIND_NUMBERS
from hub.domain.findings import PAYMENT_KINDS, UNVERIFIED, USE_KINDS, Use, use_after
from hub.domain.succession import DIED
from hub.journal.reader import Recorded
from hub.projections.engine import Key, Projection, Row
from hub.projections.views.card_standing import fact_told, facts_of, predecessor, subject

# The last uses of a card that a row keeps: between so many and twice as many; those that are findings it keeps up to as many again.
USES_KEPT = 256
_ALWAYS_US = 2**62
_USE = struct.Struct(">qqqHB")
_KIND_NAMES = {number: name for name, number in KIND_NUMBERS.items()}
_encode = json.JSONEncoder(separators=(",", ":")).encode
_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO


class Found(NamedTuple):
    """A finding as the view has it: both positions, code, and of the later event its kind, instants and medium (0: no use)."""

    position: int
    against_position: int
    code: str
    kind: str
    occurred_us: int
    recorded_us: int
    medium: int


class _Card(NamedTuple):
    """A row's values."""

    issuing_province: str
    facts: str
    recorded: str
    uses: bytes
    findings: str
    finding_count: int
    has_died: bool


def found_of(text: str) -> list[Found]:
    """Reads the findings of a row."""
    return [Found(*entry) for entry in json.loads(text)]


def card_key(event: event_pb2.Event) -> bytes:
    """Returns the key of the card number that the event names, else of whatever identifier it is addressed by."""
    card = subject(event)
    if card.kind == _CARD_NO:
        return card.key
    return next((alias.key for alias in event.card_aliases if alias.kind == _CARD_NO), card.key)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the cards that the event and the one it corrects are about, their predecessors included."""
    for about in (recorded, corrected):
        if about is not None:
            for key in (card_key(about.event), predecessor(about)):
                if key:
                    yield (key,)


def evolve(key: Key, row: Row | None, recorded: Recorded, corrected: Recorded | None) -> Row | None:
    """Adds the event as a fact or a use, takes what it corrects out, and finds again what its place in history changes."""
    event = recorded.event
    card = _Card(*row) if row is not None else _Card(subject(event).issuing_province, "[]", "{}", b"", "[]", 0, False)
    is_use = recorded.kind in USE_KINDS and not recorded.is_reversal and card_key(event) == key[0]
    if corrected is None and is_use:
        return _used(card, recorded)
    facts, told = facts_of(card.facts), json.loads(card.recorded)
    uses = _uses(card)
    if corrected is not None:
        facts = without_fact(facts, corrected.position)
        told.pop(str(corrected.position), None)
        uses = [use for use in uses if use[0].position != corrected.position]
    is_own = card_key(event) == key[0]
    if is_use:
        uses.append(_use(recorded))
    elif (is_own or predecessor(recorded) == key[0]) and (fact := fact_told(recorded, not is_own)) is not None:
        facts = with_fact(facts, fact)
        told[str(recorded.position)] = recorded.recorded_us
    if not facts and not uses:
        return None
    return _found_again(card.issuing_province, facts, told, uses)


_UseTold = tuple[Use, int, str]


def _use(recorded: Recorded) -> _UseTold:
    return _use_of(recorded.kind, recorded.occurred_us, recorded.position, recorded.event.medium, recorded.recorded_us)


def _use_of(kind: str, occurred_us: int, position: int, medium: int, recorded_us: int) -> _UseTold:
    return Use(occurred_us, position, medium, kind in PAYMENT_KINDS), recorded_us, kind


def _uses(card: _Card) -> list[_UseTold]:
    """Returns the uses the row keeps in the order of the journal, those that are findings included."""
    uses = {
        position: _use_of(_KIND_NAMES[number], occurred_us, position, medium, recorded_us)
        for occurred_us, position, recorded_us, number, medium in _USE.iter_unpack(card.uses)
    }
    for found in found_of(card.findings) if card.finding_count else ():
        if found.kind in USE_KINDS:
            uses[found.position] = _use_of(found.kind, found.occurred_us, found.position, found.medium, found.recorded_us)
    return [uses[position] for position in sorted(uses)]


def _packed(uses: Iterable[_UseTold]) -> bytes:
    return b"".join(_USE.pack(use.occurred_us, use.position, us, KIND_NUMBERS[kind], use.medium) for use, us, kind in uses)


def _used(card: _Card, recorded: Recorded) -> Row:
    """Adds a use: nothing that is already found changes by it."""
    told = _use(recorded)
    uses = card.uses + _packed([told])
    if len(uses) >= 2 * USES_KEPT * _USE.size:
        uses = uses[-USES_KEPT * _USE.size :]
    card = card._replace(uses=uses)
    finding = use_after(facts_of(card.facts), told[0], policies_of_province(card.issuing_province)) if card.facts != "[]" else None
    if finding is None:
        return tuple(card)
    found = _kept([*found_of(card.findings), _found_use(finding, told)])
    return tuple(card._replace(findings=_encode(found), finding_count=len(found)))


def _found_again(province: str, facts: list[Fact], told: dict[str, int], uses: list[_UseTold]) -> Row:
    policy_at, uses = policies_of_province(province), sorted(uses, key=lambda told: told[0].position)
    by_position = {fact.position: fact for fact in facts}
    found = [_found_fact(finding, by_position, told) for finding in standing(facts, _ALWAYS_US, policy_at).findings]
    found += [_found_use(finding, use) for use in uses if (finding := use_after(facts, use[0], policy_at)) is not None]
    found = _kept(found)
    packed = _packed(uses[-2 * USES_KEPT + 1 :])
    has_died = any(fact.detail.get("death") for fact in facts)
    return tuple(_Card(province, _encode(facts), _encode(told), packed, _encode(found), len(found), has_died))


def unverified_uses(row: Row, facts: list[Fact]) -> list[Found]:
    """Returns the uses that a row keeps after the holder's death as another card's event has it; *facts* are all of this card."""
    if not any(fact.kind == DIED for fact in facts):
        return []
    card = _Card(*row)
    policy_at = policies_of_province(card.issuing_province)
    found = ((use_after(facts, told[0], policy_at), told) for told in _uses(card))
    return [_found_use(finding, told) for finding, told in found if finding is not None and finding.code == UNVERIFIED]


def _kept(found: list[Found]) -> list[Found]:
    """Returns all findings between facts and the last of the uses, in the order of the journal."""
    ordered = sorted(found)
    late = [one for one in ordered if one.kind in USE_KINDS]
    if len(late) <= USES_KEPT:
        return ordered
    return [one for one in ordered if one.kind not in USE_KINDS or one.position >= late[-USES_KEPT].position]


def _found_fact(finding: Finding, facts: dict[int, Fact], told: dict[str, int]) -> Found:
    fact = facts[finding.position]
    return Found(*finding, fact.kind, fact.occurred_us, told[str(fact.position)], 0)


def _found_use(finding: Finding, told: _UseTold) -> Found:
    use, recorded_us, kind = told
    return Found(*finding, kind, use.occurred_us, recorded_us, use.medium)


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
        ("uses", "bytea"),
        ("findings", "text"),
        ("finding_count", "integer"),
        ("has_died", "boolean"),
    ),
    kinds=STATE_KINDS | USE_KINDS,
    keys=keys,
    evolve=evolve,
    indexes=("finding_count", "key WHERE has_died"),
)
