"""CaseService over real gRPC: one state for both sides, lists, timelines, watches, refusals, and the same figures by `hub cases`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1 import case_service_pb2_grpc, event_pb2
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from typer.testing import CliRunner

from hub.admin.registry import register_participant
from hub.cli import app
from hub.domain.instants import LOCAL
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import name_card
from tests.recording import case_event

Stub = case_service_pb2_grpc.CaseServiceStub
Told = Callable[..., int]
KEY = protos.CaseKey(handling_province="51", case_no="N1")


def at_s(written: str) -> int:
    return int(datetime.fromisoformat(written).replace(tzinfo=LOCAL).timestamp())


def report(kind: str, at: str, case_no: str = "N1", region: str = "510100", **says: Any) -> event_pb2.Event:
    """A report as a province sends it, with the card in clear."""
    event = case_event(kind, case_no, at_s(at), region, **says)
    name_card(event.card, "A00000001", "50")
    return event


@pytest.fixture(scope="module")
def seen(sichuan: Province, chongqing: Province) -> int:
    """Cases of this module. N1 goes to Chongqing and is decided there; N2 is Sichuan's alone; N3 is open and long overdue; P1 and P2 make a
    package; Chongqing has an N1 of its own.
    """
    ours = {"deciding_province": "51"}
    sichuan.tell(
        "sc.usage",
        report("submitted", "2026-03-02 09:00", promised_working_days=5),
        report("received", "2026-03-02 10:00"),
        report("submitted", "2026-03-02 09:00", "N2", ref=ours),
        report("submitted", "2026-03-02 09:00", "N3", promised_working_days=5),
        report("received", "2026-03-02 10:00", "N3"),
        report("submitted", "2026-03-02 09:00", "N4", ref={"item_code": "XX"}),
        report("submitted", "2026-03-02 09:00", "P1", ref={"package_no": "SET"}),
        report("submitted", "2026-03-02 09:00", "P2", ref={"package_no": "SET"}),
        report("withdrawn", "2026-03-03 09:00", "P1", ref={"package_no": "SET"}),
    )
    return chongqing.tell(
        "cq.usage",
        report("accepted", "2026-03-04 09:00", region="500103"),
        report("decided", "2026-03-06 09:00", region="500103", granted=True),
        report("submitted", "2026-03-02 09:00", region="500103", ref={"handling_province": "50", "deciding_province": "51"}),
    )


@pytest.fixture(scope="module")
def here(sichuan: Province) -> Stub:
    return Stub(sichuan.channel)


@pytest.fixture(scope="module")
def there(chongqing: Province) -> Stub:
    return Stub(chongqing.channel)


def get(stub: Stub, seen: int, case_no: str = "N1", side: str = "51", **says: Any) -> protos.GetCaseResponse:
    key = protos.CaseKey(handling_province=side, case_no=case_no)
    request = protos.GetCaseRequest(key=key, min_position=seen, **says)
    return caught_up(lambda: stub.GetCase(request, timeout=DEADLINE_S))


def caught_up(call: Callable[[], Any]) -> Any:
    """Makes a call again until the view has reached its position: on a busy machine that may take longer than the hub waits."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            return call()
        except grpc.RpcError as refusal:
            if time.monotonic() > deadline or refusal.code() != grpc.StatusCode.UNAVAILABLE:
                raise


def numbers(stub: Stub, seen: int, **wanted: Any) -> list[str]:
    request = protos.ListCasesRequest(filter=protos.CaseFilter(**wanted), min_position=seen)
    return [record.key.case_no for record in caught_up(lambda: stub.ListCases(request, timeout=DEADLINE_S)).records]


def test_both_sides_see_one_state(here: Stub, there: Stub, seen: int) -> None:
    found = get(here, seen)
    assert found.record == get(there, seen).record
    assert (found.record.state, found.record.granted, found.record.deciding_province) == (protos.CASE_STATE_DECIDED, True, "50")
    assert (found.record.next_provinces, found.record.allowed_next) == (["50"], ["case_delivered", "case_rated"])
    assert (found.record.item_id, found.record.item_name_zh, found.record.clock.due_on) == ("TB057", "异地就医登记备案", "2026-03-11")


def test_one_number_in_both_provinces_is_two_cases(here: Stub, seen: int) -> None:
    assert get(here, seen, side="50").record.state == protos.CASE_STATE_SUBMITTED


def test_a_case_is_as_it_was_known_at_a_position(here: Stub, seen: int) -> None:
    before = get(here, seen, as_of_position=seen - 3)
    assert (before.record.state, before.as_of_position) == (protos.CASE_STATE_RECEIVED, seen - 3)
    assert before.record.changed_position < seen - 3
    refusal = refused(lambda: get(here, seen, as_of_position=1))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CASE_NOT_FOUND")


