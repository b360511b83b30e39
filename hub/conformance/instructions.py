"""What a client is to do in a trial, and the same as the judge sees it: events with names of their own, questions, totals."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, event_pb2, reconciliation_service_pb2
from chuanyu.exchange.v1 import references_pb2 as references
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hub.conformance.trials import Trial
from hub.sandbox.partner import sample_cards

PARTNER = "50"
# A place that there is not: what breaks a rule is quarantined.
_NOWHERE = "999999"
_RARE = "㐂䶮𠀀"


@dataclass(slots=True)
class Told:
    """What a trial gives the client: the steps as they are written for it, and of what its feed should then hold, by number."""

    trial: Trial
    run: int
    feed: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    events: list[event_pb2.Event] = field(default_factory=list)
    bad: set[int] = field(default_factory=set)
    questions: list[card_service_pb2.CheckAcceptanceRequest] = field(default_factory=list)
    totals: list[reconciliation_service_pb2.SubmitControlTotalsRequest] = field(default_factory=list)
    listed: set[str] = field(default_factory=set)


def tell(trial: Trial, run: int, feed: str, from_position: int, second: dict[str, str], hotlist_key: str) -> Told:
    """Makes the instructions of a trial. *second* has the files of the client's next certificate."""
    told = Told(trial, run, feed)
    make: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        "send": lambda step: _send(told, step),
        "ask": lambda step: _ask(told, step),
        "subscribe": lambda step: {"from_position": from_position, "kinds": ["transit_journey_completed"], "events": step["events"]},
        "totals": lambda _: _totals(told),
        "hotlist": lambda _: _hotlist(told, hotlist_key),
        "use_certificate": lambda _: dict(second),
    }
    told.steps = [{"do": step["do"], **make[step["do"]](step)} for step in trial.steps]
    return told


def _written(message: Message) -> dict[str, Any]:
    """Returns a message in both forms: its bytes, which are what is to be sent, and JSON to read."""
    body = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    return {"bytes": body, "json": MessageToDict(message, preserving_proto_field_name=True)}


def _send(told: Told, step: dict[str, Any]) -> dict[str, Any]:
    made = []
    for number in range(1, step["events"] + 1):
        event = _journey(told, len(told.events) + 1, is_rare=step.get("rare", False) and number % 2 == 0)
        if number in step.get("bad", ()):
            event.service_region = _NOWHERE
            told.bad.add(len(told.events) + 1)
        if corrected := step.get("corrects"):
            event.corrects.feed, event.corrects.sequence = told.feed, corrected
        told.events.append(event)
        made.append({"key": event.source.message_id, **_written(event)})
    return {"feed": told.feed, "events": made}


def _journey(told: Told, number: int, *, is_rare: bool) -> event_pb2.Event:
    """A metro journey with a Chongqing card in Chengdu; its message id names feed and number."""
    event = event_pb2.Event(service_region="510100", scenario="TRA.MET", medium=acceptance_pb2.MEDIUM_CONTACTLESS)
    event.occurred_at.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    event.source.system, event.source.message_id = "conformance", f"{told.feed} {number}"
    _name(event.card, sample_cards(PARTNER)[0].card_no)
    if is_rare:
        event.venue_code = f"站{_RARE}{number}"
    journey = event.transit_journey_completed
    journey.tap.mode, journey.tap.purse_counter = cast(Any, 2), number
    journey.fare_full_fen = journey.fare_paid_fen = 300
    return event


def _name(card: references.CardRef, card_no: str) -> None:
    card.issuing_province, card.kind, card.clear = PARTNER, references.CARD_IDENTIFIER_KIND_CARD_NO, card_no


def _ask(told: Told, step: dict[str, Any]) -> dict[str, Any]:
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=f"{told.feed}.q{len(told.questions) + 1}",
        scenario="TRA.MET",
        service_region="510100",
        medium=acceptance_pb2.MEDIUM_CONTACTLESS,
    )
    _name(request.card, sample_cards(PARTNER)[step["card"] - 1].card_no)
    told.questions.append(request)
    return {"question": _written(request)}


def _totals(told: Told) -> dict[str, Any]:
    # Each run has a day of its own, so that none meets the totals of an earlier one on the same hub.
    day = (datetime.now(UTC) - timedelta(days=1 + told.run)).date().isoformat()
    request = reconciliation_service_pb2.SubmitControlTotalsRequest(business_day=day, version=1, person="conformance")
    told.totals.append(request)
    return {"totals": _written(request)}


def _hotlist(told: Told, key: str) -> dict[str, Any]:
    cards = sample_cards(PARTNER)
    # Those ending in 7 and 8 are what losses are tried with.
    names = [f"card|{PARTNER}|{card.card_no}" for card in cards[:6]]
    told.listed = set(names[1:])
    return {"public_key": key, "cards": names}
