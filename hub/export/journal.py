"""Reads of the journal what a segment has: rows in PostgreSQL's binary format, with what each of them changes."""

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from hub.export.segments import Changes, changes_bytes
from hub.journal.archived import ROW_COLUMNS, recalled
from hub.journal.batch import PG_EPOCH_US
from hub.journal.reader import KIND_NAMES

PAGE_POSITIONS = 50_000
_COPY_HEAD_LENGTH = 19
_FIXED = struct.Struct(">hiqiqiqiqi")
_LENGTH = struct.Struct(">i")
_INSTANT = struct.Struct(">iq")

# The first fields of a segment's row, up to the digest.
Fields = tuple[Any, ...]


def rows(
    connection: psycopg.Connection, after: int, last: int, report: Callable[[int], None] = lambda _done: None
) -> Iterator[tuple[bytes, Fields, Changes]]:
    """Yields the events with after < position <= last in order: the row's bytes, its fields, and what it changes."""
    for begin in range(after, last, PAGE_POSITIONS):
        end = min(begin + PAGE_POSITIONS, last)
        changes = _changes(connection, begin, end)
        for block in _blocks(connection, begin, end):
            fields = _fields(block)
            yield block, fields, changes.get(fields[0], ())
        report(end)


def row_digest(connection: psycopg.Connection, position: int) -> str | None:
    """Returns the SM3 of the row at a position, None if there is none."""
    found = list(rows(connection, position - 1, position))
    return hashlib.new("sm3", found[0][0] + changes_bytes(found[0][2])).hexdigest() if found else None


def feeds(connection: psycopg.Connection) -> dict[int, str]:
    """Returns the names of all feeds by stream: events name each other by feed and number."""
    return dict(connection.execute("SELECT stream_id, name FROM journal.stream WHERE is_feed ORDER BY stream_id").fetchall())


def _blocks(connection: psycopg.Connection, after: int, last: int) -> Iterator[bytes]:
    is_first = True
    with recalled(connection, [(after + 1, last)]) as history:
        sql = f"""
            COPY (SELECT {ROW_COLUMNS} FROM {history} WHERE position > {after:d} AND position <= {last:d} ORDER BY position)
            TO STDOUT (FORMAT BINARY)"""  # noqa: S608 (integers and names of our own)
        with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
            for block in copy:
                row = bytes(block[_COPY_HEAD_LENGTH:]) if is_first else bytes(block)
                is_first = False
                if len(row) > _FIXED.size:
                    yield row


def _fields(block: bytes) -> Fields:
    _, _, position, _, recorded, _, stream_id, _, sequence, length = _FIXED.unpack_from(block)
    kind_end = _FIXED.size + length
    kind = block[_FIXED.size : kind_end]
    data_at = kind_end + 4
    data_end = data_at + _LENGTH.unpack_from(block, kind_end)[0]
    has_occurred = _LENGTH.unpack_from(block, data_end)[0] == 8
    digest_at = data_end + (_INSTANT.size if has_occurred else _LENGTH.size)
    digest = None if _LENGTH.unpack_from(block, digest_at)[0] < 0 else block[digest_at + _LENGTH.size :]
    return (
        position,
        recorded + PG_EPOCH_US,
        stream_id,
        sequence,
        KIND_NAMES.get(kind) or kind.decode(),
        block[data_at:data_end],
        _INSTANT.unpack_from(block, data_end)[1] + PG_EPOCH_US if has_occurred else None,
        digest,
    )


def _changes(connection: psycopg.Connection, after: int, last: int) -> dict[int, Changes]:
    """Returns, by position, what the events that correct or reverse others name."""
    found: dict[int, list[tuple[int, int]]] = {}
    for position, stream_id, sequence in connection.execute(_CHANGES, {"after": after, "last": last}).fetchall():
        found.setdefault(position, []).append((stream_id, sequence))
    return {position: tuple(changes) for position, changes in found.items()}


_CHANGES = """
    SELECT position, stream_id, sequence FROM journal.correction WHERE position > %(after)s AND position <= %(last)s
    ORDER BY position, stream_id, sequence"""
