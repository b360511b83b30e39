"""The books of a business day: the hub's, as it was when a side took its totals and as it is now, beside that side's.

A side serves the other's cards, so its totals are whole there: a cell that they leave out is one without a use. Of its own cards used
elsewhere it may know nothing: such a cell is compared where the side names it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from chuanyu.exchange.v1 import reconciliation_pb2 as protos

from hub.domain.event_rules import may_say_region
from hub.domain.instants import epoch_day_of
from hub.domain.reconciliation_errors import UnknownCell
from hub.domain.reference import Reference
from hub.domain.settlement.lines import SIDES

HASH_BITS = 64


class Cell(NamedTuple):
    """Where uses of a day are compared: issuing province, serving region, scenario; all empty for the day as a whole."""

    issuer: str
    region: str
    scenario: str

    @property
    def crosses(self) -> bool:
        """Whether a card of one side was used in the other."""
        return (self.issuer, self.region[:2]) in (SIDES, SIDES[::-1])


WHOLE_DAY = Cell("", "", "")


class Figure(NamedTuple):
    """Uses and their money."""

    uses: int = 0
    fen: int = 0

    def less(self, other: "Figure") -> "Figure":
        """Returns by how much it is more."""
        return Figure(self.uses - other.uses, self.fen - other.fen)

    def plus(self, other: "Figure") -> "Figure":
        """Returns both together."""
        return Figure(self.uses + other.uses, self.fen + other.fen)


NOTHING = Figure()
Book = Mapping[Cell, Figure]


class Compared(NamedTuple):
    """A cell in the hub's book now, in that at the reach of a side's totals, and in the side's own."""

    cell: Cell
    now: Figure
    then: Figure
    theirs: Figure

    @property
    def difference(self) -> Figure:
        """By how much the hub's book has more."""
        return self.now.less(self.theirs)

    @property
    def is_alike(self) -> bool:
        """Whether there is nothing to say of it."""
        return self.now == self.theirs


def cell_of(total: protos.ControlTotal) -> Cell:
    """Returns the cell of a total."""
    return Cell(total.issuer_province, total.service_region, total.scenario)


def figures_of(totals: Iterable[protos.ControlTotal]) -> dict[Cell, Figure]:
    """Returns a side's book by its totals."""
    return {cell_of(one): Figure(one.uses, one.amount_fen) for one in totals}


def compared(side: str, now: Book, then: Book, theirs: Book) -> list[Compared]:
    """Returns the cells that are compared with a side, in order."""
    served = {cell for cell in (*now, *then) if cell.crosses and cell.region.startswith(side)}
    return [
        Compared(cell, now.get(cell, NOTHING), then.get(cell, NOTHING), theirs.get(cell, NOTHING)) for cell in sorted(served | set(theirs))
    ]


def refuse_cells(totals: Iterable[protos.ControlTotal], day: date, reference: Reference) -> None:
    """Raises UnknownCell for a cell that there is not on a day, or that comes twice."""
    seen: set[Cell] = set()
    for cell in map(cell_of, totals):
        # A use may name no scenario, and both books have it then.
        is_known = cell.scenario in ("", *reference.scenario_codes) and may_say_region(reference, cell.region, epoch_day_of(day))
        if not is_known or not cell.crosses or cell in seen:
            raise UnknownCell(cell=" ".join(cell))
        seen.add(cell)


def hash_of(feed: str, sequence: int, fen: int) -> int:
    """Returns what a use adds to a hash total: the number under which its side reported it first, and its money."""
    digest = hashlib.sha256(f"{feed} {sequence} {fen}".encode()).digest()
    return int.from_bytes(digest[: HASH_BITS // 8])


def hash_total(uses: Iterable[tuple[str, int, int]]) -> int:
    """Returns the hash total of uses: feed, number, money in fen."""
    return sum(hash_of(*one) for one in uses) % (1 << HASH_BITS)
