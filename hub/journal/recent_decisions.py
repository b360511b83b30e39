"""Recorded answers, the newest first, some of them: their feed is read backwards, as far as a page may, and says how far it was."""

from collections.abc import Callable
from typing import NamedTuple

import psycopg

from hub.domain.participant import DECISIONS_FEED
from hub.journal.reader import Recorded, events_at

KIND = "decision_made"
# So many events of the feed, looks among them, are looked at for one page of a list.
LOOKED_AT, BATCHES = 6_000, 200


class Found(NamedTuple):
    """What was found, and the position that was looked at last: older ones may be before it, 0 where there is nothing older."""

    decisions: list[Recorded]
    back_to: int


def recent_decisions(connection: psycopg.Connection, wanted: Callable[[Recorded], bool], before: int, most: int) -> Found:
    """Returns answers that are *wanted* of the positions below *before*, 0 for the newest."""
    found: list[Recorded] = []
    stream, number = _end(connection, before)
    looked_at, back_to = 0, 0
    while looked_at < LOOKED_AT:
        batches = connection.execute(_BATCHES, (stream, number, BATCHES)).fetchall()
        below = [at for _, first, end in batches for at in range(end - 1, first - 1, -1) if not before or at < before]
        positions = below[: LOOKED_AT - looked_at]
        for one in events_at(connection, positions):
            if one.kind == KIND and wanted(one):
                found.append(one)
            if len(found) == most:
                return Found(found, one.position)
        if len(batches) < BATCHES and len(positions) == len(below):
            return Found(found, 0)
        looked_at, back_to, number = looked_at + len(positions), positions[-1], batches[-1][0]
    return Found(found, back_to)


def _end(connection: psycopg.Connection, before: int) -> tuple[int, int]:
    """Returns the feed's stream, and a number behind all that it has below a position: positions grow with the numbers of a feed."""
    row = connection.execute("SELECT stream_id, next_sequence FROM journal.stream WHERE name = %s", (DECISIONS_FEED,)).fetchone()
    if row is None:
        return 0, 0
    stream, low, high = row[0], 1, row[1]
    while before and low < high:
        middle = (low + high) // 2
        begun = connection.execute(_BEGUN_BY, (stream, middle)).fetchone()
        low, high = (middle + 1, high) if begun is not None and begun[0] < before else (low, middle)
    return stream, high


_BATCHES = """
    SELECT first_sequence, first_position, first_position + last_sequence - first_sequence + 1
    FROM journal.batch WHERE stream_id = %s AND first_sequence < %s ORDER BY first_sequence DESC LIMIT %s"""
_BEGUN_BY = "SELECT first_position FROM journal.batch WHERE stream_id = %s AND first_sequence <= %s ORDER BY first_sequence DESC LIMIT 1"
