"""The page of a person's journeys: taps, the discount of a transfer, why clearing refused a trip, and what was decided of a dispute."""

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.domain.looks import Shown as ShownRecord
from tests.clients import Province
from tests.console.conftest import NOW_S, Scene, Visitor, await_views
from tests.console.test_console import looked
from tests.hub_process import SICHUAN
from tests.messages import journey, name_card, registered

RIDER = "S19905188"
# Weeks ago, on days whose counts no other test looks at.
RODE_S = NOW_S - 20 * 86_400


def ride(counter: int, at_s: int, fare_fen: int) -> event_pb2.Event:
    event = journey(RIDER, "51", at_s=at_s, fare_fen=fare_fen)
    event.transit_journey_completed.tap.purse_counter, event.transit_journey_completed.tap.line = counter, f"L{counter}"
    return event


def about(at_s: int) -> event_pb2.Event:
    event = event_pb2.Event()
    event.occurred_at.seconds = at_s
    event.service_region, event.scenario = "510100", "TRA.MET"
    name_card(event.card, RIDER, "51")
    return event


def ridden(scene: Scene) -> int:
    """Reports four rides: one of a transfer, one that clearing refused, one whose dispute was decided; returns the last position."""
    sichuan = Province(scene.hub, SICHUAN)
    first = sichuan.next_sequence("sc.usage")
    transfer, refused, disputed, decided = (about(RODE_S + at) for at in (1_800, 90_000, 90_000, 180_000))
    discount = transfer.transit_transfer_discounted
    discount.tap.mode, discount.tap.purse_counter, discount.tap.line = 2, 2, "L2"
    discount.discount_fen, discount.first_leg_counter = 150, 1
    refused.transit_clearing_rejected.trip.feed, refused.transit_clearing_rejected.trip.sequence = "sc.usage", first + 2
    refused.transit_clearing_rejected.reason = transit.CLEARING_REJECTION_TAC_BAD
    for event, says in ((disputed, {"reason_code": "NOT_MINE"}), (decided, {"outcome": transit.TRIP_DISPUTE_OUTCOME_UPHELD})):
        event.transit_trip_disputed.trip.feed, event.transit_trip_disputed.trip.sequence = "sc.usage", first + 3
        event.transit_trip_disputed.MergeFrom(transit.TransitTripDisputed(**says))  # type: ignore[arg-type]
    sichuan.tell("sc.card-center", registered(RIDER, "51", at_s=RODE_S - 60))
    rides = (ride(1, RODE_S, 400), ride(2, RODE_S + 1_800, 250), ride(3, RODE_S + 7_200, 300), ride(4, RODE_S + 9_000, 300))
    last = sichuan.tell("sc.usage", *rides, transfer, refused, disputed, decided)
    sichuan.channel.close()
    return last


def test_the_journeys_of_a_person_say_what_became_of_each_and_are_a_look(scene: Scene, auditor: Visitor) -> None:
    await_views(scene.hub.dsn, ridden(scene))
    address = auditor.post("/find", q=RIDER, issuer="51", purpose="COMPLAINT").headers["location"]
    before = len(looked(scene))
    page = auditor.get(f"{address}/journeys")
    for said in (
        "transfer discount 1.50 yuan, first leg 1",
        "wrong TAC",
        "refused by clearing",
        "disputed NOT_MINE",
        "upheld after the dispute",
    ):
        assert said in page, said
    assert f'href="{address}/journeys"' in auditor.get(address)
    shown = [look.shown for look in looked(scene)[before:]]  # type: ignore[attr-defined]
    assert shown[0] == ShownRecord.SHOWN_RECORD_JOURNEYS
