"""Reads aggregates whose ids follow from a number without gaps, on a session that only reads; so no view is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent

from hub.domain.aggregate import HubAggregate
from hub.journal.joins import EVENTS_OF
from hub.journal.recorder import EventMapper

_MAPPER = EventMapper()


A = TypeVar("A", bound=HubAggregate)


@dataclass(frozen=True, slots=True)
class Numbered(Generic[A]):
    """Aggregates of one kind; *create_id* gives the id of a number, from 1."""

    kind: type[A]
    create_id: Callable[[int], UUID]

    def at_numbers(self, connection: psycopg.Connection, numbers: Sequence[int]) -> list[A]:
        """Returns them by their numbers, in this order; those that are not there are left out."""
        ids = {number: self.create_id(number) for number in numbers}
        events: dict[str, list[StoredEvent]] = {str(one): [] for one in ids.values()}
        named = {str(one): one for one in ids.values()}
        for name, sequence, kind, data in connection.execute(_EVENTS, (list(events),)).fetchall():
            events[name].append(StoredEvent(named[name], sequence, kind, bytes(data)))
        found = (self.kind.project(None, map(_MAPPER.to_domain_event, events[str(ids[number])])) for number in numbers)
        return [one for one in found if one is not None]

    def newest_numbers(self, connection: psycopg.Connection, most: int, before: int = 0) -> range:
        """Returns the numbers of the newest, the newest first; those before a number, if one is given."""
        last = min(self.count(connection), before - 1 if before else 2**62)
        return range(last, max(0, last - most), -1)

    def count(self, connection: psycopg.Connection, known: int = 0) -> int:
        """Returns how many there are; *known* are there for sure."""
        low, step = known, 1
        while self.is_there(connection, low + step):
            low, step = low + step, 2 * step
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_there(connection, middle) else (low, middle)
        return low

    def is_there(self, connection: psycopg.Connection, number: int) -> bool:
        """Whether there is one of a number."""
        return bool(self.versions(connection, [number]))

    def versions(self, connection: psycopg.Connection, numbers: Sequence[int]) -> dict[int, int]:
        """Returns how many events each has, by number; those that are not there are left out."""
        named = {str(self.create_id(number)): number for number in numbers}
        rows = connection.execute(_VERSIONS, (list(named),)).fetchall()
        return {named[name]: int(version) for name, version in rows}


# A row without an event is of somebody who died before the first one.
_VERSIONS = "SELECT name, next_sequence - 1 FROM journal.stream WHERE name = ANY (%s) AND next_sequence > 1"
_EVENTS = f"""
    SELECT s.name, e.sequence, e.kind, e.data
    FROM journal.stream s {EVENTS_OF}
    WHERE s.name = ANY (%s) ORDER BY e.position"""  # noqa: S608 (our own text)
