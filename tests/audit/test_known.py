"""As of both times: what was known of a thing at any position is what its own events come to, and what the live views had there."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import event_pb2, references_pb2

from hub.audit.known import cases, funds, ledgers, person
from hub.audit.known.asking import Find, Known, asked_about, known
from hub.audit.outcome import Outcome, as_json, read
from hub.audit.replay.questions import answer
from hub.audit.report import pages
from hub.domain.audit_errors import AuditWindowAhead, AuditWindowBefore, FilingUnknown, LoanUnknown
from hub.domain.errors import (
    AgreementUnknown,
    CardNotFound,
    CaseNotFound,
    HubError,
    RequestInvalid,
    SettlementNotFound,
    UnknownItem,
)
from hub.projections import DECIDED_BY, runner
from hub.projections.engine import advance
from hub.projections.projection import Projection, View
from hub.projections.together import advance_as_one
from hub.projections.views.card_index import CARD_INDEX
from hub.projections.views.cases import CASES
from hub.projections.views.culture import LOANS
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.funds import FUND_BATCHES, FUND_ROWS
from hub.projections.views.medical import FILINGS, SETTLEMENTS
from tests.databases import fresh_database
from tests.projections.test_projections import held, with_alias
from tests.recording import (
    AT_S,
    Recording,
    about,
    case_event,
    certified,
    correcting,
    elders_ride,
    enabled,
    filing,
    fund_batch,
    fund_row,
    key_of,
    library,
    lost,
    refund,
    registered,
    reversing,
    settlement,
)
from tests.seeds import one_in, seeds

CARDS = ("A00000001", "A00000002", "A00000003")
EVENTS, DAY_S = 30, 86_400
# Of the first history, the only one that `make test` has: each question costs as much as there are events before it.
FEWER = 20
VALID_S = AT_S + 40 * DAY_S
Make = Callable[[random.Random, str, int], event_pb2.Event]


def of_persons(chance: random.Random, card: str, at_s: int) -> event_pb2.Event:
    """Something about one of three cards of two holders: lives, a record, rides, and a book that anybody brings back."""
    event = chance.choice(
        (
            lambda: registered(card, at_s),
            lambda: lost(card, at_s),
            lambda: enabled(card, at_s, chance.choice(["", *CARDS])),
            lambda: with_alias(registered(card, at_s), f"310{card}"),
            lambda: certified(card, chance.choice(("2025", "2026")), at_s),
            lambda: filing(chance.choice(("F1", "F2")), card, at_s),
            lambda: elders_ride(card, chance.randrange(4), at_s=at_s),
            lambda: library(chance.choice(("borrowed", "renewed")), at_s, card, due_on="2025-09-20"),
            lambda: nobodys(library("returned", at_s)),
        )
    )()
    if event.HasField("card") and chance.random() < 0.4:
        held(event, f"50019919400101001{chance.randrange(2)}")
    return event


def nobodys(event: event_pb2.Event) -> event_pb2.Event:
    event.ClearField("card")
    return event


def random_history(journal: Recording, seed: int, make: Make) -> range:
    """Reports of one feed, late and early, with corrections and reversals near and far, also of what comes later; gives the positions."""
    chance, positions = random.Random(seed), range(1, (EVENTS if seed else FEWER) + 1)
    for at in positions:
        event = make(chance, chance.choice(CARDS), AT_S + chance.randrange(40 * DAY_S))
        if chance.random() < 0.35:
            target = chance.choice([number for number in positions if number != at])
            event = correcting(event, target) if chance.random() < 0.5 else reversing(event, target)
        journal.append(event)
    return positions


def of_card(card: str) -> references_pb2.CardRef:
    return references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key=key_of(card))


def at(question: Any, position: int) -> Any:
    """The question about a position, and about an instant after all that is reported."""
    about_it = type(question)()
    about_it.CopyFrom(question)
    about_it.recorded_as_of.position, about_it.valid_at.seconds = position, VALID_S
    return about_it


def ask(views: psycopg.Connection, question: Any, find: Find, rest_on: tuple[View, ...]) -> Known | None:
    """What was known of a thing, None where the hub knows nothing of it."""
    try:
        return known(views, question, find, asked_about(views, question, rest_on))
    except HubError:
        return None


def said(found: Known | None) -> dict[str, str]:
    return {} if found is None else {line.name: line.value for line in found.lines}


def people(of_city: bool) -> list[Any]:
    if of_city:
        return [asked.ConcessionQuestion(card=of_card(card), region="500103") for card in CARDS]
    return [asked.PersonQuestion(card=of_card(card)) for card in CARDS]


@pytest.mark.parametrize("of_city", one_in(2, [False, True]))
@seeds(6)
def test_a_person_at_a_position_is_who_the_views_had_there(journal: Recording, views: psycopg.Connection, seed: int, of_city: bool) -> None:
    positions = random_history(journal, seed, of_persons)
    find, stood = (person.find_units if of_city else person.find), {}
    for position in positions:
        advance_as_one(views, DECIDED_BY, through=position)
        for number, question in enumerate(people(of_city)):
            found = ask(views, at(question, position), find, DECIDED_BY)
            assert found is None or found.is_same
            stood[position, number] = said(found)
    while advance(views, CARD_INDEX, through=seed * 9):
        pass
    later = {(position, number): ask(views, at(people(of_city)[number], position), find, DECIDED_BY) for position, number in stood}
    assert [where for where, found in later.items() if found is not None and not found.is_same] == []
    assert {where: (said(found), stood[where]) for where, found in later.items() if said(found) != stood[where]} == {}
    assert len({tuple(one.items()) for one in stood.values()}) >= (2 if of_city else 10)


def test_a_report_of_a_book_that_corrects_anothers_event_is_no_difference_and_a_made_up_row_is(
    journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(certified(CARDS[1], "2025", AT_S), certified(CARDS[1], "2026", AT_S))
    journal.append(library("borrowed", AT_S, CARDS[0], due_on="2025-09-20"), correcting(nobodys(library("returned", AT_S)), 2))
    fold(views)
    found = ask(views, at(asked.PersonQuestion(card=of_card(CARDS[0])), 4), person.find, DECIDED_BY)
    assert found is not None
    assert (found.is_same, said(found)["loans"]) == (True, "out 0 overdue 0 unpaid 0 of 1")
    made_up = {
        "concession": "INSERT INTO views.concession VALUES ('x', %s, '500000', '2025-09-01', '[]', '[]')",
        "library_loan": "UPDATE views.library_loan SET name = 'B2' WHERE card = %s",
        "holder_record": "INSERT INTO views.holder_record VALUES (%s, '[]')",
    }
    for view, statement in made_up.items():
        with views.transaction(force_rollback=True):
            views.execute(statement.encode(), (key_of(CARDS[0]),))
            altered = ask(views, at(asked.PersonQuestion(card=of_card(CARDS[0])), 4), person.find, DECIDED_BY)
            assert (view, altered is not None and altered.is_same) == (view, False)


def of_things(chance: random.Random, _: str, at_s: int) -> event_pb2.Event:
    """Something about one of two cases, filings, chains of settlements, or a book."""
    number = chance.choice(("1", "2"))
    step = chance.choice(("submitted", "received", "accepted", "clock_paused", "clock_resumed", "decided", "withdrawn"))
    return chance.choice(
        (
            lambda: case_event(step, f"N{number}", at_s, chance.choice(("510100", "500103"))),
            lambda: filing(f"F{number}", at_s=at_s, valid_to=chance.choice(("2025-09-30", "2025-11-30"))),
            lambda: ended(f"F{number}", at_s),
            lambda: settlement(f"S{number}", at_s=at_s, fen=chance.choice((8_600, 4_200))),
            lambda: refund(f"R{number}", chance.choice(("S1", "S2", "R1")), at_s, chance.choice((8_600, 100))),
            lambda: library(chance.choice(("borrowed", "renewed")), at_s, due_on="2025-09-20"),
            lambda: nobodys(library("returned", at_s)),
        )
    )()


def ended(no: str, at_s: int) -> event_pb2.Event:
    """The cancellation of a filing."""
    event = about(CARDS[0], at_s)
    event.service_region, event.medical_filing_cancelled.filing_no = "500103", no
    return event


THINGS: dict[str, tuple[list[Any], Find, Projection]] = {
    "case": ([asked.CaseQuestion(handling_province="51", case_no=no) for no in ("N1", "N2")], cases.find, CASES),
    "filing": ([asked.FilingQuestion(insured_province="50", filing_no=no) for no in ("F1", "F2")], ledgers.find_filing, FILINGS),
    "settlement": ([asked.SettlementQuestion(settlement_id=no) for no in ("S1", "R2")], ledgers.find_settlement, SETTLEMENTS),
    "loan": ([asked.LoanQuestion(barcode="B1")], ledgers.find_loans, LOANS),
}
ROWS = [asked.FundRowQuestion(paying_province="50", batch_no="B1", row_no=row_no) for row_no in (1, 2)]
FUNDS: dict[str, tuple[list[Any], Find, Projection]] = {
    "payment": (list(ROWS), funds.find_row, FUND_ROWS),
    "funds": ([asked.FundBatchQuestion(paying_province="50", batch_no="B1")], funds.find_batch, FUND_BATCHES),
}


def of_funds(chance: random.Random, _: str, at_s: int) -> event_pb2.Event:
    """Something about one of two rows of a batch, or about the batch."""
    what = chance.choice(("sent", "paid", "paid", "returned", "recovered", "published", "closed"))
    if what in ("published", "closed"):
        return fund_batch(what, at_s=at_s)
    return fund_row(what, chance.randint(1, 2), at_s, chance.choice((10_000, 4_000)))


@pytest.mark.parametrize(("make", "things"), [(of_things, THINGS), (of_funds, FUNDS)], ids=["things", "funds"])
@seeds(2)
def test_a_thing_at_a_position_is_what_its_view_had_there(
    journal: Recording,
    views: psycopg.Connection,
    seed: int,
    make: Make,
    things: dict[str, tuple[list[Any], Find, Projection]],
) -> None:
    positions = random_history(journal, seed, make)
    stood: dict[tuple[str, int, int], dict[str, str]] = {}
    for position in positions:
        for kind, (questions, find, view) in things.items():
            advance(views, view, through=position)
            for number, question in enumerate(questions):
                found = ask(views, at(question, position), find, (view,))
                assert found is None or found.is_same
                stood[kind, position, number] = said(found)
    wrong = {}
    for (kind, position, number), before in stood.items():
        questions, find, view = things[kind]
        found = ask(views, at(questions[number], position), find, (view,))
        if said(found) != before or (found is not None and not found.is_same):
            wrong[kind, position, number] = (said(found), before)
    assert wrong == {}
    seen = {kind: len({tuple(one.items()) for (of, *_), one in stood.items() if of == kind}) for kind in things}
    assert min(seen.values()) >= 3, seen


def test_a_case_says_who_had_to_act_and_by_when_as_it_was_known_then(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(case_event("submitted"), case_event("received", at_s=AT_S + 60))
    journal.append(case_event("accepted", at_s=AT_S + DAY_S, promised_working_days=10))
    journal.append(correcting(case_event("accepted", at_s=AT_S + 2 * DAY_S, promised_working_days=10), 3))
    while advance(views, CASES):
        pass
    known_at = {}
    for position in (2, 3, 4):
        question = asked.CaseQuestion(handling_province="51", case_no="N1", recorded_as_of=asked.RecordedAsOf(position=position))
        question.valid_at.seconds = AT_S + 3 * DAY_S
        outcome = outcome_of(dsn, case=question)
        state = outcome.facts["state"]
        known_at[position] = (state["state"], state["next"], state["due"].split(" ")[0], outcome.holds)
    assert known_at == {
        2: ("RECEIVED", "DECIDING", "", True),
        3: ("ACCEPTED", "DECIDING", "2025-09-16", True),
        4: ("ACCEPTED", "DECIDING", "2025-09-17", True),
    }
    assert [moment.position for moment in outcome.timeline] == [1, 2, 3, 4]
    assert "due: 2025-09-16 → 2025-09-17" in outcome.timeline[3].said.en


def test_an_altered_row_shows_that_view_and_record_differ(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(filing())
    while advance(views, FILINGS):
        pass
    question = asked.FilingQuestion(insured_province="50", filing_no="F1")
    assert outcome_of(dsn, filing=question).holds
    views.execute("UPDATE views.medical_filing SET spans = '1-1'")
    assert not outcome_of(dsn, filing=question).holds


def outcome_of(dsn: str, **question: Any) -> Outcome:
    """The outcome of a question as it is read again."""
    return read(as_json(answer(dsn, asked.AuditQuestion(**question))))


def fold(views: psycopg.Connection) -> None:
    while advance_as_one(views, DECIDED_BY).moved:
        pass
    for view in (CARD_INDEX, CASES, FILINGS, SETTLEMENTS, DAILY_USAGE, FUND_ROWS, FUND_BATCHES):
        while advance(views, view):
            pass


def test_a_person_has_cards_filings_units_and_loans_and_each_event_shows_what_it_changed(
    dsn: str, journal: Recording, views: psycopg.Connection
) -> None:
    journal.append(held(registered(CARDS[0])), held(registered(CARDS[1])), held(filing()), elders_ride(CARDS[1], 1, 3))
    journal.append(library("borrowed", due_on="2025-09-10"), nobodys(library("returned", AT_S + DAY_S)))
    fold(views)
    question = at(asked.PersonQuestion(card=of_card(CARDS[0])), 6)
    outcome = outcome_of(dsn, person=question)
    key = key_of(CARDS[0]).hex()[:12]
    assert (outcome.holds, outcome.facts["known"], outcome.facts["state"]["cards"]) == (True, True, "2")
    expected = {"filing 50/F1": "EXPIRED", f"card {key} social_status": "ACTIVE", "loans": "out 0 overdue 0 unpaid 0 of 1"}
    assert expected.items() <= outcome.facts["state"].items()
    assert outcome.facts["state"]["units 500000"] == "2025 left 1197 used 3 topped_up 0"
    changed = {step["position"]: [one["name"] for one in step["changed"]] for step in outcome.facts["steps"]}
    assert (changed[3], changed[6]) == (["filing 50/F1"], ["loans", "is_stopped"])
    assert "filing F1" in pages.page(outcome).decode()
    before = outcome_of(dsn, person=at(question, 2))
    assert "filing 50/F1" not in before.facts["state"]


def test_a_person_who_was_not_known_then_is_an_answer(dsn: str, journal: Recording, views: psycopg.Connection) -> None:
    journal.append(registered(CARDS[0]), registered(CARDS[1]))
    fold(views)
    outcome = outcome_of(dsn, person=at(asked.PersonQuestion(card=of_card(CARDS[1])), 1))
    assert (outcome.facts["known"], outcome.facts["state"], outcome.timeline) == (False, {}, ())
    assert "was not known yet; its first event is at position 2" in outcome.answer.en


@pytest.fixture(scope="module")
def one_card(server_dsn: str) -> Iterator[str]:
    """A database that knows of one card, for questions that change nothing."""
    with (
        fresh_database(server_dsn, f"hub_known_{os.getpid()}") as dsn,
        contextlib.closing(Recording(dsn)) as journal,
        runner.connect(dsn) as views,
    ):
        journal.append(registered(CARDS[0]))
        fold(views)
        yield dsn


@pytest.mark.parametrize(
    ("kind", "question", "refusal"),
    [
        ("person", asked.PersonQuestion(card=of_card("A00000009")), CardNotFound),
        ("concession", asked.ConcessionQuestion(card=of_card("A00000009"), region="500103"), CardNotFound),
        ("concession", asked.ConcessionQuestion(card=of_card("A00000001"), region="999999"), RequestInvalid),
        ("case", asked.CaseQuestion(handling_province="50", case_no="N9"), CaseNotFound),
        ("filing", asked.FilingQuestion(insured_province="50", filing_no="F9"), FilingUnknown),
        ("settlement", asked.SettlementQuestion(settlement_id="S9"), SettlementNotFound),
        ("loan", asked.LoanQuestion(barcode="B9"), LoanUnknown),
        ("agreement", asked.AgreementQuestion(agreement_code="NONE"), AgreementUnknown),
        ("item", asked.ServiceItemQuestion(item_code="NONE", province="50"), UnknownItem),
        ("count", asked.CountQuestion(day="2025-02-30"), RequestInvalid),
        ("count", asked.CountQuestion(day="2025-09-02", until="2025-09-01"), RequestInvalid),
    ],
)
def test_what_the_hub_has_never_heard_of_is_refused_by_name(one_card: str, kind: str, question: Any, refusal: type[HubError]) -> None:
    with pytest.raises(refusal):
        answer(one_card, asked.AuditQuestion(**{kind: question}))


# One of each kind of question, each about something.
ONE_OF_EACH: dict[str, Any] = {
    "person": asked.PersonQuestion(card=of_card(CARDS[0])),
    "concession": asked.ConcessionQuestion(card=of_card(CARDS[0]), region="500103"),
    "agreement": asked.AgreementQuestion(agreement_code="ORD-TRANSIT"),
    "count": asked.CountQuestion(day="2025-09-01"),
    "item": asked.ServiceItemQuestion(item_code="TB057", province="50"),
    **{kind: questions[0] for kind, (questions, _, _) in THINGS.items()},
}


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_a_time_that_the_record_does_not_have_is_refused(one_card: str, kind: str) -> None:
    places: list[tuple[dict[str, Any], type[HubError]]] = [
        ({"recorded_as_of": {"position": 2}}, AuditWindowAhead),
        ({"recorded_as_of": {"instant": {"seconds": 4_000_000_000}}}, AuditWindowAhead),
        ({"recorded_as_of": {"instant": {"seconds": 1}}}, AuditWindowBefore),
    ]
    if kind != "count":
        places.append(({"valid_at": {"seconds": 4_000_000_000}}, AuditWindowAhead))
    for times, refusal in places:
        question = type(ONE_OF_EACH[kind])(**times)
        question.MergeFrom(ONE_OF_EACH[kind])
        with pytest.raises(refusal):
            answer(one_card, asked.AuditQuestion(**{kind: question}))
