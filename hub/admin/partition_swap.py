"""Puts one table in the place of a partition: the rows that stay in that of all, or all of them again in that of the few.

What the hub decides of itself stays: participants, agreements and rules are read every day. So does what answers rest on, and what corrects
or reverses, since a correction that comes later needs both: no answer waits for a segment. What else feeds reported, and answers, go.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from hub.domain.errors import HubError
from hub.domain.participant import DECISIONS_FEED
from hub.export.manifest import Segment
from hub.export.shelf import rows
from hub.journal.archived import LOCK, ROW_COLUMNS, Away, copy_in, note_labels
from hub.journal.leaves import DERIVED
from hub.journal.reader import is_read
from hub.projections import FOLDED_FIRST, PROJECTIONS
from hub.projections.projection import all_marks, kinds_of, marks_of

# How the table is called that is to take the place: with what stays, or with all.
KEPT, FULL = "kept", "full"
_BOUNDS = "positions_of_the_partition"
_RESTED_ON = kinds_of(FOLDED_FIRST) or frozenset()
LOCK_TIMEOUT, LOCK_TRIES = "2s", 15
PATIENCE_S, _LOOK_S = 60.0, 0.05

Report = Callable[[str, int, int], None]


class ArchivingHeldUp(HubError):
    """有会话占用日志，稍后再次运行以继续 a session has the journal in use; run it again later, it goes on where it ended:"""


class SegmentsLackRows(HubError):
    """分段与留下的行不符，保留两者并运行 `hub fsck --tlog` segments differ from rows that stayed; keep both and run `hub fsck --tlog`."""


def size(connection: psycopg.Connection) -> int:
    """Returns how many positions a partition has."""
    row = connection.execute("SELECT partition_size FROM journal.head").fetchone()
    assert row is not None
    return int(row[0])


def note(connection: psycopg.Connection, number: int, segments: Sequence[Segment], directory: Path) -> None:
    """Copies the rows of a partition that stay, and notes its segments: from now on readers know of them."""
    with connection.transaction():
        _make(connection, number, KEPT)
        connection.execute(
            f"""INSERT INTO {_table(KEPT, number)} SELECT e.* FROM {_table("event", number)} e JOIN journal.stream s USING (stream_id)
                WHERE NOT s.is_feed OR (s.name LIKE 'hub.%%' AND s.name <> %s) OR {is_read(_RESTED_ON, marks_of(FOLDED_FIRST))}
                   OR EXISTS (SELECT FROM journal.correction c WHERE c.position = e.position)""".encode(),  # noqa: S608 (our own names)
            (DECISIONS_FEED,),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                """INSERT INTO journal.archived (first, last, path, size_bytes, sm3, digest, last_row, directory)
                   VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
                [(one.first, one.last, one.path, one.size_bytes, one.sm3, one.digest, one.last_row, str(directory)) for one in segments],
            )
        for one in segments:
            note_labels(connection, all_marks(PROJECTIONS), (one.first, one.last))


@contextmanager
def loaded(connection: psycopg.Connection, number: int, away: Sequence[Away], report: Report) -> Iterator[str]:
    """Yields the table with all rows of a partition, which is gone if it takes no place; raises what `_load` does."""
    try:
        _load(connection, number, away, report)
        yield _table(FULL, number)
    except HubError:
        drop_loaded(connection, number)
        raise


def _load(connection: psycopg.Connection, number: int, away: Sequence[Away], report: Report) -> None:
    """Copies all rows of a partition from its segments, each with its leaf; raises SegmentsLackRows and what reading segments raises."""
    with connection.transaction():
        _make(connection, number, FULL)
        connection.execute("CREATE TEMPORARY TABLE loaded (LIKE journal.event) ON COMMIT DROP")
        for done, one in enumerate(away, 1):
            copy_in(connection, "pg_temp.loaded", rows([one], [(one.first, one.last)]))
            connection.execute(_WITH_LEAVES.format(table=_table(FULL, number)).encode())
            connection.execute("TRUNCATE pg_temp.loaded")
            report("segments 分段", done, len(away))
        row = connection.execute(_LACKS.format(full=_table(FULL, number), kept=_table("event", number)).encode()).fetchone()
        if row is None or row[0] != away[-1].last - away[0].first + 1 or row[1]:
            raise SegmentsLackRows


def stay(connection: psycopg.Connection, number: int) -> None:
    """Has the rows of a partition that are all there stay: what was made and noted for them to go is taken back."""
    with connection.transaction():
        _forget(connection, number)
        for name in (KEPT, FULL):
            connection.execute(f"DROP TABLE IF EXISTS {_table(name, number)}".encode())


