"""K19 of rows of fund batches as nearly all of them are: sent once, and answered once or not at all.

What such a row counts depends on the days of its two reports and on the answer alone, so it is found once for all rows that have these.
"""

from functools import lru_cache
from typing import NamedTuple

from hub.domain.funds.attempts import PAID, RETURNED, SENT, Said
from hub.domain.funds.short_way import Plain
from hub.domain.indicators.steps import Step, Steps, change, days_told, of_thing
from hub.domain.indicators.uses import OF_A_ROW, PaidRow
from hub.domain.instants import epoch_day, midnight_us


class PlainPayment(NamedTuple):
    """What the steps of a row depend on; *answered_day* is 0 while the bank has not answered, *reason* why it came back, else 0."""

    province: str
    sent_day: int
    answered_day: int = 0
    is_paid: bool = False
    reason: int = 0

    @property
    def reports(self) -> tuple[Said, ...]:
        """Two reports of those days."""
        sent = Said(SENT, midnight_us(self.sent_day), 1, 0, attempt=1)
        if not self.answered_day:
            return (sent,)
        return sent, Said(PAID if self.is_paid else RETURNED, midnight_us(self.answered_day), 2, 0, reason=self.reason)


def payment_of(province: str, plain: Plain) -> PlainPayment | None:
    """Returns what the steps of a row depend on, None where a day of it is that of an instant that says nothing."""
    sent, answer = plain
    if answer is None:
        return PlainPayment(province, epoch_day(sent.occurred_us))
    answered_day = epoch_day(answer.occurred_us)
    return PlainPayment(province, epoch_day(sent.occurred_us), answered_day, answer.kind == PAID, answer.reason) if answered_day else None


@lru_cache(4_096)
def steps_of(payment: PlainPayment) -> Steps:
    """Returns the steps of a row."""
    return steps_of_row(payment.province, payment.reports)


def steps_of_row(province: str, reports: tuple[Said, ...]) -> Steps:
    """Returns the steps of any row by its reports."""
    instants = [one.occurred_us for one in reports]
    # Until a bank answers nothing counts but that there is a report: of most rows this is asked twice.
    is_answered = any(one.kind != SENT for one in reports)
    counted = of_thing(PaidRow(province, reports), OF_A_ROW, instants) if is_answered else {}
    return counted | days_told("K19", instants)


@lru_cache(4_096)
def change_of(before: PlainPayment | None, after: PlainPayment) -> tuple[tuple[Step, tuple[int, int]], ...]:
    """Returns what an event adds to steps and takes off that makes of one row the other."""
    return tuple(change(steps_of(before) if before is not None else {}, steps_of(after)))
