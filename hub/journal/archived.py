"""Events of partitions that were archived: their rows have left the database, segments have them.

Who reads asks the database first and here for the rest: a partition is noted as archived before its rows go, so nothing is missed. It
asks again where rows came back between the two (`asked`). A statement that joins events with what is beside them has their rows brought
back into its session for that long.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from hub.domain.errors import HubError, JournalUnavailable

if TYPE_CHECKING:
    from hub.journal.reader import Recorded

Found = TypeVar("Found")
# A run of positions, both ends in it.
Run = tuple[int, int]
# Who reads both holds this shared, who has rows go or come has it alone.
LOCK = "hub.archive"
# What statements over all of history read: a view of the rows, and where some are brought back one of both.
HISTORY = "journal.history"


class SegmentAway(JournalUnavailable):
    """已归档的分段不在应在之处；放回原处，或以 HUB_ARCHIVE_DIR 指明目录 an archived segment is not where it is expected; put it back, or name its directory in HUB_ARCHIVE_DIR."""  # noqa: E501


class RecallRefused(JournalUnavailable):
    """此会话只读，不能取回已归档的事件；若是备库，请改问主库 this session only reads and cannot have archived events brought back; at a standby, ask the primary."""  # noqa: E501


class Away(NamedTuple):
    """A segment of archived positions: what it has to be, and the directory in which it was."""

    first: int
    last: int
    path: str
    size_bytes: int
    sm3: str
    digest: str
    last_row: str
    directory: str


def segments(connection: psycopg.Connection[Any], runs: Iterable[Run]) -> list[Away]:
    """Returns the segments that have archived positions of some runs, in order."""
    return _noted(connection, runs)[0]


def _noted(connection: psycopg.Connection[Any], runs: Iterable[Run]) -> tuple[list[Away], int]:
    """Returns the segments of some runs with a number that is another one after rows of a partition went or came."""
    firsts, lasts = zip(*runs, strict=True)
    asked = {"firsts": list(firsts), "lasts": list(lasts), "lowest": min(firsts), "highest": max(lasts)}
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_NOTED, asked).fetchall()
    left_out = _left_out.get(connection, ())
    return [Away(*row[1:]) for row in rows if row[1] is not None and row[1] not in left_out], int(rows[0][0])


def all_segments(connection: psycopg.Connection[Any]) -> list[Away]:
    """Returns the segments of all that is archived, in order."""
    return segments(connection, [(0, 2**62)])


def here_from(connection: psycopg.Connection[Any]) -> int:
    """Returns the position from which on every row is in the database."""
    row = connection.execute(_HERE_FROM).fetchone()
    return 1 if row is None else int(row[0])


def leave_out_unreadable(connection: psycopg.Connection[Any]) -> list[tuple[Away, HubError]]:
    """Reads each segment's file; has this session go on without those that cannot be read, and returns them with what is wrong."""
    found = []
    for one in all_segments(connection):
        try:
            with _shelf().opened(one):
                pass
        except HubError as error:
            found.append((one, error))
    _left_out[connection] = frozenset(one.first for one, _ in found)
    return found


def asked(connection: psycopg.Connection, runs: Sequence[Run], ask: Callable[[], Found]) -> tuple[Found, list[Away]]:
    """Returns what the database has by *ask*, with the segments that have what it has not of some runs.

    Two questions see two states. What goes between them is noted by then; where rows may have come back, the database is asked again.
    """
    known = _swapped.get(connection)
    if known is None:
        _, known = _noted(connection, runs)
    while True:
        found = ask()
        away, now = _noted(connection, runs)
        _swapped[connection] = now
        if now == known:
            return found, away
        known = now


def joined(
    away: Sequence[Away],
    page: list["Recorded"],
    run: Run,
    kinds: Collection[str] | None = None,
    also: Collection[int] = (),
    marks: Mapping[str, Collection[bytes]] = MappingProxyType({}),
) -> list["Recorded"]:
    """Returns a page of a run with what of it is archived, in order; the rest as in `reader.read_page`."""
    if not away:
        return page
    here = {one.position for one in page}
    for one in _shelf().events(away, run, kinds, also):
        is_marked = one.kind not in marks or one.position in also or any(mark in one.data for mark in marks[one.kind])
        if one.position not in here and is_marked:
            page.append(one)
    return sorted(page, key=lambda one: one.position)


