"""When positions were recorded, and which was recorded when: `recorded_at` never goes back along positions, so halving finds it."""

import psycopg


def recorded_at(connection: psycopg.Connection, position: int) -> int | None:
    """Returns when a position was recorded, in microseconds since 1970; None where there is none."""
    row = connection.execute(_RECORDED_AT, (position,)).fetchone()
    return None if row is None else int(row[0])


def first_position_since(connection: psycopg.Connection, at_us: int) -> int:
    """Returns the first position that was recorded at an instant or after it, the one after the head if none was.

    What has left for the archive is older than what is kept.
    """
    row = connection.execute("SELECT COALESCE(min(position), 1), COALESCE(max(position), 0) + 1 FROM journal.event").fetchone()
    assert row is not None
    low, high = int(row[0]), int(row[1])
    while low < high:
        middle = (low + high) // 2
        recorded_us = recorded_at(connection, middle)
        low, high = (middle + 1, high) if recorded_us is not None and recorded_us < at_us else (low, middle)
    return low


def last_position_by(connection: psycopg.Connection, at_us: int) -> int:
    """Returns the position of the last event that was recorded by an instant, 0 if none was."""
    return first_position_since(connection, at_us + 1) - 1


_RECORDED_AT = "SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.event WHERE position = %s"
