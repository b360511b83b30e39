"""ServiceItemService over real gRPC: lists, one item, what a holder can use, comparisons, refusals, and looks that are recorded first."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from chuanyu.exchange.v1 import hub_decisions_pb2, service_item_service_pb2_grpc
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner

from hub.admin.agreements import Officer
from hub.admin.registry import register_participant
from hub.admin.service_items import approve_version, draft_version
from hub.api.joint_services.catalogues import LOOK_AGAIN_S
from hub.cli import app
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope
from hub.journal.recorder import AggregateStore
from tests.api.test_looks import looks
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import AT_S, name_card, registered

Shown = hub_decisions_pb2.ShownRecord
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stub_of(one: Province) -> service_item_service_pb2_grpc.ServiceItemServiceStub:
    return service_item_service_pb2_grpc.ServiceItemServiceStub(one.channel)


@pytest.fixture(scope="module")
def service(sichuan: Province) -> service_item_service_pb2_grpc.ServiceItemServiceStub:
    return stub_of(sichuan)


@pytest.fixture(scope="module")
def seen(chongqing: Province) -> int:
    """Where the cards of this module are recorded."""
    lost = registered("I00000002", at_s=AT_S + 60)
    lost.formal_loss_reported.channel = 1
    return chongqing.tell("cq.card-center", registered("I00000001"), registered("I00000002"), lost)


def asks(card: str, seen: int, region: str = "510100", **says: Any) -> protos.ListUsableItemsRequest:
    request = protos.ListUsableItemsRequest(service_region=region, min_position=seen, **says)
    name_card(request.card, card, "50")
    return request


def test_a_page_of_items_has_the_figures_of_the_day(service: service_item_service_pb2_grpc.ServiceItemServiceStub) -> None:
    request = protos.ListServiceItemsRequest(as_of="2021-10-13", page_size=3, filter=protos.ServiceItemFilter(shared=True))
    page = service.ListServiceItems(request, timeout=DEADLINE_S)
    assert [item.item_id for item in page.items] == ["TB003", "TB048", "TB057"]
    assert (page.total, page.figures.named, page.figures.named_shared) == (5, 118, 5)
    assert {(one.measure, one.batch): one.value for one in page.figures.published}["FULL_ONLINE", 1] == 82
    request.page_token = page.next_page_token
    rest = service.ListServiceItems(request, timeout=DEADLINE_S)
    assert [item.item_id for item in rest.items] == ["TB064", "TB069"] and not rest.next_page_token


def test_the_search_finds_by_another_word(service: service_item_service_pb2_grpc.ServiceItemServiceStub) -> None:
    request = protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(text="ｓｂｋ"))
    assert service.ListServiceItems(request, timeout=DEADLINE_S).items[0].item_id == "TB031"


def test_an_item_that_nobody_has_is_not_found(service: service_item_service_pb2_grpc.ServiceItemServiceStub) -> None:
    refusal = refused(lambda: service.GetServiceItem(protos.GetServiceItemRequest(code="TB999"), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "UNKNOWN_ITEM")


@pytest.mark.parametrize("call", ["list", "get", "compare"])
def test_a_day_before_the_catalogue_is_out_of_range(service: service_item_service_pb2_grpc.ServiceItemServiceStub, call: str) -> None:
    day = "2020-11-02"
    made = {
        "list": lambda: service.ListServiceItems(protos.ListServiceItemsRequest(as_of=day), timeout=DEADLINE_S),
        "get": lambda: service.GetServiceItem(protos.GetServiceItemRequest(code="TB001", as_of=day), timeout=DEADLINE_S),
        "compare": lambda: service.CompareCatalogue(protos.CompareCatalogueRequest(from_on=day, to_on="2025-01-09"), timeout=DEADLINE_S),
    }
    refusal = refused(made[call])
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.OUT_OF_RANGE, "BEFORE_CATALOGUE")
    assert refusal.metadata == {"first_day": "2020-11-03"}


@pytest.mark.parametrize(
    ("fields", "violation"),
    [
        ({"as_of": "2025"}, ("as_of", "string.pattern")),
        ({"as_of": "2025-02-29"}, ("as_of", "impossible_date")),
        ({"page_size": 201}, ("page_size", "uint32.lte")),
        ({"page_token": "9.9"}, ("page_token", "page_of_another_list")),
    ],
)
def test_a_wrong_question_is_refused_by_its_field(
    service: service_item_service_pb2_grpc.ServiceItemServiceStub, fields: dict[str, Any], violation: tuple[str, str]
) -> None:
    refusal = refused(lambda: service.ListServiceItems(protos.ListServiceItemsRequest(**fields), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [violation])


def test_a_comparison_gives_both_figures(service: service_item_service_pb2_grpc.ServiceItemServiceStub) -> None:
    request = protos.CompareCatalogueRequest(from_on="2021-04-01", to_on="2025-08-26")
    answer = service.CompareCatalogue(request, timeout=DEADLINE_S)
    assert (answer.from_figures.named_shared, answer.to_figures.named_shared) == (3, 116)
    assert sum(change.field == "shared" for change in answer.changes) == 113


# What a holder can use


def test_a_look_at_what_a_holder_can_use_is_recorded_first(
    shared_hub: RunningHub, service: service_item_service_pb2_grpc.ServiceItemServiceStub, seen: int
) -> None:
    answer = service.ListUsableItems(asks("I00000001", seen, purpose_code="HOLDER_ASKED"), timeout=DEADLINE_S)
    assert (len(answer.items), answer.usable_count, answer.deciding_province) == (116, 116, "50")
    assert answer.as_of_position >= seen
    (look,) = [one.event.card_record_queried for one in looks(shared_hub, "I00000001")]
    assert (look.participant, look.purpose_code, look.shown) == (SICHUAN, "HOLDER_ASKED", Shown.SHOWN_RECORD_USABILITY)


def test_a_lost_card_can_use_nothing_and_the_answer_says_why(
    service: service_item_service_pb2_grpc.ServiceItemServiceStub, seen: int
) -> None:
    answer = service.ListUsableItems(asks("I00000002", seen), timeout=DEADLINE_S)
    assert answer.usable_count == 0
    assert [one.code for one in answer.missing_for_all] == ["LOST_FORMAL"]


def test_a_card_that_nobody_registered_is_looked_at_and_not_found(
    shared_hub: RunningHub, service: service_item_service_pb2_grpc.ServiceItemServiceStub, seen: int
) -> None:
    refusal = refused(lambda: service.ListUsableItems(asks("I00000009", seen), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "CARD_NOT_FOUND")
    (look,) = [one.event.card_record_queried for one in looks(shared_hub, "I00000009")]
    assert look.shown == Shown.SHOWN_RECORD_NOTHING


def test_a_place_of_another_side_is_the_issuers_to_ask_about(
    chongqing: Province, service: service_item_service_pb2_grpc.ServiceItemServiceStub, seen: int
) -> None:
    refusal = refused(lambda: service.ListUsableItems(asks("I00000001", seen, "500103"), timeout=DEADLINE_S))
    assert refusal.reason == "NOT_PERMITTED"
    answer = stub_of(chongqing).ListUsableItems(asks("I00000001", seen, "510100"), timeout=DEADLINE_S)
    assert answer.usable_count == 116


def test_a_place_that_no_region_has_is_refused(service: service_item_service_pb2_grpc.ServiceItemServiceStub, seen: int) -> None:
    refusal = refused(lambda: service.ListUsableItems(asks("I00000001", seen, "519999"), timeout=DEADLINE_S))
    assert refusal.violations == [("service_region", "unknown_region")]


@pytest.fixture(scope="module")
def library(shared_hub: RunningHub) -> Iterator[Province]:
    """A library of Chengdu: it hands in no cases."""
    with closing(AggregateStore(shared_hub.dsn)) as store:
        grants = [Grant("SERVICE_POINT", Scope(("CUL.LIB.*",), ("5101",)))]
        register_participant(store, PREFIX + "sc.library", "51", "sc.library", ["sc.library"], NOW, grants)
    one = Province(shared_hub, PREFIX + "sc.library")
    yield one
    one.channel.close()


def test_who_hands_in_no_cases_reads_the_catalogue_and_asks_about_no_card(library: Province, seen: int) -> None:
    assert stub_of(library).ListServiceItems(protos.ListServiceItemsRequest(), timeout=DEADLINE_S).total == 118
    refusal = refused(lambda: stub_of(library).ListUsableItems(asks("I00000001", seen), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.metadata) == ("ROLE_MISSING", {"role": "SERVICE_POINT", "scope": "scenarios"})


# What officers approve, and the commands


def test_what_officers_approve_is_answered_soon(
    shared_hub: RunningHub, service: service_item_service_pb2_grpc.ServiceItemServiceStub
) -> None:
    asked = protos.GetServiceItemRequest(code="TB060", as_of="2026-02-01")
    assert service.GetServiceItem(asked, timeout=DEADLINE_S).item.shared
    version = items.ServiceItemVersion(state=items.SERVICE_ITEM_STATE_SUSPENDED, valid_from="2026-02-01")
    with closing(AggregateStore(shared_hub.dsn)) as store:
        draft_version(store, items.ServiceItemDrafted(item_id="TB060", version=version), Officer("51", "5101"), NOW)
        approve_version(store, "TB060", Officer("51", "5102"), NOW)
    deadline = datetime.now(UTC).timestamp() + 10 * LOOK_AGAIN_S
    while (answer := service.GetServiceItem(asked, timeout=DEADLINE_S)).version.changes < 2:
        assert datetime.now(UTC).timestamp() < deadline
    assert not answer.item.shared
    assert answer.item.sides[1].state == items.SERVICE_ITEM_STATE_SUSPENDED


def test_commands_and_service_give_the_same_figures(
    shared_hub: RunningHub, service: service_item_service_pb2_grpc.ServiceItemServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    asked = protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(department="人社"), as_of="2026-01-15", page_size=5)
    by_service = MessageToDict(service.ListServiceItems(asked, timeout=DEADLINE_S), preserving_proto_field_name=True)
    said = CliRunner().invoke(app, ["items", "list", "--department", "人社", "--at", "2026-01-15", "--most", "5", "--json"])
    by_command = json.loads(said.stdout)
    for answer in (by_service, by_command):
        # The hub of this module may know a change that was approved since.
        answer["version"].pop("changes", None)
    assert by_service == by_command


def test_operators_ask_what_a_holder_can_use(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HUB_DSN": shared_hub.dsn, "HUB_DATA_DIR": str(shared_hub.data_dir)}.items():
        monkeypatch.setenv(name, value)
    asked = ["items", "usable", "I00000001", "--issuer", "50", "--target", shared_hub.targets[0], "--purpose", "COMPLAINT"]
    said = CliRunner().invoke(app, [*asked, "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["deciding_province"] == "50"
    assert "项可办 usable" in CliRunner().invoke(app, asked).stdout
    newest = [one.event.card_record_queried for one in looks(shared_hub, "I00000001")][-1]
    assert newest.participant != CHONGQING and newest.purpose_code == "COMPLAINT"
