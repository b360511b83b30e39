"""Requests for audits: asked for, decided by another person, run, delivered; what each state refuses; the times that may be asked about."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit.fsck import check
from hub.audit.replay.branches import RulesForeign, TableRefused, TableUnknown
from hub.audit.replay.parameters import ParameterUnknown, ParameterValueUnfit
from hub.audit.replay.views_asked import ViewUnknown
from hub.audit.requests.desk import Asking, AuditDesk, of_operator
from hub.audit.requests.reading import REQUESTS, Listed
from hub.audit.requests.windows import window_of
from hub.audit.requests.wording import in_words
from hub.audit.rule_archive import pack_version
from hub.domain import reference
from hub.domain.audit_errors import (
    AuditDecided,
    AuditNotApproved,
    AuditNotDelivered,
    AuditNotRunning,
    AuditOver,
    AuditSameLogin,
    AuditSamePerson,
    AuditUnknown,
    AuditWindowAhead,
    AuditWindowBefore,
    AuditWindowReversed,
)
from hub.domain.audit_request import AuditRequest, digest_of
from hub.domain.errors import HubError, RequestInvalid, RuleVersionUnknown
from hub.domain.pseudonym import hmac_sm3
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.trust.keyring import Keyring, open_keyring
from tests.databases import fresh_database
from tests.messages import name_card
from tests.recording import Recording, register_owners, registered

LI, HAN = of_operator("li.lei"), of_operator("han.meimei")
NOW = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
RECORD = questions.AuditQuestion(record=questions.RecordQuestion())


def new(question: questions.AuditQuestion = RECORD, code: str = "AU-1", by: protos.AuditPerson = LI) -> AuditRequest:
    """A request as it begins."""
    requested = protos.AuditRequested(
        audit_code=code, by=by, purpose="投诉复核", legal_basis="个人信息保护法第五十四条", question=question,
        question_digest=digest_of(question),
    )  # fmt: skip
    return AuditRequest.begin("audit_requested", requested, AuditRequest.create_id(code), NOW)


def delivered() -> protos.AuditDelivered:
    return protos.AuditDelivered(outcome_digest=hashlib.sha256(b"outcome").digest(), recorded_as_of=7)


Step = Callable[[AuditRequest], None]
STEPS: dict[str, Step] = {
    "approve": lambda audit: audit.approve(HAN, NOW),
    "refuse": lambda audit: audit.refuse(HAN, "NO_BASIS", NOW),
    "begin": lambda audit: audit.begin_run("host/1", NOW),
    "deliver": lambda audit: audit.deliver(delivered(), NOW),
    "fail": lambda audit: audit.fail("DISK_FULL", "", NOW),
    "cancel": lambda audit: audit.cancel(HAN, NOW),
    "show": lambda audit: audit.show(HAN, protos.AUDIT_PART_OUTCOME, NOW),
}
REACHED = {
    "REQUESTED": (),
    "APPROVED": ("approve",),
    "REFUSED": ("refuse",),
    "RUNNING": ("approve", "begin"),
    "DELIVERED": ("approve", "begin", "deliver"),
    "FAILED": ("approve", "begin", "fail"),
    "CANCELLED": ("cancel",),
}
# Where each step may be, and what it raises anywhere else.
ALLOWED: dict[str, tuple[set[str], type[Exception]]] = {
    "approve": ({"REQUESTED"}, AuditDecided),
    "refuse": ({"REQUESTED"}, AuditDecided),
    "begin": ({"APPROVED", "RUNNING"}, AuditNotApproved),
    "deliver": ({"RUNNING"}, AuditNotRunning),
    "fail": ({"RUNNING"}, AuditNotRunning),
    "cancel": ({"REQUESTED", "APPROVED", "RUNNING"}, AuditOver),
    "show": ({"DELIVERED"}, AuditNotDelivered),
}


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("step", ALLOWED)
def test_each_step_is_for_the_states_of_its_row(step: str, state: str) -> None:
    act, (allowed, refusal), audit = STEPS[step], ALLOWED[step], new()
    for before in REACHED[state]:
        STEPS[before](audit)
    assert audit.state == state
    if state in allowed:
        act(audit)
        assert audit.version == len(REACHED[state]) + 2
    else:
        with pytest.raises(refusal):
            act(audit)
        assert (audit.state, audit.version) == (state, len(REACHED[state]) + 1)


@pytest.mark.parametrize("name", ["li.lei", "Li.Lei"])
def test_who_asked_does_not_decide_wherever_the_person_acts(name: str) -> None:
    elsewhere = protos.AuditPerson(participant="urn:chuanyu:participant:hub.console", name=name)
    audit = new()
    with pytest.raises(AuditSamePerson):
        audit.approve(elsewhere, NOW)
    with pytest.raises(AuditSamePerson):
        audit.refuse(elsewhere, "NO_BASIS", NOW)
    assert audit.state == "REQUESTED"
    # Who asked may call it off.
    audit.cancel(elsewhere, NOW)
    assert audit.state == "CANCELLED"


@pytest.mark.parametrize(("asker", "approver"), [("li", "han"), ("", "han"), ("li", ""), ("", "")])
def test_another_name_of_another_login_or_of_none_approves(asker: str, approver: str) -> None:
    audit = new(by=of_operator("li.lei", asker))
    audit.approve(of_operator("han.meimei", approver), NOW)
    approved: Any = audit.collect_events()[-1].message
    assert (audit.state, approved.is_same_login, approved.by.login) == ("APPROVED", False, approver)


def test_another_name_of_the_same_login_approves_only_where_that_is_said_and_it_is_recorded() -> None:
    audit, again = (new(by=of_operator("li.lei", "hub")) for _ in range(2))
    with pytest.raises(AuditSameLogin):
        audit.approve(of_operator("han.meimei", "hub"), NOW)
    assert audit.state == "REQUESTED"
    again.approve(of_operator("han.meimei", "hub"), NOW, same_login=True)
    approved: Any = again.collect_events()[-1].message
    assert (again.state, again.is_same_login, approved.is_same_login) == ("APPROVED", True, True)
    # The same name is never another person, whatever is said.
    with pytest.raises(AuditSamePerson):
        audit.approve(of_operator("Li.Lei", "elsewhere"), NOW, same_login=True)


def test_what_is_approved_is_what_was_asked() -> None:
    audit = new()
    audit.approve(HAN, NOW)
    approved: Any = audit.collect_events()[-1].message
    assert approved.question_digest == digest_of(RECORD) == audit.requested.question_digest


# On a database


@pytest.fixture(scope="module")
def at(server_dsn: str) -> Iterator[str]:
    """A database with three events, recorded a moment ago."""
    with fresh_database(server_dsn, "hub_test_audit_requests") as dsn:
        recording = Recording(dsn)
        recording.append(*(registered(f"A0000000{number}") for number in (1, 2, 3)), feed="cq.card-center")
        recording.close()
        register_owners(dsn)
        yield dsn


@pytest.fixture(scope="module")
def desk(at: str) -> Iterator[AuditDesk]:
    with contextlib.closing(AggregateStore(at)) as store, session(at, "hub_reader", "hub-audits") as connection:
        yield AuditDesk(at, connection, store)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return open_keyring(Path(tmp_path_factory.mktemp("keys")))


def ask(desk: AuditDesk, keyring: Keyring, question: questions.AuditQuestion = RECORD, **words: str) -> AuditRequest:
    said = {"purpose": "投诉复核 complaint", "legal_basis": "个人信息保护法第五十四条", **words}
    return desk.request(Asking(question, said["purpose"], said["legal_basis"]), LI, keyring, datetime.now(UTC))


def test_a_request_goes_its_way_and_each_step_is_kept_with_who_and_when(at: str, desk: AuditDesk, keyring: Keyring) -> None:
    audit = ask(desk, keyring)
    assert (audit.state, audit.kind, audit.requested.by.name) == ("REQUESTED", "record", "li.lei")
    with pytest.raises(AuditSamePerson):
        desk.approve(audit.code, LI, datetime.now(UTC))
    assert desk.approve(audit.code, HAN, datetime.now(UTC)).state == "APPROVED"
    with pytest.raises(AuditDecided):
        desk.refuse(audit.code, HAN, "NO_BASIS", datetime.now(UTC))
    with pytest.raises(AuditNotDelivered):
        desk.show(audit.code, HAN, protos.AUDIT_PART_BUNDLE, datetime.now(UTC))
    assert desk.cancel(audit.code.lower(), LI, datetime.now(UTC)).state == "CANCELLED"
    steps = desk.find(audit.code).steps
    assert [one.kind for one in steps] == ["audit_requested", "audit_approved", "audit_cancelled"]
    assert all(abs(one.at - datetime.now(UTC)) < timedelta(minutes=5) for one in steps)
    assert check(at, with_views=False, with_identifiers=True).problems == []


@pytest.mark.parametrize("code", ["", "AU-", "AU-0", "AU-999", "ER-1", "AU-1; DROP", "AU-１", "AU-" + "9" * 40])
def test_a_code_that_names_no_audit_is_refused(code: str, desk: AuditDesk) -> None:
    with pytest.raises(AuditUnknown):
        desk.find(code)


def test_requests_at_once_get_numbers_of_their_own(at: str, desk: AuditDesk, keyring: Keyring) -> None:
    before = {one.code for one in desk.newest()}

    def one(_: int) -> str:
        with contextlib.closing(AggregateStore(at)) as store, session(at, "hub_reader", "hub-audits") as connection:
            return ask(AuditDesk(at, connection, store), keyring).code

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(one, range(12)))
    assert len(set(made)) == 12
    listed = [one.code for one in desk.newest()]
    assert set(listed) == before | set(made)
    numbers = [int(code.removeprefix("AU-")) for code in listed]
    assert numbers == list(range(len(listed), 0, -1))
    assert [one.code for one in desk.newest(2, before=4)] == ["AU-3", "AU-2"]


def test_a_list_that_is_shown_again_has_what_has_changed_and_nothing_that_is_attached(at: str, desk: AuditDesk, keyring: Keyring) -> None:
    listed, place = Listed(), questions.RecordedAsOf
    change = questions.WhatIfChange(rules=questions.RulesChange(archive=pack_version()))
    window = {"from": place(position=1), "to": place(position=2)}
    question = questions.WhatIfQuestion(**window, changes=[change], inputs=questions.WHAT_IF_INPUTS_FROZEN)
    audit = ask(desk, keyring, questions.AuditQuestion(what_if=question))
    with session(at, "hub_reader", "hub-audits") as connection:
        first = listed.newest(connection, 3)
        assert (first[0].code, first[0].state, first[0].requested.question.ByteSize() < 100) == (audit.code, "REQUESTED", True)
        desk.cancel(audit.code, LI, datetime.now(UTC))
        again = listed.newest(connection, 3)
        assert [one.state for one in again] == ["CANCELLED", *(one.state for one in first[1:])]
        assert again[1] is first[1]
        assert [one.code for one in listed.newest(connection, 2, before=3)] == ["AU-2", "AU-1"]
        question.changes.add().parameter.CopyFrom(questions.ParameterChange(name="tempLossDays", value="1"))
        policy = (Path(reference.__file__).parent / "policy.csv").read_bytes()
        question.changes.add().reference.CopyFrom(questions.ReferenceChange(table="policy", rows=policy))
        several = ask(desk, keyring, questions.AuditQuestion(what_if=question)).requested.question
        shown = listed.newest(connection, 1)[0].requested.question
        assert (in_words(shown), shown.ByteSize() < 200) == (in_words(several), True)


def unfit(**change: Any) -> questions.AuditQuestion:
    """A what-if of one change that cannot be tried out."""
    window = {"from": questions.RecordedAsOf(position=1), "to": questions.RecordedAsOf(position=2)}
    changes = [questions.WhatIfChange(**change)]
    asked = questions.WhatIfQuestion(**window, changes=changes, inputs=questions.WHAT_IF_INPUTS_FROZEN)
    return questions.AuditQuestion(what_if=asked)


@pytest.mark.parametrize(
    ("question", "refusal", "nearest"),
    [
        (unfit(parameter={"name": "tempLosDays", "value": "1"}), ParameterUnknown, "tempLossDays"),
        (unfit(parameter={"name": "tempLossDays", "value": "soon"}), ParameterValueUnfit, "0–36,500"),
        (unfit(reference={"table": "polcy", "rows": b"x"}), TableUnknown, "policy"),
        (unfit(reference={"table": "reasons", "rows": b"code\n"}), TableRefused, "contradicts"),
        (unfit(rules={"archive": b"no archive"}), RulesForeign, "archive"),
        (unfit(rules={"digest": b"\3" * 32}), RuleVersionUnknown, "there are"),
        (questions.AuditQuestion(views=questions.ViewsQuestion(views=["card_standin"])), ViewUnknown, "card_standing"),
        (unfit(branch="of.500199198503211232", parameter={"name": "tempLossDays", "value": "1"}), RequestInvalid, "identifier"),
    ],
)
def test_what_names_nothing_or_cannot_be_tried_out_is_refused_before_it_has_a_number(
    question: questions.AuditQuestion, refusal: type[HubError], nearest: str, at: str, desk: AuditDesk, keyring: Keyring
) -> None:
    before = [one.code for one in desk.newest(1)]
    with pytest.raises(refusal, match=nearest):
        ask(desk, keyring, question)
    assert [one.code for one in desk.newest(1)] == before


def test_a_row_of_somebody_who_died_before_the_first_event_is_used_again(at: str, desk: AuditDesk, keyring: Keyring) -> None:
    with psycopg.connect(at, autocommit=True) as connection:
        number = REQUESTS.count(connection) + 1
        name = str(AuditRequest.create_id(f"AU-{number}"))
        connection.execute("INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES (%s, %s, false, 1)", (name, name))
        assert REQUESTS.count(connection) == number - 1
        assert ask(desk, keyring).code == f"AU-{number}"
        assert [REQUESTS.count(connection), REQUESTS.count(connection, number - 3)] == [number, number]


def test_a_card_is_recorded_by_its_key(desk: AuditDesk, keyring: Keyring) -> None:
    question = questions.AuditQuestion()
    name_card(question.card.card, "A00000001", "50")
    asked = ask(desk, keyring, question).requested
    assert asked.question.card.card.key == hmac_sm3(keyring.pseudonym, b"card|50|A00000001")
    assert asked.question_digest == digest_of(asked.question) != digest_of(question)
    question.card.card.clear = "A0000000100"
    with pytest.raises(RequestInvalid):
        ask(desk, keyring, question)


@pytest.mark.parametrize(
    ("words", "broken"),
    [
        ({"purpose": ""}, [("purpose", "string.min_len")]),
        ({"purpose": " \t "}, [("purpose", "string.min_len")]),
        ({"legal_basis": ""}, [("legal_basis", "string.min_len")]),
        ({"purpose": "x" * 201}, [("purpose", "string.max_len")]),
        ({"purpose": "持卡人 500199198503211232 投诉"}, [("purpose", "no_identifier")]),
    ],
)
def test_a_purpose_and_a_basis_are_words_about_nobody(words: dict[str, str], broken: list[Any], desk: AuditDesk, keyring: Keyring) -> None:
    with pytest.raises(RequestInvalid) as refused:
        ask(desk, keyring, RECORD, **words)
    assert [(path, rule) for path, rule in refused.value.violations if rule != "string.pattern"] == broken


@pytest.mark.parametrize(
    "question",
    [
        questions.AuditQuestion(),
        questions.AuditQuestion(card=questions.CardQuestion()),
        questions.AuditQuestion(answers=questions.AnswersQuestion()),
        questions.AuditQuestion(views=questions.ViewsQuestion(views=["card; DROP TABLE"])),
        questions.AuditQuestion(record=questions.RecordQuestion(since=questions.RecordedAsOf())),
    ],
)
def test_a_question_that_asks_nothing_is_refused(question: questions.AuditQuestion, desk: AuditDesk, keyring: Keyring) -> None:
    with pytest.raises(RequestInvalid):
        ask(desk, keyring, question)


def instant(of: datetime) -> questions.RecordedAsOf:
    made = questions.RecordedAsOf()
    made.instant.FromDatetime(of)
    return made


def between(first: questions.RecordedAsOf, last: questions.RecordedAsOf) -> questions.AuditQuestion:
    return questions.AuditQuestion(answers=questions.AnswersQuestion(**{"from": first, "to": last}))


def test_times_that_cannot_be_asked_about_are_refused(desk: AuditDesk, keyring: Keyring) -> None:
    now, early = datetime.now(UTC), datetime(2020, 1, 1, tzinfo=UTC)
    soon, place = now + timedelta(hours=1), questions.RecordedAsOf
    card = questions.CardQuestion()
    name_card(card.card, "A00000001", "50")
    ahead, before = questions.CardQuestion(), questions.CardQuestion()
    for one in (ahead, before):
        one.CopyFrom(card)
    ahead.valid_at.FromDatetime(soon)
    no_day = questions.CardQuestion()
    no_day.CopyFrom(card)
    no_day.valid_at.seconds = -1
    long_ago, no_calendar = datetime(1960, 1, 1, tzinfo=UTC), instant(early)
    no_calendar.instant.seconds = -(2**62)
    before.recorded_as_of.CopyFrom(instant(early))
    refusals = {
        AuditWindowAhead: [
            between(instant(early), instant(soon)), between(place(position=1), place(position=2**60)),
            questions.AuditQuestion(record=questions.RecordQuestion(since=instant(soon))), questions.AuditQuestion(card=ahead),
            questions.AuditQuestion(views=questions.ViewsQuestion(recorded_as_of=place(position=2**60))),
        ],
        AuditWindowBefore: [
            between(instant(early), instant(early + timedelta(days=1))), questions.AuditQuestion(card=before),
            questions.AuditQuestion(record=questions.RecordQuestion(since=instant(early))),
            questions.AuditQuestion(record=questions.RecordQuestion(since=instant(long_ago))),
            between(instant(long_ago), instant(early)), between(instant(long_ago), instant(long_ago)),
        ],
        RequestInvalid: [
            questions.AuditQuestion(card=no_day), between(no_calendar, instant(now)),
        ],
        AuditWindowReversed: [
            between(instant(now), instant(now)), between(place(position=3), place(position=2)),
        ],
    }  # fmt: skip
    for refusal, asked in refusals.items():
        for question in asked:
            with pytest.raises(refusal):
                ask(desk, keyring, question)
    # A period may begin before there was anything.
    ask(desk, keyring, between(instant(long_ago), instant(now)))


def test_a_window_is_found_by_instants_and_by_positions(at: str, desk: AuditDesk) -> None:
    with session(at, "hub_reader", "hub-audits") as connection:
        head = head_position(connection)
        by_instant = window_of(connection, between(instant(datetime(2020, 1, 1, tzinfo=UTC)), instant(datetime.now(UTC))).answers)
        by_position = window_of(connection, between(questions.RecordedAsOf(position=2), questions.RecordedAsOf(position=3)).answers)
    assert (by_instant.first, by_instant.last >= head, by_position) == (1, True, (2, 3))
