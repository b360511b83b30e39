"""K17 over any history: what is kept is what the events come to again, and what a computation over the events says that shares no code.

A ride is reported by the card or by its transit number, in one city and, corrected, in another; cards change hands meanwhile.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import definition
from hub.domain.indicators.steps import places_of
from hub.indicators.record import Known
from hub.indicators.sources import Again, Kept
from hub.journal.reader import head_position
from hub.projections import runner
from hub.projections.engine import create_views
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.indicator_things import INDICATOR_THINGS
from tests.databases import fresh_database
from tests.indicators.random_history import CHANGES, FEEDS, History, One, Step, fold
from tests.indicators.random_people import CARDS, DAY_S, DAYS, IN_ONE_JOURNAL, NOVEMBER_S, NUMBERS, TRANSIT, WHOSE, People, days, told_of
from tests.recording import Recording, correcting, elders_ride, name_card, reversing

CHONGQING, CHENGDU = "500103", "510104"
VIEWS = (CONCESSIONS, INDICATOR_THINGS)


def ride(example: int, name: str, also: str, counter: int, units: int, region: str, day: int) -> event_pb2.Event:
    """A ride by a card, which may name its transit number too, or by that number alone."""
    event = elders_ride(f"{name}/{example}", counter, units, NOVEMBER_S + day * DAY_S)
    event.service_region, event.business_date = region, ""
    if name in NUMBERS:
        name_card(event.card, f"{name}/{example}", kind=TRANSIT)
    elif also:
        name_card(event.card_aliases.add(), f"{also}/{example}", kind=TRANSIT)
    return event


def given_on_top(example: int, name: str, units: int, region: str, day: int) -> event_pb2.Event:
    event = told_of(example, name, day)
    event.service_region = region
    event.transit_concession_topped_up.concession_type = transit.CONCESSION_TYPE_ELDER
    event.transit_concession_topped_up.units = units
    return event


names, regions = st.sampled_from([*CARDS, *NUMBERS]), st.sampled_from([CHONGQING, CHENGDU, "510700"])
RIDE = st.builds(
    lambda *says: lambda example: ride(example, *says),
    names, st.sampled_from(["", *NUMBERS]), st.integers(1, 2), st.integers(1, 3), regions, days,
)  # fmt: skip
GIVEN = st.builds(lambda *says: lambda example: given_on_top(example, *says), names, st.integers(1, 9), regions, days)
EVENT = st.tuples(WHOSE | RIDE | RIDE | RIDE | GIVEN, st.sampled_from(FEEDS[:2]), CHANGES, st.integers(1, 2))
HISTORY = st.lists(EVENT, min_size=12, max_size=40)


class Place(NamedTuple):
    history: History
    connection: psycopg.Connection


@pytest.fixture(scope="module")
def place(server_dsn: str) -> Iterator[Place]:
    with (
        fresh_database(server_dsn, f"hub_units_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as connection,
    ):
        create_views(connection, VIEWS)
        yield Place(History(journal), connection)


def _purse(event: event_pb2.Event) -> bytes:
    return event.card_aliases[0].key if event.card_aliases else event.card.key


def _entries(told: list[One]) -> list[tuple[One, str, int]]:
    """Each use and grant once: the report that says whose it is, its city, and the units of the last report, less than 0 if granted."""
    found: dict[object, list[One]] = {}
    for one in told:
        if one.kind == "transit_journey_completed":
            counter = one.event.transit_journey_completed.tap.purse_counter
            found.setdefault((_purse(one.event), counter, one.day), []).append(one)
        elif one.kind == "transit_concession_topped_up":
            found.setdefault((one.event.SerializeToString(deterministic=True), one.day), []).append(one)
    entries = []
    for some in found.values():
        last = some[-1].event
        whose = next((one for one in reversed(some) if one.event.card.kind != TRANSIT), some[-1])
        units = last.transit_journey_completed.concession_units or -last.transit_concession_topped_up.units
        region = last.service_region
        entries.append((whose, "500000" if region.startswith("50") else f"{region[:4]}00", units))
    return entries


def independent(told: list[One], day: date) -> dict[str, tuple[int, int]]:
    """By city: how many units were used in its period, and how many were granted to those who used any."""
    people, used, granted, users = People(told, day), Counter[str](), Counter[tuple[bytes, str]](), set[tuple[bytes, str]]()
    for one, city, units in _entries(told):
        if city == "500000":
            is_in = day >= date(2025, 9, 1) and one.day.year == day.year
        else:
            is_in = city == "510100" and one.day.isoformat()[:7] == day.isoformat()[:7]
        if not is_in or one.day > day:
            continue
        key = people.of(one.event), city
        granted[key] += max(0, -units)
        if units > 0:
            used[city] += units
            users.add(key)
    whole = Counter[str]()
    for person, city in users:
        whole[city] += granted[person, city] + (1_200 if city == "500000" else 100)
    return {city: (used[city], whole[city]) for city in whole}


def all_three_agree(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    begun = len(place.history.told)
    place.history.record(history)
    fold(place.connection, VIEWS, page_events)
    assert place.connection.execute("SELECT key, error FROM views.parked").fetchall() == []
    mine = [one.position for one in place.history.told[begun:]]
    for position in {head_position(place.connection), *(mine[number % len(mine)] for number in at)}:
        known, told = Known(place.connection, position), place.history.in_force(position)
        kept, again = Kept(known), Again(known)
        for day in DAYS:
            asked = Asked(definition("K17"), day, reference.load())
            for figure in ("K17", "K17:persons"):
                assert kept.cells(figure, asked) == again.cells(figure, asked), (figure, day, position)
            cells = {places_of(one.cell)["city"]: (one.inside, one.whole) for one in kept.cells("K17", asked)}
            assert cells == independent(told, day), (day, position)


@settings(max_examples=6, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=2, max_size=2))
def test_units_are_counted_alike_in_three_ways(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


@pytest.mark.slow
@settings(max_examples=40, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=4, max_size=4))
def test_units_are_counted_alike_after_many_histories(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


def told(name: str, also: str = "", region: str = CHONGQING, back: int = 0) -> "object":
    return lambda example: ride(example - back, name, also, 1, 2, region, 0)


def test_a_ride_that_is_corrected_into_another_city_is_charged_there(place: Place) -> None:
    place.history.pass_over()
    all_three_agree(place, [(told("A"), "cq.usage", None, 1), (told("A", region=CHENGDU), "cq.usage", (correcting, -1), 1)], 9, [0, 1])


def test_a_ride_is_charged_where_the_report_says_that_is_left(place: Place) -> None:
    """The later of two reports, of another city and by the transit number alone, stays when the first one is reversed."""
    place.history.pass_over()
    two: list[Step] = [(told("A", "T1"), "cq.usage", None, 1), (told("T1", region=CHENGDU), "sc.usage", None, 1)]
    all_three_agree(place, two, 9, [0])
    all_three_agree(place, [(told("A", "T1", back=1), "cq.usage", (reversing, -1), 1)], 1, [0])
    all_three_agree(place, [(told("A", "T1", back=2), "cq.usage", None, 1)], 1, [0])
    all_three_agree(place, [(told("T1", region=CHENGDU, back=3), "sc.usage", (reversing, -1), 1)], 1, [0])
