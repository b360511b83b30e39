"""Transfer discounts 换乘优惠: on the second leg of a ride, for a first leg of the same purse a short while before [S35].

How long, and whether from the departure or the arrival of the first leg, is each place's own, by the tables; where they say
nothing, no transfer is late.
"""

from collections.abc import Callable, Sequence

from hub.domain.business_keys import purse_key
from hub.domain.instants import DAY_US, MINUTE_US
from hub.domain.reported import LedgerFinding, Reported, has_waited
from hub.domain.transit.rides import Ride, counter_of

DISCOUNT = "transit_transfer_discounted"
ALONE, FIRST_LEG_MISSING, LATE, BEYOND = "DISCOUNT_WITHOUT_JOURNEY", "TRANSFER_WITHOUT_FIRST_LEG", "TRANSFER_LATE", "DISCOUNT_BEYOND_FARE"
# Gives a parameter of a region on the day of an instant, "" where the tables say nothing.
Policy = Callable[[str, str, int], str]


def give_discounts(rides: Sequence[Ride], reports: Sequence[Reported], policy: Policy, at_us: int) -> list[LedgerFinding]:
    """Gives each discount to its journey, and returns those that have none."""
    alone = []
    for one in reports:
        if one.kind != DISCOUNT:
            continue
        ride = _at(rides, purse_key(one.event), one.message.tap.purse_counter, one)
        if ride is None:
            alone += [LedgerFinding(ALONE, one.position)] if has_waited(one, at_us) else []
        elif ride.discount is None:
            ride.discount = one
            ride.findings += _faults(rides, ride, one, policy, at_us)
    return alone


def _faults(rides: Sequence[Ride], ride: Ride, discount: Reported, policy: Policy, at_us: int) -> list[LedgerFinding]:
    found = []
    first = _at([one for one in rides if one is not ride], ride.purse, discount.message.first_leg_counter, discount)
    if first is None:
        found += [LedgerFinding(FIRST_LEG_MISSING, discount.position)] if has_waited(discount, at_us) else []
    elif _is_late(first, ride, policy):
        found.append(LedgerFinding(LATE, discount.position, first.taps[-1].position))
    paid = ride.left.message if ride.left is not None else None
    full_fen = getattr(paid, "fare_full_fen", 0)
    if paid is not None and full_fen and paid.fare_paid_fen + discount.message.discount_fen > full_fen:
        found.append(LedgerFinding(BEYOND, discount.position, ride.taps[-1].position))
    return found


def _at(rides: Sequence[Ride], purse: bytes, counter: int, one: Reported) -> Ride | None:
    """Returns the ride of a purse with a counter on either tap, the one nearest to a report and less than a day from it."""
    near = [
        (abs(tap.occurred_us - one.occurred_us), tap.position, ride)
        for ride in rides
        if ride.purse == purse
        for tap in ride.taps
        if counter_of(tap) == counter and abs(tap.occurred_us - one.occurred_us) < DAY_US
    ]
    return min(near, key=lambda found: found[:2])[2] if near else None


def _is_late(first: Ride, second: Ride, policy: Policy) -> bool:
    region = second.taps[0].event.service_region
    minutes = policy("transferWindowMinutes", region, second.began_us)
    from_us = first.ended_us if policy("transferCountsFrom", region, second.began_us) == "ARRIVAL" else first.began_us
    return bool(minutes) and second.began_us - from_us > int(minutes) * MINUTE_US
