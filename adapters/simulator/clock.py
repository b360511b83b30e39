"""The simulated day: which instant an event falls on, and which business day a trip counts for.

Bounded traffic fills the day that begins with the start instant, dense in the rush hours and thin at night. Traffic
without end goes on from there at the pace it is asked for, so it stays as far behind the wall clock as it began. All
times are local (+08:00), without zone, as both native formats write them.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final

# Share of each hour, in events: two rush hours, quiet nights, and enough after midnight for the last trains.
HOUR_WEIGHTS: Final = (9, 5, 2, 1, 1, 4, 16, 48, 62, 46, 38, 37, 40, 38, 36, 36, 42, 58, 64, 46, 34, 28, 22, 14)
SPAN: Final = timedelta(days=1)
# The last Chongqing train of a New Year's Eve came in at 03:28, so a business day ends at four.
BUSINESS_DAY_CUT: Final = timedelta(hours=4)
# Without a rate or an end: fast enough for any adapter, slow enough that years pass before it overtakes the clock.
UNPACED_STEP_S: Final = 0.0005

Clock = Callable[[int], datetime]


def clock(start: datetime, event_count: int, rate: float) -> Clock:
    """Returns the function from the number of an event to its instant; it never goes back."""
    if not event_count:
        step_s = 1 / rate if rate else UNPACED_STEP_S
        return lambda number: start + timedelta(seconds=number * step_s)
    hours = _hours(start)
    bounds = list(accumulate((weight for _, _, weight in hours), initial=0.0))

    def at(number: int) -> datetime:
        reached = min(number / event_count, 1.0) * bounds[-1]
        index = next((i for i in range(len(hours)) if reached <= bounds[i + 1]), len(hours) - 1)
        begins, length_s, weight = hours[index]
        return begins + timedelta(seconds=(reached - bounds[index]) / weight * length_s)

    return at


def _hours(start: datetime) -> list[tuple[datetime, float, float]]:
    """Returns (beginning, length in seconds, weight) of each hour of the span, the first and last cut."""
    hours, at = [], start
    while at < start + SPAN:
        whole_hour = at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
        length_s = (min(whole_hour, start + SPAN) - at).total_seconds()
        hours.append((at, length_s, HOUR_WEIGHTS[at.hour] * length_s / 3600))
        at = whole_hour
    return hours


def business_day(at: datetime) -> date:
    """Returns the day that a trip counts for: one before four in the morning belongs to the day before."""
    return (at - BUSINESS_DAY_CUT).date()
