"""How long what carries an identifier must be kept, by kind of event, and which obligations still run at an instant.

Where an obligation runs the identifier is kept, and used for nothing but being kept (个人信息保护法 Art. 47): erasing is refused with the
obligation's name. Periods count from the day of the event, in +08:00.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from hub.domain.instants import LOCAL, local_day


class Obligation(NamedTuple):
    """One duty to keep: its code, its years, what it covers (beginnings of kinds; "" is all else), and its words."""

    code: str
    years: int
    kinds: tuple[str, ...]
    text_zh: str
    text_en: str


class Running(NamedTuple):
    """An obligation that still runs, and the first day on which it does not; None while the card is in force."""

    code: str
    ends_on: date | None
    text_zh: str
    text_en: str


class Mentioned(NamedTuple):
    """What the journal has of an identifier: a kind of event, and when the last one of it happened."""

    kind: str
    last_us: int


# The longest first: an event falls under the first that covers it.
OBLIGATIONS = (
    Obligation("ACCOUNTING", 30, ("fund_", "medical_settlement_", "coupon_"), "支付会计凭证", "accounting vouchers of payments"),
    Obligation("RECONCILIATION", 10, ("medical_clearing_", "transit_clearing_", "recon_", "control_totals_"), "清分对账", "reconciliation"),
    Obligation("CASE_ARCHIVE", 10, ("case_",), "办件档案", "archives of cases"),
    Obligation("TRANSIT_DETAIL", 2, ("transit_",), "出行明细", "detail of journeys"),
    # The 2025 regulation wants records of providing personal data kept for three years; an impact assessment and what it rests on too.
    Obligation("DATA_SHARING", 3, ("",), "个人信息提供记录", "records of providing personal data"),
)
_IN_FORCE = Running("CARD_IN_FORCE", None, "卡尚未注销", "the card is not cancelled")


def obligation_of(kind: str) -> Obligation:
    """Returns what a kind of event must be kept for."""
    return next(one for one in OBLIGATIONS if kind.startswith(one.kinds))


def running(mentioned: Iterable[Mentioned], at: datetime, *, is_card_in_force: bool) -> list[Running]:
    """Returns the obligations that run at an instant, the one that ends last first."""
    ends: dict[Obligation, date] = {}
    for kind, last_us in mentioned:
        obligation = obligation_of(kind)
        day = local_day(last_us)
        ends[obligation] = max(ends.get(obligation, date.min), _years_after(day, obligation.years))
    today = at.astimezone(LOCAL).date()
    found = [Running(one.code, end, one.text_zh, one.text_en) for one, end in ends.items() if today < end]
    found.sort(key=lambda one: one.ends_on or date.max, reverse=True)
    return [_IN_FORCE, *found] if is_card_in_force else found


def _years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        # 29 February: the period ends with the month.
        return (day - timedelta(days=1)).replace(year=day.year + years) + timedelta(days=1)