def test_a_case_is_as_it_was_at_the_end_of_a_day(here: Stub, seen: int) -> None:
    then = get(here, seen, on="2026-03-05")
    assert (then.record.state, then.as_of, then.record.clock.is_overdue) == (protos.CASE_STATE_ACCEPTED, "2026-03-05", False)
    assert refused(lambda: get(here, seen, on="2026-03-01")).reason == "CASE_NOT_FOUND"
    assert refused(lambda: get(here, seen, on="2026-02-30")).violations == [("on", "impossible_date")]


def test_a_case_of_one_side_alone_is_not_the_others(here: Stub, there: Stub, seen: int) -> None:
    assert get(here, seen, "N2").record.deciding_province == "51"
    for case_no in ("N2", "N9"):
        refusal = refused(lambda case_no=case_no: get(there, seen, case_no))  # type: ignore[misc]
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    assert "N2" in numbers(here, seen) and "N2" not in numbers(there, seen)


def test_a_case_that_nobody_reported_is_not_found(here: Stub, seen: int) -> None:
    refusal = refused(lambda: get(here, seen, "N9"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CASE_NOT_FOUND")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"overdue": True}, ["N3"]),
        ({"next_province": "51"}, ["N2", "N4", "P2"]),
        ({"next_province": "50"}, ["N1", "N1", "N3"]),
        ({"next_actor": protos.CASE_ACTOR_DECIDING}, ["N1", "N3"]),
        ({"states": [protos.CASE_STATE_DECIDED, protos.CASE_STATE_WITHDRAWN]}, ["N1", "P1"]),
        ({"handling_province": "50"}, ["N1"]),
        ({"deciding_province": "51"}, ["N1", "N2"]),
        ({"package_no": "SET"}, ["P1", "P2"]),
        ({"with_findings": True}, ["N4"]),
    ],
)
def test_a_list_has_what_its_filter_wants(here: Stub, seen: int, wanted: dict[str, Any], expected: list[str]) -> None:
    assert numbers(here, seen, **wanted) == expected