def drop_loaded(connection: psycopg.Connection, number: int) -> None:
    """Takes away what a run has loaded that did not come to its end: the next one loads all again."""
    connection.execute(f"DROP TABLE IF EXISTS {_table(FULL, number)}".encode())


def swap(connection: psycopg.Connection, number: int, name: str, check: Callable[[], None]) -> None:
    """Has a table that was made take the place of a partition; raises ArchivingHeldUp, and what *check* raises directly before."""
    _await_older(connection)
    for _ in range(LOCK_TRIES):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (LOCK,))
                check()
                _put_in_place(connection, number, name)
        except psycopg.errors.LockNotAvailable:
            continue
        else:
            return
    raise ArchivingHeldUp(LOCK)


def _put_in_place(connection: psycopg.Connection, number: int, name: str) -> None:
    old, new, positions = _table("event", number), _table(name, number), size(connection)
    if name == FULL:
        _forget(connection, number)
    for statement in (
        f"ALTER TABLE journal.event DETACH PARTITION {old}",
        f"DROP TABLE {old}",
        f"ALTER TABLE {new} RENAME CONSTRAINT {name}_{number:06d}_pkey TO event_{number:06d}_pkey",
        f"ALTER TABLE {new} RENAME TO event_{number:06d}",
        f"ALTER TABLE journal.event ATTACH PARTITION {old} FOR VALUES FROM ({number * positions}) TO ({(number + 1) * positions})",
        f"ALTER TABLE {old} DROP CONSTRAINT IF EXISTS {_BOUNDS}",
    ):
        connection.execute(statement.encode())


def _forget(connection: psycopg.Connection, number: int) -> None:
    positions = size(connection)
    connection.execute("DELETE FROM journal.archived WHERE first >= %s AND last < %s", (number * positions, (number + 1) * positions))


def _await_older(connection: psycopg.Connection) -> None:
    """Waits for the transactions that are under way: one of them may not see what was noted, and would miss what goes now."""
    older = _under_way(connection)
    until = time.monotonic() + PATIENCE_S
    while left := older & _under_way(connection):
        if time.monotonic() > until:
            raise ArchivingHeldUp(", ".join(sorted(f"pid {pid}" for pid, _ in left)))
        time.sleep(_LOOK_S)


def _under_way(connection: psycopg.Connection) -> set[tuple[int, str]]:
    return {(int(pid), str(transaction)) for pid, transaction in connection.execute(_UNDER_WAY).fetchall()}


def _table(name: str, number: int) -> str:
    return f"journal.{name}_{number:06d}"


def is_whole(connection: psycopg.Connection, number: int, rows: int) -> bool:
    """Whether a partition has all of its rows, none of which has gone."""
    row = connection.execute(f"SELECT count(*) FROM {_table('event', number)}".encode()).fetchone()  # noqa: S608 (our own names)
    return row is not None and row[0] == rows


def is_there(connection: psycopg.Connection, name: str, number: int) -> bool:
    """Whether a table is there that is to take the place of a partition."""
    row = connection.execute("SELECT to_regclass(%s)", (_table(name, number),)).fetchone()
    return row is not None and row[0] is not None


def _make(connection: psycopg.Connection, number: int, name: str) -> None:
    """Makes an empty table that may be a partition; one that a run left unfinished goes."""
    connection.execute(f"DROP TABLE IF EXISTS {_table(name, number)}".encode())
    connection.execute(f"CREATE TABLE {_table(name, number)} (LIKE journal.event INCLUDING ALL)".encode())
    # With it the server need not read the table when it becomes a partition, for which everybody else would wait.
    first, end = number * size(connection), (number + 1) * size(connection)
    check = f"CHECK (position >= {first} AND position < {end})"
    connection.execute(f"ALTER TABLE {_table(name, number)} ADD CONSTRAINT {_BOUNDS} {check}".encode())


_UNDER_WAY = """
    SELECT l.pid, l.virtualxid FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock' AND l.granted
      AND a.datname = current_database() AND l.pid <> pg_backend_pid()"""
_WITH_LEAVES = f"""
    INSERT INTO {{table}} ({ROW_COLUMNS}, leaf)
    SELECT {ROW_COLUMNS}, {DERIVED}
    FROM pg_temp.loaded e JOIN journal.stream s USING (stream_id)"""  # noqa: S608 (our own names)
# How many rows there are, and how many of those that stayed are not among them as they are.
_LACKS = f"""
    SELECT (SELECT count(*) FROM {{full}}),
           (SELECT count(*) FROM (SELECT {ROW_COLUMNS} FROM {{kept}} EXCEPT SELECT {ROW_COLUMNS} FROM {{full}}) d)"""  # noqa: S608
