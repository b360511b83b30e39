"""Examples of the calls about journeys: a metro ride in Chengdu that clearing refused, folded as the service folds it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from chuanyu.exchange.v1 import event_pb2, references_pb2
from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import usage_transit_pb2 as transit
from google.protobuf.message import Message

from hub.admin.journeys import journeys_answer, rejected_answer, told_in_force
from hub.admin.snapshots import Asked
from hub.commands.pages.reference.samples import Example, card
from hub.domain import reference
from hub.domain.instants import LOCAL, microseconds_of, timestamp
from hub.domain.reported import Reported
from hub.domain.transit.pages import place_of
from hub.domain.transit.rides import Told
from hub.journal.reader import Recorded

_DAY, _POSITION = "2026-03-02", 180_270
_ASKED = Asked("51", date(2026, 3, 4))
_FEED, _STREAM = "sc.usage", 7


def _recorded(kind: str, message: Message, day: int, hour: int, number: int) -> Recorded:
    at_us = microseconds_of(datetime(2026, 3, day, hour, tzinfo=LOCAL))
    event = event_pb2.Event(service_region="510100", scenario="TRA.MET", occurred_at=timestamp(at_us))
    event.card.issuing_province, event.card.key = "50", bytes(32)
    getattr(event, kind).CopyFrom(message)
    return Recorded(180_240 + number, at_us, _STREAM, number, kind, event.SerializeToString())


def _events() -> list[Recorded]:
    taps = [
        transit.TransitTap(
            mode=transit.TRANSIT_MODE_METRO, line="01", station=station, purse_counter=counter, psam="653000012345", psam_sequence=counter
        )
        for station, counter in (("0606", 136), ("0611", 137))
    ]
    return [
        _recorded("transit_entry_recorded", transit.TransitEntryRecorded(tap=taps[0]), 2, 8, 1),
        _recorded("transit_exit_recorded", transit.TransitExitRecorded(tap=taps[1], fare_full_fen=400, fare_paid_fen=360), 2, 9, 2),
        _recorded(
            "transit_clearing_rejected",
            transit.TransitClearingRejected(
                trip=references_pb2.EventRef(feed=_FEED, sequence=2), reason=transit.CLEARING_REJECTION_HOTLISTED
            ),
            3,
            3,
            3,
        ),
    ]


def _told() -> list[Told]:
    return told_in_force(_events(), {}, {(_FEED, 2): (_STREAM, 2)})


def _journeys() -> Example:
    request = protos.ListJourneysRequest(card=card(), from_on=_DAY, to_on=_DAY, purpose_code="DISPUTE")
    return Example(request, journeys_answer(_told(), reference.load(), request, _ASKED, _POSITION))


def _rejected() -> Example:
    request = protos.ListRejectedTripsRequest(from_on="2026-03-03", to_on="2026-03-03")
    place = place_of(request, _ASKED.today)._replace(position=_POSITION)
    verdict = _events()[-1]
    verdicts = [Reported(verdict.kind, verdict.event, verdict.occurred_us, verdict.position)]
    return Example(request, rejected_answer(verdicts, lambda _: _told(), reference.load(), request, _ASKED, place))


EXAMPLES: Mapping[str, Callable[[], Example]] = {"ListJourneys": _journeys, "ListRejectedTrips": _rejected}
