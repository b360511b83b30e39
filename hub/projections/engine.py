"""The one engine of all projections: read a page, load rows by key, fold, write back, move the checkpoint, in one transaction.

It runs a view live, rebuilds it beside the live one and switches, and compares digests. A projection itself is only data and two
pure functions. An event that makes `evolve` raise is parked, and so are later ones of its key; other keys go on.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence

import psycopg

from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, events_named, read_page
from hub.journal.sessions import take_turn
from hub.projections.fold_trace import Fold, folded
from hub.projections.projection import Cells, Key, Linked, Projection, Row
from hub.projections.rows import create_table, load_linked, store
from hub.telemetry.spans import now_ns

__all__ = ["Cells", "Key", "Linked", "Projection", "Row"]

PAGE_EVENTS = 10_000


def create_views(connection: psycopg.Connection, projections: Iterable[Projection]) -> None:
    """Makes the tables that do not exist yet, and the engine's own three."""
    with connection.transaction():
        take_turn(connection, "hub.views")
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
    """Makes the tables of a view that are not there yet, and the columns that an older release did not make."""
    made = [create_table(connection, projection, *table) for table in projection.tables]
    if not any(made):
        return
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
    """Returns the view's position, locked, and the head's: only the process with that lock folds or switches that view."""
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
    folds = [(event.position, *fold) for event in page for fold in folds_of(event, changed.get(event.position))]
    if projection.refers:
        _refer(connection, projection, folds)
    touched: list[tuple[int, Recorded, Recorded | None, list[Key]]] = []
    parked_now: set[tuple[str, int, str]] = set()
    for position, recorded, before in folds:
        try:
            # A row that is named twice is folded once.
            touched.append((position, recorded, before, list(dict.fromkeys(projection.keys(recorded, before)))))
        except Exception as error:
            parked_now.add((f"position {position}", position, type(error).__name__))
    loaded = load_linked(connection, projection, {key for *_, keys in touched for key in keys})
    rows: dict[Key, Row | None] = dict(loaded)
    for position, recorded, before, keys in touched:
        for key, why in fold_event(projection, recorded, before, keys, rows, parked):
            parked_now.add((repr(key), position, why))
    store(connection, projection, loaded, {key: row for key, row in rows.items() if row is not loaded.get(key)})
    if parked_now:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO views.parked (view, key, position, error) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [(projection.name, *entry) for entry in sorted(parked_now)],
            )
    return len(parked_now)


def fold_event(
    projection: Projection,
    recorded: Recorded,
    before: Recorded | None,
    keys: list[Key],
    rows: MutableMapping[Key, Row | None],
    parked: set[str],
) -> list[tuple[Key, str]]:
    """Folds an event into the rows it names and those above them; returns the keys that are parked, each with why. *parked* grows."""
    found: list[tuple[Key, str]] = []
    joins: list[tuple[Key, Key]] = []
    evolve, linked = projection.evolve, projection.linked
    for key in keys:
        if parked and repr(key) in parked:
            found.append((key, "an earlier event of this key is parked"))
            continue
        try:
            row = rows.get(key)
            rows[key] = evolved = evolve(key, row, recorded, before)
            if linked is not None and not (row is None and evolved is None):
                _climb(linked, key, (row, evolved), keys, joins)
        except Exception as error:
            parked.add(repr(key))
            found.append((key, type(error).__name__))
    for above, below in joins:
        if projection.linked is not None and (row := rows.get(below)) is not None and not (parked and repr(above) in parked):
            rows[above] = projection.linked.join(above, rows.get(above), row)
    return found


def _climb(linked: Linked, key: Key, versions: Iterable[Row | None], keys: list[Key], joins: list[tuple[Key, Key]]) -> None:
    """Adds to *keys* the rows above one, as it was and as it is, to be folded after it and joined with it."""
    for above in {above: None for row in versions if row is not None for above in linked.above(row)}:
        if above != key:
            joins.append((above, key))
            if above not in keys:
                keys.append(above)


def _refer(connection: psycopg.Connection, projection: Projection, folds: Iterable[tuple[int, Recorded, Recorded | None]]) -> None:
    """Sets on each event that names another by its number which one it is, as far as it was recorded before."""
    refers = projection.refers
    asked = [
        (recorded, position, ref)
        for position, *pair in folds
        for recorded in pair
        if recorded is not None and recorded.kind in refers and (ref := refers[recorded.kind](recorded)) is not None
    ]
    if not asked:
        return
    found = events_named(connection, [(ref.feed, ref.sequence) for _, _, ref in asked])
    for recorded, position, ref in asked:
        recorded.refers_to, named = found.get((ref.feed, ref.sequence), (None, None))
        recorded.about = named if named is not None and named.position < position else None


def parked_keys(connection: psycopg.Connection, view: str) -> set[str]:
    """Returns the keys of a view that have parked events."""
    return {row[0] for row in connection.execute("SELECT DISTINCT key FROM views.parked WHERE view = %s", (view,))}


def positions(connection: psycopg.Connection, projections: Sequence[Projection]) -> dict[str, int]:
    """Returns the checkpoint of each view."""
    names = [projection.name for projection in projections]
    return dict(connection.execute("SELECT view, position FROM views.checkpoint WHERE view = ANY (%s)", (names,)).fetchall())
