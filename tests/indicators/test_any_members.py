"""K12 over any history: what is kept is what the events come to again, and what a computation over the events says that shares no code.

Cards change hands and documents are corrected, a transit number goes from one card to another, bases end, and who opted out said so under
any name.
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
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import definition
from hub.domain.indicators.steps import places_of
from hub.domain.instants import epoch_day_of
from hub.indicators.record import Known
from hub.indicators.sources import Again, Kept
from hub.journal.reader import head_position
from hub.projections import runner
from hub.projections.engine import create_views
from hub.projections.views.indicator_things import INDICATOR_THINGS
from tests.databases import fresh_database
from tests.indicators.random_history import CHANGES, FEEDS, History, One, Step, fold
from tests.indicators.random_people import CARDS, DAYS, IN_ONE_JOURNAL, NUMBERS, PEOPLE, WHOSE, People, days, told_of, whose
from tests.recording import Recording, reversing

GROUPS, SERVICES = ("VETERAN", "DISABLED"), ("PRIORITY_LANE", "FREE_RIDE")
UNTIL = ("", "", "2024-12-31", "2025-11-05", "2026-02-01")


def basis(example: int, name: str, group: str, services: list[str], since: str, until: str) -> event_pb2.Event:
    event = told_of(example, name, 0)
    said = event.group_basis_registered
    said.group_code, said.legal_basis, said.valid_from, said.valid_to = group, "LAW", since, until
    said.services.extend(services)
    return event


def served(example: int, name: str, service: str, day: int) -> event_pb2.Event:
    event = told_of(example, name, day)
    event.group_service_given.service = service
    return event


def consent(example: int, name: str, kind: str, purpose: str, until: str, day: int) -> event_pb2.Event:
    event = told_of(example, name, day)
    getattr(event, kind).purpose_code = purpose
    if kind == "consent_granted":
        event.consent_granted.expires_on = until
    return event


names = st.sampled_from([*PEOPLE, *CARDS, *NUMBERS])
BASIS = st.builds(
    lambda *says: lambda example: basis(example, *says), names, st.sampled_from(GROUPS),
    st.lists(st.sampled_from(SERVICES), min_size=1, max_size=2, unique=True),
    st.sampled_from(["2024-03-01", "2025-11-01", "2025-11-04", "2026-01-01"]), st.sampled_from(UNTIL),
)  # fmt: skip
SERVED = st.builds(lambda *says: lambda example: served(example, *says), names, st.sampled_from(SERVICES), days)
CONSENT = st.builds(
    lambda *says: lambda example: consent(example, *says), names, st.sampled_from(["consent_withdrawn", "consent_granted"]),
    st.sampled_from(["AUTOMATED_DECISION", "AUTOMATED_DECISION", "MARKETING"]), st.sampled_from(["", "2025-11-06", "2026-12-31"]), days,
)  # fmt: skip
EVENT = st.tuples(WHOSE | BASIS | BASIS | SERVED | SERVED | CONSENT, st.sampled_from(FEEDS[:2]), CHANGES, st.integers(1, 2))
HISTORY = st.lists(EVENT, min_size=12, max_size=40)


class Place(NamedTuple):
    history: History
    connection: psycopg.Connection


@pytest.fixture(scope="module")
def place(server_dsn: str) -> Iterator[Place]:
    with (
        fresh_database(server_dsn, f"hub_members_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as connection,
    ):
        create_views(connection, [INDICATOR_THINGS])
        yield Place(History(journal), connection)


def independent(told: list[One], day: date) -> dict[str, tuple[int, int]]:
    """In all ("") and by group: of how many members how many were served."""
    people, said = People(told, day), dict[bytes, list[One]]()
    for one in told:
        if one.kind in ("group_basis_registered", "group_service_given", "consent_granted", "consent_withdrawn"):
            said.setdefault(people.of(one.event), []).append(one)
    inside, whole = Counter[str](), Counter[str]()
    for some in said.values():
        words = [
            one for one in some if getattr(getattr(one.event, one.kind), "purpose_code", "") == "AUTOMATED_DECISION" and one.day <= day
        ]
        last = max(words, key=lambda one: (one.at_s, one.position), default=None)
        if last is not None and (last.kind == "consent_withdrawn" or "" < last.event.consent_granted.expires_on < day.isoformat()):
            continue
        services = [
            (one.event.group_service_given.service, one.day.isoformat())
            for one in some
            if one.kind == "group_service_given" and one.day.year == day.year and one.day <= day
        ]
        groups: dict[str, bool] = {}
        for held in (one.event.group_basis_registered for one in some if one.kind == "group_basis_registered"):
            until = held.valid_to or "9999-12-31"
            if held.valid_from <= day.isoformat() and until >= f"{day.year}-01-01":
                is_served = any(service in held.services and held.valid_from <= at <= until for service, at in services)
                groups[held.group_code] = groups.get(held.group_code, False) or is_served
        for group, is_in in [*groups.items(), *([("", any(groups.values()))] if groups else [])]:
            inside[group] += is_in
            whole[group] += 1
    return {group: (inside[group], count) for group, count in whole.items()}


def all_three_agree(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    begun = len(place.history.told)
    place.history.record(history)
    fold(place.connection, [INDICATOR_THINGS], page_events)
    assert place.connection.execute("SELECT key, error FROM views.parked").fetchall() == []
    mine = [one.position for one in place.history.told[begun:]]
    for position in {head_position(place.connection), *(mine[number % len(mine)] for number in at)}:
        known, told = Known(place.connection, position), place.history.in_force(position)
        kept, again = Kept(known), Again(known)
        for day in DAYS:
            found: dict[str, tuple[int, int]] = {}
            for figure in ("K12@", "K12@priority_group"):
                asked = Asked(definition("K12"), day, reference.load())
                cells = kept.cells(figure, asked)
                assert cells == again.cells(figure, asked), (figure, day, position)
                found |= {places_of(one.cell).get("priority_group", ""): (one.inside, one.whole) for one in cells}
            assert found == independent(told, day), (day, position)
        begins = [one.event.group_basis_registered.valid_from for one in told if one.kind == "group_basis_registered"]
        first = min((epoch_day_of(date.fromisoformat(one)) for one in begins), default=None)
        assert kept.first_day("K12") == again.first_day("K12") == first


@settings(max_examples=6, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=2, max_size=2))
def test_members_are_counted_alike_in_three_ways(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


@pytest.mark.slow
@settings(max_examples=40, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=4, max_size=4))
def test_members_are_counted_alike_after_many_histories(place: Place, history: list[Step], page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


def test_a_number_goes_back_to_the_card_before_where_the_later_tie_is_reversed(place: Place) -> None:
    """What is said of the member by it is of the other card again; the card that has it again was in no event of the page."""
    ties = [
        (lambda n, card=card, person=person: whose("card_registered", n, card, person, "P1", "T1", 0))
        for card, person in (("A", "P1"), ("B", "P2"))
    ]
    begun = [(make, "cq.usage", None, 1) for make in (lambda n: basis(n, "T1", "VETERAN", ["FREE_RIDE"], "2025-11-01", ""), *ties)]
    place.history.pass_over()
    all_three_agree(place, begun, 9, [0, 1])
    back: Step = (lambda n: whose("card_registered", n - 1, "B", "P2", "P1", "T1", 0), "cq.usage", (reversing, -1), 1)
    all_three_agree(place, [back, (lambda n: served(n - 1, "A", "FREE_RIDE", 3), "cq.usage", None, 1)], 1, [0])
