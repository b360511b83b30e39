"""What counts as a use of a card, and under which day, issuer, place and scenario it counts."""

from typing import NamedTuple

from chuanyu.exchange.v1 import event_pb2

from hub.domain.acceptance import local_day

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
        "coupon_redeemed",
        "points_spent",
    }
)


class UsageCell(NamedTuple):
    """Where a use is counted: local business day (yyyy-MM-dd), issuing province, serving region, scenario."""

    day: str
    issuer: str
    region: str
    scenario: str


def cell_of(event: event_pb2.Event, occurred_us: int) -> UsageCell:
    """Returns the cell of a use; a business day that the source names wins over the calendar."""
    day = event.business_date or local_day(occurred_us).isoformat()
    issuer = event.card.issuing_province or event.issuer_region[:2]
    return UsageCell(day, issuer, event.service_region, event.scenario)


def amount_fen(kind: str, event: event_pb2.Event) -> int:
    """Returns the money of a use in fen, 0 where the kind has none."""
    message = getattr(event, kind)
    for name in ("fare_paid_fen", "amount_fen", "used_fen"):
        if (value := getattr(message, name, None)) is not None:
            return int(value)
    if kind == "medical_settlement_completed":
        return int(message.money.total_fen)
    return int(event.amount_fen)
