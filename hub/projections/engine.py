"""The one engine of all views: read a page, hand it to each view, move the checkpoints, in one transaction.

It runs views live, rebuilds them beside the live ones and switches, and compares digests. A view itself is only data and pure functions
(`projection`); what it makes of a page is in `ledgers` and `cells`.
"""

import gc
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from hub.journal.corrections import Change, Reads, changes
from hub.journal.leaves import fill_leaves
from hub.journal.reader import Recorded, read_page
from hub.journal.sessions import take_turn
from hub.projections.cells import fold_into_cells
from hub.projections.fold_trace import Fold, folded
from hub.projections.ledgers import fold_into_ledger
from hub.projections.projection import CellView, Key, Projection, Row, View, decode_for, kinds_of, marks_of
from hub.projections.rows import are_there, create_table
from hub.projections.touched import ByKind, read_by
from hub.telemetry.spans import now_ns

__all__ = ["CellView", "Key", "Projection", "Row", "View"]

PAGE_EVENTS = 10_000
_OWN_TABLES = ("checkpoint", "parked", "verification", "waiting")


class Page(NamedTuple):
    """The events with after < position <= end that some views read, and what corrections among them change."""

    after: int
    end: int
    events: list[Recorded]
    changed: Mapping[int, Change]


def create_views(connection: psycopg.Connection, views: Collection[View]) -> None:
    """Makes the tables that do not exist yet, and the engine's own."""
    # At most starts all are there, which is one statement to see where each table is one to make.
    if are_there(connection, [table for view in views for table in view.tables], _OWN_TABLES):
        return
    with connection.transaction():
        take_turn(connection, "hub.views")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS views.checkpoint (view text PRIMARY KEY, position bigint NOT NULL) WITH (fillfactor = 20)"
        )
        connection.execute("""CREATE TABLE IF NOT EXISTS views.parked (
            view text, key text, position bigint, error text NOT NULL, PRIMARY KEY (view, key, position))""")
        connection.execute("""CREATE TABLE IF NOT EXISTS views.verification (
            view text PRIMARY KEY, position bigint NOT NULL, is_equal boolean NOT NULL, checked_at timestamptz NOT NULL)""")
        connection.execute("CREATE TABLE IF NOT EXISTS views.waiting (view text PRIMARY KEY, text text NOT NULL)")
        for view in views:
            create_view(connection, view)


def create_view(connection: psycopg.Connection, view: View) -> None:
    """Makes the tables of a view that are not there yet, and the columns that an older release did not make."""
    made = [create_table(connection, table) for table in view.tables]
    if not any(made):
        return
    connection.execute("INSERT INTO views.checkpoint (view, position) VALUES (%s, 0) ON CONFLICT (view) DO NOTHING", (view.name,))


def advance(
    connection: psycopg.Connection, view: View, through: int | None = None, page_events: int = PAGE_EVENTS, *, waits: bool = True
) -> int:
    """Folds one page into a view and returns how many positions it moved; 0 means it has caught up (or reached *through*).

    Where a rebuild has the view, it waits for that, or folds nothing if not *waits*.
    """
    with collector_at_rest(), connection.transaction():
        if not waits and not _is_free(connection, view.name):
            return 0
        after, head = checkpoint_and_head(connection, view.name)
        end = min(after + page_events, head if through is None else min(head, through))
        if end <= after:
            return 0
        fold_all(connection, [view], read(connection, [view], after, end))
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


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Has the garbage collector not look at a page while it is folded: half a million objects, all in use, none in a cycle.

    It works again once no thread folds: one loop's short round must not have it look at the other's long page.
    """
    with _folding:
        _pages.append(None)
        gc.disable()
    try:
        yield
    finally:
        with _folding:
            _pages.pop()
            if not _pages:
                gc.enable()


_folding, _pages = threading.Lock(), list[None]()


def read(connection: psycopg.Connection, views: Sequence[View], after: int, end: int) -> Page:
    """Reads once what several views read, and decodes once what any of them reads by its kind."""
    following = [view for view in views if view.follows_corrections]
    kinds = kinds_of(following)
    changed = changes(connection, after, end, None if kinds is None else Reads(kinds, marks_of(following))) if following else {}
    named = [view for view in views if view.kinds is not None]
    marks = marks_of(named) if len(named) == len(views) else {}
    events = read_page(connection, after, end, kinds_of(views), also=changed, marks=marks)
    decode_for(views, events)
    if any(isinstance(view, Projection) and view.reads_leaves for view in views):
        fill_leaves(connection, events)
    return Page(after, end, ByKind(events), changed)


def fold_all(connection: psycopg.Connection, views: Sequence[View], page: Page) -> None:
    """Folds a page into each of the views and moves their checkpoints."""
    names = [view.name for view in views]
    if page.events:
        parked = parked_keys(connection, names)
        folds = []
        for view in views:
            if (wanted := read_by(view, page.events, page.changed))[0]:
                fold = Fold(view.name, now_ns())
                fold.parked = fold_page(connection, view, *wanted, parked.get(view.name, set()))
                folds.append(fold.done(len(wanted[0])))
        folded(connection, folds, page.after, page.end)
    connection.execute("UPDATE views.checkpoint SET position = %s WHERE view = ANY (%s)", (page.end, names))


def fold_page(connection: psycopg.Connection, view: View, page: list[Recorded], changed: Mapping[int, Change], parked: set[str]) -> int:
    """Folds a page into a view of either kind and returns how many events were parked; *parked* are the keys that have such events."""
    if isinstance(view, CellView):
        parked_now = fold_into_cells(connection, view, page, changed)
    else:
        parked_now = fold_into_ledger(connection, view, page, changed, parked)
    if parked_now:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO views.parked (view, key, position, error) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [(view.name, *entry) for entry in sorted(parked_now)],
            )
    return len(parked_now)


def parked_events(connection: psycopg.Connection, most: int) -> list[tuple[str, int, str]]:
    """Returns (view, position, error) of what is parked, the newest first."""
    rows = connection.execute("SELECT view, position, error FROM views.parked ORDER BY position DESC, view LIMIT %s", (most,)).fetchall()
    return [(str(view), int(position), str(error)) for view, position, error in rows]


def parked_keys(connection: psycopg.Connection, views: Sequence[str]) -> dict[str, set[str]]:
    """Returns the keys of each view that have parked events."""
    parked: dict[str, set[str]] = {}
    for view, key in connection.execute("SELECT DISTINCT view, key FROM views.parked WHERE view = ANY (%s)", (list(views),)):
        parked.setdefault(view, set()).add(key)
    return parked


def positions(connection: psycopg.Connection, views: Sequence[View]) -> dict[str, int]:
    """Returns the checkpoint of each view."""
    names = [view.name for view in views]
    return dict(connection.execute("SELECT view, position FROM views.checkpoint WHERE view = ANY (%s)", (names,)).fetchall())