def events_at(away: Sequence[Away], positions: Collection[int], kinds: Collection[str] | None = None) -> list["Recorded"]:
    """Returns what segments have at some positions, all or what is of some kinds, in order."""
    if not away:
        return []
    found = _shelf().events(away, (min(positions), max(positions)), (), positions)
    return [one for one in found if kinds is None or one.kind in kinds]


def pages_back(away: Sequence[Away], run: Run, kinds: Collection[str] | None = None) -> Iterator[list["Recorded"]]:
    """Yields what segments have of a run, or what of some kinds, a segment after the other from the last one on, each in order."""
    for one in reversed(away):
        yield _shelf().events([one], run, kinds, ())


class Label(NamedTuple):
    """What is noted of an archived event: its kind, and which bytes were looked for in it, each with whether it has them."""

    kind: str
    marks: Mapping[bytes, bool]

    def is_read(self, kinds: Collection[str], marks: Mapping[str, Collection[bytes]]) -> bool:
        """Whether who reads some kinds, of those in *marks* only what has some of their bytes, may read it."""
        return self.kind in kinds and (self.kind not in marks or any(self.marks.get(mark, True) for mark in marks[self.kind]))


def labels_at(connection: psycopg.Connection, positions: Collection[int]) -> dict[int, Label]:
    """Returns what is noted of archived events by position, without a look at their segments; of some nothing is."""
    return {position: _label(text) for position, text in connection.execute(_LABELS, (list(positions),)).fetchall()}


def _label(text: str) -> Label:
    kind, *marks = text.split()
    return Label(kind, {bytes.fromhex(mark[1:]): mark[0] == "+" for mark in marks})


def note_labels(connection: psycopg.Connection, marks: Mapping[str, Collection[bytes]], run: Run) -> None:
    """Notes of what kind each event of a segment is whose rows are still here, and which of some bytes those of a kind have."""
    looked_for = "".join(
        f"WHEN '{kind}' THEN {' || '.join(_HAS.format(mark=mark.hex()) for mark in sorted(some))} " for kind, some in sorted(marks.items())
    )
    label = f"kind || CASE kind {looked_for} ELSE '' END" if looked_for else "kind"
    connection.execute(_NOTE_LABELS.format(label=label).encode(), {"first": run[0], "last": run[1]})


@contextmanager
def recalled(connection: psycopg.Connection[Any], runs: Sequence[Run]) -> Iterator[LiteralString]:
    """Yields the name that statements read as HISTORY, which has the archived rows of some runs too; it is one transaction.

    Raises RecallRefused, SegmentAway, ExportDamaged, SegmentForeign or SegmentSchemaUnknown.
    """
    with _writing(connection):
        connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", (LOCK,))
        away = segments(connection, runs) if runs else []
        if not away:
            yield HISTORY
            return
        number = next(_numbers)
        table, both = f"pg_temp.recalled_{number}", f"pg_temp.history_{number}"
        try:
            connection.execute(f"CREATE TABLE {table} (LIKE journal.event, PRIMARY KEY (position))".encode())
        except psycopg.errors.ReadOnlySqlTransaction:
            raise RecallRefused from None
        copy_in(connection, table, _shelf().rows(away, runs))
        # An archived partition has kept some of its rows.
        connection.execute(f"DELETE FROM {table} r USING journal.event e WHERE e.position = r.position".encode())  # noqa: S608
        connection.execute(f"ANALYZE {table}".encode())
        connection.execute(f"CREATE VIEW {both} AS SELECT * FROM journal.event UNION ALL SELECT * FROM {table}".encode())  # noqa: S608
        # Of our own texts and a number.
        yield cast(LiteralString, both)
        connection.execute(f"DROP TABLE {table} CASCADE".encode())


