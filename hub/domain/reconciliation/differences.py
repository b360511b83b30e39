"""From cells that differ to breaks: what of a difference came late, what class the rest is of, and what it comes of.

The difference of a cell is what the hub has learnt since the totals were taken (late) and what it had otherwise by then. Both together are
the whole difference, so that breaks explain it to the fen.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.reconciliation.books import NOTHING, WHOLE_DAY, Cell, Compared, Figure

LONG, SHORT, AMOUNT = control.BREAK_CLASS_LONG, control.BREAK_CLASS_SHORT, control.BREAK_CLASS_AMOUNT
STATUS, DUPLICATE, LATE = control.BREAK_CLASS_STATUS, control.BREAK_CLASS_DUPLICATE, control.BREAK_CLASS_LATE
MISSING = control.BREAK_CLASS_MISSING_TOTALS
CLASS_NAMES = {number: name.removeprefix("BREAK_CLASS_") for name, number in control.BreakClass.items()}
# By when a break is to be settled, in working days after the day it was found on [D].
WORKING_DAYS = {MISSING: 1, LONG: 3, SHORT: 3, AMOUNT: 3, DUPLICATE: 3, STATUS: 5, LATE: 5}
MOST_EVIDENCE = 64

Refs = tuple[references.EventRef, ...]


class Known(NamedTuple):
    """What the record shows of a cell that differs: events by what they show, and how the contents differ, if they do.

    The events are so many as evidence may name; *counted_again* is all that a side sent twice.
    """

    later: Refs = ()
    other_side_alone: Refs = ()
    again: Refs = ()
    differently: Refs = ()
    quarantined: Refs = ()
    counted: Refs = ()
    counted_again: Figure = NOTHING
    content: str = ""


class Difference(NamedTuple):
    """A break as it is found: the hub's figure and the other, and what it comes of."""

    cell: Cell
    break_class: control.BreakClass.ValueType
    ours: Figure
    theirs: Figure
    reason: str
    evidence: Refs = ()

    @property
    def key(self) -> tuple[Cell, str]:
        """By what a break is the same on another day: its cell, and whether it is of what came late."""
        return self.cell, part_of(self.break_class)

    @property
    def amount(self) -> Figure:
        """By how much the hub's figure is more."""
        return self.ours.less(self.theirs)


def part_of(break_class: control.BreakClass.ValueType) -> str:
    """Returns what of a difference a break of a class is."""
    return {LATE: "LATE", MISSING: "SILENCE"}.get(break_class, "BOOK")


def silence(served: Figure, reason: str) -> Difference:
    """Returns the break of a side that has not reported in time; *served* is what the hub has of what it served."""
    return Difference(WHOLE_DAY, MISSING, served, NOTHING, reason)


def differences(cells: Iterable[Compared], known: Mapping[Cell, Known]) -> list[Difference]:
    """Returns the breaks of compared cells; *known* says what the record shows of those that need it."""
    found = []
    for one in cells:
        shown = known.get(one.cell, Known())
        if one.is_alike and not shown.content:
            continue
        if one.then != one.theirs or shown.content:
            found.append(_in_the_book(one, shown))
        if one.now != one.then:
            found.append(Difference(one.cell, LATE, one.now, one.then, "RECORDED_LATER", shown.later))
    return found


def _in_the_book(one: Compared, shown: Known) -> Difference:
    """Returns the break of what differed when the totals were taken."""
    uses, fen = one.then.less(one.theirs)
    if uses > 0:
        reason, evidence = ("OTHER_SIDE_ALONE", shown.other_side_alone) if shown.other_side_alone else ("NOT_IN_TOTALS", shown.counted)
        what = LONG
    elif uses < 0 and shown.counted_again == Figure(-uses, -fen):
        what, reason, evidence = DUPLICATE, "COUNTED_TWICE", shown.again
    elif uses < 0:
        what = SHORT
        reason, evidence = ("QUARANTINED", shown.quarantined) if shown.quarantined else ("NOT_REPORTED", ())
    elif fen:
        what = AMOUNT
        reason, evidence = ("REPORTED_DIFFERENTLY", shown.differently) if shown.differently else ("AMOUNT_DIFFERS", shown.counted)
    else:
        what, reason, evidence = STATUS, shown.content, shown.counted
    return Difference(one.cell, what, one.then, one.theirs, reason, evidence[:MOST_EVIDENCE])
