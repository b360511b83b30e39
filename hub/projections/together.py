"""Folds several views in one transaction, from one reading of the journal.

Views that answers rest on move as one: their checkpoints are at one position in every snapshot, so that an answer rests on no more and
no less than the position it names. Where they are apart (one was made just now, or an older release folded them), those behind are
folded up to the others first. All other views move together as far as they are at one position: one that is behind is brought to the
others beside them, and one that a rebuild has does not keep them waiting.
"""

from collections.abc import Sequence
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.projections.engine import PAGE_EVENTS, View, advance, collector_at_rest, fold_all, read


class Round(NamedTuple):
    """How far views have come: *moved* positions, to *position*."""

    moved: int
    position: int


class Look(NamedTuple):
    """Whether the journal has more than one of the views has folded, and the position of its newest event."""

    is_behind: bool
    head: int


def look(connection: psycopg.Connection, views: Sequence[View]) -> Look:
    """Looks how far views are; locks nothing, and is one statement where a fold is four."""
    row = connection.execute(_LOOK, ([view.name for view in views],)).fetchone()
    return Look(*row) if row is not None else Look(is_behind=False, head=0)


def advance_as_one(
    connection: psycopg.Connection,
    views: Sequence[View],
    through: int | None = None,
    page_events: int = PAGE_EVENTS,
    *,
    waits: bool = True,
) -> Round:
    """Folds one page into all views and moves all their checkpoints, or none; nothing has moved once they have caught up.

    A lock of the checkpoint of one of them keeps all from being folded: they wait for it, or fold nothing if not *waits*.
    """
    names = [view.name for view in views]
    with collector_at_rest(), connection.transaction():
        locked = connection.execute(_LOCK_WAITING if waits else _LOCK, (names,)).fetchall()
        if len(locked) < len(names):
            return Round(0, 0)
        after, head = min(row[1] for row in locked), locked[0][2]
        behind = {row[0] for row in locked if row[1] == after}
        others_at = min((row[1] for row in locked if row[0] not in behind), default=head)
        end = min(after + page_events, head, others_at, head if through is None else through)
        if end <= after:
            return Round(0, after)
        moving = [view for view in views if view.name in behind]
        fold_all(connection, moving, read(connection, moving, after, end))
    return Round(end - after, end)


def advance_side_by_side(
    connection: psycopg.Connection, views: Sequence[View], page_events: int = PAGE_EVENTS, waits: dict[str, str] | None = None
) -> int:
    """Folds one page into those views that are furthest, then one into each that is behind; returns the most positions that one moved.

    A view whose checkpoint another process has is left to that process. One that needs a segment which cannot be read keeps no other one
    waiting: it is put into *waits* with what it waits for; without *waits* the error is raised.
    """
    try:
        front, end, behind = _advance_front(connection, views, page_events)
    except HubError:
        # One of them needs the segment: each goes on by itself.
        if waits is None:
            raise
        return max((_advance_or_wait(connection, view, None, page_events, waits) for view in views), default=0)
    return max([end - front, *(_advance_or_wait(connection, view, end, page_events, waits) for view in behind)])


def _advance_front(connection: psycopg.Connection, views: Sequence[View], page_events: int) -> tuple[int, int, list[View]]:
    """Folds one page into the views that are furthest; returns from where to where, and the views that are behind."""
    with collector_at_rest(), connection.transaction():
        locked = connection.execute(_LOCK, ([view.name for view in views],)).fetchall()
        if not locked:
            return 0, 0, []
        front, head = max(int(row[1]) for row in locked), int(locked[0][2])
        at = {row[0]: row[1] for row in locked}
        end = min(front + page_events, head)
        if end > front:
            moving = [view for view in views if at.get(view.name) == front]
            fold_all(connection, moving, read(connection, moving, front, end))
    return front, end, [view for view in views if at.get(view.name, end) < front]


def _advance_or_wait(connection: psycopg.Connection, view: View, end: int | None, page_events: int, waits: dict[str, str] | None) -> int:
    try:
        return advance(connection, view, end, page_events, waits=False)
    except HubError as error:
        if waits is None:
            raise
        waits[view.name] = str(error)
        return 0


_LOOK = "SELECT COALESCE((SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s)) < position, false), position FROM journal.head"
# In one order, so that two who wait for several cannot wait for each other.
_LOCK_WAITING = """
    SELECT c.view, c.position, (SELECT position FROM journal.head) FROM views.checkpoint c
    WHERE c.view = ANY (%s) ORDER BY c.view FOR NO KEY UPDATE OF c"""
_LOCK = f"{_LOCK_WAITING} SKIP LOCKED"