@contextmanager
def _writing(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """A transaction that may make its temporary table, in a session that only reads too: nothing else is written in it.

    What it needs to know of the session the server has said by itself; at a standby there is no such transaction.
    """
    info = connection.info
    reads_only = info.parameter_status("default_transaction_read_only") == "on" and info.parameter_status("in_hot_standby") == "off"
    is_outermost = info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        if reads_only and is_outermost:
            connection.execute("SET TRANSACTION READ WRITE")
        yield


def copy_in(connection: psycopg.Connection[Any], table: str, rows: Iterable[bytes]) -> None:
    """Copies rows as `shelf.rows` yields them into a table like that of events; they have no leaf."""
    statement = f"COPY {table} ({ROW_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.write(_COPY_HEAD)
        for row in rows:
            copy.write(row)
        copy.write(_COPY_END)


def _shelf() -> Any:
    """Named and not imported: it is of a layer above, and loads what only those need who read segments."""
    return import_module("hub.export.shelf")


# The oldest position of all; an archived partition has kept some of its rows.
FIRST = """
    SELECT LEAST((SELECT position FROM journal.event ORDER BY position LIMIT 1),
                 (SELECT first FROM journal.archived ORDER BY first LIMIT 1))"""
_HERE_FROM = """
    SELECT GREATEST(COALESCE((SELECT position FROM journal.event ORDER BY position LIMIT 1), 1),
                    (SELECT last + 1 FROM journal.archived ORDER BY first DESC LIMIT 1))"""
# What each session has seen: that no partition was exchanged is known without a further question.
_swapped: WeakKeyDictionary[psycopg.Connection, int] = WeakKeyDictionary()
# The first positions of segments that a session goes on without.
_left_out: WeakKeyDictionary[psycopg.Connection[Any], frozenset[int]] = WeakKeyDictionary()
# A session may have rows of several runs brought back at once, one within the other.
_numbers = count()
# How PostgreSQL's binary COPY begins and ends.
_COPY_HEAD, _COPY_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
ROW_COLUMNS = "position, recorded_at, stream_id, sequence, kind, data, occurred_at, digest"
# The number is that of the tables which are partitions: one that takes the place of another has a higher one.
_NOTED = """
    SELECT p.number, first, last, path, size_bytes, sm3, digest, last_row, directory
    FROM (SELECT COALESCE(sum(inhrelid::bigint), 0)::bigint AS number FROM pg_inherits WHERE inhparent = 'journal.event'::regclass) p
    LEFT JOIN journal.archived a ON a.last >= %(lowest)s AND a.first <= %(highest)s
      AND EXISTS (SELECT FROM unnest(%(firsts)s::bigint[], %(lasts)s::bigint[]) r (first, last)
                  WHERE r.first <= a.last AND r.last >= a.first)
    ORDER BY first"""
_LABELS = """
    SELECT p.position, k.labels[get_byte(k.numbers, (p.position - k.first)::int) + 1]
    FROM unnest(%s::bigint[]) p (position) JOIN journal.archived a ON p.position BETWEEN a.first AND a.last
    JOIN journal.archived_kinds k USING (first)"""
_HAS = "CASE WHEN position('\\x{mark}'::bytea IN data) > 0 THEN ' +{mark}' ELSE ' -{mark}' END"
# With more labels than a byte has numbers nothing is noted, and each segment is opened.
_NOTE_LABELS = """
    WITH labelled AS (SELECT position, {label} AS label FROM journal.event WHERE position BETWEEN %(first)s AND %(last)s),
         known AS (SELECT array_agg(DISTINCT label) AS labels FROM labelled)
    INSERT INTO journal.archived_kinds (first, labels, numbers)
    SELECT %(first)s, labels, (
        SELECT string_agg(set_byte('\\x00', 0, array_position(labels, label) - 1), ''::bytea ORDER BY position) FROM labelled)
    FROM known WHERE cardinality(labels) <= 256"""
