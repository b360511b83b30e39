"""Reads requests for audits on a session that only reads: their numbers have no gap, so that no view and no search is needed."""

from collections.abc import Sequence

import psycopg
from eventsourcing.persistence import StoredEvent

from hub.domain.audit_errors import AuditUnknown
from hub.domain.audit_request import AuditRequest, code_of, number_of
from hub.journal.recorder import EventMapper

_MAPPER = EventMapper()
_MOST_KEPT = 2_000


def find(connection: psycopg.Connection, code: str) -> AuditRequest:
    """Returns a request; raises AuditUnknown."""
    found = at_numbers(connection, [number_of(code)])
    if not found:
        raise AuditUnknown
    return found[0]


def newest(connection: psycopg.Connection, most: int = 100, before: int = 0) -> list[AuditRequest]:
    """Returns requests, the newest first; those before a number, if one is given."""
    return at_numbers(connection, _numbers(connection, most, before))


def _numbers(connection: psycopg.Connection, most: int, before: int) -> range:
    last = min(count(connection), before - 1 if before else 2**62)
    return range(last, max(0, last - most), -1)


class Listed:
    """The requests that a process has listed: a list that is shown again and again reads only those that have changed.

    What is attached to a question is not kept; it may have megabytes. Used from many threads.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._kept: dict[int, AuditRequest] = {}

    def newest(self, connection: psycopg.Connection, most: int, before: int = 0) -> list[AuditRequest]:
        """Returns requests as `newest` does, without what is attached."""
        numbers = _numbers(connection, most, before)
        known, kept = versions(connection, numbers), self._kept
        changed = [number for number in numbers if number in known and (number not in kept or kept[number].version != known[number])]
        if len(kept) > _MOST_KEPT:
            self._kept = kept = {}
            changed = list(known)
        for audit in at_numbers(connection, changed):
            for change in audit.requested.question.what_if.changes:
                # To look into an arm that is not set would set it.
                if change.HasField("rules"):
                    change.rules.ClearField("archive")
                elif change.HasField("reference"):
                    change.reference.ClearField("rows")
            kept[number_of(audit.code)] = audit
        return [kept[number] for number in numbers if number in known]


def at_numbers(connection: psycopg.Connection, numbers: Sequence[int]) -> list[AuditRequest]:
    """Returns requests by their numbers, in this order; those that are not there are left out."""
    ids = {number: AuditRequest.create_id(code_of(number)) for number in numbers}
    events: dict[str, list[StoredEvent]] = {str(one): [] for one in ids.values()}
    named = {str(one): one for one in ids.values()}
    for name, sequence, kind, data in connection.execute(_EVENTS, (list(events),)).fetchall():
        events[name].append(StoredEvent(named[name], sequence, kind, bytes(data)))
    found = (AuditRequest.project(None, map(_MAPPER.to_domain_event, events[str(ids[number])])) for number in numbers)
    return [audit for audit in found if audit is not None]


def count(connection: psycopg.Connection, known: int = 0) -> int:
    """Returns how many requests there are; *known* are there for sure."""
    low, step = known, 1
    while is_there(connection, low + step):
        low, step = low + step, 2 * step
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_there(connection, middle) else (low, middle)
    return low


def is_there(connection: psycopg.Connection, number: int) -> bool:
    """Whether there is a request of a number."""
    return bool(versions(connection, [number]))


def versions(connection: psycopg.Connection, numbers: Sequence[int]) -> dict[int, int]:
    """Returns how many events each request has, by number; those that are not there are left out."""
    named = {str(AuditRequest.create_id(code_of(number))): number for number in numbers}
    rows = connection.execute(_VERSIONS, (list(named),)).fetchall()
    return {named[name]: int(version) for name, version in rows}


# A row without an event is of somebody who died before the first one.
_VERSIONS = "SELECT name, next_sequence - 1 FROM journal.stream WHERE name = ANY (%s) AND next_sequence > 1"
_EVENTS = """
    SELECT s.name, e.sequence, e.kind, e.data
    FROM journal.stream s
    JOIN journal.batch b USING (stream_id)
    JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
    WHERE s.name = ANY (%s) ORDER BY e.position"""
