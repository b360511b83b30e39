"""K7: who became eligible for payments, once for a project and year, and whether the first payment went to a card's account.

A payment is the person's where its row names him, or the card that he was named by. What came back is no payment.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from hub.domain.funds.attempts import Said
from hub.domain.funds.rows import PAID_OUT, fold_row
from hub.domain.indicators.counted import Asked, One
from hub.domain.indicators.places import said
from hub.domain.instants import local_day
from hub.domain.reported import Reported


class Payee(NamedTuple):
    """Who is eligible for what: the province that pays, its project, and the key of the person, else of the card."""

    province: str
    project: str
    subject: bytes


class Row(NamedTuple):
    """A row of a batch: its reports, whether it names the card whose account is paid, and a name that no other row has."""

    reports: Sequence[Said]
    is_to_card: bool
    name: tuple[str, int]


def payee_of(one: Reported) -> Payee:
    """Returns whom a report of eligibility is of."""
    return Payee(one.province, one.message.project_code, one.event.holder.key or one.event.card.key)


def counted(told: Iterable[Reported], rows: Iterable[Row], asked: Asked) -> One | None:
    """Returns a payee who became eligible in the window, by his reports and the rows that are his; None if he did not."""
    first, last = asked.first_day.isoformat(), asked.day.isoformat()
    begun = [one for one in told if first <= one.message.eligible_from <= last]
    if not begun:
        return None
    one = min(begun, key=lambda each: (each.message.eligible_from, *each.when))
    since = date.fromisoformat(one.message.eligible_from)
    places = {"province": one.province, **said(asked.reference, one.event.service_region, since)}
    paid = [(at_us, row.name, row.is_to_card) for row in rows if (at_us := _paid_us(row, asked)) and local_day(at_us) >= since]
    return One(payee_of(one), min(paid)[2] if paid else False, places)


def _paid_us(row: Row, asked: Asked) -> int:
    """Returns when a row was paid that did not come back, 0 if it was not."""
    attempts = fold_row(row.reports, asked.end_us).attempts
    return next((one.answered_us for one in attempts if one.outcome == PAID_OUT), 0)
