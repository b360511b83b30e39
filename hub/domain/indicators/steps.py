"""On which days a thing begins and ends to count: what it comes to at the end of a day is the sum of its steps until then.

So what all things come to is the sum of all their steps, and what an event changes of a thing is the steps after it less those before it.
Where a subject may be in several things, such as an item in many cases, a cell has its name, and the cells that are left are counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import cache, lru_cache
from itertools import combinations

from hub.domain import reference
from hub.domain.indicators.cards import OF_A_CARD, CardKnown, Held, held, of_a_person
from hub.domain.indicators.counted import Asked, Counts, One, Thing, indicator_of
from hub.domain.indicators.definition import definition
from hub.domain.indicators.places import located
from hub.domain.instants import day_of, epoch_day, epoch_day_of

# A figure, a day since 1970, and a cell; what is added to its numerator and to all that it has.
Step = tuple[str, int, str]
Steps = Mapping[Step, tuple[int, int]]
Tally = dict[tuple[str, str], tuple[int, int]]
Told = Iterable[tuple[str, One]]
_SUBJECT, _NEXT, _IS = "subject", "\t", "="
# The first day of anything is found by how many reports there are of each.
DAYS = "days"
_NAMED = frozenset({"ITEMS", "BANKS"})
# Persons are counted by themselves in each breakdown: of a cell that has several of their cards they are one.
_AT = "@"


def cell_of(places: Mapping[str, str]) -> str:
    """Returns the text of a cell."""
    return _NEXT.join(f"{name}{_IS}{value}" for name, value in sorted(places.items()))


def places_of(cell: str) -> dict[str, str]:
    """Returns the places that a text of a cell has, and its subject."""
    return dict(part.split(_IS, 1) for part in cell.split(_NEXT)) if cell else {}


def subject_in(places: dict[str, str]) -> str:
    """Takes the subject off the places of a cell, "" where it has none."""
    return places.pop(_SUBJECT, "")


def breakdown(indicator: str, by: Iterable[str]) -> str:
    """Returns the name of the figures of persons in a breakdown."""
    return f"{indicator}{_AT}{','.join(sorted(by))}"


def change(before: Steps, after: Steps) -> Iterator[tuple[Step, tuple[int, int]]]:
    """Yields what is added to steps and taken off."""
    for step in before.keys() | after.keys():
        was, now = before.get(step, (0, 0)), after.get(step, (0, 0))
        if was != now:
            yield step, (now[0] - was[0], now[1] - was[1])


def of_thing(
    thing: Thing, counts: Counts[Thing], instants: Iterable[int], ends: Callable[[Thing, int], Iterable[int]] = lambda _, __: ()
) -> dict[Step, tuple[int, int]]:
    """Returns the steps of a thing, which may change at some instants, and at those that its state at one of them *ends* by."""

    def told(asked: Asked) -> Iterator[tuple[str, One]]:
        for name, count in counts.items():
            for one in count(thing, _asked_on(name, asked.day)):
                yield name, one

    return stepped(set(turns_of(instants)), lambda asked: tally(told(asked)), lambda at_us: ends(thing, at_us))


def of_card(card: CardKnown) -> dict[Step, tuple[int, int]]:
    """Returns the steps of a card, with the days that something was reported of it on."""
    return of_thing(card, OF_A_CARD, [fact.occurred_us for fact in card.facts], _ends) | days_told(
        "K1", (one.occurred_us for one in card.told)
    )


def _ends(card: CardKnown, at_us: int) -> Iterator[int]:
    state = card.standing(at_us)
    for end_us in (state.social_status_until_us, state.bank_loss_until_us, state.ecard_until_us):
        if end_us is not None:
            yield end_us


def days_told(name: str, instants: Iterable[int]) -> dict[Step, tuple[int, int]]:
    """Returns how many reports there are of each day."""
    found: dict[Step, tuple[int, int]] = {}
    for at_us in instants:
        step = (f"{name}:{DAYS}", epoch_day(at_us), "")
        found[step] = (0, found.get(step, (0, 0))[1] + 1)
    return found


def held_by_day(card: CardKnown) -> dict[int, Held]:
    """Returns what a card is for the count of persons, on each day on which that changes."""
    instants = [fact.occurred_us for fact in card.facts] + [one.occurred_us for one in card.told]
    days, found, before = {epoch_day(at_us) for at_us in instants}, dict[int, Held](), None
    while days:
        days.remove(day := min(days))
        end_us = _asked(day).end_us
        now = held(card, end_us)
        days |= {later for at_us in _ends(card, end_us) if (later := epoch_day(at_us)) > day}
        if now != before:
            found[day] = before = now
    return found


def of_holder(holder: bytes, cards: Iterable[Mapping[int, Held]]) -> dict[Step, tuple[int, int]]:
    """Returns the steps of a person, by the cards that may ever have been his."""
    by_day = [sorted(one.items()) for one in cards]
    days = {day for one in by_day for day, _ in one}
    first = min(days, default=0)
    days |= {day for day in _split_days() if day > first}

    def told(asked: Asked) -> Iterator[tuple[str, One]]:
        day = epoch_day_of(asked.day)
        last = (next((state for at, state in reversed(one) if at <= day), None) for one in by_day)
        for name, one in of_a_person([state for state in last if state is not None and state.holder == holder]):
            yield from ([(name, one)] if name != "K1" else in_breakdowns(one, asked))

    return stepped(days, lambda asked: tally(told(asked)))


def in_breakdowns(one: One, asked: Asked) -> Iterator[tuple[str, One]]:
    """Yields a person once for each breakdown: a person with cards in several places is one in each, and one in all."""
    places = located(asked.reference, one.places, asked.day)
    for by in _breakdowns(definition("K1").by):
        yield breakdown("K1", by), one._replace(places={name: places[name] for name in by})


@cache
def _breakdowns(by: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(some for width in range(len(by) + 1) for some in combinations(by, width))


@cache
def _split_days() -> frozenset[int]:
    """The days on which a region was split or gave way to others: who was said to be in it may be elsewhere from then on."""
    versions = (one for some in reference.load().regions.values() for one in some)
    return frozenset(epoch_day_of(one.valid_to) for one in versions if one.valid_to is not None and one.successors)


def turns_of(instants: Iterable[int]) -> Iterator[int]:
    """Yields the days of some instants, and the days on which what counts in a year counts no more."""
    for at_us in instants:
        day = epoch_day(at_us)
        yield day
        yield epoch_day_of(date(day_of(day).year + 1, 1, 1))


@lru_cache(4_096)
def _asked(day: int) -> Asked:
    return Asked(definition("K1"), day_of(day), reference.load())


@lru_cache(1 << 15)
def _asked_on(name: str, day: date) -> Asked:
    return _asked(epoch_day_of(day)).of(indicator_of(name))


def stepped(
    days: set[int], at: Callable[[Asked], Tally], ends: Callable[[int], Iterable[int]] = lambda _: ()
) -> dict[Step, tuple[int, int]]:
    """Returns the steps of what comes to something else *at* some days, and at those that it *ends* by."""
    found: dict[Step, tuple[int, int]] = {}
    before: Tally = {}
    while days:
        days.remove(day := min(days))
        asked = _asked(day)
        now = at(asked)
        for name, cell in before.keys() | now.keys():
            was, counts = before.get((name, cell), (0, 0)), now.get((name, cell), (0, 0))
            if was != counts:
                found[name, day, cell] = (counts[0] - was[0], counts[1] - was[1])
        before = now
        days |= {later for at_us in ends(asked.end_us) if (later := epoch_day(at_us)) > day}
    return found


def tally(told: Told) -> Tally:
    """Adds up what is counted of a thing: a subject counts once in each cell."""
    seen: dict[tuple[str, str], dict[object, bool]] = {}
    for name, one in told:
        subjects = seen.setdefault((name, _cell(name, one)), {})
        subjects[one.subject] = subjects.get(one.subject, False) or one.is_in
    return {name: (sum(subjects.values()), len(subjects)) for name, subjects in seen.items()}


def _cell(name: str, one: One) -> str:
    is_named = ":" not in name and _AT not in name and definition(name).counts in _NAMED
    return cell_of({**one.places, _SUBJECT: str(one.subject)} if is_named else one.places)
