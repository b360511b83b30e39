"""What must not be shown in a report although each of its figures may be: together with what was shown before, they would give a few away.

A report of an indicator is safe by itself and beside the one before it (`hub.indicators.tables`). A report for the meeting shows many of
them, and so does a folder of open data. This looks at all that a reader of them has.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.domain.indicators.definition import OF_PEOPLE
from hub.domain.row_space import determined
from hub.domain.small_counts import LEAST
from hub.indicators.report import shown_of
from hub.indicators.tables import ALL, IN, OUT, TOTAL, Name, Shown

# The base of the first is a part of the second: cards in force, of cards ever issued.
_PARTS = (("K15", "K2"),)


class Seen(NamedTuple):
    """What somebody was shown of an indicator: which report of it, how it may be added up, whether of people, and its figures."""

    indicator: str
    report: str
    by: str
    additivity: str
    is_of_people: bool
    shown: Shown


def seen(said: Mapping[str, Any], report: str, figures: Iterable[Mapping[str, Any]]) -> Seen:
    """Returns what the facts of a report for the meeting show of an indicator."""
    figures_shown = shown_of(figures, is_of_population=bool(said["population"]))
    return Seen(said["indicator"], report, said["by"], said["additivity"], said["counts"] in OF_PEOPLE, figures_shown)


def gives_away(one: Seen, others: Iterable[Seen]) -> bool:
    """Whether a few could be computed from what is shown of an indicator, beside what else is shown."""
    if not one.is_of_people:
        return False
    beside = [other for other in others if other.report != one.report]
    same = (other for other in beside if (other.indicator, other.by) == (one.indicator, one.by))
    return (
        bool(determined(equations(one)))
        or _are_few_in_two_places(one)
        or any(_differs_by_few(one.shown, other.shown) for other in same)
        or any(_is_few_less_than(one, other) for other in beside)
    )


def equations(one: Seen) -> list[dict[tuple[str, Name], int]]:
    """Returns what adds up in a report, as equations of the figures that it does not show."""
    sums: list[tuple[Name, list[Name]]] = []
    cells = [cell for cell, part in one.shown if part == ALL]
    sums += [((cell, ALL), [(cell, IN), (cell, OUT)]) for cell in cells if (cell, IN) in one.shown and (cell, OUT) in one.shown]
    inner = [cell for cell in cells if cell != TOTAL]
    # Persons and other distinct things of the cells may be the same ones.
    if inner and one.additivity != "DISTINCT":
        sums += [((TOTAL, part), [(cell, part) for cell in inner]) for part in (IN, OUT, ALL) if (TOTAL, part) in one.shown]
    return [
        {(one.report, name): -1 if name == total else 1 for name in (total, *parts) if one.shown.get(name, 0) is None}
        for total, parts in sums
    ]


def _are_few_in_two_places(one: Seen) -> bool:
    """Whether a few are in more than one cell: the cells come to more than the total by them."""
    if one.additivity != "DISTINCT" or not one.by:
        return False
    counts = [count for (cell, part), count in one.shown.items() if part == ALL and cell != TOTAL]
    total = one.shown[TOTAL, ALL]
    return total is not None and None not in counts and 0 < sum(filter(None, counts)) - total < LEAST


def _differs_by_few(now: Shown, then: Shown) -> bool:
    pairs = ((count, then[name]) for name, count in now.items() if name in then)
    return any(one is not None and other is not None and 0 < abs(one - other) < LEAST for one, other in pairs)


def _is_few_less_than(one: Seen, other: Seen) -> bool:
    for part, whole in _PARTS:
        if {one.indicator, other.indicator} == {part, whole} and _differs_by_few(_bases(one.shown), _bases(other.shown)):
            return True
    return False


def _bases(shown: Shown) -> Shown:
    return {name: count for name, count in shown.items() if name[1] == ALL}


def computed(everything: Sequence[Seen]) -> set[str]:
    """Returns the reports of which a few could be computed by who has all of them."""
    return {one.report for one in everything if gives_away(one, everything)}
