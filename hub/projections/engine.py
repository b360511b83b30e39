"""The one engine of all projections: read a page, load rows by key, fold, write back, move the checkpoint, in one transaction.

It runs a view live, rebuilds it beside the live one and switches, and compares digests. A projection itself is only data and two
pure functions. An event that makes `evolve` raise is parked, and so are later ones of its key; other keys go on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, read_page
from hub.projections.fold_trace import Fold, folded
from hub.telemetry.spans import now_ns

Key = tuple[Any, ...]
Row = tuple[Any, ...]

PAGE_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Projection:
    """A view: its table, the kinds it reads, which rows an event touches and how a row changes.

    *keys* and *evolve* are pure. `evolve(key, row, recorded, corrected)` gets None for a row that is not there and returns the
    values (in the order of *values*), or None for no row. *corrected* is the event that stood until now and stands no more, if any;
    *recorded* is the one that stands now: an earlier one again where what took its place is reversed. By a reversal
    (`recorded.is_reversal`) nothing stands.
    """

    name: str
    key_columns: tuple[tuple[str, str], ...]
    value_columns: tuple[tuple[str, str], ...]
    kinds: frozenset[str] | None
    keys: Callable[[Recorded, Recorded | None], Iterable[Key]]
    evolve: Callable[[Key, Row | None, Recorded, Recorded | None], Row | None]
    indexes: tuple[str, ...] = ()
    follows_corrections: bool = True

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """All columns with their types, keys first."""
        return self.key_columns + self.value_columns


def create_views(connection: psycopg.Connection, projections: Iterable[Projection]) -> None:
    """Makes the tables that do not exist yet, and the engine's own three."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('hub.views'))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS views.checkpoint (view text PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 20)"
        )
        connection.execute("""CREATE TABLE IF NOT EXISTS views.parked (
            view text, key text, position bigint, error text NOT NULL, PRIMARY KEY (view, key, position))""")
        connection.execute("""CREATE TABLE IF NOT EXISTS views.verification (
            view text PRIMARY KEY, position bigint NOT NULL, is_equal boolean NOT NULL, checked_at timestamptz NOT NULL)""")
        for projection in projections:
            create_view(connection, projection)


def create_view(connection: psycopg.Connection, projection: Projection) -> None:
    exists = connection.execute("SELECT to_regclass(%s)", (f"views.{projection.name}",)).fetchone()
    if exists and exists[0]:
        return
    columns = ", ".join(f"{name} {kind}" for name, kind in projection.columns)
    keys = ", ".join(name for name, _ in projection.key_columns)
    connection.execute(f"CREATE TABLE views.{projection.name} ({columns}, PRIMARY KEY ({keys})) WITH (fillfactor = 80)".encode())
    for column in projection.indexes:
        connection.execute(f"CREATE INDEX ON views.{projection.name} ({column})".encode())
    connection.execute("INSERT INTO views.checkpoint (view, position) VALUES (%s, 0) ON CONFLICT (view) DO NOTHING", (projection.name,))


def advance(
    connection: psycopg.Connection,
    projection: Projection,
    through: int | None = None,
    page_events: int = PAGE_EVENTS,
    *,
    waits: bool = True,
) -> int:
    """Folds one page into the view and returns how many positions it moved; 0 means it has caught up (or reached *through*).

    Where a rebuild has the view, it waits for that, or folds nothing if not *waits*.
    """
    with connection.transaction():
        began = now_ns()
        if not waits and not _is_free(connection, projection.name):
            return 0
        after, head = checkpoint_and_head(connection, projection.name)
        end = min(after + page_events, head if through is None else min(head, through))
        if end <= after:
            return 0
        changed = changes(connection, after, end) if projection.follows_corrections else {}
        page = read_page(connection, after, end, projection.kinds, also=changed)
        if page:
            fold = Fold(projection.name, began)
            fold.parked = fold_page(connection, projection, page, changed, parked_keys(connection, projection.name))
            folded(connection, [fold.done(len(page))], after, end)
        connection.execute("UPDATE views.checkpoint SET position = %s WHERE view = %s", (end, projection.name))
    return end - after


def checkpoint_and_head(connection: psycopg.Connection, view: str) -> tuple[int, int]:
    """Returns the view's position, locked, and the head's: whoever holds the former is the only one to fold or switch that view."""
    row = connection.execute(
        """SELECT c.position, (SELECT position FROM journal.head) FROM views.checkpoint c
           WHERE c.view = %s FOR NO KEY UPDATE OF c""",
        (view,),
    ).fetchone()
    assert row is not None, f"no checkpoint of {view}"
    return int(row[0]), int(row[1])


