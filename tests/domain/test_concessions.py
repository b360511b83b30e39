"""Units of concessions: periods, grants, what sources say is left, and the bytes by which rides with units are found."""

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain import reference
from hub.domain.card_facts import Fact
from hub.domain.concessions import Entry, balance, city_of, is_elsewhere, scheme_at, year_began
from hub.domain.instants import HOUR_US
from hub.journal.reader import Recorded
from hub.projections.views.concessions import CONCESSIONS, MARKS
from hub.scenarios.filling import local_instant

CHONGQING, CHENGDU = "500103", "510105"


def entry(at: str, units: int, left: int | None = None, position: int = 0, region: str = CHONGQING) -> Entry:
    return Entry(city_of(region), at[:10], local_instant(at), position or local_instant(at), units, left)


def units(at: str, *entries: Entry, region: str = CHONGQING) -> tuple[str, int, int, int]:
    """The period at an instant, what was topped up and used in it, and what is left."""
    scheme = scheme_at(reference.load(), region, local_instant(at))
    assert scheme is not None
    known = balance(entries, scheme, region, local_instant(at))
    return known.period, known.topped_up, known.used, known.left


def test_a_municipality_is_one_city_and_a_district_belongs_to_its_city() -> None:
    assert [city_of(region) for region in (CHONGQING, "500000", CHENGDU, "510100", "")] == ["500000", "500000", "510100", "510100", ""]


def test_chongqing_gives_twelve_hundred_a_year_and_more_for_a_request() -> None:
    used, more = entry("2026-03-01 09:00", 5), entry("2026-03-02 09:00", -300)
    assert units("2026-03-03 09:00", used, more) == ("2026", 300, 5, 1495)
    assert units("2027-01-05 09:00", used, more) == ("2027", 0, 0, 1200)


def test_chengdu_gives_a_hundred_a_month_in_its_own_districts_only() -> None:
    assert units("2026-03-03 09:00", entry("2026-03-01 09:00", 2, region=CHENGDU), region=CHENGDU) == ("2026-03", 0, 2, 98)
    assert scheme_at(reference.load(), "510112", local_instant("2026-03-03 09:00")) is None


def test_the_period_is_that_of_the_business_day() -> None:
    assert units("2027-01-01 03:59")[0] == "2026"
    assert units("2027-01-01 04:00")[0] == "2027"
    assert year_began(local_instant("2027-01-01 03:59")) == "2026-01-01"


def test_units_of_another_city_and_later_ones_do_not_count() -> None:
    assert units("2026-03-03 09:00", entry("2026-03-01 09:00", 2, region=CHENGDU), entry("2026-03-04 09:00", 7))[3] == 1200


def test_what_a_source_says_is_left_goes_before_what_was_recorded() -> None:
    said = [entry("2026-03-01 09:00", 1, left=3), entry("2026-03-01 10:00", 2)]
    assert units("2026-03-02 09:00", *said) == ("2026", 0, 3, 1)


@pytest.mark.parametrize(("left", "is_broken"), [(1199, False), (7, True)])
def test_a_source_that_says_otherwise_than_the_ledger_is_a_break(left: int, is_broken: bool) -> None:
    at_us = local_instant("2026-03-02 09:00")
    scheme = scheme_at(reference.load(), CHONGQING, at_us)
    assert scheme is not None
    assert balance([entry("2026-03-01 09:00", 1, left=left)], scheme, CHONGQING, at_us).is_broken is is_broken


def test_more_used_than_granted_is_overdrawn() -> None:
    at_us = local_instant("2026-03-02 09:00")
    scheme = scheme_at(reference.load(), CHONGQING, at_us)
    assert scheme is not None
    assert balance([entry("2026-03-01 09:00", 1201)], scheme, CHONGQING, at_us).is_overdrawn


