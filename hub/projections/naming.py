"""Finds the events that others name by their number."""

from collections.abc import Iterable

import psycopg

from hub.journal.reader import Recorded, events_named
from hub.projections.projection import Refers


def refer(connection: psycopg.Connection, refers: Refers, folds: Iterable[tuple[int, Recorded, Recorded | None]]) -> None:
    """Sets on each event that names another by its number which one it is, as far as it was recorded before."""
    asked = [
        (recorded, position, ref)
        for position, *pair in folds
        for recorded in pair
        if recorded is not None and recorded.kind in refers and (ref := refers[recorded.kind](recorded)) is not None
    ]
    if not asked:
        return
    found = events_named(connection, [(ref.feed, ref.sequence) for _, _, ref in asked])
    for recorded, position, ref in asked:
        recorded.refers_to, named = found.get((ref.feed, ref.sequence), (None, None))
        recorded.about = named if named is not None and named.position < position else None
