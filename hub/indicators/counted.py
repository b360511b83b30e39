"""What an indicator finds before it is added up: one thing after the other, whether it is in the numerator, and where it belongs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, NamedTuple

from hub.domain.instants import epoch_day_of, local_day, midnight_us
from hub.domain.reference import Reference
from hub.indicators.definition import Definition
from hub.indicators.record import Known


class One(NamedTuple):
    """A thing that is counted: the same *subject* counts once in each place, and once in the total. *weight* is more for units alone."""

    subject: Any
    is_in: bool = True
    places: Mapping[str, str] = {}
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Found:
    """All that was found: the first day that the record has something of; *beside* are figures that are shown and in no sum."""

    ones: tuple[One, ...]
    first_day: date | None
    beside: Mapping[str, int | None] = field(default_factory=dict)


class Asked(NamedTuple):
    """A question: which indicator, at the end of which day, by which tables."""

    definition: Definition
    day: date
    reference: Reference

    @property
    def end_us(self) -> int:
        """The last instant of the day."""
        return midnight_us(epoch_day_of(self.day) + 1) - 1

    @property
    def first_day(self) -> date:
        """The first day of the window."""
        if self.definition.window == "DAYS_90":
            return self.day - timedelta(days=89)
        return self.day.replace(month=1, day=1)

    def has(self, at_us: int) -> bool:
        """Whether an instant is in the window."""
        return self.first_day <= local_day(at_us) <= self.day


Count = Callable[[Known, Asked], Found]


def first_day(instants: Iterable[int]) -> date | None:
    """Returns the day of the first of some instants, None for none."""
    first = min(instants, default=None)
    return None if first is None else local_day(first)