@pytest.mark.parametrize(
    ("medium", "hours", "is_found"),
    [
        ("CONTACTLESS", -1, False),
        ("CONTACTLESS", 72, False),
        ("CONTACTLESS", 73, True),
        ("YUKUAI_CODE", 73, False),
        ("UNSPECIFIED", 73, False),
    ],
)
def test_the_old_medium_is_honoured_as_long_as_gates_may_not_know_and_then_found(medium: str, hours: int, is_found: bool) -> None:
    moved_us, number = local_instant("2025-09-10 09:00"), acceptance.Medium.Value(f"MEDIUM_{medium}")
    facts = [
        Fact(moved_us - 9 * HOUR_US, 1, "transit_concession_bound", {"binding": "SOCIAL_CARD", "at": CHONGQING, "by": "50"}),
        Fact(moved_us, 2, "transit_concession_rebound", {"binding": "YUKUAI_CODE", "at": CHONGQING, "by": "50"}),
    ]
    assert is_elsewhere(facts, reference.load(), CHONGQING, moved_us + hours * HOUR_US, number) is is_found
    assert not is_elsewhere(facts, reference.load(), CHENGDU, moved_us + hours * HOUR_US, number), "another city"


# The view


def told(kind: str, position: int, at: str = "2026-03-01 09:00", elder: bool = True, **says: object) -> Recorded:
    event = event_pb2.Event(service_region=CHONGQING)
    event.occurred_at.FromMicroseconds(local_instant(at))
    event.card.key = b"k" * 32
    message = getattr(event, kind)
    message.concession_type = transit.CONCESSION_TYPE_ELDER if elder else transit.CONCESSION_TYPE_STUDENT
    if (counter := says.pop("counter", None)) is not None:
        message.tap.purse_counter = counter
    for name, value in says.items():
        setattr(message, name, value)
    return Recorded(position, 0, 1, position, kind, event.SerializeToString())


@pytest.mark.parametrize("kind", sorted(MARKS))
def test_rides_with_units_of_elders_have_the_bytes_that_the_view_asks_for(kind: str) -> None:
    assert MARKS[kind] in told(kind, 1, counter=7, fare_full_fen=200, concession_units=2).data
    assert MARKS[kind] in told(kind, 1, concession_units=300).data
    assert MARKS[kind] not in told(kind, 1, counter=7, fare_full_fen=200, elder=False, concession_units=2).data


def folded(*events: Recorded) -> list[Entry]:
    rows: dict[object, object] = {}
    for event in events:
        for key in CONCESSIONS.keys(event, None):
            rows[key] = CONCESSIONS.evolve(key, rows.get(key), event, None)
    return [row.entry for row in rows.values() if row is not None]  # type: ignore[attr-defined]


def test_one_tap_is_one_entry_whichever_kind_tells_it() -> None:
    exit_, journey = (
        told("transit_exit_recorded", 1, counter=7, concession_units=1),
        told("transit_journey_completed", 2, counter=7, concession_units=1),
    )
    consumed = told("transit_concession_consumed", 3, counter=7, units=1, units_left=9)
    assert [(one.units, one.left) for one in folded(exit_, journey, consumed)] == [(1, 9)]


def test_a_counter_that_comes_again_in_another_epoch_is_another_entry() -> None:
    first = told("transit_journey_completed", 1, counter=7, concession_units=1)
    again = told("transit_journey_completed", 2, "2026-08-01 09:00", counter=7, concession_units=1)
    assert len(folded(first, again)) == 2


def test_two_requests_for_more_are_two_grants_and_one_told_twice_is_one() -> None:
    request = told("transit_concession_topped_up", 1, units=300)
    other = told("transit_concession_topped_up", 2, "2026-03-01 10:00", units=300)
    again = told("transit_concession_topped_up", 3, units=300)
    assert [one.units for one in folded(request, other, again)] == [-300, -300]


def test_a_ride_without_units_is_no_entry() -> None:
    assert folded(told("transit_journey_completed", 1, counter=7), told("transit_journey_completed", 2, counter=8, elder=False)) == []
