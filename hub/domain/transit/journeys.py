"""Journeys 行程: from the entry of a gate to its exit, or one tap on a bus; each once, in whatever order it was reported and by which side.

A journey belongs to the purse that paid for it. What counts, how much money and on which business day is as in the count of uses
(`netting_taps`). A tap whose other half has not come waits; clearing accepts or refuses a journey, a holder may dispute it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.business_keys import purse_key
from hub.domain.instants import SECOND_US
from hub.domain.netting_taps import REFUSED
from hub.domain.reported import LedgerFinding, Reported, has_waited
from hub.domain.tellings import CLEARING
from hub.domain.transit.counters import Counter, Gap, gaps_in, places_of
from hub.domain.transit.rides import EXIT, METRO, PART, TAP_KINDS, Ride, Told, counter_of, rides_in
from hub.domain.transit.transfers import DISCOUNT, Policy, give_discounts
from hub.domain.usage import UsageCell, business_day, issuer_of

DISPUTE = "transit_trip_disputed"
# They name the trip that they are about by its number.
ABOUT_TRIPS = CLEARING | {DISPUTE}
JOURNEY_KINDS = TAP_KINDS | ABOUT_TRIPS | {DISCOUNT}
# Two gates so soon after each other: the card was handed back [D].
PASS_BACK_US = 60 * SECOND_US
EXIT_MISSING, ENTRY_MISSING, PASSED_BACK, TRIP_MISSING = "ENTRY_WITHOUT_EXIT", "EXIT_WITHOUT_ENTRY", "PASS_BACK", "TRIP_NOT_REPORTED"
REFUND_MISSING = "REFUND_NOT_REPORTED"


class Journey(NamedTuple):
    """One journey; *purse* counts the person's purses from 1. *missing* is ENTRY or EXIT, whichever nobody reported, "" for neither.

    *cell* and *fen* are where and with how much money it is in the count of uses, or would be where it does not count.
    """

    ride: Ride
    purse: int
    epoch: int
    state: str
    missing: str
    cell: UsageCell
    fen: int
    is_counted: bool
    findings: tuple[LedgerFinding, ...]


class Journeys(NamedTuple):
    """Journeys in their order, the counters that nobody reported with the number of their purse, and what goes with no journey."""

    journeys: tuple[Journey, ...]
    gaps: tuple[tuple[int, Gap], ...]
    findings: tuple[LedgerFinding, ...]


def journeys_at(reports: Iterable[Told], policy: Policy, at_us: int) -> Journeys:
    """Returns the journeys that reports of one person make, with what had happened by an instant, in their order."""
    told = sorted((one for one in reports if one.reported.occurred_us <= at_us), key=lambda one: one.reported.when)
    rides, top_ups = rides_in(told)
    findings = [*_dispute(rides, top_ups, told, at_us), *give_discounts(rides, [one.reported for one in told], policy, at_us)]
    purses: dict[bytes, int] = {}
    for one in told:
        if one.reported.kind in TAP_KINDS:
            purses.setdefault(purse_key(one.reported.event), len(purses) + 1)
    journeys, gaps = list[Journey](), list[tuple[int, Gap]]()
    for purse, number in purses.items():
        own = [ride for ride in rides if ride.purse == purse]
        taps = {tap.position: tap for ride in (*own, *(one for one in top_ups if one.purse == purse)) for tap in ride.taps}
        counters = [Counter(tap.occurred_us, at, counter) for at, tap in taps.items() if (counter := counter_of(tap)) is not None]
        places = places_of(counters)
        _find_passed_back(own)
        for ride in own:
            epoch = min((places[tap.position].epoch for tap in ride.taps if tap.position in places), default=0)
            journeys.append(_closed(ride, number, epoch, at_us))
        gaps += [(number, gap) for gap in gaps_in(counters, places) if has_waited(taps[gap.position], at_us)]
    return Journeys(tuple(sorted(journeys, key=lambda one: one.ride.when)), tuple(gaps), tuple(findings))


def _dispute(rides: Sequence[Ride], top_ups: Sequence[Ride], told: Sequence[Told], at_us: int) -> list[LedgerFinding]:
    """Notes which rides are disputed, and returns what is about a trip that nobody reported."""
    by_number = {name: ride for ride in (*rides, *top_ups) for name in ride.numbers}
    missing = []
    for one in told:
        if one.reported.kind not in ABOUT_TRIPS:
            continue
        ride = next((by_number[name] for name in one.trip if name in by_number), None)
        if ride is None:
            missing += [LedgerFinding(TRIP_MISSING, one.reported.position)] if has_waited(one.reported, at_us) else []
        elif one.reported.kind == DISPUTE:
            _note_dispute(ride, one.reported, at_us)
    return missing


def _note_dispute(ride: Ride, report: Reported, at_us: int) -> None:
    """Notes the newest dispute or what was decided of it; a fare that was to be given back and is not is found once that has waited."""
    if not report.message.outcome:
        ride.disputed = report
        return
    ride.decided = report
    is_owed = report.message.outcome == transit.TRIP_DISPUTE_OUTCOME_REFUNDED and (ride.tap is None or not ride.tap.is_back)
    if is_owed and has_waited(report, at_us):
        ride.findings.append(LedgerFinding(REFUND_MISSING, report.position, ride.taps[0].position))


def _find_passed_back(rides: Sequence[Ride]) -> None:
    """Finds entries of one purse that no exit parts, a minute after each other at most: two people went in on one card."""
    for before, ride in pairwise(rides):
        one, other = before.entered, ride.entered
        if one is None or other is None or before.left is not None or other.occurred_us - one.occurred_us > PASS_BACK_US:
            continue
        ride.findings.append(LedgerFinding(PASSED_BACK, other.position, one.position))


def _closed(ride: Ride, purse: int, epoch: int, at_us: int) -> Journey:
    missing = _missing(ride)
    has_partner_waited = has_waited(ride.taps[0], at_us)
    findings = list(ride.findings)
    if missing and has_partner_waited and not ride.is_told_incomplete:
        findings.append(LedgerFinding(EXIT_MISSING if missing == "EXIT" else ENTRY_MISSING, ride.taps[0].position))
    state = _state(ride, missing, has_partner_waited)
    tap, first = ride.tap, ride.taps[0]
    if tap is not None:
        findings += [LedgerFinding(one.code, one.position, one.against_position) for one in tap.findings]
        return Journey(ride, purse, epoch, state, missing, tap.cell, tap.fen, tap.is_counted, tuple(findings))
    event = first.event
    day = event.business_date or business_day(first.kind, event.service_region, first.occurred_us)
    cell = UsageCell(day, issuer_of(event), event.service_region, event.scenario)
    return Journey(ride, purse, epoch, state, missing, cell, 0, False, tuple(findings))


def _missing(ride: Ride) -> str:
    """Returns which tap was not reported: only a gate has two."""
    left = ride.left
    if left is None:
        return "EXIT"
    if left.kind == PART:
        return "EXIT" if left.message.exit_missing else "ENTRY"
    return "ENTRY" if left.kind == EXIT and ride.entered is None and left.message.tap.mode == METRO else ""


def _state(ride: Ride, missing: str, has_partner_waited: bool) -> str:
    """Returns how far a ride is: what clearing or a refund said of it last, else whether both taps are there."""
    tap, last = ride.tap, ride.last_of_dispute
    verdict = tap.verdict if tap is not None else None
    if tap is not None and tap.is_back:
        return "REFUNDED"
    if last is not None and (verdict is None or last.when > (verdict.occurred_us, verdict.position)):
        return "UPHELD" if last.message.outcome == transit.TRIP_DISPUTE_OUTCOME_UPHELD else "DISPUTED"
    if verdict is not None:
        return "REJECTED" if verdict.kind == REFUSED else "UPHELD" if last is not None else "CLEARED"
    if not missing:
        return "COMPLETED"
    return "INCOMPLETE" if ride.is_told_incomplete or has_partner_waited else "OPEN"
