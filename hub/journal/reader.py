"""Reads the journal: pages of events in binary, single events by feed and number, and where the head stands.

Every read is bounded by positions, never by an open snapshot: an old snapshot would keep the versions of the hot head row alive.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.journal.group import PG_EPOCH_US

_COPY_HEAD_LENGTH = 19
_FIXED = struct.Struct(">hiqiqiqiqi")
_LENGTH = struct.Struct(">i")


class Recorded:
    """One event as the journal holds it; *event* is parsed when it is first asked for."""

    __slots__ = ("__dict__", "data", "kind", "position", "recorded_us", "sequence", "stream_id")

    def __init__(self, position: int, recorded_us: int, stream_id: int, sequence: int, kind: str, data: bytes) -> None:
        """*recorded_us* counts microseconds since 1970 UTC."""
        self.position = position
        self.recorded_us = recorded_us
        self.stream_id = stream_id
        self.sequence = sequence
        self.kind = kind
        self.data = data

    @cached_property
    def event(self) -> event_pb2.Event:
        """The stored message, key arms only."""
        return event_pb2.Event.FromString(self.data)

    @property
    def occurred_us(self) -> int:
        """When it happened by the source's clock, in microseconds since 1970 UTC."""
        occurred_at = self.event.occurred_at
        return occurred_at.seconds * 1_000_000 + occurred_at.nanos // 1_000


def head_position(connection: psycopg.Connection) -> int:
    """Returns the position of the newest event, 0 for an empty journal."""
    row = connection.execute("SELECT position FROM journal.head").fetchone()
    assert row is not None
    return int(row[0])


def read_page(connection: psycopg.Connection, after: int, through: int, kinds: Iterable[str] | None = None) -> list[Recorded]:
    """Returns the events with after < position <= through in order, of all kinds or of *kinds* (filtered by the server)."""
    wanted = "" if kinds is None else f"AND kind = ANY ('{{{','.join(sorted(kinds))}}}'::text[])"
    sql = f"""
        COPY (SELECT position, recorded_at, stream_id, sequence, kind, data FROM journal.event
              WHERE position > {after:d} AND position <= {through:d} {wanted} ORDER BY position)
        TO STDOUT (FORMAT BINARY)"""  # noqa: S608 (integers and names of our own oneof)
    page: list[Recorded] = []
    append, unpack, names = page.append, _FIXED.unpack_from, _KIND_NAMES
    with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
        for block in copy:
            start = _COPY_HEAD_LENGTH if not page and block[:6] == b"PGCOPY" else 0
            if len(block) - start < _FIXED.size:
                continue
            _, _, position, _, recorded, _, stream_id, _, sequence, length = unpack(block, start)
            kind_at = start + _FIXED.size
            kind = bytes(block[kind_at : kind_at + length])
            data = bytes(block[kind_at + length + 4 :])
            append(Recorded(position, recorded + PG_EPOCH_US, stream_id, sequence, names.get(kind) or kind.decode(), data))
    return page


def events_before(connection: psycopg.Connection, targets: Sequence[tuple[int, int]], before: Sequence[int]) -> dict[tuple[int, int, int], Recorded]:
    """Finds what stood at (stream, sequence) just before a position: the event itself, or the last one that corrected it.

    Keys of the answer are (stream_id, sequence, before). A target that is not in the journal, or was reversed, is left out.
    """
    if not targets:
        return {}
    rows = connection.execute(_EVENTS_BEFORE, {
        "streams": [t[0] for t in targets], "sequences": [t[1] for t in targets], "befores": list(before)}).fetchall()
    found = {}
    for stream_id, sequence, limit, *fields in rows:
        found[stream_id, sequence, limit] = Recorded(*fields)
    return found


_EVENTS_BEFORE = """
    SELECT a.stream_id, a.sequence, a.before, e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint,
           e.stream_id, e.sequence, e.kind, e.data
    FROM unnest(%(streams)s::bigint[], %(sequences)s::bigint[], %(befores)s::bigint[]) a (stream_id, sequence, before)
    CROSS JOIN LATERAL (
        SELECT max(c.position) AS corrected_at FROM journal.correction c
        WHERE c.stream_id = a.stream_id AND c.sequence = a.sequence AND c.position < a.before) c
    CROSS JOIN LATERAL (
        SELECT b.first_position + a.sequence - b.first_sequence AS position FROM journal.batch b
        WHERE b.stream_id = a.stream_id AND b.first_sequence <= a.sequence AND b.last_sequence >= a.sequence
        ORDER BY b.first_sequence DESC LIMIT 1) o
    JOIN journal.event e ON e.position = COALESCE(c.corrected_at, o.position) AND o.position < a.before"""

_KIND_NAMES = {
    field.name.encode(): field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
}  # one string object a kind instead of one an event


class FeedRow(NamedTuple):
    """Where a feed stands; *last_position* 0 and *last_recorded_us* None while it is empty."""

    next_sequence: int
    last_position: int
    last_recorded_us: int | None


def feed_row(connection: psycopg.Connection, name: str) -> FeedRow | None:
    """Returns where a feed stands, None if there is no such feed."""
    row = connection.execute(
        """SELECT s.next_sequence, COALESCE(b.first_position + b.last_sequence - b.first_sequence, 0),
                  (extract(epoch FROM b.recorded_at) * 1000000)::bigint
           FROM journal.stream s
           LEFT JOIN LATERAL (SELECT * FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence DESC LIMIT 1) b ON true
           WHERE s.name = %s AND s.is_feed""",
        (name,),
    ).fetchone()
    return None if row is None else FeedRow(*row)
