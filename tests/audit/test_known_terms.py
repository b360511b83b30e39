"""As of both times, of what provinces agree on and count: agreements, service items, uses; and how a count came to be so."""

import contextlib
import itertools
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import hub_decisions_pb2
from click.testing import Result
from typer.testing import CliRunner

from hub.admin.agreements import suspend_agreement
from hub.admin.registry import load_agreements
from hub.admin.service_items import approve_version, draft_version
from hub.audit.known.counts import Step, Sum, count_as_of, shown
from hub.audit.requests.things import MonthUnfit, days_of
from hub.cli import app
from hub.domain.looks import Shown
from hub.journal.reader import head_position, read_page
from hub.journal.recorder import AggregateStore
from hub.projections import DECIDED_BY
from hub.projections.engine import advance
from hub.projections.together import advance_as_one
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.usage_counts import Wanted
from tests.admin.test_service_items import CHECKER, MAKER, draft
from tests.audit.test_known import CARDS, at, fold, outcome_of
from tests.hub_process import environment
from tests.recording import (
    AT_S,
    Recording,
    case_event,
    correcting,
    elders_ride,
    filing,
    fund_batch,
    fund_row,
    journey,
    key_of,
    library,
    registered,
    reversing,
    settlement,
)

DAY_S = 86_400
NOW = datetime(2025, 1, 1, tzinfo=UTC)
TRANSIT = asked.AgreementQuestion(agreement_code="ORD-TRANSIT/1")


