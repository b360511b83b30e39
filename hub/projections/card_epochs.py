"""Publishes roots of the card index: hourly, and when somebody asks for a proof. A root is an event, so that it is in the log it speaks of.

An epoch is made of the rows that the view has at one position. What changed since the last one is found in the journal, so that only its
buckets are read again; where much changed, all rows are read as they lie, which takes less.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.domain.errors import HubError
from hub.journal.own_events import INDEX_FEED, append_own
from hub.journal.reader import read_page
from hub.journal.sessions import alone, session
from hub.projections.views.card_index import CARD_INDEX, all_bucket_hashes, bucket_hashes, names_of, records_in_order
from hub.tlog.card_index import (
    BUCKET_BITS,
    EMPTY_GROUP,
    GROUP_BITS,
    HASH,
    MAP_VERSION,
    Roots,
    bounds_of,
    bucket_of,
    groups_of,
)

log = logging.getLogger(__name__)

EVERY_S = 3600.0
LOOK_EVERY_S = 60.0
KEPT_EPOCHS = 24
_PAGE_POSITIONS = 10_000
# Beyond so many events a row, reading the journal takes longer than reading all rows.
_MOST_EVENTS_A_ROW = 0.25
# Beyond so many buckets, too: each of their rows is a page somewhere in the table. Of five million rows an eighth of the buckets took
# 1.3 times as long as all of them.
_MOST_BUCKETS = (1 << BUCKET_BITS) // 16


class IndexUnderWay(HubError):
    """卡索引的根正在公布，请稍后重试 a root of the card index is being published already; try again in a moment."""


class NothingToIndex(HubError):
    """视图 card_index 尚未折叠任何事件；请运行 `hub project` the view card_index has folded nothing yet."""


class Epoch(NamedTuple):
    """A published root: it covers the leaves below *tree_size*; *position* is that of its event, *touched* how many groups were new."""

    tree_size: int
    position: int
    root: bytes
    touched: int


def newest(connection: psycopg.Connection, below: int = 2**62) -> Epoch | None:
    """Returns the newest root whose event is at a position below *below*, None if there is none."""
    row = connection.execute(_NEWEST, (below,)).fetchone()
    return None if row is None else Epoch(row[0], row[1], bytes(row[2]), 0)


def publish(dsn: str, connection: psycopg.Connection, now_us: int, *, whole: bool = False) -> Epoch:
    """Publishes the root of what the view has; *connection* may write views. Where nothing came since, returns the root that is there.

    Raises IndexUnderWay, NothingToIndex, NotRecorded.
    """
    with alone(connection, "hub.card_index", IndexUnderWay()), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        row = connection.execute("SELECT position FROM views.checkpoint WHERE view = %s", (CARD_INDEX.name,)).fetchone()
        if row is None or row[0] == 0:
            raise NothingToIndex
        before, tree_size = newest(connection), row[0] + 1
        if before is not None and _only_own(connection, before, tree_size):
            return before
        touched = None if before is None or whole else _touched(connection, before.tree_size - 1, tree_size - 1)
        roots, groups = _made(connection, before if touched is not None else None, touched)
        root = roots.root
        position = _recorded(dsn, tree_size, root, now_us)
        connection.execute(_INSERT, (tree_size, position, root, roots.kept))
        with connection.cursor() as cursor, cursor.copy(_COPY_GROUPS) as copy:
            copy.set_types(["int4", "int8", "bytea"])
            for number, hashes in groups.items():
                copy.write_row((number, tree_size, hashes))
        _forget(connection)
        return Epoch(tree_size, position, root, len(groups))


def keep_publishing(dsn: str, stop: threading.Event, connect: Callable[[str, str], psycopg.Connection]) -> None:
    """Publishes a root an hour after the last one, again and again until *stop* is set; an hour after the start where there is none."""
    began = time.monotonic()
    while not stop.wait(LOOK_EVERY_S):
        try:
            with connect(dsn, "hub-index") as connection:
                row = connection.execute(_AGE).fetchone()
                age_s = time.monotonic() - began if row is None or row[0] is None else float(row[0])
                if age_s > EVERY_S:
                    publish(dsn, connection, time.time_ns() // 1_000)
        except (psycopg.Error, HubError):
            log.warning("card index: no root was published; trying again", exc_info=True)


def _only_own(connection: psycopg.Connection, before: Epoch, tree_size: int) -> bool:
    """Whether nothing but roots of the index came since the last one: they name nobody."""
    row = connection.execute(_OTHERS, (before.tree_size, tree_size - 1)).fetchone()
    return row is None


def _touched(connection: psycopg.Connection, after: int, end: int) -> set[int] | None:
    """Returns the buckets of what events with after < position <= end name, None where reading all rows is less work."""
    row = connection.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", (f"views.{CARD_INDEX.name}",)).fetchone()
    if row is None or end - after > _MOST_EVENTS_A_ROW * max(row[0], 0):
        return None
    found: set[int] = set()
    for begin in range(after, end, _PAGE_POSITIONS):
        for recorded in read_page(connection, begin, min(begin + _PAGE_POSITIONS, end)):
            found |= set(map(bucket_of, names_of(recorded)))
        if len(found) > _MOST_BUCKETS:
            return None
    return found


def _made(connection: psycopg.Connection, before: Epoch | None, touched: set[int] | None) -> tuple[Roots, dict[int, bytes]]:
    """Returns the roots of an epoch, and its groups that are new."""
    if before is None or touched is None:
        roots, known, found = Roots(), {}, all_bucket_hashes(connection)
    else:
        roots, known = roots_at(connection, before.tree_size), _groups(connection, {one >> GROUP_BITS for one in touched}, before.tree_size)
        found = bucket_hashes(connection, [bounds_of(bucket) for bucket in sorted(touched)])
    groups: dict[int, bytearray] = {}
    for bucket, hashed in found:
        number = bucket >> GROUP_BITS
        if number not in groups:
            groups[number] = bytearray(known.get(number, EMPTY_GROUP))
        at = (bucket & (1 << GROUP_BITS) - 1) * HASH
        groups[number][at : at + HASH] = hashed
    for number, hashes in groups.items():
        roots.put(number, bytes(hashes))
    return roots, {number: bytes(hashes) for number, hashes in groups.items()}


def _groups(connection: psycopg.Connection, numbers: set[int], tree_size: int) -> dict[int, bytes]:
    rows = connection.execute(_GROUPS, {"numbers": sorted(numbers), "tree_size": tree_size}).fetchall()
    return {number: bytes(hashes) for number, hashes in rows}


def group_at(connection: psycopg.Connection, number: int, tree_size: int) -> bytes:
    """Returns the hashes of the buckets of a group as of an epoch that is kept."""
    return _groups(connection, {number}, tree_size).get(number, EMPTY_GROUP)


def roots_at(connection: psycopg.Connection, tree_size: int) -> Roots:
    """Returns the roots of an epoch that is kept."""
    row = connection.execute("SELECT group_roots FROM tlog.index_epoch WHERE tree_size = %s", (tree_size,)).fetchone()
    assert row is not None, "it was found just now"
    return Roots(bytes(row[0]))


def _recorded(dsn: str, tree_size: int, root: bytes, now_us: int) -> int:
    event = event_pb2.Event()
    event.occurred_at.FromMicroseconds(now_us)
    said = event.index_published
    said.tree_size, said.root, said.map_fn_version = tree_size, root, MAP_VERSION
    # What was recorded before a fault, and kept by nobody, is found again.
    key = hashlib.sha256(b"hub.index\0" + tree_size.to_bytes(8, "big") + root).digest()
    with session(dsn, "hub_writer", "hub-writer") as writer:
        return append_own(writer, event, INDEX_FEED, key)


def _forget(connection: psycopg.Connection) -> None:
    """Takes away what only epochs need that are not kept."""
    row = connection.execute(
        "SELECT tree_size FROM tlog.index_epoch ORDER BY tree_size DESC OFFSET %s LIMIT 1", (KEPT_EPOCHS - 1,)
    ).fetchone()
    if row is None:
        return
    connection.execute("DELETE FROM tlog.index_epoch WHERE tree_size < %s", row)
    connection.execute(_FORGET_GROUPS, row)


def all_groups(connection: psycopg.Connection) -> Iterator[tuple[int, bytes]]:
    """Yields the groups of the view's rows as they are now: what an auditor compares with what was published."""
    yield from groups_of(records_in_order(connection))


