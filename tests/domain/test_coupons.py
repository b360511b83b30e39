"""Coupons and points: whatever is reported in whatever order, nothing is below zero, and a funder's coupons add up."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.consumption.coupons import coupons_at, funding_of
from hub.domain.consumption.points import accounts_at
from hub.domain.reported import Reported
from tests.recording import AT_S

END_US = (AT_S + 60 * 86_400) * 1_000_000
_SAYS: dict[str, Any] = {
    "coupon_granted": st.fixed_dictionaries(
        {"face_fen": st.integers(0, 3), "expires_on": st.sampled_from(["", "2025-09-02", "2026-01-01"])}
    ),
    "coupon_redeemed": st.fixed_dictionaries({"used_fen": st.integers(0, 4), "merchant_id": st.just("M")}),
    "coupon_reversed": st.fixed_dictionaries({"returned_fen": st.integers(0, 4)}),
    "coupon_expired": st.just({}),
    "points_earned": st.fixed_dictionaries({"points": st.integers(0, 5)}),
    "points_spent": st.fixed_dictionaries({"points": st.integers(0, 5)}),
    "points_adjusted": st.fixed_dictionaries({"points_delta": st.integers(-5, 5)}),
}
_PLACES = st.sampled_from(["500103", "510100"])
_EVENTS = st.lists(
    st.sampled_from(sorted(_SAYS)).flatmap(
        lambda kind: st.tuples(st.just(kind), _SAYS[kind], st.integers(0, 4), _PLACES, st.sampled_from(["1", "2"]))
    ),
    max_size=12,
)


def told(events: Any) -> list[Reported]:
    found = []
    for position, (kind, says, hour, region, number) in enumerate(events, 1):
        event = event_pb2.Event(service_region=region)
        event.card.issuing_province = "50"
        message = getattr(event, kind)
        setattr(message, "coupon_id" if kind.startswith("coupon") else "account_id", number)
        message.SetInParent()
        for name, value in says.items():
            setattr(message, name, value)
        found.append(Reported(kind, event, (AT_S + hour * 3_600) * 1_000_000, position))
    return found


@given(_EVENTS)
def test_nothing_is_below_zero_and_what_was_granted_is_redeemed_expired_or_open(events: Any) -> None:
    coupons = coupons_at((one for one in told(events) if one.kind.startswith("coupon")), END_US)
    for one in coupons:
        assert one.funded_fen >= 0
        assert one.granted is None or all(0 <= use.funded_fen <= one.face_fen for use in one.redemptions)
    sums = funding_of(one for one in coupons if one.granted is not None)
    whole = sums.pop("GRANTED", (0, 0, 0))
    assert tuple(whole) == tuple(map(sum, zip(*sums.values(), strict=True))) if sums else whole == (0, 0, 0)
    assert set(sums) <= {"OPEN", "EXPIRED", "REDEEMED.50", "REDEEMED.51"}


@given(_EVENTS)
def test_a_balance_is_never_below_zero_and_adds_up(events: Any) -> None:
    for one in accounts_at((one for one in told(events) if one.kind.startswith("points")), END_US):
        assert all(entry.balance >= 0 for entry in one.entries)
        assert sum(entry.points for entry in one.entries) + one.uncovered == one.balance


@pytest.mark.parametrize("at", [0, 1])
@given(_EVENTS, st.randoms(use_true_random=False))
def test_the_order_in_which_reports_come_changes_no_money(at: int, events: Any, dice: Any) -> None:
    # Of one instant the first to be recorded counts, so each has its own.
    apart = [(kind, says, hour, region, number) for hour, (kind, says, _, region, number) in enumerate(events)]
    shuffled = dice.sample(apart, len(apart))
    fold, start = ((coupons_at, "coupon"), (accounts_at, "points"))[at]
    found = [fold((one for one in told(some) if one.kind.startswith(start)), END_US) for some in (apart, shuffled)]
    money = [
        [(one.findings and len(one.findings), getattr(one, "funded_fen", 0), getattr(one, "balance", 0)) for one in some] for some in found
    ]
    assert money[0] == money[1]
