"""CultureService and its commands: who may ask about whom, the look that is recorded first, and the same figures in both."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from chuanyu.exchange.v1 import culture_service_pb2 as protos
from chuanyu.exchange.v1 import culture_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner, Result

from hub.admin.registry import register_participant
from hub.cli import app
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope
from hub.journal.recorder import AggregateStore
from tests.api.test_medical_service import answered, apart_from_position, looks
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import name_card, registered
from tests.recording import AT_S, library, venue

Shown = hub_decisions_pb2.ShownRecord
Stub = stubs.CultureServiceStub
CARD, ITEM = "N00000001", "CULTURE-B1"


def sent(event: event_pb2.Event, card: str = CARD) -> event_pb2.Event:
    """An event as a province sends it: the card in clear, an item of this module."""
    name_card(event.card, card, "50")
    message = getattr(event, event.WhichOneof("kind") or "")
    if hasattr(message, "barcode"):
        message.barcode = ITEM
    return event


@pytest.fixture(scope="module")
def seen(sichuan: Province, chongqing: Province) -> int:
    """A book that is long overdue in Chengdu, and a visit there."""
    chongqing.tell("cq.card-center", registered(CARD))
    loan = sent(library("borrowed", due_on="2025-10-01"))
    visit = sent(venue("gate_entered", gate="EAST", ticket_type=1, concession=1, party_size=3))
    return sichuan.tell("sc.usage", loan, visit)


def asked(kind: Any, seen: int, **says: Any) -> Any:
    request = kind(min_position=seen, **says)
    name_card(request.card, CARD, "50")
    return request


def test_every_library_sees_that_a_reader_is_stopped_and_only_its_own_loans(
    shared_hub: RunningHub, sichuan: Province, chongqing: Province, seen: int
) -> None:
    begun = len(looks(shared_hub, CARD))
    reader = asked(protos.GetReaderRequest, seen, on="2025-10-02", purpose_code="LOAN")
    here, there = (answered(Stub(one.channel), "GetReader", reader) for one in (sichuan, chongqing))
    assert apart_from_position(here) == apart_from_position(there)
    assert (here.is_stopped, here.overdue, list(here.branches_to_go_to), here.is_registered) == (True, 1, ["SCLIB"], False)
    own, others = (answered(Stub(one.channel), "ListLoans", asked(protos.ListLoansRequest, seen)) for one in (sichuan, chongqing))
    assert ([one.barcode for one in own.loans], others.total) == ([ITEM], 0)
    assert looks(shared_hub, CARD)[begun:][0] == (Shown.SHOWN_RECORD_LOANS, "LOAN")


def test_an_item_is_looked_for_without_a_person_and_without_a_look(shared_hub: RunningHub, sichuan: Province, seen: int) -> None:
    begun = len(looks(shared_hub, CARD))
    found = answered(Stub(sichuan.channel), "ListLoans", protos.ListLoansRequest(barcode=ITEM, min_position=seen, on="2025-10-02"))
    assert [(one.state, one.days_overdue) for one in found.loans] == [(protos.LOAN_STATE_OUT, 1)]
    assert len(looks(shared_hub, CARD)) == begun


def test_a_book_comes_back_without_a_card(sichuan: Province, seen: int) -> None:
    nameless = sent(library("returned", AT_S + 60))
    nameless.ClearField("card")
    back = sichuan.tell("sc.usage", nameless, sent(library("borrowed", AT_S + 120, due_on="2025-10-01")))
    found = answered(Stub(sichuan.channel), "ListLoans", protos.ListLoansRequest(barcode=ITEM, min_position=back))
    assert [one.state for one in found.loans] == [protos.LOAN_STATE_RETURNED, protos.LOAN_STATE_OUT]


def test_visits_are_those_of_the_callers_province(sichuan: Province, chongqing: Province, seen: int) -> None:
    request = asked(protos.ListVenueVisitsRequest, seen)
    here, there = (answered(Stub(one.channel), "ListVenueVisits", request) for one in (sichuan, chongqing))
    assert ([one.venue for one in here.visits], here.visitors, there.visitors) == (["PARK"], 3, 0)


def test_a_wrong_question_is_refused_by_its_field(sichuan: Province, seen: int) -> None:
    stub = Stub(sichuan.channel)
    neither = refused(lambda: stub.ListLoans(protos.ListLoansRequest(), timeout=DEADLINE_S))
    assert (neither.reason, neither.violations) == ("REQUEST_INVALID", [("barcode", "card_or_barcode")])
    both = refused(lambda: stub.ListLoans(asked(protos.ListLoansRequest, 0, barcode="B1"), timeout=DEADLINE_S))
    assert both.violations == [("barcode", "card_or_barcode")]
    day = refused(lambda: stub.GetReader(asked(protos.GetReaderRequest, 0, on="2025-02-30"), timeout=DEADLINE_S))
    assert day.violations == [("on", "impossible_date")]


@pytest.fixture(scope="module")
def hospital(shared_hub: RunningHub) -> Iterator[Province]:
    """A hospital of Chengdu: it lends nothing and has no gate."""
    with closing(AggregateStore(shared_hub.dsn)) as store:
        grants = [Grant("SERVICE_POINT", Scope(("MED.*",), ("5101",)))]
        register_participant(store, PREFIX + "sc.ward", "51", "sc.ward", ["sc.ward"], datetime.now(UTC), grants)
    one = Province(shared_hub, PREFIX + "sc.ward")
    yield one
    one.channel.close()


def test_a_participant_that_lends_nothing_gets_nothing(hospital: Province, seen: int) -> None:
    stub = Stub(hospital.channel)
    for call in (
        lambda: stub.GetReader(asked(protos.GetReaderRequest, seen)),
        lambda: stub.ListLoans(protos.ListLoansRequest(barcode=ITEM)),
        lambda: stub.ListVenueVisits(asked(protos.ListVenueVisitsRequest, seen)),
    ):
        assert refused(call).reason == "ROLE_MISSING"


# The commands


def run(hub: RunningHub, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("HUB_DSN", hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(hub.data_dir))
    return CliRunner().invoke(app, list(arguments))


def test_the_commands_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, sichuan: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = Stub(sichuan.channel)
    pairs = (
        (("reader", CARD, "--issuer", "50"), "GetReader", asked(protos.GetReaderRequest, seen)),
        (("loans", CARD, "--issuer", "50"), "ListLoans", asked(protos.ListLoansRequest, seen)),
        (("loans", "--barcode", ITEM), "ListLoans", protos.ListLoansRequest(barcode=ITEM, min_position=seen)),
        (("visits", CARD, "--issuer", "50"), "ListVenueVisits", asked(protos.ListVenueVisitsRequest, seen)),
    )
    for arguments, name, request in pairs:
        expected = MessageToDict(answered(stub, name, request), preserving_proto_field_name=True)
        result = run(shared_hub, monkeypatch, *arguments, "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        expected["as_of_position"] = printed["as_of_position"]
        assert printed == expected


def test_the_screens_say_it_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "停借 stopped，请到 go to SCLIB" in run(shared_hub, monkeypatch, "reader", CARD, "--issuer", "50").stdout
    assert "借出 OUT" in run(shared_hub, monkeypatch, "loans", "--barcode", ITEM, "--on", "2025-09-01").stdout
    assert "已入 ENTERED" in run(shared_hub, monkeypatch, "visits", CARD, "--issuer", "50").stdout
    assert run(shared_hub, monkeypatch, "loans").exit_code == 2