_NEWEST = """
    SELECT tree_size, position, root FROM tlog.index_epoch WHERE position < %s ORDER BY tree_size DESC LIMIT 1"""
_OTHERS = """
    SELECT FROM journal.event e JOIN journal.stream s USING (stream_id)
    WHERE e.position BETWEEN %s AND %s AND s.name <> 'hub.index' LIMIT 1"""
_AGE = "SELECT extract(epoch FROM clock_timestamp() - max(published_at)) FROM tlog.index_epoch"
_INSERT = "INSERT INTO tlog.index_epoch (tree_size, position, root, group_roots) VALUES (%s, %s, %s, %s)"
_COPY_GROUPS = "COPY tlog.index_group (number, tree_size, hashes) FROM STDIN (FORMAT BINARY)"
_GROUPS = """
    SELECT n.number, g.hashes FROM unnest(%(numbers)s::int[]) n (number) CROSS JOIN LATERAL (
        SELECT hashes FROM tlog.index_group g WHERE g.number = n.number AND g.tree_size <= %(tree_size)s
        ORDER BY g.tree_size DESC LIMIT 1) g"""
_FORGET_GROUPS = """
    DELETE FROM tlog.index_group g WHERE EXISTS (
        SELECT FROM tlog.index_group n WHERE n.number = g.number AND n.tree_size > g.tree_size AND n.tree_size <= %s)"""