def _is_free(connection: psycopg.Connection, view: str) -> bool:
    """Takes the view's checkpoint unless another transaction has it."""
    row = connection.execute("SELECT FROM views.checkpoint WHERE view = %s FOR NO KEY UPDATE SKIP LOCKED", (view,)).fetchone()
    return row is not None


def folds_of(recorded: Recorded, change: Change | None) -> list[tuple[Recorded, Recorded | None]]:
    """Returns what a view is handed for an event, as (recorded, corrected): once, and again for each further event that it takes out."""
    if change is None:
        return [(recorded, None)]
    first, others = (change.out[0], change.out[1:]) if change.out else (None, ())
    nothing = recorded if recorded.is_reversal else recorded.taking_out()
    return [(change.into or nothing, first), *((nothing, before) for before in others)]


def fold_page(
    connection: psycopg.Connection, projection: Projection, page: list[Recorded], changed: Mapping[int, Change], parked: set[str]
) -> int:
    """Folds a page and returns how many events were parked."""
    touched: list[tuple[int, Recorded, Recorded | None, list[Key]]] = []
    parked_now: set[tuple[str, int, str]] = set()
    for event in page:
        for recorded, before in folds_of(event, changed.get(event.position)):
            try:
                # A row that is named twice is folded once.
                touched.append((event.position, recorded, before, list(dict.fromkeys(projection.keys(recorded, before)))))
            except Exception as error:
                parked_now.add((f"position {event.position}", event.position, type(error).__name__))
    wanted = {key for *_, keys in touched for key in keys}
    rows = _load(connection, projection, wanted)
    folded_rows: dict[Key, Row | None] = {}
    for position, recorded, before, keys in touched:
        for key in keys:
            if parked and repr(key) in parked:
                parked_now.add((repr(key), position, "an earlier event of this key is parked"))
                continue
            try:
                row = folded_rows[key] if key in folded_rows else rows.get(key)
                folded_rows[key] = projection.evolve(key, row, recorded, before)
            except Exception as error:
                parked.add(repr(key))
                parked_now.add((repr(key), position, type(error).__name__))
    _store(connection, projection, folded_rows)
    if parked_now:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO views.parked (view, key, position, error) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [(projection.name, *entry) for entry in sorted(parked_now)],
            )
    return len(parked_now)


def parked_keys(connection: psycopg.Connection, view: str) -> set[str]:
    return {row[0] for row in connection.execute("SELECT DISTINCT key FROM views.parked WHERE view = %s", (view,))}


def _load(connection: psycopg.Connection, projection: Projection, keys: set[Key]) -> dict[Key, Row]:
    if not keys:
        return {}
    width = len(projection.key_columns)
    names = ", ".join(name for name, _ in projection.columns)
    key_names = ", ".join(name for name, _ in projection.key_columns)
    arrays = ", ".join(f"%s::{kind}[]" for _, kind in projection.key_columns)
    statement = f"SELECT {names} FROM unnest({arrays}) k ({key_names}) JOIN views.{projection.name} USING ({key_names})"  # noqa: S608
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement.encode(), [list(column) for column in zip(*keys, strict=True)])
        return {row[:width]: row[width:] for row in cursor}


def _store(connection: psycopg.Connection, projection: Projection, changed: dict[Key, Row | None]) -> None:
    kept = [(*key, *row) for key, row in changed.items() if row is not None]
    gone = [key for key, row in changed.items() if row is None]
    names = ", ".join(name for name, _ in projection.columns)
    key_names = ", ".join(name for name, _ in projection.key_columns)
    if kept:
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in projection.columns)
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name, _ in projection.value_columns)
        statement = f"""INSERT INTO views.{projection.name} ({names}) SELECT * FROM unnest({arrays})
            ON CONFLICT ({key_names}) DO UPDATE SET {updates}"""  # noqa: S608
        connection.execute(statement.encode(), [list(column) for column in zip(*kept, strict=True)], binary=True)
    if gone:
        arrays = ", ".join(f"%s::{kind}[]" for _, kind in projection.key_columns)
        connection.execute(
            f"DELETE FROM views.{projection.name} WHERE ({key_names}) IN (SELECT * FROM unnest({arrays}))".encode(),  # noqa: S608
            [list(column) for column in zip(*gone, strict=True)],
        )


def positions(connection: psycopg.Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """Returns the checkpoint of each view."""
    names = [projection.name for projection in projections]
    return dict(connection.execute("SELECT view, position FROM views.checkpoint WHERE view = ANY (%s)", (names,)).fetchall())
