"""Which events changed the count of a cell between two positions: behind a line of a statement, and behind what came late."""

from collections.abc import Iterable, Iterator

import psycopg

from hub.domain.usage import UsageCell
from hub.projections.views.usage_facts import Known, decode

PAGE_ROWS = 10_000


def events_behind(connection: psycopg.Connection, cell: UsageCell, after: int, until: int, most: int) -> list[int]:
    """Returns the positions of events that changed a cell in (after, until], the first *most* in order."""
    found: list[int] = []
    with connection.transaction(), connection.cursor("events_behind") as cursor:
        cursor.itersize = PAGE_ROWS
        cursor.execute(_FACTS, {"after": after, "day": f"%{cell.day}%"})
        for row in cursor:
            found += _changes(decode(row).history, cell, after, until)
    return sorted(set(found))[:most]


def _changes(history: Iterable[Known], cell: UsageCell, after: int, until: int) -> Iterator[int]:
    before: list[tuple[int, int]] = []
    for one in history:
        since = [(counted.uses, counted.fen) for counted in one.counted if counted.cell == cell]
        if since != before and after < one.position <= until:
            yield one.position
        before = since


_FACTS = """
    SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
    WHERE changed_position > %(after)s AND (tellings LIKE %(day)s OR counted LIKE %(day)s)"""
