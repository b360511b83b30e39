"""MedicalService and its commands: who may ask about whom, the look that is recorded first, and the same figures in both."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import medical_service_pb2_grpc as stubs
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from typer.testing import CliRunner, Result

from hub.admin.registry import register_participant
from hub.cli import app
from hub.domain.participant import PREFIX
from hub.domain.pseudonym import card_name, hmac_sm3
from hub.domain.roles import Grant, Scope
from hub.journal.looks import Searched, search
from hub.journal.recorder import AggregateStore
from hub.trust.keyring import open_keyring
from tests.api.test_case_service import caught_up
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import name_card, registered
from tests.recording import AT_S, filing, refund, settlement

Shown = hub_decisions_pb2.ShownRecord
Stub = stubs.MedicalServiceStub
CARD = "M00000001"


def sent(event: event_pb2.Event) -> event_pb2.Event:
    """An event as a province sends it, with the card in clear."""
    name_card(event.card, CARD, "50")
    return event


@pytest.fixture(scope="module")
def seen(sichuan: Province, chongqing: Province) -> int:
    """A filing for Chengdu of Chongqing's, and a settlement there that is given back in part."""
    chongqing.tell("cq.card-center", registered(CARD))
    chongqing.tell("cq.usage", sent(filing("MF1")))
    use, back = sent(settlement("MS1")), sent(refund("MR1", "MS1", fen=1_600))
    return sichuan.tell("sc.usage", use, back)


def filings_asked(seen: int, card_no: str = CARD, **says: Any) -> protos.ListFilingsRequest:
    request = protos.ListFilingsRequest(min_position=seen, **says)
    name_card(request.card, card_no, "50")
    return request


def uses_asked(seen: int, **says: Any) -> protos.ListMedicalUsesRequest:
    request = protos.ListMedicalUsesRequest(min_position=seen, **{"from_on": "2025-09-01", "to_on": "2025-09-30", **says})
    name_card(request.card, CARD, "50")
    return request


def answered(stub: Stub, name: str, request: Message) -> Any:
    return caught_up(lambda: getattr(stub, name)(request, timeout=DEADLINE_S))


def apart_from_position(answer: Any) -> Any:
    """An answer without where the views were: they move on between two questions, by the look of the first one too."""
    answer.ClearField("as_of_position")
    return answer


def looks(hub: RunningHub, card_no: str, province: str = "50") -> list[tuple[int, str]]:
    request = filings_asked(0, card_no)
    request.card.issuing_province = province
    key = hmac_sm3(open_keyring(hub.data_dir / "keys").pseudonym, card_name(request.card).encode())
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        found = search(connection, Searched("card_record_queried", [key]))[::-1]
    return [(one.event.card_record_queried.shown, one.event.card_record_queried.purpose_code) for one in found]


def test_both_sides_of_a_filing_see_it_and_each_look_is_recorded_first(
    shared_hub: RunningHub, sichuan: Province, chongqing: Province, seen: int
) -> None:
    begun = len(looks(shared_hub, CARD))
    request = filings_asked(seen, treatment_region="510104", purpose_code="ADMISSION")
    request.at.seconds = AT_S
    here, there = (answered(Stub(one.channel), "ListFilings", request) for one in (chongqing, sichuan))
    assert apart_from_position(here) == apart_from_position(there)
    assert ([one.filing_no for one in here.filings], here.is_covered) == (["MF1"], True)
    assert set(looks(shared_hub, CARD)[begun:]) == {(Shown.SHOWN_RECORD_FILINGS, "ADMISSION")}


def test_a_card_that_nobody_registered_has_no_filings_and_is_a_miss(shared_hub: RunningHub, sichuan: Province, seen: int) -> None:
    assert not answered(Stub(sichuan.channel), "ListFilings", filings_asked(seen, "M99999999")).filings
    assert looks(shared_hub, "M99999999")[-1] == (Shown.SHOWN_RECORD_NOTHING, "NOT_STATED")


def test_the_chain_is_the_same_for_both_sides_by_the_settlement_and_by_the_refund(
    sichuan: Province, chongqing: Province, seen: int
) -> None:
    asked = [protos.GetSettlementChainRequest(settlement_id=one, min_position=seen) for one in ("MS1", "MR1")]
    found = [answered(Stub(one.channel), "GetSettlementChain", request) for one in (sichuan, chongqing) for request in asked]
    assert all(one.settlements == found[0].settlements for one in found)
    [one] = found[0].settlements
    assert (one.state, one.net.total_fen, one.insured_region[:2]) == (protos.SETTLEMENT_STATE_PARTLY_REVERSED, 7_000, "")


def test_a_chain_is_as_it_was_known_at_a_position(sichuan: Province, seen: int) -> None:
    request = protos.GetSettlementChainRequest(settlement_id="MS1", min_position=seen, as_of_position=seen - 1)
    before = answered(Stub(sichuan.channel), "GetSettlementChain", request)
    assert (before.net.total_fen, before.as_of_position) == (8_600, seen - 1)


def test_uses_are_for_the_side_that_insures(sichuan: Province, chongqing: Province, seen: int) -> None:
    here = answered(Stub(chongqing.channel), "ListMedicalUses", uses_asked(seen))
    assert ([one.settlement_id for one in here.settlements], here.net.total_fen) == (["MS1"], 7_000)
    assert answered(Stub(sichuan.channel), "ListMedicalUses", uses_asked(seen)).total == 0


