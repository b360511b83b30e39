"""When positions were recorded, and which was recorded when: `recorded_at` never goes back along positions, so halving finds it."""

import psycopg

from hub.journal.reader import first_position, head_position


def recorded_at(connection: psycopg.Connection, position: int) -> int | None:
    """Returns when a position was recorded, in microseconds since 1970; None where there is none."""
    row = connection.execute(_RECORDED_AT, {"position": position}).fetchone()
    return None if row is None else int(row[0])


def first_position_since(connection: psycopg.Connection, at_us: int) -> int:
    """Returns the first position that was recorded at an instant or after it, the one after the head if none was.

    What is no more kept anywhere is older than what is.
    """
    low, high = first_position(connection), head_position(connection) + 1
    while low < high:
        middle = (low + high) // 2
        recorded_us = recorded_at(connection, middle)
        low, high = (middle + 1, high) if recorded_us is not None and recorded_us < at_us else (low, middle)
    return low


def last_position_by(connection: psycopg.Connection, at_us: int) -> int:
    """Returns the position of the last event that was recorded by an instant, 0 if none was."""
    return first_position_since(connection, at_us + 1) - 1


# By the batch that a position is in: it stays where the event is archived.
_RECORDED_AT = """
    SELECT (extract(epoch FROM b.recorded_at) * 1000000)::bigint FROM (
        SELECT * FROM journal.batch b WHERE b.first_position <= %(position)s ORDER BY b.first_position DESC LIMIT 1) b
    WHERE b.first_position + b.last_sequence - b.first_sequence >= %(position)s"""
