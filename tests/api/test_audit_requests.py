"""Audits over gRPC: what a participant may ask and see, who decides, what is recorded before bytes leave."""

import hashlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as events
from chuanyu.exchange.v1 import audit_service_pb2 as protos
from chuanyu.exchange.v1 import audit_service_pb2_grpc

from hub.audit.outcome import read
from hub.audit.report.checking import check
from hub.domain.participant import OPERATOR, OPERATOR_METADATA
from hub.trust.certificates import own_authorities
from tests.audit.test_known import ONE_OF_EACH
from tests.clients import DEADLINE_S, Province, Refusal, refused
from tests.hub_process import RunningHub
from tests.messages import name_card, registered

Stub = audit_service_pb2_grpc.AuditServiceStub
HAN = ((OPERATOR_METADATA, "han.meimei"),)
CARD = "A00007301"
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def of(shared_hub: RunningHub, chongqing: Province, sichuan: Province) -> Iterator[dict[str, Stub]]:
    """The service as both provinces and the operators' tools call it."""
    chongqing.tell("cq.card-center", registered(CARD))
    operators = Province(shared_hub, OPERATOR)
    yield {name: Stub(one.channel) for name, one in (("cq", chongqing), ("sc", sichuan), ("operators", operators))}
    operators.channel.close()


def of_card(province: str = "50", **asked: Any) -> protos.RequestReplayRequest:
    request = protos.RequestReplayRequest(**{"purpose": "complaint", "legal_basis": "audit law 34", "person": "li.lei", **asked})
    name_card(request.question.card.card, CARD, province)
    return request


def refusal(call: Any, request: Any, **more: Any) -> Refusal:
    return refused(lambda: call(request, timeout=DEADLINE_S, **more))


def reached(stub: Stub, code: str, *states: int) -> protos.Replay:
    give_up_s = time.monotonic() + WITHIN_S
    while True:
        found = stub.GetReplay(protos.GetReplayRequest(audit_code=code), timeout=DEADLINE_S).replay
        if found.state in states:
            return found
        assert time.monotonic() < give_up_s, found
        time.sleep(0.05)


def test_a_province_asks_about_its_card_operators_approve_and_it_fetches_what_came(of: dict[str, Stub], shared_hub: RunningHub) -> None:
    asked = of["cq"].RequestReplay(of_card(), timeout=DEADLINE_S).replay
    assert (asked.state, asked.requested_by.name, asked.question.card.card.clear) == (protos.REPLAY_STATE_REQUESTED, "li.lei", "")
    code = asked.audit_code
    early = protos.DownloadBundleRequest(audit_code=code, part=events.AUDIT_PART_OUTCOME, person="li.lei")
    assert refused(lambda: list(of["cq"].DownloadBundle(early, timeout=DEADLINE_S))).reason == "AUDIT_NOT_DELIVERED"
    approve = protos.ApproveReplayRequest(audit_code=code)
    assert refusal(of["cq"].ApproveReplay, approve).reason == "NOT_PERMITTED"
    assert refusal(of["operators"].ApproveReplay, approve, metadata=((OPERATOR_METADATA, "Li.Lei"),)).reason == "AUDIT_SAME_PERSON"
    approved = of["operators"].ApproveReplay(approve, timeout=DEADLINE_S, metadata=HAN).replay
    assert (approved.decided_by.name, approved.question_digest) == ("han.meimei", asked.question_digest)
    assert refusal(of["operators"].ApproveReplay, approve, metadata=HAN).reason == "AUDIT_DECIDED"
    done = reached(of["cq"], code, protos.REPLAY_STATE_DELIVERED, protos.REPLAY_STATE_FAILED)
    assert done.state == protos.REPLAY_STATE_DELIVERED, done.reason_code
    data = b"".join(one.chunk for one in of["cq"].DownloadBundle(early, timeout=DEADLINE_S))
    assert hashlib.sha256(data).digest() == done.delivered.outcome_digest
    assert read(data).recorded_as_of == done.delivered.recorded_as_of
    report = protos.DownloadBundleRequest(audit_code=code, part=events.AUDIT_PART_REPORT_PDF, person="li.lei")
    signed = b"".join(one.chunk for one in of["cq"].DownloadBundle(report, timeout=DEADLINE_S))
    checked = check(signed, own_authorities(shared_hub.data_dir / "certificates"), expected=read(data))
    assert hashlib.sha256(signed[: checked.unsigned_size]).digest() == done.delivered.report_digest
    for part in set(events.AuditPart.values()) - {0, *done.parts}:
        missing = protos.DownloadBundleRequest(audit_code=code, part=part, person="li.lei")  # type: ignore[arg-type]
        assert refused(lambda one=missing: list(of["cq"].DownloadBundle(one, timeout=DEADLINE_S))).reason == "AUDIT_PART_MISSING"
    over = protos.CancelReplayRequest(audit_code=code, person="li.lei")
    assert refusal(of["cq"].CancelReplay, over).reason == "AUDIT_OVER"