def test_pages_go_on_where_the_one_before_ended(here: Stub, seen: int) -> None:
    request, found = protos.ListCasesRequest(page_size=2, min_position=seen), []
    while True:
        page = caught_up(lambda: here.ListCases(request, timeout=DEADLINE_S))
        found += [(record.key.handling_province, record.key.case_no) for record in page.records]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert found == [("50", "N1"), *(("51", case_no) for case_no in ("N1", "N2", "N3", "N4", "P1", "P2"))]


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"page_size": 201}, ("page_size", "uint32.lte")),
        ({"page_token": "0123.51.N1"}, ("page_token", "page_of_another_list")),
        ({"filter": protos.CaseFilter(province="52")}, ("filter.province", "string.in")),
        ({"filter": protos.CaseFilter(states=[0])}, ("filter.states", "enum.not_in")),
    ],
)
def test_a_wrong_question_is_refused_by_its_field(here: Stub, fields: dict[str, Any], violation: tuple[str, str]) -> None:
    refusal = refused(lambda: here.ListCases(protos.ListCasesRequest(**fields), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [violation])


def test_a_package_is_closed_with_the_last_of_its_cases(sichuan: Province, here: Stub, seen: int) -> None:
    package = get(here, seen, "P1").package
    assert (package.cases, package.open, package.HasField("closed_at")) == (2, 1, False)
    ended = sichuan.tell("sc.usage", report("not_accepted", "2026-03-05 09:00", "P2", ref={"package_no": "SET"}, reason_code="NOT_OURS"))
    package = get(here, ended, "P1").package
    assert (package.open, package.closed_at.seconds) == (0, at_s("2026-03-05 09:00"))
    assert get(here, ended, "P1", as_of_position=seen).package == protos.CasePackage(package_no="SET", cases=2, open=1)


def test_a_timeline_has_each_report_by_its_name_also_one_that_was_corrected(sichuan: Province, here: Stub, there: Stub, seen: int) -> None:
    number = sichuan.next_sequence("sc.usage")
    wrong = report("submitted", "2026-03-02 09:00", "T1")
    right = report("submitted", "2026-03-02 09:30", "T1")
    right.case_submitted.materials_waived.append("身份证明")
    right.corrects.feed, right.corrects.sequence = "sc.usage", number
    told = sichuan.tell("sc.usage", wrong, right)
    key = protos.CaseKey(handling_province="51", case_no="T1")
    request = protos.GetCaseTimelineRequest(key=key, min_position=told)
    found = caught_up(lambda: there.GetCaseTimeline(request, timeout=DEADLINE_S))
    assert [(entry.position, entry.until_position) for entry in found.entries] == [(told - 1, told), (told, 0)]
    assert (found.entries[1].recorded_as.feed, found.entries[1].recorded_as.sequence) == ("sc.usage", number + 1)
    assert (found.entries[1].province, list(found.entries[1].materials), found.total) == ("51", ["身份证明"], 2)


def test_a_watch_goes_on_from_its_position_and_sends_each_change(sichuan: Province, there: Stub, seen: int) -> None:
    begun = sichuan.tell("sc.usage", report("submitted", "2026-03-02 09:00", "W1"), report("submitted", "2026-03-02 09:00", "W2"))
    get(there, begun, "W2")
    watch = there.WatchCases(protos.WatchCasesRequest(from_position=begun - 2), timeout=DEADLINE_S)
    found = changed(watch, 2)
    assert [(one.record.key.case_no, one.record.changed_position) for one in found] == [("W1", begun - 1), ("W2", begun)]
    received = sichuan.tell("sc.usage", report("received", "2026-03-02 10:00", "W1"))
    (one,) = changed(watch, 1)
    assert (one.record.key.case_no, one.record.state, one.record.changed_position) == ("W1", protos.CASE_STATE_RECEIVED, received)
    watch.cancel()
    again = there.WatchCases(protos.WatchCasesRequest(from_position=begun), timeout=DEADLINE_S)
    assert [one.record.key.case_no for one in changed(again, 1)] == ["W1"]
    again.cancel()


def changed(watch: Iterator[protos.WatchCasesResponse], count: int) -> list[protos.WatchCasesResponse]:
    """The next changes of a watch; how far it is comes between them."""
    found: list[protos.WatchCasesResponse] = []
    while len(found) < count:
        if (one := next(watch)).HasField("record"):
            found.append(one)
    return found


def test_a_watch_from_beyond_the_view_is_refused(here: Stub) -> None:
    refusal = refused(lambda: next(here.WatchCases(protos.WatchCasesRequest(from_position=10**9), timeout=DEADLINE_S)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "CURSOR_AHEAD")


@pytest.fixture(scope="module")
def library(shared_hub: RunningHub) -> Iterator[Province]:
    """A library of Chengdu: it hands in no cases."""
    with closing(AggregateStore(shared_hub.dsn)) as store:
        grants = [Grant("SERVICE_POINT", Scope(("CUL.LIB.*",), ("5101",))), Grant("READER", Scope(reads=("CARDS",)))]
        register_participant(store, PREFIX + "sc.library", "51", "sc.library", ["sc.library"], datetime.now(UTC), grants)
    one = Province(shared_hub, PREFIX + "sc.library")
    yield one
    one.channel.close()


def test_a_participant_that_hands_in_no_cases_sees_none(library: Province, seen: int) -> None:
    refusal = refused(lambda: get(Stub(library.channel), seen))
    assert (refusal.reason, refusal.metadata) == ("ROLE_MISSING", {"role": "SERVICE_POINT", "scope": "scenarios"})
    refusal = refused(lambda: next(Stub(library.channel).WatchCases(protos.WatchCasesRequest(), timeout=DEADLINE_S)))
    assert refusal.reason == "ROLE_MISSING"


# The command


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["cases", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def as_dict(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def test_the_command_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, here: Stub, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    with psycopg.connect(shared_hub.dsn) as connection:
        head = head_position(connection)
    wanted = protos.ListCasesRequest(filter=protos.CaseFilter(overdue=True), min_position=head)
    listed = caught_up(lambda: here.ListCases(wanted, timeout=DEADLINE_S))
    assert json.loads(said("list", "--overdue", "--json")) == as_dict(listed)
    assert json.loads(said("show", "51", "N1", "--json")) == as_dict(get(here, head))
    timeline = here.GetCaseTimeline(protos.GetCaseTimelineRequest(key=KEY, min_position=head), timeout=DEADLINE_S)
    assert json.loads(said("timeline", "51", "N1", "--json")) == as_dict(timeline)


def test_the_picture_has_a_column_for_each_side(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    lines = said("show", "51", "N1").splitlines()
    assert "  状态 state: 已办结 DECIDED：准予 granted" in lines
    assert "已受理 ACCEPTED" in said("show", "51", "N1", "--on", "2026-03-05") and "办结" not in said(
        "show", "51", "N1", "--on", "2026-03-05"
    )
    begin = next(number for number, line in enumerate(lines) if line.strip().startswith("川 Sichuan"))
    drawn = [line[19:].split() for line in lines[begin + 1 :]]
    assert drawn == [
        ["●", "提交办件", "case", "submitted", "│"],
        ["│", "5", "工作日", "working", "days", "│"],
        ["●", "收件", "case", "received", "│"],
        ["│", "●", "受理", "case", "accepted"],
        ["│", "●", "办结", "case", "decided"],
        ["│", "│", "准予", "granted"],
    ]


@pytest.mark.parametrize("arguments", [["list", "--next", "NOBODY"], ["list", "--state", "LOST"]])
def test_a_wrong_word_names_the_right_ones(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["cases", *arguments])
    assert result.exit_code == 2


def test_the_command_says_in_both_languages_why_there_is_no_such_case(
    shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    result = CliRunner().invoke(app, ["cases", "show", "51", "N9"])
    assert (result.exit_code, "没有这个办件" in result.output) == (1, True)
