"""TransitService and its commands: who may ask about whom, the look that is recorded first, and the same figures in both."""

import json
from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2
from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import transit_service_pb2_grpc as stubs
from google.protobuf.json_format import MessageToDict
from typer.testing import CliRunner, Result

from hub.cli import app
from tests.api.test_medical_service import answered, looks
from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import AT_S, journey, name_card, registered

Shown = hub_decisions_pb2.ShownRecord
Stub = stubs.TransitServiceStub
CARD, DAY = "N00000002", "2025-09-01"
REFUSED_ON = "2024-06-15"
# Noon of that day in +08:00.
REFUSED_S = 1_718_424_000


def ridden(counter: int, region: str) -> event_pb2.Event:
    event = journey(CARD, at_s=AT_S + counter)
    event.service_region, event.transit_journey_completed.tap.purse_counter = region, counter
    return event


@pytest.fixture(scope="module")
def seen(sichuan: Province, chongqing: Province) -> int:
    """A card that rode in Chengdu and at home; clearing refused the ride in Chengdu."""
    chongqing.tell("cq.card-center", registered(CARD), ridden(1, "500103"))
    trip = sichuan.next_sequence("sc.usage")
    sichuan.tell("sc.usage", ridden(2, "510100"))
    verdict = event_pb2.Event()
    verdict.occurred_at.seconds = REFUSED_S
    name_card(verdict.card, CARD, "50")
    verdict.transit_clearing_rejected.trip.feed, verdict.transit_clearing_rejected.trip.sequence = "sc.usage", trip
    verdict.transit_clearing_rejected.reason = 3
    return sichuan.tell("sc.usage", verdict)


def asked(seen: int, **says: Any) -> protos.ListJourneysRequest:
    request = protos.ListJourneysRequest(min_position=seen, **{"from_on": DAY, "to_on": DAY, **says})
    name_card(request.card, CARD, "50")
    return request


def of_refusals(seen: int, **says: Any) -> protos.ListRejectedTripsRequest:
    return protos.ListRejectedTripsRequest(min_position=seen, **{"from_on": REFUSED_ON, "to_on": REFUSED_ON, **says})


def test_the_issuer_gets_all_journeys_and_the_other_side_its_own(
    shared_hub: RunningHub, sichuan: Province, chongqing: Province, seen: int
) -> None:
    begun = len(looks(shared_hub, CARD))
    here, there = (answered(Stub(one.channel), "ListJourneys", asked(seen, purpose_code="DISPUTE")) for one in (chongqing, sichuan))
    assert [(one.region, one.state) for one in here.journeys] == [
        ("500103", protos.JOURNEY_STATE_COMPLETED),
        ("510100", protos.JOURNEY_STATE_REJECTED),
    ]
    assert (here.total, here.uses, here.paid_fen) == (2, 1, 360)
    assert ([one.region for one in there.journeys], there.uses) == (["510100"], 0)
    assert looks(shared_hub, CARD)[begun:] == [(Shown.SHOWN_RECORD_JOURNEYS, "DISPUTE")] * 2


def test_a_refused_trip_is_listed_for_both_its_sides_and_names_no_card(sichuan: Province, chongqing: Province, seen: int) -> None:
    for side in (sichuan, chongqing):
        [trip] = answered(Stub(side.channel), "ListRejectedTrips", of_refusals(seen)).trips
        assert (trip.region, trip.issuing_province, trip.reason, trip.trip.feed) == ("510100", "50", 3, "sc.usage")
    assert not answered(Stub(sichuan.channel), "ListRejectedTrips", of_refusals(seen, reason=1)).trips