def test_a_participant_sees_and_ends_its_own_audits_alone(of: dict[str, Stub]) -> None:
    code = of["cq"].RequestReplay(of_card(), timeout=DEADLINE_S).replay.audit_code
    get, cancel = protos.GetReplayRequest(audit_code=code), protos.CancelReplayRequest(audit_code=code, person="wang")
    download = protos.DownloadBundleRequest(audit_code=code, part=events.AUDIT_PART_OUTCOME, person="wang")
    assert [refusal(of["sc"].GetReplay, get).reason, refusal(of["sc"].CancelReplay, cancel).reason] == ["AUDIT_BEYOND_RIGHT"] * 2
    assert refused(lambda: list(of["sc"].DownloadBundle(download, timeout=DEADLINE_S))).reason == "AUDIT_BEYOND_RIGHT"
    listed = {name: of[name].ListReplays(protos.ListReplaysRequest(), timeout=DEADLINE_S, metadata=HAN).replays for name in of}
    assert [code in {one.audit_code for one in listed[name]} for name in ("cq", "sc", "operators")] == [True, False, True]
    assert of["cq"].CancelReplay(cancel, timeout=DEADLINE_S).replay.state == protos.REPLAY_STATE_CANCELLED
    ended = protos.ListReplaysRequest(state=protos.REPLAY_STATE_CANCELLED)
    assert code in {one.audit_code for one in of["cq"].ListReplays(ended, timeout=DEADLINE_S).replays}


def test_operators_ask_everything_and_refuse_with_a_reason(of: dict[str, Stub]) -> None:
    asked = protos.RequestReplayRequest(
        question=questions.AuditQuestion(record=questions.RecordQuestion()), purpose="yearly", legal_basis="audit law 34"
    )
    by_li = ((OPERATOR_METADATA, "li.lei"),)
    code = of["operators"].RequestReplay(asked, timeout=DEADLINE_S, metadata=by_li).replay.audit_code
    refuse = protos.ApproveReplayRequest(audit_code=code, refuse_reason_code="NO_BASIS")
    assert refusal(of["operators"].ApproveReplay, refuse, metadata=by_li).reason == "AUDIT_SAME_PERSON"
    found = of["operators"].ApproveReplay(refuse, timeout=DEADLINE_S, metadata=HAN).replay
    assert (found.state, found.reason_code) == (protos.REPLAY_STATE_REFUSED, "NO_BASIS")


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_what_is_not_of_one_card_alone_is_not_a_participants_to_ask(of: dict[str, Stub], kind: str) -> None:
    request = of_card()
    request.question.CopyFrom(questions.AuditQuestion(**{kind: ONE_OF_EACH[kind]}))
    if hasattr(ONE_OF_EACH[kind], "card"):
        name_card(getattr(request.question, kind).card, CARD, "50")
    assert refusal(of["cq"].RequestReplay, request).reason == "AUDIT_BEYOND_RIGHT"


def in_the_future() -> protos.RequestReplayRequest:
    request = of_card()
    request.question.card.valid_at.FromDatetime(datetime.now(UTC) + timedelta(hours=2))
    return request


