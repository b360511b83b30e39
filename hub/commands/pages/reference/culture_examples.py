"""Examples of the calls about libraries and venues: a book lent in Chengdu, a visit on a booking, folded as the service folds them."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from chuanyu.exchange.v1 import culture_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_culture_pb2 as culture
from google.protobuf.message import Message

from hub.admin.culture import loans_answer, reader_answer, visits_answer
from hub.admin.snapshots import Asked, Told
from hub.commands.pages.reference.samples import Example, card
from hub.domain.instants import LOCAL, microseconds_of, timestamp
from hub.domain.reported import Person, Reported

_DAY, _POSITION = date(2026, 4, 3), 180_260
_KEY = bytes(32)
_ASKED, _PERSON = Asked("51", _DAY), Person(frozenset(), frozenset({_KEY}))


def _reported(kind: str, message: Message, day: int, position: int, venue: str = "") -> Reported:
    at_us = microseconds_of(datetime(2026, 3, day, 9, tzinfo=LOCAL))
    event = event_pb2.Event(service_region="510100", occurred_at=timestamp(at_us), venue_code=venue)
    event.card.issuing_province, event.card.key = "50", _KEY
    getattr(event, kind).CopyFrom(message)
    return Reported(kind, event, at_us, position)


def _library() -> Told:
    registered = culture.LibraryReaderRegistered(branch_code="SC-LIB-001")
    lent = culture.LibraryItemBorrowed(branch_code="SC-LIB-001", barcode="B510001000123456", owner_branch="SC-LIB-001", due_on="2026-04-01")
    return Told([_reported("library_reader_registered", registered, 1, 180_230), _reported("library_item_borrowed", lent, 2, 180_240)], [])


def _reader() -> Example:
    request = protos.GetReaderRequest(card=card(), purpose_code="LOAN")
    return Example(request, reader_answer(_library(), _PERSON, request, _ASKED, _POSITION))


def _loans() -> Example:
    request = protos.ListLoansRequest(card=card(), open=True, purpose_code="LOAN")
    return Example(request, loans_answer(_library(), _PERSON, request, _ASKED, _POSITION))


def _visits() -> Example:
    booked = culture.VenueBookingMade(booking_ref="K20260301000017", visit_on="2026-03-05", party_size=2)
    entered = culture.VenueGateEntered(
        gate="EAST",
        ticket_type=culture.TICKET_TYPE_FULL,
        concession=culture.VISIT_CONCESSION_NONE,
        party_size=2,
        booking_ref="K20260301000017",
    )
    told = [
        _reported("venue_booking_made", booked, 1, 180_231, "SC-PARK-01"),
        _reported("venue_gate_entered", entered, 5, 180_250, "SC-PARK-01"),
    ]
    request = protos.ListVenueVisitsRequest(card=card(), purpose_code="HOLDER_REQUEST")
    return Example(request, visits_answer(Told(told, []), _PERSON, request, _ASKED, _POSITION))


EXAMPLES: Mapping[str, Callable[[], Example]] = {"GetReader": _reader, "ListLoans": _loans, "ListVenueVisits": _visits}
