"""What of the database is in a backup, and how each table is read: by position, or again in each run; always in short transactions.

Views are not in it: they are rebuilt, and so are the tiles of the log and the hashes of the card index. Nor are the console's accounts and
sessions: they are no record of the exchange. Neither are `journal.head`, whose row is in the manifest, nor `vault.key_fingerprint`, which
is there too. Nor are `journal.archived` and `archived_kinds`: the events of archived partitions are read from their segments into the
backup (`history.py`), so that it is whole by itself, and the restored hub has all rows. A table that is added to the schemas must be added
here: a test compares.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import LiteralString, NamedTuple

import psycopg
from psycopg import sql

from hub.domain.hotlist import Hotlist

PAGE_POSITIONS = 50_000
PAGE_ROWS = 50_000
# A row may have a megabyte, so few are in memory at once.
ROWS_A_BLOCK = 32
# A short read of one state: the streams are as they are at the head.
STREAMS = "journal.stream"
EVENTS = "journal.event"
# The rows that belong to the positions after < p <= through. A batch lies where it begins, a hotlist file where its event is.
BY_POSITION: dict[str, LiteralString] = {
    EVENTS: "position > {after} AND position <= {through}",
    "journal.batch": "first_position > {after} AND first_position <= {through}",
    "journal.correction": "position > {after} AND position <= {through}",
    "journal.request": "position > {after} AND position <= {through}",
    "journal.redeemed_token": "position > {after} AND position <= {through}",
    "tlog.checkpoint": "size - 1 > {after} AND size - 1 <= {through}",
    "hotlist.file": """epoch IN (
        SELECT generate_series(b.first_sequence, b.last_sequence) FROM journal.batch b JOIN journal.stream s USING (stream_id)
        WHERE s.name = {hotlist} AND b.first_position > {after} AND b.first_position <= {through})""",
}
_ORDER = {EVENTS: "position", "journal.batch": "first_position"}
# Taken again: their rows have no position (rule versions, identifiers), come late (what witnesses sign) or change (an erasure empties a row
# of the vault).
BY_KEY = {
    "journal.rule_version": ("digest",),
    "tlog.incarnation": ("incarnation",),
    "tlog.cosignature": ("incarnation", "size", "witness"),
    "tlog.contradiction": ("incarnation", "witness", "size"),
    "vault.identifier": ("key",),
    "vault.original": ("stream_id", "sequence"),
}
TABLES = (STREAMS, *BY_KEY, *BY_POSITION)
# PostgreSQL's binary format begins with this and ends with that, around the rows.
HEAD, END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


class Bounds(NamedTuple):
    """The next sequence of each feed at the position of the backup: what a feed has beyond it is not in the backup."""

    streams: list[int]
    next_sequences: list[int]


class TableCopy:
    """The rows of several reads of a table as one stream in binary format; *rows* is how many have been read."""

    def __init__(self, connection: psycopg.Connection, selects: Iterable[sql.Composable]) -> None:
        """Reads nothing yet; each of *selects* is a transaction of its own unless the caller has begun one."""
        self._connection, self._selects = connection, selects
        self.rows = 0

    def __iter__(self) -> Iterator[bytes]:
        yield HEAD
        for select in self._selects:
            yield from self.read(select)
        yield END

    def read(self, select: sql.Composable) -> Iterator[bytes]:
        """Yields the rows of one read, without what goes before and after them."""
        statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT BINARY)").format(select)
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                # One message a row, the first with the head before it; the last is the end mark and nothing else.
                messages = iter(copy)
                held = b"".join(islice(messages, ROWS_A_BLOCK))[len(HEAD) :]
                while block := b"".join(islice(messages, ROWS_A_BLOCK)):
                    yield held
                    held = block
                yield held[: -len(END)]
            self.rows += cursor.rowcount


def columns(connection: psycopg.Connection) -> dict[str, tuple[str, ...]]:
    """Returns the columns, in order, of every table of the backup that is there: an older schema does not have all of them."""
    rows = connection.execute(
        """SELECT attrelid::regclass::text, array_agg(attname::text ORDER BY attnum) FROM pg_attribute
           JOIN unnest(%s::text[]) AS name ON attrelid = to_regclass(name) WHERE attnum > 0 AND NOT attisdropped GROUP BY 1""",
        (list(TABLES),),
    ).fetchall()
    return {table: tuple(names) for table, names in rows}


def of_streams(names: Iterable[str]) -> sql.Composable:
    """Reads the streams as they are."""
    return _select(STREAMS, names, sql.SQL("true"))


def of_positions(table: str, names: Iterable[str], after: int, last: int) -> Iterator[sql.Composable]:
    """Reads what belongs to the positions after < p <= last, a page at a time."""
    for begin in range(after, last, PAGE_POSITIONS):
        through = min(begin + PAGE_POSITIONS, last)
        bounds = {"after": sql.Literal(begin), "through": sql.Literal(through), "hotlist": sql.Literal(str(Hotlist.ID))}
        where = sql.SQL(BY_POSITION[table]).format(**bounds)
        yield _select(table, names, where, _ORDER.get(table, ""))


def of_keys(
    connection: psycopg.Connection, table: str, names: Iterable[str], key: Sequence[str], bounds: Bounds
) -> Iterator[sql.Composable]:
    """Reads a whole table in order of its key, a page at a time; of originals, only those of numbers within the bounds."""
    keys = column_list(key)
    within = _within(bounds) if table == "vault.original" else sql.SQL("true")
    after: sql.Composable = sql.SQL("true")
    while True:
        # The key of the page's last row: none if less than a page is left.
        last = connection.execute(
            sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY {} OFFSET {} LIMIT 1").format(
                keys, identifier(table), after, keys, sql.Literal(PAGE_ROWS - 1)
            )
        ).fetchone()
        if last is None:
            yield _select(table, names, sql.SQL("{} AND {}").format(after, within))
            return
        end = sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, last)))
        yield _select(table, names, sql.SQL("{} AND ({}) <= {} AND {}").format(after, keys, end, within))
        after = sql.SQL("({}) > {}").format(keys, end)


def _within(bounds: Bounds) -> sql.Composable:
    return sql.SQL("""EXISTS (SELECT FROM unnest({}::bigint[], {}::bigint[]) b (id, next_sequence)
        WHERE b.id = stream_id AND sequence < b.next_sequence)""").format(sql.Literal(bounds.streams), sql.Literal(bounds.next_sequences))


def _select(table: str, names: Iterable[str], where: sql.Composable, order: str = "") -> sql.Composable:
    ordered = sql.SQL(" ORDER BY {}").format(sql.Identifier(order)) if order else sql.SQL("")
    return sql.SQL("SELECT {} FROM {} WHERE {}").format(column_list(names), identifier(table), where) + ordered


def identifier(table: str) -> sql.Composable:
    """Names a table, schema and all."""
    return sql.Identifier(*table.split("."))


def column_list(names: Iterable[str]) -> sql.Composable:
    """Names columns."""
    return sql.SQL(", ").join(map(sql.Identifier, names))
