"""The events that say something of one card, found through the card index: they cost what they are, however long the journal is.

The index may be behind the views that answers rest on. What it has not folded yet is read from the journal.
"""

from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from hub.audit.replay.memory import CARD_KINDS, Memory
from hub.journal.corrections import Change, changes_in, corrected_among
from hub.journal.reader import Recorded, events_at, read_page
from hub.projections.engine import positions
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_index import CARD_INDEX, mentions, positions_naming

DECISION = "decision_made"
# What is read of a card: what its lives and its record rest on, and the answers about it.
_KINDS = CARD_KINDS | {DECISION}
Name = tuple[str, bytes]


class Own(NamedTuple):
    """The events that say something of a card up to a position, in order, with what corrections among them change."""

    key: bytes
    events: list[Recorded]
    changed: dict[int, Change]
    # The positions of those that name the card itself.
    named: frozenset[int]

    def folded(self, through: int) -> Memory:
        """Returns the views in memory, folded up to a position."""
        memory = Memory()
        for event in self.events:
            if event.position > through:
                break
            memory.fold(event, self.changed.get(event.position))
        return memory


def own_events(connection: psycopg.Connection, key: bytes, position: int) -> Own:
    """Returns the events of a card and of what belongs to it: its holder, that holder's cards, the cards before it."""
    indexed = positions(connection, [CARD_INDEX]).get(CARD_INDEX.name, 0)
    tail = read_page(connection, indexed, position, _KINDS) if indexed < position else []
    asked: set[Name] = {("card", one) for one in identifiers_of(connection, key)}
    seen, found, changed = set(asked), dict[int, Recorded](), dict[int, Change]()
    named: frozenset[int] | None = None
    while asked:
        fresh = {one.position: one for one in _naming(connection, asked, position, tail) if one.position not in found}
        if named is None:
            named = frozenset(fresh)
        changed |= _with_families(connection, fresh.values(), found, position)
        asked = {(mention.what, mention.key) for one in found.values() if one.kind in CARD_KINDS for mention in mentions(one)} - seen
        seen |= asked
    return Own(key, [found[at] for at in sorted(found)], changed, named or frozenset())


def events_of(connection: psycopg.Connection, positions: Iterable[int], through: int) -> Own:
    """Returns the events at some positions, and those that they correct or that correct them, up to a position."""
    found: dict[int, Recorded] = {}
    events = events_at(connection, sorted({at for at in positions if at <= through}))
    changed = _with_families(connection, events, found, through)
    return Own(b"", [found[at] for at in sorted(found)], changed, frozenset(found))


def joined(one: Own, other: Own) -> Own:
    """Returns the events of both."""
    events = {event.position: event for event in (*other.events, *one.events)}
    return Own(one.key, [events[at] for at in sorted(events)], {**other.changed, **one.changed}, one.named | other.named)


def _with_families(
    connection: psycopg.Connection, events: Iterable[Recorded], found: dict[int, Recorded], through: int
) -> dict[int, Change]:
    """Adds events to those that were found, with all that has to do with their corrections, and returns what these change."""
    fresh = {one.position: one for one in events}
    found |= fresh
    families = changes_in(connection, corrected_among(connection, sorted(fresh), through), through)
    found |= {one.position: one for one in events_at(connection, sorted(families.keys() - found.keys()))}
    return families


def _naming(connection: psycopg.Connection, names: set[Name], through: int, tail: Iterable[Recorded]) -> list[Recorded]:
    """Returns the events that name some cards or persons."""
    late = [one for one in tail if any((mention.what, mention.key) in names for mention in mentions(one))]
    return [*events_at(connection, positions_naming(connection, names, through), _KINDS), *late]
