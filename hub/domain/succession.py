"""What a card has from others of its holder: an earlier card ends as a later one is enabled, the e-card goes on with the successor, a
holder whose death one province reported is dead for the other's card too.

All follow from the facts of several cards, whichever was reported first, so they are found when a card is read and stored nowhere: an
enabling cancels the holder's earlier card of the same province although it does not name it (L6), and what was reported of a predecessor's
e-card counts for the successor from its enabling on, without a new application [S14][S15], over any number of replacements.
A death reported of one card cancels that card alone: the other has its own issuer, who has to say what becomes of it (G27).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from hub.domain.card_facts import Fact
from hub.domain.card_machines import ECARD

_ENABLED = "social_function_activated"
_ECARD_KINDS = frozenset(ECARD.steps)
# What these facts are called; no event reports them.
REPLACED, FOLLOWED, DIED = "card_replaced", "ecard_followed", "holder_died"


class CardRow(NamedTuple):
    """A card as it is read: its key, its own facts in order, and the keys of its holder's other cards as far as they may matter.

    The third are those of the same province, if several, itself among them; *elsewhere* those of others, if a death may have been reported.
    """

    card: bytes
    facts: list[Fact]
    held: tuple[bytes, ...] = ()
    elsewhere: tuple[bytes, ...] = ()


def wanted(rows: Mapping[bytes, CardRow], asked: Iterable[bytes], *, with_ecard: bool) -> set[bytes]:
    """Returns which further cards must be read to know the asked ones: those of the same holder, and predecessors *with_ecard*."""
    found: set[bytes] = set()
    for key in asked:
        if (row := rows.get(key)) is not None:
            found.update(row.held, row.elsewhere)
            if with_ecard:
                found.update(_named(row.facts))
    return found - rows.keys()


def facts_known(asked: bytes, rows: Mapping[bytes, CardRow], *, with_ecard: bool = True) -> list[Fact]:
    """Returns the facts of a card together with those that follow from its relatives; *rows* has all that are `wanted`."""
    row = rows.get(asked)
    if row is None:
        return []
    if not row.held and not row.elsewhere and not (with_ecard and _named(row.facts)):
        # Nearly all cards: this is on the way of every answer.
        return row.facts
    others = _others(row, rows)
    derived = _replaced(row, others) + _died(row, rows)
    if with_ecard:
        derived += _followed(row, rows, {row.card})
    return sorted([*row.facts, *derived], key=_order) if derived else row.facts


def _order(fact: Fact) -> tuple[int, int]:
    return fact.occurred_us, fact.position


def _named(facts: Iterable[Fact]) -> list[bytes]:
    """Returns the predecessors that the card's enablings name."""
    return [bytes.fromhex(fact.detail["before"]) for fact in facts if fact.detail.get("before")]


def _others(row: CardRow, rows: Mapping[bytes, CardRow]) -> list[CardRow]:
    """Returns the holder's other cards of the province; a temporary card is beside them and takes no one's place."""
    found = {other.card: other for key in row.held if (other := rows.get(key)) is not None and other.card != row.card}
    return [other for other in found.values() if not _is_temporary(other.facts)]


def _is_temporary(facts: Iterable[Fact]) -> bool:
    return any(fact.detail.get("card_kind") == "TEMPORARY" for fact in facts)


def _began(facts: Sequence[Fact]) -> tuple[int, int]:
    return _order(facts[0]) if facts else (0, 0)


def _replaced(row: CardRow, others: Iterable[CardRow]) -> list[Fact]:
    """Returns what ends the card: each enabling of another card of the holder. Whether it does is the fold's to say."""
    if not row.facts or _is_temporary(row.facts):
        return []
    told = {fact.position for fact in row.facts}
    return [
        Fact(fact.occurred_us, fact.position, REPLACED, {"is_earlier": _began(row.facts) < _began(other.facts)})
        for other in others
        for fact in other.facts
        if fact.kind == _ENABLED and fact.position not in told
    ]


def _died(row: CardRow, rows: Mapping[bytes, CardRow]) -> list[Fact]:
    """Returns the holder's deaths as they were reported of his other cards; nothing of those cards goes along."""
    if not row.facts:
        return []
    others = (other for key in (*row.held, *row.elsewhere) if (other := rows.get(key)) is not None and other.card != row.card)
    told = {(fact.occurred_us, fact.position) for other in others for fact in other.facts if fact.detail.get("death")}
    return [Fact(occurred_us, position, DIED, {}) for occurred_us, position in sorted(told)]


def _followed(row: CardRow, rows: Mapping[bytes, CardRow], seen: set[bytes]) -> list[Fact]:
    """Returns what the e-cards of the predecessors were as the card was enabled, and what was reported of them afterwards."""
    found: list[Fact] = []
    for enabled in (fact for fact in row.facts if fact.kind == _ENABLED):
        told: list[Fact] = []
        for before in _predecessors(row, enabled, rows):
            if before.card not in seen:
                seen.add(before.card)
                told += [fact for fact in before.facts if fact.kind in _ECARD_KINDS]
                for followed in _followed(before, rows, seen):
                    told += [Fact(*inner) for inner in followed.detail["facts"]] if followed.kind == FOLLOWED else [followed]
        told.sort(key=_order)
        if carried := [fact for fact in told if fact.occurred_us < enabled.occurred_us]:
            found.append(Fact(enabled.occurred_us, enabled.position, FOLLOWED, {"facts": carried}))
        found += [fact for fact in told if fact.occurred_us >= enabled.occurred_us]
    return found


def _predecessors(row: CardRow, enabled: Fact, rows: Mapping[bytes, CardRow]) -> list[CardRow]:
    """Returns the cards whose place an enabling takes: the one that it names, else the holder's that were enabled or began before."""
    named = [rows[key] for key in _named([enabled]) if key in rows]
    if named or _is_temporary(row.facts):
        return named
    return [
        other
        for other in _others(row, rows)
        if _began(other.facts) < _began(row.facts) or any(fact.kind == _ENABLED and _order(fact) < _order(enabled) for fact in other.facts)
    ]
