"""What counts as a use of a card: under which day, issuer, place and scenario it counts, and with how much money.

By what a use is known, whichever province reports it, is in `business_keys`.
"""

from functools import cache, lru_cache
from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain import reference
from hub.domain.instants import MINUTE_US, day_of, day_text, epoch_day

# One kind for each use: a journey counts when it ends, a case when it is submitted, a loan when it is lent.
COUNTED_KINDS = frozenset(
    {
        "medical_visit_registered",
        "medical_settlement_completed",
        "transit_exit_recorded",
        "transit_journey_completed",
        "transit_journey_incomplete",
        "transit_purse_topped_up",
        "library_reader_registered",
        "library_item_borrowed",
        "library_item_renewed",
        "library_item_returned",
        "venue_gate_entered",
        "hotel_credential_accepted",
        "identity_presented",
        "case_submitted",
        "employment_registered",
        "unemployment_registered",
        "benefit_qualification_certified",
        "subsidy_applied",
        "talent_allowance_applied",
        "skill_certificate_queried",
        "pension_transfer_requested",
        "fund_row_paid",
        "fund_row_repaid",
        "coupon_redeemed",
        "points_spent",
    }
)
# Journeys and top-ups have a business day that does not end at midnight; everything else goes by the calendar.
TRANSIT = "transit_"


class UsageCell(NamedTuple):
    """Where a use is counted: local business day (yyyy-MM-dd), issuing province, serving region, scenario."""

    day: str
    issuer: str
    region: str
    scenario: str


def business_day(kind: str, region: str, at_us: int) -> str:
    """Returns the business day of an instant: transit before the cut of the serving province (businessDayCut) counts for the day before."""
    if not kind.startswith(TRANSIT):
        return day_text(epoch_day(at_us))
    return day_text(epoch_day(at_us - _cut_us(region[:2], epoch_day(at_us))))


@lru_cache(4_096)
def _cut_us(province: str, day: int) -> int:
    policy = reference.load().policy("businessDayCut", province, day_of(day))
    if policy is None or not policy.value:
        return 0
    hours, minutes = policy.value.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE_US


def issuer_of(event: event_pb2.Event) -> str:
    """Returns the province whose card was used, by the card or the region that issued it."""
    return event.card.issuing_province or event.issuer_region[:2]


def amount_fen(kind: str, event: event_pb2.Event) -> int:
    """Returns the money of a use in fen, 0 where the kind has none."""
    if name := _amount_field(kind):
        return int(getattr(getattr(event, kind), name))
    if kind in ("medical_settlement_completed", "medical_settlement_reversed"):
        return int(getattr(event, kind).money.total_fen)
    return int(event.amount_fen)


@cache
def _amount_field(kind: str) -> str:
    message = event_pb2.Event.DESCRIPTOR.fields_by_name[kind].message_type
    fields = message.fields_by_name if message is not None else ()
    return next((name for name in ("fare_paid_fen", "amount_fen", "used_fen", "returned_fen") if name in fields), "")
