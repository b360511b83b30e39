"""Questions of scenarios about journeys and about trips that clearing refused."""

from collections.abc import Mapping
from typing import Any

from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import transit_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.admin.journeys import journeys_answer, list_journeys, list_rejected_trips, rejected_answer
from hub.admin.snapshots import person_with
from hub.domain import reference as tables
from hub.domain.transit.pages import place_of
from hub.projections.views.refused_trips import REFUSED_TRIPS
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, asked_of, findings_in, further_text
from hub.scenarios.scenario import Ask


def _state(state: int) -> str:
    return protos.JourneyState.Name(protos.JourneyState.ValueType(state)).removeprefix("JOURNEY_STATE_")


def _reason(reason: int) -> str:
    return transit.ClearingRejection.Name(transit.ClearingRejection.ValueType(reason)).removeprefix("CLEARING_REJECTION_")


def _outcome(outcome: int) -> str:
    name = transit.TripDisputeOutcome.Name(transit.TripDisputeOutcome.ValueType(outcome)).removeprefix("TRIP_DISPUTE_OUTCOME_")
    return name if outcome else ""


class Journeys:
    """`ask = "journeys"`: the journeys of a person on business days, with what had happened at the end of a day."""

    needed = frozenset({"card", "from", "to", "on"})
    further = frozenset[str]()
    answers = frozenset(
        {"journeys", "days", "counters", "epochs", "uses", "paid_fen", "discounts", "disputes", "missing", "gaps", "findings"}
    )
    words: Mapping[str, str] = {
        "journeys": "行程（实付，分）journeys (paid, fen)",
        "days": "业务日 business days",
        "counters": "进出计数 counters in and out",
        "epochs": "计数轮次 epochs",
        "uses": "计数 counted",
        "paid_fen": "实付合计（分）paid in all (fen)",
        "discounts": "换乘优惠（分，首程计数）discounts (fen, counter of the first leg)",
        "disputes": "争议与处理 disputes and what was decided",
        "missing": "缺的一端 missing taps",
        "gaps": "缺漏的计数 counters that nobody reported",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from events in memory."""
        return journeys_answer(stand.taps(ask.card), tables.load(), self._request(ask), self._asked(ask, stand.issuer(ask.card)), 0)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the journal."""
        person = person_with(stand.connection, stand.key_of(ask.card))
        asked = self._asked(ask, stand.issuer(ask.card))
        return list_journeys(stand.connection, tables.load(), person, self._request(ask, position), asked)

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        stand.name(request.card, ask.card)
        return stubs.TransitServiceStub(stand.channel).ListJourneys(request, timeout=stand.deadline_s)

    def _asked(self, ask: Ask, issuer: str) -> Any:
        """Returns who asks: the card's issuer is given all journeys."""
        asked = asked_of(ask)
        return asked._replace(province="") if ask.asker == issuer else asked

    def _request(self, ask: Ask, position: int = 0) -> protos.ListJourneysRequest:
        return protos.ListJourneysRequest(from_on=ask.says["from"], to_on=ask.says["to"], on=ask.day, as_of_position=position)

    def answer_of(self, answer: protos.ListJourneysResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        found = [finding for one in answer.journeys for finding in one.findings]
        return {
            "journeys": [f"{_state(one.state)} {one.fare_paid_fen}" for one in answer.journeys],
            "days": [one.business_day for one in answer.journeys],
            "counters": [
                "→".join(str(getattr(one, name)) if one.HasField(name) else "?" for name in ("counter_in", "counter_out"))
                for one in answer.journeys
            ],
            "epochs": [one.epoch for one in answer.journeys],
            "uses": answer.uses,
            "paid_fen": answer.paid_fen,
            "discounts": [f"{one.discount_fen} {one.transfer_of}" for one in answer.journeys if one.HasField("transfer_of")],
            "disputes": [
                f"{one.dispute_reason} {_outcome(one.dispute_outcome)}".strip() for one in answer.journeys if one.HasField("disputed_at")
            ],
            "missing": [protos.MissingTap.Name(one.missing).removeprefix("MISSING_TAP_") for one in answer.journeys if one.missing],
            "gaps": [f"{one.after_counter}…{one.before_counter}: {one.missing}" for one in answer.gaps],
            "findings": findings_in([*found, *answer.findings], names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        days = f"{ask.says['from']} – {ask.says['to']}"
        return f"{ask.day}{further_text(ask)}: 持卡人 who has `{ask.card}` {days} 的行程 the journeys"


class RejectedTrips:
    """`ask = "rejected_trips"`: trips that clearing refused on some days, with what had happened at the end of a day."""

    needed = frozenset({"from", "to", "on"})
    further = frozenset({"reason"})
    answers = frozenset({"trips", "total"})
    words: Mapping[str, str] = {"trips": "行程 trips", "total": "次数 how many"}

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        verdicts = stand.told(REFUSED_TRIPS).reports
        place = place_of(self._request(ask), asked_of(ask).today)
        return rejected_answer(verdicts, lambda _: stand.taps(""), tables.load(), self._request(ask), asked_of(ask), place)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        return list_rejected_trips(stand.connection, tables.load(), self._request(ask, position), asked_of(ask))

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, position)
        request.min_position = stand.min_position
        return stubs.TransitServiceStub(stand.channel).ListRejectedTrips(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, position: int = 0) -> protos.ListRejectedTripsRequest:
        reason = transit.ClearingRejection.Value(f"CLEARING_REJECTION_{ask.says.get('reason', 'UNSPECIFIED')}")
        says = ask.says
        return protos.ListRejectedTripsRequest(from_on=says["from"], to_on=says["to"], reason=reason, on=ask.day, as_of_position=position)

    def answer_of(self, answer: protos.ListRejectedTripsResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        trips = [f"{one.region} {_reason(one.reason)} {_state(one.state)} {one.fare_paid_fen}" for one in answer.trips]
        return {"trips": trips, "total": answer.total}

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        reason = f"（{ask.says['reason']}）" if "reason" in ask.says else ""
        days = f"{ask.says['from']} – {ask.says['to']}"
        return f"{ask.day}{further_text(ask)}: {days} 清分拒绝的行程{reason} trips that clearing refused"
