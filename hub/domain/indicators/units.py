"""What is counted of concession units (K17): those used in the period of a day, and those granted to who used any, by city.

Units are a person's and go on with him over cards. What was used is added up use by use. What was granted is asked of each person, city and
period once somebody used any: for that it is enough to know the first use of each month, and what was given beside the rest.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from typing import NamedTuple

from hub.domain import reference
from hub.domain.concessions import QUOTA, Entry, scheme_at
from hub.domain.indicators.cards import Held
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.steps import Step, Tally, cell_of, stepped
from hub.domain.instants import epoch_day_of

# Whose a card is, day by day.
Days = Mapping[int, Held]
UNITS, PERSONS = "K17", "K17:persons"


class Used(NamedTuple):
    """What is known of the units of a card in a city and month: the day of the first use, "" for none, and what was granted on top."""

    city: str
    month: str
    first: str
    extra: tuple[tuple[str, int], ...] = ()


def of_entry(entry: Entry) -> Used:
    """Returns what one entry of the ledger says."""
    is_use = entry.units > 0
    return Used(entry.city, entry.day[:7], entry.day if is_use else "", () if is_use else ((entry.day, -entry.units),))


def together(told: Iterable[Used]) -> tuple[Used, ...]:
    """Returns what several say, one for each city and month, in order."""
    found: dict[tuple[str, str], Used] = {}
    for one in told:
        place = one[:2]
        if (known := found.get(place)) is None:
            found[place] = one if len(one.extra) < 2 else one._replace(extra=tuple(sorted(one.extra)))
        else:
            first = min(known.first, one.first) if known.first and one.first else known.first or one.first
            found[place] = Used(*place, first, tuple(sorted((*known.extra, *one.extra))))
    return tuple(found[place] for place in sorted(found))


def spent(entry: Entry, asked: Asked) -> int:
    """Returns the units of a use that are charged to the period of the day."""
    found = _period(entry.city, asked)
    is_in = found is not None and entry.day.startswith(found[0]) and entry.day <= asked.day.isoformat()
    return max(0, entry.units) if is_in else 0


def granted(told: Iterable[Used], asked: Asked) -> dict[str, int]:
    """Returns what was granted to one person in the period of the day, by the cities where he used any."""
    day, found = asked.day.isoformat(), dict[str, int]()
    known, users = list(told), set[str]()
    for one in known:
        period = _period(one.city, asked)
        if period is not None and one.month.startswith(period[0]):
            if one.first and one.first <= day:
                users.add(one.city)
            found[one.city] = found.get(one.city, period[1]) + sum(units for at, units in one.extra if at <= day)
    return {city: units for city, units in found.items() if city in users}


def _period(city: str, asked: Asked) -> tuple[str, int] | None:
    """Returns the period that a day is in, a year or a month, and what is granted in it; None where the city grants nothing."""
    scheme = scheme_at(asked.reference, city, asked.end_us)
    return None if scheme is None else (asked.day.isoformat()[: 4 if scheme.period == "YEAR" else 7], scheme.units)


def steps_of_entry(entry: Entry) -> dict[Step, tuple[int, int]]:
    """Returns on which days a use begins and ends to count."""
    cell = cell_of({"city": entry.city})
    return stepped(set(_days([entry.day])), lambda asked: {(UNITS, cell): (units, 0)} if (units := spent(entry, asked)) else {})


def steps_of_card(held: Days, used: Iterable[Used]) -> dict[Step, tuple[int, int]]:
    """Returns the steps of units that are granted to a card on days on which nobody said whose it is."""
    return _steps([(held, tuple(used))], b"")


def steps_of_holder(holder: bytes, cards: Mapping[bytes, Days], used: Mapping[bytes, tuple[Used, ...]]) -> dict[Step, tuple[int, int]]:
    """Returns the steps of units that are granted to a person, by the cards that may ever have been his."""
    return _steps([(cards[name], told) for name, told in used.items()], holder)


def _steps(cards: list[tuple[Days, tuple[Used, ...]]], holder: bytes) -> dict[Step, tuple[int, int]]:
    told = [one for _, some in cards for one in some]
    days = set(_days([day for one in told for day in (one.first, *(at for at, _ in one.extra)) if day]))
    if not days:
        return {}
    days |= {day for held, _ in cards for day in held if day > min(days)}

    def at(asked: Asked) -> Tally:
        day = epoch_day_of(asked.day)
        own = (one for held, some in cards if holder_on(held, day) == holder for one in some)
        cells = {cell_of({"city": city}): units for city, units in granted(own, asked).items()}
        return {(UNITS, cell): (0, units) for cell, units in cells.items()} | {(PERSONS, cell): (1, 1) for cell in cells}

    return stepped(days, at)


def holder_on(held: Days, day: int) -> bytes:
    """Returns whose a card is on a day, empty for nobody."""
    last = max((at for at in held if at <= day), default=None)
    return b"" if last is None else held[last].holder


def _days(days: Iterable[str]) -> Iterator[int]:
    """Yields some days and those on which their month, their year, or what a city grants is another."""
    for text in days:
        day = date.fromisoformat(text)
        yield epoch_day_of(day)
        yield epoch_day_of(date(day.year + day.month // 12, day.month % 12 + 1, 1))
        yield epoch_day_of(date(day.year + 1, 1, 1))
        yield from (other for other in _turns() if other > epoch_day_of(day))


@cache
def _turns() -> frozenset[int]:
    """The days since or until which a city grants something."""
    tables = reference.load()
    provincial = (one for some in tables.policies.values() for one in some)
    regional = (one for groups in tables.regional_policies.values() for some in groups for one in some)
    rows = [one for one in (*provincial, *regional) if one.parameter in QUOTA]
    return frozenset(epoch_day_of(day) for one in rows for day in (one.valid_from, one.valid_to) if day is not None)
