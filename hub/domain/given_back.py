"""Reports that give back what they name by its number: a return of a payment, a reversal of a settlement, or the reversal of one of these.

What gives back a payment leaves the payment there, to be given back of. What names another one that gives back undoes it, whichever of the
two came first. Pure, and the same for the count of uses and for the rows of fund batches.
"""

from collections.abc import Collection, Sequence
from typing import Protocol, Self, TypeVar


class Kept(Protocol):
    """A report as a row keeps it; a name is "" where a row needs none."""

    @property
    def kind(self) -> str:
        """The kind of the event."""

    @property
    def position(self) -> int:
        """Where it is recorded."""

    @property
    def occurred_us(self) -> int:
        """When it happened by its source's clock."""

    @property
    def name(self) -> str:
        """Its number."""

    @property
    def reverses(self) -> str:
        """The number of what it gives back of."""

    @property
    def changed_at(self) -> int:
        """Its position if it is a correction, else 0."""

    @property
    def undone_at(self) -> int:
        """The position of the reversal by number that gives back of it, also on that reversal; else 0."""

    def undone_by(self, position: int) -> Self:
        """Returns it as one that the reversal at a position gives back of."""


K = TypeVar("K", bound=Kept)


def in_force(reports: Sequence[K], gives_back: Collection[str]) -> Sequence[K]:
    """Leaves out what was undone, with what undid it: that gives back nothing else; and what a correction took the place of."""
    if any(one.reverses for one in reports):
        reports = _not_undone(reports, gives_back)
    if any(one.changed_at and not one.undone_at and one.kind not in gives_back for one in reports):
        # What was given back by its number is still there to be given back of, unless a correction took its place.
        reports = [one for one in reports if one.kind in gives_back or not one.undone_at]
    return reports


def _not_undone(reports: Sequence[K], gives_back: Collection[str]) -> Sequence[K]:
    by_name = {one.name: one for one in reports if one.kind in gives_back}
    reversals = sorted((one for one in by_name.values() if one.reverses in by_name), key=lambda one: (one.occurred_us, one.position))
    gone: set[int] = set()
    for reversal in reversed(reversals):
        # The last one first: a reversal that is reversed itself takes nothing out.
        if reversal.position not in gone:
            gone |= {reversal.position, by_name[reversal.reverses].position}
    return [one for one in reports if one.position not in gone]


def late(reports: Sequence[K], gives_back: Collection[str], one: K, names: Collection[str]) -> list[K]:
    """Adds what comes after the reversal that names it by one of its *names*: there is something to give back of, or to undo."""
    by = next((known for known in reports if known.kind in gives_back and known.reverses and known.reverses in names), None)
    if by is None:
        return list(reports)
    if one.kind in gives_back:
        return [known for known in reports if known is not by]
    return [*reports, one.undone_by(by.position)]
