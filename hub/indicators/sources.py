"""What figures come to as known at a position: from the steps that are kept, or, where those are not there yet, from the events again.

Both ask the same functions of each thing. What is kept is added up, whatever number of events it is of; to read the events again takes
10 to 20 µs each.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol

from hub.domain.card import STATE_KINDS
from hub.domain.culture.loans import LOAN_KINDS
from hub.domain.indicators import facts, members, units
from hub.domain.indicators.cards import OF_A_CARD, CardKnown, Held, held, of_a_person
from hub.domain.indicators.cases import OF_A_CASE
from hub.domain.indicators.counted import Asked, Counts, One, Thing, first_day, indicator_of
from hub.domain.indicators.members import MEMBER_KINDS
from hub.domain.indicators.outlets import OF_AN_OUTLET, began
from hub.domain.indicators.payees import PAYEES, begins_us
from hub.domain.indicators.steps import cell_of, in_breakdowns, tally
from hub.domain.indicators.uses import ANSWER, CLOSED, OF_A_LOSS, OF_A_ROW, OF_AN_ITEM, OPENED, TAPS, PaidRow, of_answer
from hub.domain.instants import epoch_day_of
from hub.domain.reported import Reported
from hub.domain.unusual_use.finding import FINDING_KINDS
from hub.indicators.payees import payees
from hub.indicators.record import Known
from hub.journal.reader import Recorded
from hub.projections.views import indicator_cells
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.card_alias import links
from hub.projections.views.card_standing import predecessor
from hub.projections.views.cases import CASE_KINDS, fact_of
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.concessions import KINDS as CONCESSION_KINDS
from hub.projections.views.funds import FUND_ROWS, ROW_KINDS
from hub.projections.views.indicator_cells import Cell
from hub.projections.views.indicator_rows import TYING, card_of
from hub.projections.views.indicator_taps import tap_of, taps
from hub.projections.views.indicator_things import name_of

__all__ = ["Cell", "Source", "source"]


class Source(Protocol):
    """Where figures come from, at one position."""

    def cells(self, figure: str, asked: Asked) -> list[Cell]:
        """Returns what a figure came to at the end of the day, by cell; cells that have nothing are left out."""

    def first_day(self, indicator: str) -> int | None:
        """Returns the first day that something was reported of, since 1970."""


def source(known: Known) -> Source:
    """Returns what is kept where that has reached the position, else what is found from the events."""
    return Kept(known) if known.is_kept else Again(known)


# By which indicator the days are kept of what others are counted from too.
_DAYS_OF = {"K2": "K1", "K8": "K1", "K9": "K1", "K15": "K1", "K16": "K1", "K14": "K4"}


class Kept:
    """Figures from the steps that views keep."""

    def __init__(self, known: Known) -> None:
        """Nothing is read yet."""
        self._known = known

    def cells(self, figure: str, asked: Asked) -> list[Cell]:
        """Adds up what is kept."""
        day = epoch_day_of(asked.day)
        if figure == OFFLINE:
            found = taps(self._known.connection, epoch_day_of(asked.first_day), day, self._known.position)
            return [Cell("", found, found)] if found else []
        if figure == "K10":
            return self._known.answers.cells(figure, day)
        return indicator_cells.cells(self._known.connection, figure, day, self._known.position)

    def first_day(self, indicator: str) -> int | None:
        """Looks for the first day that has something left."""
        if indicator == "K10":
            return self._known.answers.first_day()
        return indicator_cells.first_day(self._known.connection, _DAYS_OF.get(indicator, indicator), self._known.position)


class Again:
    """Figures from all events up to the position, read again."""

    def __init__(self, known: Known) -> None:
        """Nothing is read yet."""
        self._known = known

    def cells(self, figure: str, asked: Asked) -> list[Cell]:
        """Counts all things as they were at the end of the day."""
        if figure in (units.UNITS, units.PERSONS):
            return self._units(figure, asked)
        found: dict[str, tuple[int, int]] = {}
        for told in self._told(figure, asked):
            for (name, cell), (inside, whole) in tally(told).items():
                if name == figure:
                    known = found.get(cell, (0, 0))
                    found[cell] = (known[0] + inside, known[1] + whole)
        return [Cell(cell, *counts) for cell, counts in sorted(found.items())]

    def first_day(self, indicator: str) -> int | None:
        """Looks at all events."""
        found = first_day(self._instants(_DAYS_OF.get(indicator, indicator)))
        return epoch_day_of(found) if found is not None else None

    def _told(self, figure: str, asked: Asked) -> Iterator[Iterable[tuple[str, One]]]:
        """Yields what is counted of each thing."""
        if figure.startswith("K1@") or figure == "K2:persons":
            yield from self._of_persons(asked)
        elif figure.startswith(f"{members.MEMBERS}@"):
            yield from self._of_members(asked)
        elif figure == PAYEES:
            yield [(figure, one) for one in payees(self._known, asked)]
        elif figure in OF_A_CARD:
            yield from _counted(figure, OF_A_CARD, self._cards, asked)
        elif figure in OF_A_CASE:
            yield from _counted(figure, OF_A_CASE, ([fact_of(one) for one in told] for told in self._grouped(CASE_KINDS)), asked)
        elif figure in OF_A_LOSS:
            yield from _counted(figure, OF_A_LOSS, map(_reports, self._grouped(_LOSS_KINDS)), asked)
        elif figure in OF_AN_ITEM:
            yield from _counted(figure, OF_AN_ITEM, map(_reports, self._grouped(LOAN_KINDS)), asked)
        elif figure in OF_AN_OUTLET:
            yield from _counted(figure, OF_AN_OUTLET, map(_reports, self._grouped(kinds_of("K13"))), asked)
        elif figure in OF_A_ROW:
            rows = self._known.states(FUND_ROWS).values()
            yield from _counted(figure, OF_A_ROW, (PaidRow(row.province, row.reports) for row in rows), asked)
        elif figure == OFFLINE:
            yield from _counted(figure, {OFFLINE: _offline}, self._taps(), asked)
        else:
            yield from _counted(figure, {"K10": _answers}, self._known.events((ANSWER,)), asked)

    def _of_persons(self, asked: Asked) -> Iterator[Iterable[tuple[str, One]]]:
        people: dict[bytes, list[Held]] = {}
        for card in self._cards:
            if (one := held(card, asked.end_us)).holder:
                people.setdefault(one.holder, []).append(one)
        for some in people.values():
            told = list(of_a_person(some))
            yield [(name, one) for name, one in told if name != "K1"]
            yield (each for name, one in told if name == "K1" for each in in_breakdowns(one, asked))

    def _of_members(self, asked: Asked) -> Iterator[Iterable[tuple[str, One]]]:
        whose = self._whose(asked)
        told: dict[bytes, list[Reported]] = {}
        for one in filter(members.is_of_members, _reports(self._known.events(MEMBER_KINDS))):
            told.setdefault(whose(one.card) or one.event.holder.key, []).append(one)
        for name, some in told.items():
            yield members.member(name, some, asked)

    def _whose(self, asked: Asked) -> Callable[[bytes], bytes]:
        """Returns what finds the person of a card by any of its identifiers, or the card's number where it is nobody's."""
        numbers, holders = numbers_of(self._known), {card.key: card.holder(asked.end_us) for card in self._cards}

        def whose(card: bytes) -> bytes:
            number = numbers.get(card, card)
            return holders.get(number) or number

        return whose

    def _units(self, figure: str, asked: Asked) -> list[Cell]:
        """Counts the units of each person by his cards, of a card that is nobody's by itself."""
        whose = self._whose(asked)
        told: dict[bytes, list[units.Used]] = {}
        found: dict[str, tuple[int, int]] = {}
        for state in self._known.states(CONCESSIONS).values():
            told.setdefault(whose(state.card), []).append(units.of_entry(state.entry))
            if figure == units.UNITS and (spent := units.spent(state.entry, asked)):
                inside, _ = found.get(state.city, (0, 0))
                found[state.city] = (inside + spent, 0)
        for some in told.values():
            for city, granted in units.granted(some, asked).items():
                inside, whole = found.get(city, (0, 0))
                found[city] = (inside, whole + granted) if figure == units.UNITS else (inside + 1, whole + 1)
        return [Cell(cell_of({"city": city}), *counts) for city, counts in sorted(found.items())]

    @cached_property
    def _cards(self) -> list[CardKnown]:
        return cards(self._known)

    def _grouped(self, kinds: frozenset[str]) -> list[list[Recorded]]:
        found: dict[object, list[Recorded]] = {}
        for one in self._known.events(kinds):
            found.setdefault(name_of(one), []).append(one)
        return list(found.values())

    def _taps(self) -> Iterable[list[Recorded]]:
        found: dict[bytes | None, list[Recorded]] = {}
        for one in self._known.events(TAPS):
            found.setdefault(tap_of(one), []).append(one)
        return [told for key, told in found.items() if key is not None]

    def _instants(self, indicator: str) -> Iterator[int]:
        if indicator == "K1":
            return (one.occurred_us for card in self._cards for one in card.told)
        if indicator == "K19":
            return (one.occurred_us for row in self._known.states(FUND_ROWS).values() for one in row.reports)
        if indicator == units.UNITS:
            return (one.occurred_us for state in self._known.states(CONCESSIONS).values() for one in state.reports)
        told = self._known.events(kinds_of(indicator))
        if indicator == members.MEMBERS:
            return (members.began(one) for one in _reports(told) if one.kind == members.BASIS)
        if indicator == PAYEES:
            return (begins_us(one) for one in _reports(told) if one.kind == facts.ELIGIBLE)
        return map(began, _reports(told)) if indicator == "K13" else (one.occurred_us for one in told)


