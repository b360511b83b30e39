"""What an indicator comes to before it is added up: its counts by place, and what is shown beside it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from hub.domain.indicators.counted import Asked
from hub.domain.indicators.places import located
from hub.domain.indicators.steps import breakdown, places_of, subject_in
from hub.domain.instants import day_of
from hub.indicators.record import Known
from hub.indicators.sources import Source


class Counted(NamedTuple):
    """How many there are in one place, and how many of them are in the numerator.

    The same *subject* counts once in each cell; with None these are different ones from all others. Of units *inside* and *whole* are those
    used and those granted.
    """

    places: Mapping[str, str]
    inside: int
    whole: int
    subject: Any = None


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found: the first day that the record has something of; *beside* are figures that are shown and in no sum.

    With *breakdowns* the counts of each breakdown are by themselves, by its names. *units* are those of the persons that are counted.
    """

    counts: tuple[Counted, ...]
    first_day: date | None
    beside: Mapping[str, int | None] = field(default_factory=dict)
    breakdowns: Mapping[tuple[str, ...], tuple[Counted, ...]] = field(default_factory=dict)
    units: tuple[Counted, ...] = ()


# What is asked for is broken down by the names that come last.
Count = Callable[[Known, Source, Asked, tuple[str, ...]], Found]


def cells(source: Source, figure: str, asked: Asked) -> tuple[Counted, ...]:
    """Returns a figure of a source by place."""
    found = []
    for one in source.cells(figure, asked):
        places = places_of(one.cell)
        subject = subject_in(places)
        found.append(Counted(located(asked.reference, places, asked.day), one.inside, one.whole, subject or None))
    return tuple(found)


def total(source: Source, figure: str, asked: Asked) -> int:
    """Returns how many there are of a figure in all."""
    return sum(one.whole for one in source.cells(figure, asked))


def day_or_none(day: int | None) -> date | None:
    """Returns a day by its number since 1970."""
    return None if day is None else day_of(day)


def plain(*beside: str) -> Count:
    """Counts an indicator as its source has it, with the totals of some figures beside it."""

    def count(_: Known, source: Source, asked: Asked, __: tuple[str, ...]) -> Found:
        indicator = asked.definition.id
        besides = {name: total(source, f"{indicator}:{name}", asked) for name in beside}
        return Found(cells(source, indicator, asked), day_or_none(source.first_day(indicator)), besides)

    return count


def persons(_: Known, source: Source, asked: Asked, by: tuple[str, ...]) -> Found:
    """K1: living persons with an e-card, each once in all and once in each cell of the breakdown."""
    found = _apart(source, asked, by)
    beside = {name: total(source, f"K1:{name}", asked) for name in ("cards", "cards_of_nobody")}
    return Found(found[()], day_or_none(source.first_day("K1")), beside, found)


def members(_: Known, source: Source, asked: Asked, by: tuple[str, ...]) -> Found:
    """K12: members of priority groups, each once in all and once in each group."""
    found = _apart(source, asked, by)
    return Found(found[()], day_or_none(source.first_day(asked.definition.id)), breakdowns=found)


def _apart(source: Source, asked: Asked, by: tuple[str, ...]) -> dict[tuple[str, ...], tuple[Counted, ...]]:
    """Returns the persons in all and those of a breakdown: who is in several of its cells is one in each."""
    wanted: Iterable[tuple[str, ...]] = ((), by) if by else ((),)
    return {some: cells(source, breakdown(asked.definition.id, some), asked) for some in wanted}
