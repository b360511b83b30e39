"""Folds several views in one transaction.

Views that answers rest on move as one: their checkpoints are at one position in every snapshot, so that an answer rests on no more and
no less than the position it names. Where they are apart (one was made just now, or an older release folded them), those behind are
folded up to the others first. Other views are folded together only because a live round has few events and many views.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import psycopg

from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, read_page
from hub.projections.engine import PAGE_EVENTS, Projection, fold_page
from hub.projections.fold_trace import Fold, folded
from hub.telemetry.spans import now_ns

# Up to so many new events a page of all kinds is read, which serves the other views too; beyond, each reads only its own kinds.
LIVE_EVENTS = 2_000


class Page(NamedTuple):
    """The events of all kinds with after < position <= end: what one transaction has read and parsed serves the next."""

    after: int
    end: int
    events: list[Recorded]
    changed: Mapping[int, Change]


class Round(NamedTuple):
    """How far views that move as one have come: *moved* positions, to *position*; *page* is what was read, if it has all kinds."""

    moved: int
    position: int
    page: Page | None = None


def advance_as_one(
    connection: psycopg.Connection,
    projections: Sequence[Projection],
    through: int | None = None,
    page_events: int = PAGE_EVENTS,
    *,
    waits: bool = True,
) -> Round:
    """Folds one page into all views and moves all their checkpoints, or none; nothing has moved once they have caught up.

    A lock of the checkpoint of one of them keeps all from being folded: they wait for it, or fold nothing if not *waits*.
    """
    names = [projection.name for projection in projections]
    with connection.transaction():
        locked = connection.execute(_LOCK_WAITING if waits else _LOCK, (names,)).fetchall()
        if len(locked) < len(names):
            return Round(0, 0)
        after, head = min(row[1] for row in locked), locked[0][2]
        behind = {row[0] for row in locked if row[1] == after}
        others_at = min((row[1] for row in locked if row[0] not in behind), default=head)
        end = min(after + page_events, head, others_at, head if through is None else through)
        if end <= after:
            return Round(0, after)
        moving = [projection for projection in projections if projection.name in behind]
        page = _read(connection, moving, after, end)
        _fold_all(connection, moving, page)
    return Round(end - after, end, page if end - after <= LIVE_EVENTS else None)


def advance_together(connection: psycopg.Connection, projections: Sequence[Projection], page: Page) -> bool:
    """Folds a page into all views in one transaction; returns False, and folds nothing, where a view is not where it begins.

    A view whose checkpoint another process has is left to that process.
    """
    with connection.transaction():
        locked = connection.execute(_LOCK, ([projection.name for projection in projections],)).fetchall()
        if any(row[1] != page.after for row in locked):
            return False
        names = {row[0] for row in locked}
        _fold_all(connection, [projection for projection in projections if projection.name in names], page)
    return True


def _read(connection: psycopg.Connection, projections: Sequence[Projection], after: int, end: int) -> Page:
    changed = changes(connection, after, end)
    if end - after <= LIVE_EVENTS or any(projection.kinds is None for projection in projections):
        return Page(after, end, read_page(connection, after, end), changed)
    kinds = frozenset().union(*(projection.kinds or () for projection in projections))
    follow = any(projection.follows_corrections for projection in projections)
    return Page(after, end, read_page(connection, after, end, kinds, also=changed if follow else ()), changed)


def _fold_all(connection: psycopg.Connection, projections: Sequence[Projection], page: Page) -> None:
    """Folds a page into each view by its kinds, and moves their checkpoints."""
    names = [projection.name for projection in projections]
    if page.events:
        parked: dict[str, set[str]] = {name: set() for name in names}
        for view, key in connection.execute("SELECT DISTINCT view, key FROM views.parked WHERE view = ANY (%s)", (names,)):
            parked[view].add(key)
        folds = []
        for projection in projections:
            kinds, changed = projection.kinds, page.changed if projection.follows_corrections else {}
            wanted = [event for event in page.events if kinds is None or event.kind in kinds or event.position in changed]
            if wanted:
                fold = Fold(projection.name, now_ns())
                fold.parked = fold_page(connection, projection, wanted, changed, parked[projection.name])
                folds.append(fold.done(len(wanted)))
        folded(connection, folds, page.after, page.end)
    connection.execute("UPDATE views.checkpoint SET position = %s WHERE view = ANY (%s)", (page.end, names))


# In one order, so that two who wait for several cannot wait for each other.
_LOCK_WAITING = """
    SELECT c.view, c.position, (SELECT position FROM journal.head) FROM views.checkpoint c
    WHERE c.view = ANY (%s) ORDER BY c.view FOR NO KEY UPDATE OF c"""
_LOCK = f"{_LOCK_WAITING} SKIP LOCKED"
