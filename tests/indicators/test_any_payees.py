"""K7 over any history: what is kept is what the events come to again, and what a computation over the events says that shares no code."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain import reference
from hub.domain.funds.attempts import Said
from hub.domain.funds.rows import PAID_OUT, fold_row
from hub.domain.indicators.counted import Asked
from hub.domain.indicators.definition import definition
from hub.domain.indicators.steps import places_of
from hub.indicators.record import Known
from hub.indicators.sources import Again, Kept
from hub.journal.reader import head_position
from hub.projections import runner
from hub.projections.engine import create_views
from hub.projections.views.indicator_things import INDICATOR_THINGS
from tests.databases import fresh_database
from tests.indicators.random_history import CHANGES, History, One, Step, fold
from tests.recording import Recording, about, fund_row, key_of, reversing

# 2025-03-01 in +08:00, at noon.
MARCH_S, DAY_S = 1_740_801_600, 86_400
SINCE = ("2024-12-31", "2025-03-01", "2025-03-03", "2025-03-09", "2026-01-02")
DAYS = [date.fromisoformat(day) for day in ("2025-02-28", "2025-03-04", "2025-03-09", "2025-12-31", "2026-01-02", "2026-12-31")]
PROJECTS, REGIONS, PEOPLE, ROWS = ("NCDB", "GLJT"), ("500103", "500112", "510104"), ("P1", "P2", "P3"), 7
IN_ONE_JOURNAL: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


def name_person(event: event_pb2.Event, person: str) -> event_pb2.Event:
    event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of(person)
    return event


def listed(example: int, person: str, by: str, project: str, since: str, region: str) -> event_pb2.Event:
    """A report of who became eligible: by his document, by his card, or by both."""
    person = f"{person}/{example}"
    event = about(f"C{person}", MARCH_S) if "card" in by else event_pb2.Event()
    event.occurred_at.seconds, event.service_region = MARCH_S, region
    if "person" in by:
        name_person(event, person)
    event.payee_became_eligible.project_code, event.payee_became_eligible.eligible_from = project, since
    return event


def sent(example: int, row: int) -> event_pb2.Event:
    """A row that is sent: always to the same person, of some without a card, of some without a document, of one without a project."""
    project = "" if row == 6 else PROJECTS[row % 2]
    event = fund_row("sent", row, MARCH_S + (row - 3) * DAY_S, batch_no=f"B{example}", project_code=project)
    event.ClearField("card")
    if row % 3:
        event.card.CopyFrom(about(f"C{PEOPLE[row % 3]}/{example}").card)
    return name_person(event, f"{PEOPLE[row % 3]}/{example}") if row % 4 else event


def answered(what: str, example: int, row: int, day: int, project: str) -> event_pb2.Event:
    says = {"reason": 1} if what == "returned" else {}
    return fund_row(what, row, MARCH_S + day * DAY_S, batch_no=f"B{example}", bank_serial=f"S{row}", project_code=project, **says)


LISTED = st.builds(
    lambda *says: (lambda example: listed(example, *says), "cq.card-center"),
    st.sampled_from(PEOPLE), st.sampled_from(["person", "card", "person and card"]), st.sampled_from(PROJECTS), st.sampled_from(SINCE),
    st.sampled_from(REGIONS),
)  # fmt: skip
SENT = st.builds(lambda row: (lambda example: sent(example, row), "sc.usage"), st.integers(1, ROWS))
PAID = st.builds(
    lambda *says: (lambda example: answered("paid", example, *says), "cq.usage"), st.integers(1, ROWS), st.integers(-1, 9) | st.just(306),
    st.sampled_from(["", *PROJECTS]),
)  # fmt: skip
BACK = st.builds(
    lambda *says: (lambda example: answered("returned", example, *says), "sc.card-center"),
    st.integers(1, ROWS),
    st.integers(10, 12),
    st.just(""),
)
# Which row a sent one is, and whom it pays, stays: only what is said of who is eligible, and by the bank, is corrected.
HISTORY = st.lists(
    st.tuples(LISTED | PAID | BACK, CHANGES, st.integers(1, 2)) | st.tuples(SENT, st.none(), st.integers(1, 2)), min_size=12, max_size=40
)


class Place(NamedTuple):
    history: History
    connection: psycopg.Connection


@pytest.fixture(scope="module")
def place(server_dsn: str) -> Iterator[Place]:
    with (
        fresh_database(server_dsn, f"hub_payees_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as connection,
    ):
        create_views(connection, [INDICATOR_THINGS])
        yield Place(History(journal), connection)


def independent(told: list[One], day: date) -> dict[str, tuple[int, int]]:
    """By region, how many payees became eligible in the year until the day, and of how many the first payment went to a card."""
    eligible: dict[tuple[str, str, bytes], list[tuple[str, int, int, str]]] = {}
    for one in told:
        if one.kind == "payee_became_eligible":
            said, region = one.event.payee_became_eligible, one.event.service_region
            who = (region[:2], said.project_code, one.event.holder.key or one.event.card.key)
            if f"{day.year}-01-01" <= said.eligible_from <= day.isoformat():
                eligible.setdefault(who, []).append((said.eligible_from, one.at_s, one.position, region))
    inside, whole = Counter[str](), Counter[str]()
    payments: dict[bytes, list[Any]] = {}
    for *payment, subjects in paid(told, day):
        for subject in subjects:
            payments.setdefault(subject, []).append(payment)
    for (province, project, subject), reports in eligible.items():
        since, _, _, region = min(reports)
        mine = [(day_paid, *rest) for day_paid, *rest, projects in payments.get(subject, ()) if project in projects]
        first = min((one for one in mine if one[0] >= date.fromisoformat(since)), key=lambda one: one[1:], default=None)
        whole[region] += 1
        inside[region] += first is not None and province == "50" and bool(first[-1])
    return {region: (inside[region], count) for region, count in whole.items()}


def paid(told: list[One], day: date) -> Iterator[tuple[date, int, tuple[str, int], bool, set[str], set[bytes]]]:
    """The rows that are paid as of a day: the day and the instant, the row, whether to a card, for which projects and to whom."""
    rows: dict[tuple[str, int], list[One]] = {}
    for one in told:
        if one.kind.startswith("fund_row_"):
            said = getattr(one.event, one.kind)
            rows.setdefault((said.batch_no, said.row_no), []).append(one)
    for row, events in rows.items():
        says = [(one, getattr(one.event, one.kind)) for one in events]
        reports = [
            Said(one.kind, one.at_s * 1_000_000, one.position, 10_000, "", getattr(said, "bank_serial", ""), getattr(said, "reason", 0),
                 getattr(said, "attempt", 0)) for one, said in says if one.day <= day
        ]  # fmt: skip
        at_us = next((one.answered_us for one in fold_row(reports).attempts if one.outcome == PAID_OUT), 0)
        if at_us:
            names = [one.event for one in events if one.kind == "fund_row_sent"]
            subjects = {key for event in names for key in (event.holder.key, event.card.key) if key}
            has_card = any(event.HasField("card") for event in names)
            day_paid = next(one.day for one in events if one.at_s * 1_000_000 == at_us)
            yield day_paid, at_us, row, has_card, {said.project_code for _, said in says} - {""}, subjects


def all_three_agree(place: Place, history: list[tuple[tuple[Any, str], Any, int]], page_events: int, at: list[int]) -> None:
    steps: list[Step] = [(make, feed, change, times) for (make, feed), change, times in history]
    begun = len(place.history.told)
    place.history.record(steps)
    fold(place.connection, [INDICATOR_THINGS], page_events)
    assert place.connection.execute("SELECT key, error FROM views.parked").fetchall() == []
    mine = [one.position for one in place.history.told[begun:]]
    for position in {head_position(place.connection), *(mine[number % len(mine)] for number in at)}:
        known, told = Known(place.connection, position), place.history.in_force(position)
        kept, again = Kept(known), Again(known)
        for day in DAYS:
            asked = Asked(definition("K7"), day, reference.load())
            cells = kept.cells("K7", asked)
            assert cells == again.cells("K7", asked), (day, position)
            found: dict[str, tuple[int, int]] = {}
            for one in cells:
                region, (inside, whole) = places_of(one.cell)["region"], found.get(places_of(one.cell)["region"], (0, 0))
                found[region] = (inside + one.inside, whole + one.whole)
            assert found == independent(told, day), (day, position)
        assert kept.first_day("K7") == again.first_day("K7")


@settings(max_examples=6, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=2, max_size=2))
def test_payees_are_counted_alike_in_three_ways(place: Place, history: Any, page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


@pytest.mark.slow
@settings(max_examples=40, **IN_ONE_JOURNAL)
@given(HISTORY, st.integers(1, 9), st.lists(st.integers(0, 99), min_size=4, max_size=4))
def test_payees_are_counted_alike_after_many_histories(place: Place, history: Any, page_events: int, at: list[int]) -> None:
    all_three_agree(place, history, page_events, at)


def test_a_payment_that_is_given_back_of_by_its_number_is_none(place: Place) -> None:
    """The return is a report of the row, and the payment stays one though it is not in force; both counts know it."""
    first: list[Any] = [
        ((lambda n: listed(n, "P2", "person", "GLJT", "2025-03-01", "500103"), "cq.card-center"), None, 1),
        ((lambda n: sent(n, 1), "sc.usage"), None, 1),
        ((lambda n: answered("paid", n, 1, 4, "GLJT"), "cq.usage"), None, 1),
    ]
    place.history.pass_over()
    place.history.record([(make, feed, change, times) for (make, feed), change, times in first])
    fold(place.connection, [INDICATOR_THINGS], 9)
    asked, before = Asked(definition("K7"), DAYS[3], reference.load()), head_position(place.connection)
    place.history.record([(lambda n: answered("returned", n - 1, 1, 6, ""), "cq.usage", (reversing, -1), 1)])
    fold(place.connection, [INDICATOR_THINGS], 9)
    counts = []
    for position in (before, head_position(place.connection)):
        cells = Kept(Known(place.connection, position)).cells("K7", asked)
        assert cells == Again(Known(place.connection, position)).cells("K7", asked)
        counts.append((sum(one.inside for one in cells), sum(one.whole for one in cells)))
    assert (counts[1][0] - counts[0][0], counts[1][1] - counts[0][1]) == (-1, 0)