@pytest.mark.parametrize(
    ("call", "reason", "violations"),
    [
        (lambda stub: stub.ListFilings(protos.ListFilingsRequest()), "REQUEST_INVALID", [("card", "required")]),
        (
            lambda stub: stub.ListFilings(filings_asked(0, treatment_region="51")),
            "REQUEST_INVALID",
            [("treatment_region", "string.pattern")],
        ),
        (lambda stub: stub.ListMedicalUses(uses_asked(0, to_on="2025-08-31")), "REQUEST_INVALID", [("to_on", "out_of_range")]),
        (lambda stub: stub.ListMedicalUses(uses_asked(0, to_on="2027-09-30")), "REQUEST_INVALID", [("to_on", "out_of_range")]),
        (lambda stub: stub.ListMedicalUses(uses_asked(0, from_on="2025-02-30")), "REQUEST_INVALID", [("from_on", "impossible_date")]),
        (lambda stub: stub.GetSettlementChain(protos.GetSettlementChainRequest(settlement_id="MS9")), "SETTLEMENT_NOT_FOUND", []),
    ],
)
def test_a_wrong_question_is_refused_in_words(
    chongqing: Province, seen: int, call: Callable[[Stub], Any], reason: str, violations: list[tuple[str, str]]
) -> None:
    refusal = refused(lambda: call(Stub(chongqing.channel)))
    assert refusal.reason == reason
    assert not violations or refusal.violations == violations


def test_one_number_of_two_institutions_has_to_be_told_apart(sichuan: Province, chongqing: Province) -> None:
    one, other = sent(settlement("MS2")), sent(settlement("MS2"))
    for use, institution in ((one, "H51010000008"), (other, "H51010000009")):
        use.medical_settlement_completed.institution_code = institution
    seen = sichuan.tell("sc.usage", one, other)
    request = protos.GetSettlementChainRequest(settlement_id="MS2", min_position=seen)
    refusal = refused(lambda: answered(Stub(chongqing.channel), "GetSettlementChain", request))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("institution_code", "required")])


@pytest.fixture(scope="module")
def library(shared_hub: RunningHub) -> Iterator[Province]:
    """A library of Chengdu: it treats nobody."""
    with closing(AggregateStore(shared_hub.dsn)) as store:
        grants = [Grant("SERVICE_POINT", Scope(("CUL.LIB.*",), ("5101",)))]
        register_participant(store, PREFIX + "sc.books", "51", "sc.books", ["sc.books"], datetime.now(UTC), grants)
    one = Province(shared_hub, PREFIX + "sc.books")
    yield one
    one.channel.close()


def test_a_participant_that_treats_nobody_gets_nothing(library: Province, seen: int) -> None:
    stub = Stub(library.channel)
    for call in (
        lambda: stub.ListFilings(filings_asked(seen)),
        lambda: stub.GetSettlementChain(protos.GetSettlementChainRequest(settlement_id="MS1")),
        lambda: stub.ListMedicalUses(uses_asked(seen)),
    ):
        refusal = refused(call)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "ROLE_MISSING")


# The commands


def run(hub: RunningHub, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("HUB_DSN", hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(hub.data_dir))
    return CliRunner().invoke(app, list(arguments))


def test_the_commands_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = filings_asked(seen)
    asked.at.seconds = AT_S
    stub = Stub(chongqing.channel)
    pairs = (
        (("filings", CARD, "--issuer", "50", "--at", "2025-09-01T09:30:15"), "ListFilings", asked),
        (("settlements", "show", "MS1"), "GetSettlementChain", protos.GetSettlementChainRequest(settlement_id="MS1", min_position=seen)),
        (
            ("settlements", "list", CARD, "--issuer", "50", "--from", "2025-09-01", "--to", "2025-09-30"),
            "ListMedicalUses",
            uses_asked(seen),
        ),
    )
    for arguments, name, request in pairs:
        expected = MessageToDict(answered(stub, name, request), preserving_proto_field_name=True)
        result = run(shared_hub, monkeypatch, *arguments, "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        expected["as_of_position"] = printed["as_of_position"]
        assert printed == expected


def test_the_screens_say_it_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    filings = run(shared_hub, monkeypatch, "filings", CARD, "--issuer", "50", "--region", "510104", "--at", "2025-09-01T09:30")
    assert "有效 ACTIVE" in filings.stdout and "510104 已覆盖 is covered" in filings.stdout
    chain = run(shared_hub, monkeypatch, "settlements", "show", "MS1").stdout
    assert "部分退费 PARTLY_REVERSED" in chain and "净额 net: 总费用 total 70.00" in chain
    uses = run(shared_hub, monkeypatch, "settlements", "list", CARD, "--issuer", "50", "--from", "2025-09-01", "--to", "2025-09-30")
    assert "86.00" in uses.stdout


def test_the_commands_refuse_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = run(shared_hub, monkeypatch, "settlements", "show", "MS9")
    assert (unknown.exit_code, "没有这笔结算" in unknown.output) == (1, True)
    nameless = run(shared_hub, monkeypatch, "filings", CARD)
    assert (nameless.exit_code, "发卡省" in nameless.output) == (1, True)
