"""What is counted of a thing, such as a card or a case: whether it is in the numerator and where it belongs, as of a day.

Each function of a thing takes what was known of it and the day that is asked about. So the same function counts all things as they were
known at a position, and says of a single thing on which days it begins and ends to count (`hub.domain.indicators.steps`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from hub.domain.indicators.definition import Definition, definition
from hub.domain.instants import epoch_day_of, local_day, midnight_us
from hub.domain.reference import Reference

Thing = TypeVar("Thing")


class One(NamedTuple):
    """A thing that is counted: the same *subject* counts once in each place, and once in the total."""

    subject: Any
    is_in: bool = True
    places: Mapping[str, str] = {}


class Asked(NamedTuple):
    """A question: which indicator, at the end of which day, by which tables."""

    definition: Definition
    day: date
    reference: Reference

    @property
    def end_us(self) -> int:
        """The last instant of the day."""
        return _end_us(self.day)

    @property
    def first_day(self) -> date:
        """The first day of the window."""
        if self.definition.window == "DAYS_90":
            return date.fromordinal(max(1, self.day.toordinal() - 89))
        return self.day.replace(month=1, day=1)

    def has(self, at_us: int) -> bool:
        """Whether an instant is in the window."""
        return self.first_day <= local_day(at_us) <= self.day

    def of(self, indicator: str) -> "Asked":
        """Returns the same question about another indicator."""
        return self._replace(definition=definition(indicator))


@lru_cache(4_096)
def _end_us(day: date) -> int:
    return midnight_us(epoch_day_of(day) + 1) - 1


# What is counted of a thing; names with a colon are figures beside the indicator.
Counts = Mapping[str, Callable[[Thing, Asked], Iterator[One]]]


def indicator_of(name: str) -> str:
    """Returns the indicator that a figure is of, or is beside."""
    return name.partition(":")[0]


def first_day(instants: Iterable[int]) -> date | None:
    """Returns the day of the first of some instants, None for none."""
    first = min(instants, default=None)
    return None if first is None else local_day(first)