OFFLINE = "K10:offline_taps"
_LOSS_KINDS = frozenset({OPENED, CLOSED})


_KINDS: Mapping[str, frozenset[str]] = {
    "K1": STATE_KINDS | TYING,
    "K4": CASE_KINDS,
    "K5": CASE_KINDS,
    "K6": AGREEMENTS.kinds or frozenset(),
    "K7": frozenset({facts.ELIGIBLE}) | ROW_KINDS,
    "K10": frozenset({ANSWER, *TAPS}),
    "K11": _LOSS_KINDS,
    "K12": MEMBER_KINDS | STATE_KINDS | TYING,
    "K13": frozenset({facts.OUTLET}),
    "K17": CONCESSION_KINDS | STATE_KINDS | TYING,
    "K18": FINDING_KINDS,
    "K19": ROW_KINDS,
    "K20": LOAN_KINDS,
}


def kinds_of(indicator: str) -> frozenset[str]:
    """Returns the kinds of events that an indicator is counted from; uses (K3, K18) come from their counts."""
    return _KINDS.get(_DAYS_OF.get(indicator, indicator), frozenset())


def numbers_of(known: Known) -> dict[bytes, bytes]:
    """Returns the card number that each identifier is tied to, by what named it last."""
    numbers: dict[bytes, bytes] = {}
    for one in known.events(STATE_KINDS | TYING):
        number, others = links(one) if one.kind in TYING else (None, [])
        if number is not None:
            numbers |= dict.fromkeys(others, number)
    return numbers


def cards(known: Known) -> list[CardKnown]:
    """Returns all cards, each with what was reported by any of its identifiers."""
    numbers, told = numbers_of(known), dict[bytes, list[tuple[bytes, Recorded]]]()
    for one in known.events(STATE_KINDS | TYING):
        if one.kind in STATE_KINDS:
            for name in dict.fromkeys((one.event.card.key, predecessor(one))):
                if name:
                    told.setdefault(numbers.get(name, name), []).append((name, one))
    return [card_of(number, some) for number, some in sorted(told.items())]


def _reports(told: Sequence[Recorded]) -> list[Reported]:
    return [one.reported for one in told]


def _counted(figure: str, counts: Counts[Thing], things: Iterable[Thing], asked: Asked) -> Iterator[Iterable[tuple[str, One]]]:
    count, question = counts[figure], asked.of(indicator_of(figure))
    for thing in things:
        yield [(figure, one) for one in count(thing, question)]


def _answers(one: Recorded, asked: Asked) -> Iterator[One]:
    if asked.has(one.occurred_us):
        yield of_answer(_reports([one])[0])


def _offline(told: list[Recorded], asked: Asked) -> Iterator[One]:
    if any(asked.has(one.occurred_us) for one in told):
        yield One("tap")