def long_ago() -> protos.RequestReplayRequest:
    request = of_card()
    request.question.card.recorded_as_of.instant.FromDatetime(datetime(2001, 1, 1, tzinfo=UTC))
    return request


def by_key() -> protos.RequestReplayRequest:
    request = of_card()
    request.question.card.card.key = bytes(32)
    return request


@pytest.mark.parametrize(
    ("request_made", "reason"),
    [
        (of_card("51"), "AUDIT_BEYOND_RIGHT"),
        (
            protos.RequestReplayRequest(
                question=questions.AuditQuestion(record=questions.RecordQuestion()), purpose="x", legal_basis="y", person="li"
            ),
            "AUDIT_BEYOND_RIGHT",
        ),
        (of_card(purpose=""), "REQUEST_INVALID"),
        (of_card(person=""), "REQUEST_INVALID"),
        (of_card(person="A12345678"), "REQUEST_INVALID"),
        (of_card(legal_basis="500199198503211232"), "REQUEST_INVALID"),
        (protos.RequestReplayRequest(purpose="x", legal_basis="y", person="li"), "REQUEST_INVALID"),
        (by_key(), "REQUEST_INVALID"),
        (in_the_future(), "AUDIT_WINDOW_AHEAD"),
        (long_ago(), "AUDIT_WINDOW_BEFORE"),
    ],
)
def test_what_may_not_be_asked_is_refused_by_name(request_made: protos.RequestReplayRequest, reason: str, of: dict[str, Stub]) -> None:
    assert refusal(of["cq"].RequestReplay, request_made).reason == reason


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"parameter": {"name": "tempLosDays", "value": "1"}}, "AUDIT_NAME_UNKNOWN", "tempLossDays"),
        ({"parameter": {"name": "tempLossDays", "value": "soon"}}, "AUDIT_CHANGE_UNFIT", "0–36,500"),
        ({"agreement": {"agreement_code": "ORD-TRANSITS/1"}}, "AUDIT_NAME_UNKNOWN", "ORD-TRANSIT/1"),
        ({"reference": {"table": "polcy", "rows": b"x"}}, "AUDIT_NAME_UNKNOWN", "policy"),
    ],
)
def test_a_change_of_what_there_is_not_is_refused_and_gets_no_number(
    change: dict[str, Any], reason: str, says: str, of: dict[str, Stub]
) -> None:
    def newest() -> list[str]:
        found = of["operators"].ListReplays(protos.ListReplaysRequest(), timeout=DEADLINE_S, metadata=HAN).replays
        return [one.audit_code for one in found[:1]]

    first, last, before = questions.RecordedAsOf(position=1), questions.RecordedAsOf(), newest()
    last.instant.FromDatetime(datetime.now(UTC))
    changes = [questions.WhatIfChange(**change)]
    window = questions.WhatIfQuestion(**{"from": first, "to": last}, changes=changes, inputs=questions.WHAT_IF_INPUTS_FROZEN)
    asked = protos.RequestReplayRequest(question=questions.AuditQuestion(what_if=window), purpose="x", legal_basis="y")
    found = refusal(of["operators"].RequestReplay, asked, metadata=HAN)
    assert (found.reason, found.code, says in found.text) == (reason, grpc.StatusCode.INVALID_ARGUMENT, True)
    assert newest() == before


def test_an_empty_window_and_an_unknown_code_are_refused(of: dict[str, Stub]) -> None:
    place = questions.RecordedAsOf(position=2)
    window = questions.AnswersQuestion(**{"from": place, "to": questions.RecordedAsOf(position=1)})
    asked = protos.RequestReplayRequest(question=questions.AuditQuestion(answers=window), purpose="x", legal_basis="y")
    assert refusal(of["operators"].RequestReplay, asked, metadata=HAN).reason == "AUDIT_WINDOW_REVERSED"
    found = refusal(of["cq"].GetReplay, protos.GetReplayRequest(audit_code="AU-999999"))
    assert (found.reason, found.code) == ("AUDIT_UNKNOWN", grpc.StatusCode.NOT_FOUND)