def test_refused_trips_come_in_pages_of_one_position_and_a_token_is_good_for_its_own_list(sichuan: Province, seen: int) -> None:
    trip, verdict = sichuan.next_sequence("sc.usage"), event_pb2.Event()
    verdict.occurred_at.seconds = REFUSED_S + 60
    name_card(verdict.card, CARD, "50")
    verdict.transit_clearing_rejected.trip.feed, verdict.transit_clearing_rejected.trip.sequence = "sc.usage", trip
    verdict.transit_clearing_rejected.reason = 1
    last = sichuan.tell("sc.usage", ridden(3, "510100"), verdict)
    stub = Stub(sichuan.channel)
    first = answered(stub, "ListRejectedTrips", of_refusals(last, page_size=1))
    verdict.occurred_at.seconds += 60
    later = sichuan.tell("sc.usage", verdict)
    second = answered(stub, "ListRejectedTrips", of_refusals(later, page_size=1, page_token=first.next_page_token))
    assert [(page.trips[0].reason, page.total, bool(page.next_page_token)) for page in (first, second)] == [(3, 0, True), (1, 0, False)]
    assert second.as_of_position == first.as_of_position < later
    for token in (first.next_page_token + "0.", "x.1.1.1.1", first.next_page_token.replace(".", ":")):
        wrong = refused(lambda token=token: stub.ListRejectedTrips(of_refusals(0, page_token=token), timeout=DEADLINE_S))  # type: ignore[misc]
        assert wrong.violations == [("page_token", "page_of_another_list")]
    other = refused(lambda: stub.ListRejectedTrips(of_refusals(0, reason=1, page_token=first.next_page_token), timeout=DEADLINE_S))
    assert other.violations == [("page_token", "page_of_another_list")]


def test_a_wrong_question_is_refused_by_its_field(sichuan: Province, seen: int) -> None:
    stub = Stub(sichuan.channel)
    long = refused(lambda: stub.ListRejectedTrips(of_refusals(0, to_on="2024-08-01"), timeout=DEADLINE_S))
    assert long.violations == [("to_on", "out_of_range")]
    backwards = refused(lambda: stub.ListJourneys(asked(0, to_on="2025-08-31"), timeout=DEADLINE_S))
    assert backwards.violations == [("to_on", "out_of_range")]
    impossible = refused(lambda: stub.ListJourneys(asked(0, on="2025-02-30"), timeout=DEADLINE_S))
    assert impossible.violations == [("on", "impossible_date")]


# The commands


def run(hub: RunningHub, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.setenv("HUB_DSN", hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(hub.data_dir))
    return CliRunner().invoke(app, list(arguments))


def test_the_commands_and_the_service_give_the_same_figures(
    shared_hub: RunningHub, chongqing: Province, seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = ("--from", DAY, "--to", DAY)
    refusals = ("--from", REFUSED_ON, "--to", REFUSED_ON)
    pairs: tuple[tuple[tuple[str, ...], str, Any], ...] = (
        (("journeys", "list", CARD, "--issuer", "50", *days), "ListJourneys", asked(seen)),
        (("journeys", "rejected", *refusals, "--reason", "HOTLISTED"), "ListRejectedTrips", of_refusals(seen, reason=3)),
    )
    for arguments, name, request in pairs:
        expected = MessageToDict(answered(Stub(chongqing.channel), name, request), preserving_proto_field_name=True)
        result = run(shared_hub, monkeypatch, *arguments, "--json")
        assert result.exit_code == 0, result.output
        printed = json.loads(result.stdout)
        expected["as_of_position"] = printed["as_of_position"]
        assert printed == expected


def test_the_screens_say_it_in_both_languages(shared_hub: RunningHub, seen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run(shared_hub, monkeypatch, "journeys", "list", CARD, "--issuer", "50", "--from", DAY, "--to", DAY).stdout
    assert "清分拒绝 REJECTED" in shown
    assert "黑名单卡 card on the hotlist" in shown
    trips = run(shared_hub, monkeypatch, "journeys", "rejected", "--from", REFUSED_ON, "--to", REFUSED_ON).stdout
    assert "清分拒绝 REJECTED" in trips
    assert run(shared_hub, monkeypatch, "journeys", "rejected", "--from", DAY, "--to", DAY, "--reason", "TIRED").exit_code == 2
