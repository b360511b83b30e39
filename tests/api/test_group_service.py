"""CheckGroupService and its command: who may ask, the purpose that is recorded first, and the same answer in both."""

import json

import pytest
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2
from typer.testing import CliRunner

from hub.api.edge import group_services
from hub.api.edge.group_services import DAY_S, GROUP_SERVICES, GroupServices
from hub.cli import app
from hub.domain.errors import QuotaExceeded
from tests.api.test_medical_service import looks
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import AT_S, name_card, question, registered

CARD = "N00000003"


@pytest.fixture(scope="module")
def seen(chongqing: Province) -> int:
    """A card whose holder has a priority lane."""
    basis = event_pb2.Event()
    basis.occurred_at.seconds = AT_S + 1
    name_card(basis.card, CARD, "50")
    told = basis.group_basis_registered
    told.group_code, told.legal_basis, told.valid_from = "VETERAN", "退役军人保障法", "2025-09-01"
    told.services.append("PRIORITY_LANE")
    return chongqing.tell("cq.card-center", registered(CARD), basis)


def asked(seen: int, **says: str) -> protos.CheckGroupServiceRequest:
    fields = {"service": "PRIORITY_LANE", "scenario": "GOV.ID", "service_region": "510100", "purpose_code": "QUEUE"}
    request = protos.CheckGroupServiceRequest(min_position=seen, **(fields | says))
    name_card(request.card, CARD, "50")
    return request


def test_the_other_side_learns_whether_there_is_an_extra_and_the_question_is_recorded(
    shared_hub: RunningHub, sichuan: Province, seen: int
) -> None:
    begun = len(looks(shared_hub, CARD))
    answer = sichuan.cards.CheckGroupService(asked(seen), timeout=DEADLINE_S)
    assert (answer.has_extra, answer.HasField("reason")) == (True, False)
    other = sichuan.cards.CheckGroupService(asked(seen, service="HOME_VISIT"), timeout=DEADLINE_S)
    assert (other.has_extra, other.reason.code) == (False, "GROUP_EXTRA_WITHHELD")
    assert looks(shared_hub, CARD)[begun:] == [(hub_decisions_pb2.SHOWN_RECORD_GROUP_SERVICE, "QUEUE")] * 2


def test_a_question_without_a_purpose_or_elsewhere_is_refused(sichuan: Province, seen: int) -> None:
    nameless = refused(lambda: sichuan.cards.CheckGroupService(asked(seen, purpose_code=""), timeout=DEADLINE_S))
    assert (nameless.reason, [path for path, _ in nameless.violations]) == ("REQUEST_INVALID", ["purpose_code"])
    elsewhere = refused(lambda: sichuan.cards.CheckGroupService(asked(seen, service_region="500103"), timeout=DEADLINE_S))
    assert elsewhere.reason == "NOT_PERMITTED"


def test_the_command_gives_the_same_answer_in_both_languages(
    shared_hub: RunningHub, sichuan: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    command = ["group-service", CARD, "--issuer", "50", "--service", "HOME_VISIT", "--region", "510100", "--purpose", "QUEUE"]
    expected = MessageToDict(
        sichuan.cards.CheckGroupService(asked(seen, service="HOME_VISIT"), timeout=DEADLINE_S), preserving_proto_field_name=True
    )
    printed = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    # Later by the time between the two, and further by the look.
    for moving in ("at", "as_of_position"):
        expected[moving] = printed[moving]
    assert printed == expected
    assert "无：照常提供服务 no: the service without the extra" in CliRunner().invoke(app, command).stdout


def test_who_tries_the_services_of_a_card_one_by_one_is_refused_on_each_way_before_anything_is_looked_at(
    shared_hub: RunningHub, sichuan: Province, chongqing: Province
) -> None:
    def extra(service: str, card: str = "N00000044") -> protos.CheckGroupServiceRequest:
        request = asked(0, service=service)
        request.card.clear = card
        return request

    def claiming(service: str) -> protos.CheckAcceptanceRequest:
        request = question(f"claims-{service}", "N00000044", scenario="GOV.ID")
        request.claims.group_service, request.subject_refs.scheme = True, service
        return request

    for number in range(GROUP_SERVICES - 1):
        sichuan.cards.CheckGroupService(extra(f"SERVICE_{number}"), timeout=DEADLINE_S)
    sichuan.cards.CheckAcceptance(claiming("LAST"), timeout=DEADLINE_S)
    begun = looks(shared_hub, "N00000044")
    hypothetical = protos.ExplainAcceptanceRequest(hypothetical=claiming("FURTHER"), purpose_code="QUEUE")
    for ask in (
        lambda: sichuan.cards.CheckGroupService(extra("FURTHER"), timeout=DEADLINE_S),
        lambda: sichuan.cards.CheckAcceptance(claiming("FURTHER"), timeout=DEADLINE_S),
        lambda: sichuan.cards.ExplainAcceptance(hypothetical, timeout=DEADLINE_S),
    ):
        refusal = refused(ask)
        assert (refusal.reason, refusal.metadata) == ("QUOTA_EXCEEDED", {"quota": "group_services_per_day", "limit": f"{GROUP_SERVICES}"})
        [wait] = refusal.details(error_details_pb2.RetryInfo)
        assert DAY_S - 60 < wait.retry_delay.seconds <= DAY_S
    assert looks(shared_hub, "N00000044") == begun
    # What was asked already may be asked again, as may another card, and another participant.
    sichuan.cards.CheckGroupService(extra("SERVICE_0"), timeout=DEADLINE_S)
    sichuan.cards.CheckGroupService(extra("FURTHER", "N00000045"), timeout=DEADLINE_S)
    elsewhere = extra("FURTHER")
    elsewhere.service_region = "500103"
    chongqing.cards.CheckGroupService(elsewhere, timeout=DEADLINE_S)


def test_a_day_after_a_service_was_asked_about_there_is_room_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(group_services.time, "monotonic", lambda: now_s)
    groups = GroupServices()
    for hour in range(GROUP_SERVICES):
        now_s = hour * 3_600.0
        groups.take(b"card", f"SERVICE_{hour}")
    with pytest.raises(QuotaExceeded) as refusal:
        groups.take(b"card", "FURTHER")
    assert refusal.value.retry_after_s == DAY_S - now_s
    now_s = DAY_S
    groups.take(b"card", "FURTHER")
    with pytest.raises(QuotaExceeded):
        groups.take(b"card", "ONE_MORE")


def test_cards_beyond_those_that_are_known_at_once_push_out_the_one_asked_about_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_services, "CARDS", 2)
    groups = GroupServices()
    for card in (b"a", b"b", b"a", b"c"):
        for number in range(GROUP_SERVICES):
            groups.take(card, f"SERVICE_{number}")
    groups.take(b"b", "FURTHER")
    with pytest.raises(QuotaExceeded):
        groups.take(b"c", "FURTHER")
