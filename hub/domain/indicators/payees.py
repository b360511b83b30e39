"""K7: who became eligible for payments, once for a project and year, and whether the first payment went to a card's account.

A payment is the person's where its row names him, or the card that he was named by. What came back is no payment.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from hub.domain.funds.attempts import PAID, Said
from hub.domain.funds.rows import PAID_OUT, fold_row
from hub.domain.funds.short_way import plain_of
from hub.domain.indicators.counted import Asked, One
from hub.domain.indicators.places import said
from hub.domain.indicators.steps import Step, days_told, stepped, tally
from hub.domain.instants import day_of, epoch_day, epoch_day_of, midnight_us
from hub.domain.reported import Reported

PAYEES = "K7"
# From which day on a row was paid at which instant, 0 for not, in order.
Turns = tuple[tuple[int, int], ...]


class Payee(NamedTuple):
    """Who is eligible for what: the province that pays, its project, and the key of the person, else of the card."""

    province: str
    project: str
    subject: bytes


class PaidRow(NamedTuple):
    """A row of a batch that was paid on some days: its name, which no other has, whether it names a card, its projects, and when."""

    batch_no: str
    row_no: int
    is_to_card: bool
    projects: tuple[str, ...]
    turns: Turns

    def paid_us(self, day: int) -> int:
        """Returns when it was paid and did not come back, as of the end of a day; 0 if it was not."""
        return next((at_us for since, at_us in reversed(self.turns) if since <= day), 0)

    def is_paid_in(self, years: Collection[int]) -> bool:
        """Whether it was ever paid in some years, as of any day."""
        return any(at_us and year_of(at_us) in years for _, at_us in self.turns)


def year_of(at_us: int) -> int:
    """Returns the year of an instant."""
    return day_of(epoch_day(at_us)).year


def turns_of_row(reports: Sequence[Said]) -> Turns:
    """Returns on which days a row was paid and came back."""
    if (plain := plain_of(reports)) is not None:
        answer = plain[1]
        is_paid = answer is not None and answer.kind == PAID
        return ((epoch_day(answer.occurred_us), answer.occurred_us),) if answer is not None and is_paid else ()
    found: list[tuple[int, int]] = []
    for day in sorted({epoch_day(one.occurred_us) for one in reports}):
        attempts = fold_row(reports, midnight_us(day + 1) - 1).attempts
        at_us = next((one.answered_us for one in attempts if one.outcome == PAID_OUT), 0)
        if at_us != (found[-1][1] if found else 0):
            found.append((day, at_us))
    return tuple(found)


def payee_of(one: Reported) -> Payee:
    """Returns whom a report of eligibility is of."""
    return Payee(one.province, one.message.project_code, one.event.holder.key or one.event.card.key)


def begins_us(one: Reported) -> int:
    """Returns the first instant at which somebody is eligible by a report."""
    return midnight_us(epoch_day_of(date.fromisoformat(one.message.eligible_from)))


def counted(told: Iterable[Reported], rows: Iterable[PaidRow], asked: Asked) -> One | None:
    """Returns a payee who became eligible in the window, by his reports and the rows that are his; None if he did not."""
    first, last = asked.first_day.isoformat(), asked.day.isoformat()
    begun = [one for one in told if first <= one.message.eligible_from <= last]
    if not begun:
        return None
    one = min(begun, key=lambda each: (each.message.eligible_from, *each.when))
    since, day = date.fromisoformat(one.message.eligible_from), epoch_day_of(asked.day)
    places = {"province": one.province, **said(asked.reference, one.event.service_region, since)}
    since_us = midnight_us(epoch_day_of(since))
    paid = [(at_us, row[:2], row.is_to_card) for row in rows if (at_us := row.paid_us(day)) and at_us >= since_us]
    return One(payee_of(one), min(paid)[2] if paid else False, places)


def of_payees(told: Iterable[Reported], rows: Collection[PaidRow], asked: Asked) -> Iterator[One]:
    """Yields one person for each project that he became eligible for in the window, by all his reports, and rows of which some are his."""
    for payee, reports in _by_payee(told).items():
        if (found := counted(reports, [row for row in rows if payee.project in row.projects], asked)) is not None:
            yield found


def _by_payee(told: Iterable[Reported]) -> dict[Payee, list[Reported]]:
    found: dict[Payee, list[Reported]] = {}
    for one in told:
        found.setdefault(payee_of(one), []).append(one)
    return found


def steps_of_payee(told: Sequence[Reported], rows: Collection[PaidRow]) -> dict[Step, tuple[int, int]]:
    """Returns the steps of a person or card in a province."""
    found = days_told(PAYEES, map(begins_us, told))
    for payee, reports in _by_payee(told).items():
        for year in {year_of(begins_us(one)) for one in reports}:
            since_us = min(at_us for one in reports if year_of(at_us := begins_us(one)) == year)
            mine = _may_be_first([row for row in rows if payee.project in row.projects], since_us)
            for step, (inside, whole) in _steps_of_year(reports, mine, since_us, year).items():
                known = found.get(step, (0, 0))
                found[step] = known[0] + inside, known[1] + whole
    return found


def _may_be_first(rows: Collection[PaidRow], since_us: int) -> list[PaidRow]:
    """Leaves out the rows that were paid after one that never came back: so it is of nearly all, and of many one is looked at."""
    sure = [
        (at_us, row[:2])
        for row in rows
        for day, at_us in row.turns
        if len(row.turns) == 1 and at_us >= since_us and day == epoch_day(at_us)
    ]
    first = min(sure, default=None)
    return [row for row in rows if any(at_us >= since_us and (first is None or (at_us, row[:2]) <= first) for _, at_us in row.turns)]


def _steps_of_year(told: Sequence[Reported], rows: Sequence[PaidRow], since_us: int, year: int) -> dict[Step, tuple[int, int]]:
    first, end = epoch_day(since_us), epoch_day_of(date(year + 1, 1, 1))
    days = {first, *(day for row in rows for day, _ in row.turns if first < day < end), end}

    def at(asked: Asked) -> dict[tuple[str, str], tuple[int, int]]:
        one = counted(told, rows, asked.of(PAYEES)) if asked.day.year == year else None
        return {} if one is None else tally([(PAYEES, one)])

    return stepped(days, at)
