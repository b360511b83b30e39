"""Fills in the leaves of events that were read: the one in the row, or the one that the server computes where the row has none."""

from collections.abc import Sequence

import psycopg

from hub.journal.archived import HISTORY, recalled
from hub.journal.reader import Recorded

_BYTES = 32
# The leaf that follows from a row of events *e*, in SQL, with its stream *s*.
DERIVED = "journal.leaf(e.position, e.recorded_at, e.sequence, s.name, e.occurred_at, e.kind, e.digest, e.data)"
# What a release wrote that knew no leaves has none.
LEAF = f"COALESCE(e.leaf, {DERIVED})"
_RUN = f"""
    SELECT string_agg({LEAF}, ''::bytea ORDER BY e.position)
    FROM journal.history e JOIN journal.stream s USING (stream_id) WHERE e.position BETWEEN %s AND %s"""  # noqa: S608 (our own text)
_SOME = f"""
    SELECT string_agg({LEAF}, ''::bytea ORDER BY e.position)
    FROM unnest(%s::bigint[]) p (position) JOIN journal.history e USING (position) JOIN journal.stream s USING (stream_id)"""  # noqa: S608


def leaves_at(connection: psycopg.Connection, positions: Sequence[int]) -> list[bytes]:
    """Returns the leaves at some positions, which are ascending and all there; raises SegmentAway."""
    if not positions:
        return []
    is_run = positions[-1] - positions[0] + 1 == len(positions)
    runs = [(positions[0], positions[-1])] if is_run else [(at, at) for at in positions]
    with recalled(connection, runs) as history, connection.cursor(binary=True) as cursor:
        if is_run:
            row = cursor.execute(_RUN.replace(HISTORY, history), runs[0]).fetchone()
        else:
            row = cursor.execute(_SOME.replace(HISTORY, history), (list(positions),)).fetchone()
    packed = b"" if row is None or row[0] is None else bytes(row[0])
    assert len(packed) == _BYTES * len(positions), "each position has one event, and each event one leaf"
    return [packed[at : at + _BYTES] for at in range(0, len(packed), _BYTES)]


def fill_leaves(connection: psycopg.Connection, events: Sequence[Recorded]) -> None:
    """Gives each of some events, in the order of positions, its leaf."""
    for event, leaf in zip(events, leaves_at(connection, [event.position for event in events]), strict=True):
        event.leaf = leaf
