"""Where the steps of indicators are kept, and how they are added up: by position, by block of positions, and by era of blocks.

What was known at a position is the sum of whole eras, of whole blocks of the last era, and of the single steps of the last block. So an
answer adds up what changed on each day in each cell, whatever number of events that was.
"""

from collections.abc import Iterable, Mapping
from typing import LiteralString, NamedTuple

import psycopg

from hub.domain.indicators.steps import DAYS, Step
from hub.projections.projection import Signed
from hub.projections.views.blocks import block_of, edge, era_of

NAME = "indicator"
VALUES = (("inside", "bigint"), ("whole", "bigint"))
COLUMNS = (
    ("position", "bigint"), ("block", "bigint"), ("era", "bigint"), ("figure", "text"), ("day", "integer"), ("cell", "text"),
)  # fmt: skip
# Steps are looked for by where they are, sums of eras by what they are of.
STEPS = f"{NAME}_steps"
TABLES: Mapping[LiteralString, Mapping[str, int]] = {
    STEPS: {"position": 0, "figure": 3, "day": 4, "cell": 5},
    f"{NAME}_blocks": {"block": 1, "figure": 3, "day": 4, "cell": 5},
    f"{NAME}_eras": {"figure": 3, "era": 2, "day": 4, "cell": 5},
}


def signed(position: int, changed: Iterable[tuple[Step, tuple[int, int]]]) -> list[Signed]:
    """Returns what an event changes of steps, by the position since which it is so."""
    block, era = block_of(position), era_of(position)
    return [((position, block, era, *step), values) for step, values in changed]


class Cell(NamedTuple):
    """What a figure comes to in a cell."""

    cell: str
    inside: int
    whole: int


def cells(connection: psycopg.Connection, figure: str, day: int, position: int) -> list[Cell]:
    """Returns what a figure came to at the end of a day, as known at a position; cells that have nothing are left out."""
    rows = connection.execute(_CELLS, edge(position)._asdict() | {"figure": figure, "day": day}).fetchall()
    return [Cell(cell, int(inside), int(whole)) for cell, inside, whole in rows]


def first_day(connection: psycopg.Connection, name: str, position: int) -> int | None:
    """Returns the first day that something was reported of, as known at a position."""
    row = connection.execute(_FIRST, edge(position)._asdict() | {"figure": f"{name}:{DAYS}"}).fetchone()
    return None if row is None or row[0] is None else int(row[0])


_KNOWN = f"""
    SELECT day, cell, inside, whole FROM views.{NAME}_eras WHERE figure = %(figure)s AND era < %(era)s
    UNION ALL
    SELECT day, cell, inside, whole FROM views.{NAME}_blocks
    WHERE block >= %(first_block)s AND block < %(block)s AND figure = %(figure)s
    UNION ALL
    SELECT day, cell, inside, whole FROM views.{NAME}_steps
    WHERE position >= %(first)s AND position <= %(position)s AND figure = %(figure)s"""  # noqa: S608 (our own names)
_CELLS = f"""
    SELECT cell, sum(inside), sum(whole) FROM ({_KNOWN}) k WHERE day <= %(day)s
    GROUP BY cell HAVING sum(inside) <> 0 OR sum(whole) <> 0 ORDER BY cell COLLATE "C" """  # noqa: S608 (our own text)
_FIRST = f"SELECT min(day) FROM (SELECT day FROM ({_KNOWN}) k GROUP BY day HAVING sum(whole) <> 0) d"  # noqa: S608 (our own text)
