"""Documents that a card carries: who sees them, what is shown of them counts where they are shown, and the command says the same."""

import json

import pytest
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    card_service_pb2,
    event_pb2,
    hub_decisions_pb2,
    service_item_service_pb2,
    service_item_service_pb2_grpc,
)
from chuanyu.exchange.v1 import control_pb2 as control
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from hub.cli import app
from tests.api.test_medical_service import looks
from tests.clients import DEADLINE_S, Province
from tests.hub_process import RunningHub
from tests.messages import AT_S, name_card, registered

CARD = "S00900009"


@pytest.fixture(scope="module")
def seen(sichuan: Province) -> int:
    """A card with a certificate that has ended, and a permit without an end."""
    ended, permit = event_pb2.Event(), event_pb2.Event()
    for number, event in enumerate((ended, permit), 1):
        event.occurred_at.seconds = AT_S + number
        name_card(event.card, CARD, "51")
    ended.document_folded_in.document = control.CARD_DOCUMENT_DISABILITY_CERTIFICATE
    ended.document_folded_in.valid_from, ended.document_folded_in.valid_to = "2025-01-01", "2025-12-31"
    permit.document_folded_in.document, permit.document_folded_in.valid_from = control.CARD_DOCUMENT_WORK_PERMIT, "2025-01-01"
    return sichuan.tell("sc.card-center", registered(CARD, "51"), ended, permit)


def card(seen: int, medium: int = 0) -> card_service_pb2.GetCardRequest:
    request = card_service_pb2.GetCardRequest(min_position=seen, medium=medium)  # type: ignore[arg-type]
    name_card(request.card, CARD, "51")
    return request


def test_the_issuer_alone_sees_the_documents(chongqing: Province, sichuan: Province, seen: int) -> None:
    own = sichuan.cards.GetCard(card(seen), timeout=DEADLINE_S)
    ended, permit = own.documents
    assert (ended.document, ended.valid_to, ended.in_force) == (control.CARD_DOCUMENT_DISABILITY_CERTIFICATE, "2025-12-31", False)
    assert (permit.document, permit.valid_to, permit.in_force, permit.province) == (control.CARD_DOCUMENT_WORK_PERMIT, "", True, "51")
    assert not chongqing.cards.GetCard(card(seen), timeout=DEADLINE_S).documents


def test_what_is_shown_counts_for_what_the_card_is_usable_for(chongqing: Province, seen: int) -> None:
    reasons = {}
    for medium in (acceptance_pb2.MEDIUM_WORK_PERMIT, acceptance_pb2.MEDIUM_DISABILITY_CERTIFICATE, acceptance_pb2.MEDIUM_CONTACT):
        answer = chongqing.cards.GetCard(card(seen, medium), timeout=DEADLINE_S)
        reasons[medium] = {row.scenario: list(row.reason_codes) for row in answer.usability}["CUL.MUS"]
    assert list(reasons.values()) == [[], ["DOCUMENT_NOT_IN_FORCE"], []]


def test_no_item_is_usable_by_a_document_that_has_ended(chongqing: Province, seen: int) -> None:
    stub, missing = service_item_service_pb2_grpc.ServiceItemServiceStub(chongqing.channel), []
    for medium in (acceptance_pb2.MEDIUM_DISABILITY_CERTIFICATE, acceptance_pb2.MEDIUM_WORK_PERMIT):
        request = service_item_service_pb2.ListUsableItemsRequest(service_region="500103", medium=medium, min_position=seen)
        name_card(request.card, CARD, "51")
        missing.append([one.code for one in stub.ListUsableItems(request, timeout=DEADLINE_S).missing_for_all])
    assert [("DOCUMENT_NOT_IN_FORCE" in codes) for codes in missing] == [True, False]


def test_the_command_lists_what_the_service_gives_and_is_recorded_as_a_look(
    shared_hub: RunningHub, sichuan: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    expected = MessageToDict(sichuan.cards.GetCard(card(seen), timeout=DEADLINE_S), preserving_proto_field_name=True)["documents"]
    command = ["documents", CARD, "--issuer", "51", "--purpose", "COUNTER"]
    assert json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)["documents"] == expected
    said = CliRunner().invoke(app, command).stdout
    assert "残疾人证 disability certificate  2025-01-01 – 2025-12-31  不在有效期 not in force" in said
    assert "外国人工作许可证 work permit  2025-01-01 – 长期 no end  有效 in force" in said
    assert (hub_decisions_pb2.SHOWN_RECORD_DOCUMENTS, "COUNTER") in looks(shared_hub, CARD, "51")