def test_an_agreement_at_a_position_is_what_it_was_there(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    suspended = hub_decisions_pb2.AgreementSuspended(reason_code="TRIAL")
    suspended.from_at.seconds = AT_S
    journal.append(journey())
    stood = {}
    with contextlib.closing(AggregateStore(dsn)) as store:
        for act in (lambda: load_agreements(store, NOW), lambda: suspend_agreement(store, "ORD-TRANSIT/1", suspended, NOW)):
            act()
            while advance_as_one(views, DECIDED_BY).moved:
                pass
            position = head_position(views)
            stood[position] = outcome_of(dsn, agreement=at(TRANSIT, position)).facts["state"]
    assert [state["state"] for state in stood.values()] == ["ACTIVE", "SUSPENDED"]
    again = {position: outcome_of(dsn, agreement=at(TRANSIT, position)) for position in (1, *stood)}
    assert [outcome.facts["state"] for outcome in again.values()] == [{}, *stood.values()]
    assert [outcome.holds for outcome in again.values()] == [True] * 3
    assert "was not known yet" in again[1].answer.en
    assert "state: in force → suspended" in again[position].timeline[-1].said.en


def test_a_service_item_is_as_it_was_approved_by_then(dsn: str, journal: Recording) -> None:
    with contextlib.closing(AggregateStore(dsn)) as store:
        first = draft_version(store, draft(valid_from="2025-09-01", promised_working_days=3), MAKER, NOW)
        second = approve_version(store, "TB057", CHECKER, NOW)
    question = asked.ServiceItemQuestion(item_code="TB057", province="50")
    drafted, approved = (outcome_of(dsn, item=at(question, position)) for position in (first, second))
    assert "promised_working_days 3" in drafted.facts["state"]["proposal"]
    assert "promised_working_days 3" not in drafted.facts["state"].get("version", "")
    assert "proposal" not in approved.facts["state"]
    assert "promised_working_days 3" in approved.facts["state"]["version"]
    assert (approved.holds, [moment.position for moment in approved.timeline]) == (None, [first, second])


def test_a_count_at_a_position_is_what_was_counted_there(journal: Recording, views: psycopg.Connection) -> None:
    chance, stood = random.Random(7), {}
    wanted = Wanted("2025-09-01", "2025-09-10")
    for number in range(1, 25):
        event = journey(fare_fen=100 + number, at_s=AT_S + chance.randrange(12) * DAY_S)
        if chance.random() < 0.4:
            event = (correcting if chance.random() < 0.5 else reversing)(event, chance.randrange(number + 1, 30))
        [position] = journal.append(event)
        while advance(views, DAILY_USAGE):
            pass
        found = count_as_of(views, wanted, None)
        assert found.is_same
        stood[position] = found.sum
    later = {position: count_as_of(views, wanted, position) for position in stood}
    assert {position: found.sum for position, found in later.items()} == stood
    assert len(set(stood.values())) > 8
    assert all(found.steps[-1].after == found.sum for found in later.values() if found.steps)


def test_a_count_is_answered_in_words_and_a_few_are_not_shown(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(*(journey(fare_fen=100 + number, at_s=AT_S + number) for number in range(6)))
    while advance(views, DAILY_USAGE):
        pass
    question = asked.CountQuestion(day="2025-09-01", until="2025-09-30", region="510100")
    outcome = outcome_of(dsn, count=question)
    assert (outcome.facts["uses"], outcome.facts["amount_fen"], outcome.holds) == (6, 615, True)
    assert "0 uses, 0 fen → 6 uses, 615 fen" in outcome.timeline[0].said.en
    question.recorded_as_of.position = 4
    few = outcome_of(dsn, count=question)
    assert (few.facts["uses"], few.facts["amount_fen"], few.timeline) == (None, None, ())


def test_a_step_that_says_how_often_a_few_were_counted_goes_with_the_next() -> None:
    sums = [Sum(0, 0), Sum(3, 30), Sum(9, 90), Sum(20, 200), Sum(19, 190)]
    steps = [Step(f"2025-09-0{number}", *pair) for number, pair in enumerate(itertools.pairwise(sums), 1)]
    assert shown(steps) == [Step("2025-09-02", sums[0], sums[2]), Step("2025-09-04", sums[2], sums[4])]


def test_a_month_is_its_business_days() -> None:
    assert days_of("2025-02", "", "") == ("2025-02-01", "2025-02-28")
    assert days_of("", "2025-02-03", "") == ("2025-02-03", "")
    for month, day in (("2025-13", ""), ("2025-02", "2025-02-03")):
        with pytest.raises(MonthUnfit):
            days_of(month, day, "")


def test_each_command_prints_what_was_known_and_a_look_is_recorded_where_it_is_a_persons(
    dsn: str, journal: Recording, views: psycopg.Connection, tmp_path: Path
) -> None:
    with contextlib.closing(AggregateStore(dsn)) as store:
        load_agreements(store, NOW)
    journal.append(registered(CARDS[0]), case_event("submitted"), filing(), settlement(), library("borrowed"), elders_ride(CARDS[0], 1),
        fund_row("sent"), fund_row("paid"), fund_batch("sent"))  # fmt: skip
    fold(views)
    card, month = key_of(CARDS[0]).hex(), "2025-09"
    asks = {
        "person": (card,), "concession": (card, "--city", "500103"), "case": ("51", "N1"), "filing": ("50", "F1"), "settlement": ("S1",),
        "loan": ("B1",), "agreement": ("ORD-TRANSIT/1",), "item": ("50", "TB057"), "count": ("--month", month),
        "payment": ("50", "B1", "1"), "funds": ("50", "B1"),
    }  # fmt: skip
    for command, arguments in asks.items():
        printed = asof(dsn, tmp_path, command, *arguments, "--steps")
        assert printed.exit_code == 0, (command, printed.output)
        outcome = json.loads(asof(dsn, tmp_path, command, *arguments, "--json").stdout.splitlines()[-1])
        assert outcome["answer"]["en"] in " ".join(printed.stdout.split()), command
        asks_for_it = [*arguments, "--purpose", "complaint", "--basis", "audit law 34", "--operator", "li.lei", "--json"]
        requested = hub(dsn, tmp_path, "audit", "request", command, *asks_for_it)
        assert json.loads(requested.stdout.splitlines()[-1])["state"] == "REQUESTED", (command, requested.output)
    assert asof(dsn, tmp_path, "case", "51", "N9").exit_code == 1
    looked = [one.event.card_record_queried.shown for one in read_page(views, 0, head_position(views), ["card_record_queried"])]
    assert looked == [Shown.SHOWN_RECORD_PERSON] * 2 + [Shown.SHOWN_RECORD_UNITS] * 2


def asof(dsn: str, folder: Path, *arguments: str) -> Result:
    return hub(dsn, folder, "asof", *arguments)


def hub(dsn: str, folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={**environment(dsn, folder), "COLUMNS": "160"})
