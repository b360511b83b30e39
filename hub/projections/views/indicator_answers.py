"""View: answers (K10), by the block of positions that they are in, business day and cell; and the days of answers and taps.

There are many, and none changes another: what came in the block that a position is in is read from the journal. Each figure is added up by
eras as well, under a name of its own, where *block* has the era.
"""

from collections.abc import Iterator
from datetime import date

import psycopg

from hub.domain.indicators.steps import DAYS, cell_of
from hub.domain.indicators.uses import ANSWER, TAPS, of_answer
from hub.domain.instants import day_of, epoch_day, epoch_day_of
from hub.journal.corrections import changes
from hub.journal.reader import Recorded, read_page
from hub.projections.projection import CellView, Signed
from hub.projections.touched import folds_in
from hub.projections.views.blocks import block_of, edge, era_of
from hub.projections.views.indicator_cells import Cell

KINDS = frozenset({ANSWER, *TAPS})
_BY_ERA = ":eras"


def _counted(one: Recorded) -> Iterator[tuple[str, int, str, int, int]]:
    """Yields what an event adds to which figure, day and cell: on its day, and what is taken off when its year is over."""
    day = epoch_day(one.occurred_us)
    yield f"K10:{DAYS}", day, "", 0, 1
    if one.kind == ANSWER:
        answer = of_answer(one.reported)
        cell, inside = cell_of(answer.places), int(answer.is_in)
        yield "K10", day, cell, inside, 1
        yield "K10", epoch_day_of(date(day_of(day).year + 1, 1, 1)), cell, -inside, -1


def derive(recorded: Recorded, corrected: Recorded | None) -> Iterator[Signed]:
    """Counts an event that is in force, and takes off what is no more."""
    block, era = block_of(recorded.in_force_since), era_of(recorded.in_force_since)
    for one, sign in ((corrected, -1), (None if recorded.is_reversal else recorded, 1)):
        if one is not None and one.kind in KINDS:
            for figure, day, cell, inside, whole in _counted(one):
                values = sign * inside, sign * whole
                yield (figure, block, day, cell), values
                yield (figure + _BY_ERA, era, day, cell), values


INDICATOR_ANSWERS = CellView(
    name="indicator_answers",
    key_columns=(("figure", "text"), ("block", "bigint"), ("day", "integer"), ("cell", "text")),
    value_columns=(("inside", "bigint"), ("whole", "bigint")),
    kinds=KINDS,
    derive=derive,
    below_zero=True,
)


class Answers:
    """What was known of answers and taps at a position."""

    def __init__(self, connection: psycopg.Connection, position: int) -> None:
        """Reads the block that the position is in."""
        self._connection, self._edge = connection, edge(position)
        self._rest: dict[tuple[str, int, str], list[int]] = {}
        begin = self._edge.first - 1
        changed = changes(connection, begin, position)
        page = read_page(connection, begin, position, KINDS, also=changed)
        for _, recorded, corrected in folds_in(page, changed):
            for (figure, _block, day, cell), values in derive(recorded, corrected):
                if not figure.endswith(_BY_ERA):
                    known = self._rest.setdefault((figure, day, cell), [0, 0])
                    known[0], known[1] = known[0] + values[0], known[1] + values[1]

    def cells(self, figure: str, day: int) -> list[Cell]:
        """Returns what a figure came to at the end of a day; cells that have nothing are left out."""
        rows = self._connection.execute(_CELLS, {**self._asked(figure), "day": day}).fetchall()
        found = {cell: [int(inside), int(whole)] for cell, inside, whole in rows}
        for (name, at, cell), values in self._rest.items():
            if name == figure and at <= day:
                known = found.setdefault(cell, [0, 0])
                known[0], known[1] = known[0] + values[0], known[1] + values[1]
        return [Cell(cell, *values) for cell, values in sorted(found.items()) if values != [0, 0]]

    def first_day(self) -> int | None:
        """Returns the first day of an answer or a tap."""
        rows = self._connection.execute(_DAYS, self._asked(f"K10:{DAYS}")).fetchall()
        found = {int(day): int(count) for day, count in rows}
        for (name, day, _), values in self._rest.items():
            if name == f"K10:{DAYS}":
                found[day] = found.get(day, 0) + values[1]
        return min((day for day, count in found.items() if count), default=None)

    def _asked(self, figure: str) -> dict[str, object]:
        return self._edge._asdict() | {"figure": figure, "by_era": figure + _BY_ERA}


_KNOWN = """
    SELECT day, cell, inside, whole FROM views.indicator_answers WHERE figure = %(by_era)s AND block < %(era)s
    UNION ALL
    SELECT day, cell, inside, whole FROM views.indicator_answers
    WHERE figure = %(figure)s AND block >= %(first_block)s AND block < %(block)s"""
_CELLS = f"SELECT cell, sum(inside), sum(whole) FROM ({_KNOWN}) k WHERE day <= %(day)s GROUP BY cell"  # noqa: S608 (our own text)
_DAYS = f"SELECT day, sum(whole) FROM ({_KNOWN}) k GROUP BY day"  # noqa: S608 (our own text)
