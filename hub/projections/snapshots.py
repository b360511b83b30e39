"""Snapshots of the views that answers rest on: their rows at one position in a file, whose position and digest are an event in the journal.

A rebuild that begins with one folds only what came since. The event is a leaf of the log like any other, so that a snapshot is as good as
the log that has its digest.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub import durable
from hub.domain.errors import HubError
from hub.journal.joins import EVENTS_OF
from hub.journal.own_events import SNAPSHOT_FEED, append_own
from hub.journal.sessions import session
from hub.projections import DECIDED_BY
from hub.projections.engine import positions
from hub.projections.projection import FRESH, Table, View

_BLOCK, _LONGEST_LINE = 1 << 20, 1 << 16


class SnapshotUnknown(HubError):
    """日志中没有这个位置的快照 the journal knows of no snapshot at the position that the file names."""


class SnapshotDiffers(HubError):
    """快照文件与日志中的摘要不符，勿用 the file is not the snapshot that the journal has the digest of; do not use it."""


class SnapshotUnreadable(HubError):
    """文件不是本版本的快照 the file is no snapshot, or is one of other columns; keep a new one."""


class SnapshotUnwritable(HubError):
    """快照无法写入；腾出空间或换目录 the snapshot cannot be written; make room or take another directory."""


class SnapshotLacksView(HubError):
    """快照中没有这个视图：只有答复所依据的视图 a snapshot has the views that answers rest on, and not this one."""


class ViewsNotReady(HubError):
    """视图尚未折叠，或有搁置的事件 nothing is folded yet, or events are parked; look at `hub fsck`, then keep a snapshot."""


class Kept(NamedTuple):
    """A snapshot: its file, the position of its views, that of its event, and its digest."""

    path: Path
    position: int
    event_position: int
    digest: str


def keep(dsn: str, connection: psycopg.Connection, directory: Path) -> Kept:
    """Writes the rows of the views to a file, then records its digest; *connection* may read views.

    Raises ViewsNotReady, SnapshotUnwritable, NotRecorded.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        found = set(positions(connection, DECIDED_BY).values())
        names = [view.name for view in DECIDED_BY]
        parked = connection.execute("SELECT FROM views.parked WHERE view = ANY (%s) LIMIT 1", (names,)).fetchone()
        if len(found) != 1 or found == {0} or parked is not None:
            raise ViewsNotReady
        [position] = found
        path = directory / f"views-{position:012d}.snapshot"
        try:
            with durable.whole(path) as file:
                _write(connection, file, position)
        except OSError as error:
            raise SnapshotUnwritable(f"{error.strerror}") from None
    return Kept(path, position, _recorded(dsn, position, file.sm3), file.sm3)


def _write(connection: psycopg.Connection, file: durable.Written, position: int) -> None:
    """Writes a line that says what it is, then of each table a line with its name and columns, its rows in blocks, and an empty block."""
    file.write(_line({"position": position}))
    for view in DECIDED_BY:
        for table in view.tables:
            file.write(_line(_head(table)))
            names, keys = (", ".join(name for name, _ in columns) for columns in (table.columns, table.key_columns))
            statement = f"COPY (SELECT {names} FROM views.{table.name} ORDER BY {keys}) TO STDOUT (FORMAT BINARY)"  # noqa: S608 (our own names)
            with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
                for block in _gathered(copy):
                    file.write(len(block).to_bytes(4, "big") + block)
            file.write(bytes(4))


def _gathered(blocks: Any) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for block in blocks:
        gathered.append(bytes(block))
        size += len(block)
        if size >= _BLOCK:
            yield b"".join(gathered)
            gathered, size = [], 0
    if gathered:
        yield b"".join(gathered)


def _line(said: dict[str, Any]) -> bytes:
    return json.dumps(said).encode() + b"\n"


def _head(table: Table) -> dict[str, Any]:
    return {"table": table.name, "columns": [list(column) for column in table.columns]}


def _recorded(dsn: str, position: int, digest: str) -> int:
    event = event_pb2.Event()
    event.occurred_at.FromMicroseconds(time.time_ns() // 1_000)
    event.views_snapshot_kept.position, event.views_snapshot_kept.digest = position, bytes.fromhex(digest)
    # One that was recorded before a fault is not recorded again.
    key = hashlib.sha256(f"{SNAPSHOT_FEED}\0{position}\0{digest}".encode()).digest()
    with session(dsn, "hub_writer", "hub-writer") as writer:
        return append_own(writer, event, SNAPSHOT_FEED, key)


def position_of(connection: psycopg.Connection, path: Path) -> int:
    """Returns the position of a snapshot whose digest the journal has; raises SnapshotUnreadable, SnapshotUnknown or SnapshotDiffers."""
    try:
        with path.open("rb") as file:
            position = int(_said(file)["position"])
        digest = durable.sm3_of(path)
    except (OSError, ValueError, KeyError, TypeError):
        raise SnapshotUnreadable from None
    said = [event_pb2.Event.FromString(bytes(data)).views_snapshot_kept for (data,) in connection.execute(_KEPT, (SNAPSHOT_FEED,))]
    digests = {one.digest.hex() for one in said if one.position == position}
    if not digests:
        raise SnapshotUnknown(position=position)
    if digest not in digests:
        raise SnapshotDiffers(position=position)
    return position


_KEPT = f"""
    SELECT e.data FROM journal.stream s {EVENTS_OF}
    WHERE s.name = %s AND s.is_feed"""  # noqa: S608 (our own text)


def _said(file: BinaryIO) -> dict[str, Any]:
    said = json.loads(file.readline(_LONGEST_LINE))
    if not isinstance(said, dict):
        raise TypeError
    return said


def load(connection: psycopg.Connection, path: Path, position: int, view: View) -> None:
    """Fills a view's fresh tables with the rows of a snapshot that `position_of` knows; raises SnapshotLacksView, SnapshotUnreadable."""
    if view.name not in {one.name for one in DECIDED_BY}:
        raise SnapshotLacksView(view=view.name)
    fresh = replace(view, name=view.name + FRESH)
    tables = {table.name: (table, other) for table, other in zip(view.tables, fresh.tables, strict=True)}
    with connection.transaction(), path.open("rb") as file:
        _said(file)
        while line := file.readline(_LONGEST_LINE):
            said = json.loads(line)
            table, other = tables.pop(said["table"], (None, None))
            if table is not None and said != _head(table):
                raise SnapshotUnreadable
            _copy(connection, other, _blocks(file))
        if tables:
            raise SnapshotUnreadable
        connection.execute("UPDATE views.checkpoint SET position = %s WHERE view = %s", (position, fresh.name))


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while size := int.from_bytes(file.read(4), "big"):
        yield file.read(size)


def _copy(connection: psycopg.Connection, table: Table | None, blocks: Iterator[bytes]) -> None:
    if table is None:
        for _ in blocks:
            pass
        return
    names = ", ".join(name for name, _ in table.columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY views.{table.name} ({names}) FROM STDIN (FORMAT BINARY)".encode()) as copy:
        for block in blocks:
            copy.write(block)
