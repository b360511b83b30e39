"""How a feed usually goes: the gaps between its batches, and how many events it sends. A feed is silent by its own habit."""

from typing import NamedTuple

import psycopg

# So many of the newest batches say how a feed usually goes.
BATCHES = 200
# A feed is silent after ten times its longest usual gap, and never before this.
TIMES, LEAST_SILENCE_S = 10.0, 60.0


class Habit(NamedTuple):
    """The gap that ninety-nine in a hundred of a feed's newest gaps do not exceed, None while there are too few."""

    feed: str
    usual_gap_s: float | None

    @property
    def silent_after_s(self) -> float | None:
        """From how many seconds without an event on a feed is silent; None where nobody can know."""
        return None if self.usual_gap_s is None else max(LEAST_SILENCE_S, TIMES * self.usual_gap_s)


class Sent(NamedTuple):
    """A batch: its numbers, its first position, when it was recorded, and the traces it came from."""

    first_sequence: int
    last_sequence: int
    first_position: int
    recorded_us: int
    trace_parents: list[str]


def habits(connection: psycopg.Connection) -> dict[str, Habit]:
    """Returns how each feed usually goes, by its name."""
    return {name: Habit(name, gap) for name, gap in connection.execute(_HABITS, {"most": BATCHES}).fetchall()}


def batches(connection: psycopg.Connection, feed: str, most: int) -> list[Sent]:
    """Returns the newest batches of a feed, the newest first."""
    return [Sent(*row) for row in connection.execute(_BATCHES_OF, {"feed": feed, "most": most}).fetchall()]


class Reached(NamedTuple):
    """How far a feed was at a position: its last number by then, 0 for none, and when that was recorded."""

    feed: str
    owner: str
    last_sequence: int
    recorded_us: int | None


def reached_at(connection: psycopg.Connection, position: int) -> list[Reached]:
    """Returns how far each feed was at a position, by halving: numbers and positions of a feed rise together."""
    found = []
    for stream_id, name, owner, last in connection.execute(_STREAMS).fetchall():
        low, high, recorded_us = 0, int(last), None
        while low < high:
            middle = (low + high + 1) // 2
            row = connection.execute(_BATCH_WITH, (stream_id, middle)).fetchone()
            if row is not None and int(row[1]) + middle - int(row[0]) > position:
                high = middle - 1
            else:
                low, recorded_us = middle, row[2] if row is not None else None
        found.append(Reached(name, owner, low, recorded_us))
    return found


_STREAMS = "SELECT stream_id, name, owner, next_sequence - 1 FROM journal.stream WHERE is_feed ORDER BY name"
_BATCH_WITH = """
    SELECT first_sequence, first_position, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.batch
    WHERE stream_id = %s AND first_sequence <= %s ORDER BY first_sequence DESC LIMIT 1"""
_HABITS = """
    SELECT s.name, g.usual FROM journal.stream s CROSS JOIN LATERAL (
        SELECT CASE WHEN count(*) >= 20 THEN percentile_cont(0.99) WITHIN GROUP (ORDER BY gap) END AS usual FROM (
            SELECT extract(epoch FROM b.recorded_at - lag(b.recorded_at) OVER (ORDER BY b.first_sequence))::float8 AS gap FROM (
                SELECT first_sequence, recorded_at FROM journal.batch b WHERE b.stream_id = s.stream_id
                ORDER BY b.first_sequence DESC LIMIT %(most)s) b) gaps
        WHERE gap IS NOT NULL) g
    WHERE s.is_feed"""
_BATCHES_OF = """
    SELECT b.first_sequence, b.last_sequence, b.first_position, (extract(epoch FROM b.recorded_at) * 1000000)::bigint, b.trace_parents
    FROM journal.stream s JOIN journal.batch b USING (stream_id) WHERE s.name = %(feed)s AND s.is_feed
    ORDER BY b.first_sequence DESC LIMIT %(most)s"""
