"""GetConcessionBalance and its command: who may ask, the look that is recorded first, and the same figures in both."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from google.protobuf.json_format import MessageToDict

from hub.admin.registry import register_participant
from hub.domain.participant import PREFIX
from hub.domain.roles import Grant, Scope
from hub.journal.recorder import AggregateStore
from tests.api.test_medical_service import looks, run
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import AT_S, name_card, registered

CARD, REGION = "E00000001", "500103"


def about(kind: str, at_s: int) -> event_pb2.Event:
    event = event_pb2.Event(service_region=REGION, scenario="TRA.ELD")
    event.occurred_at.seconds = at_s
    name_card(event.card, CARD, "50")
    getattr(event, kind).SetInParent()
    return event


@pytest.fixture(scope="module")
def seen(chongqing: Province) -> int:
    """An elder of Chongqing with a ride, and one that the source says how many units are left after."""
    bound = about("transit_concession_bound", AT_S - 60)
    bound.transit_concession_bound.binding = accounts.CONCESSION_BINDING_SOCIAL_CARD
    chongqing.tell("cq.card-center", registered(CARD))
    chongqing.tell("cq.card-center", bound)
    ridden, used = about("transit_journey_completed", AT_S), about("transit_concession_consumed", AT_S + 60)
    ride = ridden.transit_journey_completed
    ride.tap.mode, ride.tap.purse_counter, ride.concession_type = transit.TRANSIT_MODE_METRO, 7, transit.CONCESSION_TYPE_ELDER
    ride.concession_units = 2
    consumed = used.transit_concession_consumed
    consumed.concession_type, consumed.units, consumed.units_left = transit.CONCESSION_TYPE_ELDER, 1, 40
    return chongqing.tell("cq.usage", ridden, used)


def asked(seen: int = 0, region: str = REGION, at_s: int = 0) -> protos.GetConcessionBalanceRequest:
    request = protos.GetConcessionBalanceRequest(region=region, min_position=seen, purpose_code="HOLDER_ASKS")
    name_card(request.card, CARD, "50")
    if at_s:
        request.at.seconds = at_s
    return request


def test_the_issuer_sees_what_was_granted_used_and_left_once_the_look_is_recorded(
    shared_hub: RunningHub, chongqing: Province, seen: int
) -> None:
    answer = chongqing.cards.GetConcessionBalance(asked(seen, at_s=AT_S + 120), timeout=DEADLINE_S)
    assert (answer.has_scheme, answer.city, answer.period, answer.granted, answer.used) == (True, "500000", "2025", 1_200, 3)
    assert (answer.left, answer.told_left, answer.is_broken, answer.is_overdrawn) == (40, 40, True, False)
    assert answer.binding == accounts.CONCESSION_BINDING_SOCIAL_CARD
    assert [(entry.units, entry.HasField("units_left")) for entry in answer.entries] == [(1, True), (2, False)]
    assert looks(shared_hub, CARD)[-1] == (hub_decisions_pb2.SHOWN_RECORD_UNITS, "HOLDER_ASKS")


def test_rides_by_a_medium_that_the_concession_had_left_are_shown_after_a_while(chongqing: Province) -> None:
    moved = about("transit_concession_rebound", AT_S)
    moved.transit_concession_rebound.from_binding = accounts.CONCESSION_BINDING_SOCIAL_CARD
    moved.transit_concession_rebound.to_binding = accounts.CONCESSION_BINDING_YUKUAI_CODE
    rides = []
    for hours, medium in ((1, acceptance.MEDIUM_CONTACTLESS), (73, acceptance.MEDIUM_CONTACTLESS), (74, acceptance.MEDIUM_YUKUAI_CODE)):
        ridden = about("transit_journey_completed", AT_S + 3_600 * hours)
        ridden.medium, ride = medium, ridden.transit_journey_completed
        ride.tap.mode, ride.tap.purse_counter = transit.TRANSIT_MODE_METRO, hours
        ride.concession_type, ride.concession_units = transit.CONCESSION_TYPE_ELDER, 1
        rides.append(ridden)
    request = asked(at_s=AT_S + 3_600 * 75)
    for one in (request, moved, *rides):
        name_card(one.card, "E00000007", "50")
    chongqing.tell("cq.card-center", registered("E00000007"), moved)
    request.min_position = chongqing.tell("cq.usage", *rides)
    answer = chongqing.cards.GetConcessionBalance(request, timeout=DEADLINE_S)
    assert [(entry.units, entry.other_medium) for entry in answer.entries] == [(1, False), (1, True), (1, False)]


def test_at_another_instant_it_is_what_it_was(chongqing: Province, seen: int) -> None:
    answer = chongqing.cards.GetConcessionBalance(asked(seen, at_s=AT_S + 30), timeout=DEADLINE_S)
    assert (answer.used, answer.left, answer.HasField("told_left")) == (2, 1_198, False)


def test_where_the_city_gives_nothing_there_is_no_balance(chongqing: Province, seen: int) -> None:
    answer = chongqing.cards.GetConcessionBalance(asked(seen, region="510112", at_s=AT_S), timeout=DEADLINE_S)
    assert (answer.has_scheme, answer.city, answer.left) == (False, "510100", 0)


@pytest.fixture(scope="module")
def gate(shared_hub: RunningHub) -> Iterator[Province]:
    """A gate of Chengdu that serves elders."""
    with closing(AggregateStore(shared_hub.dsn)) as store:
        grants = [Grant("SERVICE_POINT", Scope(("TRA.ELD",), ("5101",)))]
        register_participant(store, PREFIX + "sc.gates", "51", "sc.gates", ["sc.gates"], datetime.now(UTC), grants)
    one = Province(shared_hub, PREFIX + "sc.gates")
    yield one
    one.channel.close()


def test_a_gate_of_the_city_sees_the_balance_and_no_entries(gate: Province, seen: int) -> None:
    answer = gate.cards.GetConcessionBalance(asked(seen, region="510104"), timeout=DEADLINE_S)
    assert (answer.has_scheme, answer.granted, len(answer.entries)) == (True, 100, 0)


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (asked(region=REGION), "NOT_PERMITTED"),
        (asked(region="510104", at_s=AT_S), "NOT_PERMITTED"),
        (asked(region="510700"), "ROLE_MISSING"),
    ],
    ids=["another province", "another time", "another city"],
)
def test_a_gate_asks_about_its_own_city_and_now(gate: Province, request_: protos.GetConcessionBalanceRequest, reason: str) -> None:
    assert refused(lambda: gate.cards.GetConcessionBalance(request_, timeout=DEADLINE_S)).reason == reason


def test_an_unknown_region_is_refused_in_words(chongqing: Province) -> None:
    refusal = refused(lambda: chongqing.cards.GetConcessionBalance(asked(region="509999"), timeout=DEADLINE_S))
    assert (refusal.reason, refusal.violations) == ("REQUEST_INVALID", [("region", "unknown_region")])


def test_the_command_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = chongqing.cards.GetConcessionBalance(asked(seen, at_s=AT_S + 120), timeout=DEADLINE_S)
    instant = datetime.fromtimestamp(AT_S + 120, UTC).isoformat()
    arguments = ("concession", CARD, "--city", REGION, "--issuer", "50", "--at", instant)
    result = run(shared_hub, monkeypatch, *arguments, "--json")
    assert result.exit_code == 0, result.output
    printed, expected = json.loads(result.stdout), MessageToDict(answer, preserving_proto_field_name=True)
    assert printed == {**expected, "as_of_position": printed["as_of_position"]}
    screen = run(shared_hub, monkeypatch, *arguments).stdout
    assert "剩余 left 40" in screen and "社保卡 social card" in screen and "⚠" in screen


def test_the_command_refuses_an_unknown_region_in_both_languages(shared_hub: RunningHub, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(shared_hub, monkeypatch, "concession", CARD, "--city", "509999", "--issuer", "50")
    assert (result.exit_code, "unknown_region" in result.output) == (1, True)
