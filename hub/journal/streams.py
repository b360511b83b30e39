"""Reads what the rows of streams say: whose each is, and how far a feed is."""

from typing import NamedTuple

import psycopg


class StreamRow(NamedTuple):
    """A stream's name and owner, and whether it is a feed."""

    name: str
    owner: str
    is_feed: bool


def stream_row(connection: psycopg.Connection, stream_id: int) -> StreamRow:
    """Returns the stream of an event."""
    row = connection.execute("SELECT name, owner, is_feed FROM journal.stream WHERE stream_id = %s", (stream_id,)).fetchone()
    assert row is not None, "an event has a stream"
    return StreamRow(*row)


class FeedRow(NamedTuple):
    """How far a feed is; *last_position* 0 and *last_recorded_us* None while it is empty."""

    next_sequence: int
    last_position: int
    last_recorded_us: int | None


def feed_row(connection: psycopg.Connection, name: str) -> FeedRow | None:
    """Returns how far a feed is, None if there is no such feed."""
    row = connection.execute(
        """SELECT s.next_sequence, COALESCE(b.first_position + b.last_sequence - b.first_sequence, 0),
                  (extract(epoch FROM b.recorded_at) * 1000000)::bigint
           FROM journal.stream s
           LEFT JOIN LATERAL (
               SELECT * FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence DESC LIMIT 1) b ON true
           WHERE s.name = %s AND s.is_feed""",
        (name,),
    ).fetchone()
    return None if row is None else FeedRow(*row)
