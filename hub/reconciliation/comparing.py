"""Compares the books of a business day: totals first, single uses only where totals differ.

A side's totals are compared with what the hub had counted when they were taken: at the last of the numbers that the side names. What the
hub has learnt since is late, not missing.
"""

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import NamedTuple

import psycopg

from hub.domain.instants import LOCAL
from hub.domain.reconciliation.books import NOTHING, Cell, Compared, Figure, compared, figures_of
from hub.domain.reconciliation.day_book import DayBook
from hub.domain.reconciliation.differences import Difference, differences, silence
from hub.projections.views.usage_counts import Wanted, counts
from hub.reconciliation.evidence import Asked, known, released
from hub.reconciliation.reading import day_book, position_of, streams

MISSING, WAITING, LAGGING, COMPARED = "MISSING", "WAITING", "LAGGING", "COMPARED"
# Totals of a business day are due on the day after, at noon in +08:00 [D].
DUE_AT = time(12)


class Comparison(NamedTuple):
    """The hub's book beside a side's; *differences* are the breaks that it comes to."""

    side: str
    day: date
    book: DayBook | None
    state: str
    reach: int
    position: int
    cells: list[Compared]
    differences: list[Difference]
    served: Figure

    @property
    def difference(self) -> Figure:
        """By how much the hub's book has more; all of it while the side's is missing."""
        total = NOTHING if self.state == COMPARED else self.served
        for one in self.cells:
            total = total.plus(one.difference)
        return total


def due_at(day: date) -> datetime:
    """Returns by when the totals of a business day are due."""
    return datetime.combine(day + timedelta(days=1), DUE_AT, LOCAL)


def compare(connection: psycopg.Connection, side: str, day: date) -> Comparison:
    """Returns how the hub's book and a side's differ, as far as both have come."""
    book = day_book(connection, side, day)
    newest = book.newest if book is not None else None
    text = day.isoformat()
    now = counts(connection, Wanted(text, text))
    ours = _by_cell(now.cells)
    served = NOTHING
    for cell, figure in ours.items():
        served = served.plus(figure) if cell.crosses and cell.region.startswith(side) else served
    if newest is None:
        return Comparison(side, day, book, MISSING, 0, now.position, [], [silence(served, "NO_TOTALS")], served)
    named = [position_of(connection, one.feed, one.sequence) for one in newest.through]
    reach = max((one or 0 for one in named), default=newest.counted_position)
    if None in named:
        return Comparison(side, day, book, WAITING, reach, now.position, [], [silence(served, "FEED_BEHIND")], served)
    if reach > now.position:
        # The feed has come, the hub's own count has not: that is no fault of the side.
        return Comparison(side, day, book, LAGGING, reach, now.position, [], [], served)
    then = ours if reach == now.position else _by_cell(counts(connection, Wanted(text, text), reach).cells)
    cells = compared(side, ours, then, figures_of(newest.totals))
    feeds = streams(connection)
    own = frozenset(one.name for one in feeds.values() if one.province == side)
    asked = Asked(side, day, reach, now.position, feeds, own, released(connection), partial(position_of, connection))
    shown = known(connection, asked, cells, newest.totals)
    return Comparison(side, day, book, COMPARED, reach, now.position, cells, differences(cells, shown), served)


def between_the_sides(one: Comparison, other: Comparison) -> Figure:
    """Returns by how much one side's book has more than the other's, in the cells that both report."""
    total = NOTHING
    theirs = {each.cell: each.theirs for each in other.cells}
    reported = [set(figures_of(each.book.newest.totals)) for each in (one, other) if each.book is not None and each.book.newest is not None]
    both: set[Cell] = set.intersection(*reported) if len(reported) == len((one, other)) else set()
    for each in one.cells:
        if each.cell in both and each.cell in theirs:
            total = total.plus(each.theirs.less(theirs[each.cell]))
    return total


def _by_cell(cells: tuple[tuple[tuple[str, str, str, str], int, int], ...]) -> dict[Cell, Figure]:
    return {Cell(*cell[1:]): Figure(uses, fen) for cell, uses, fen in cells}
