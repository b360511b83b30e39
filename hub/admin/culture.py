"""Where libraries and venues are read: a reader, loans of a person or an item, visits of a person. Service and command ask here."""

import psycopg
from chuanyu.exchange.v1 import culture_service_pb2 as protos

from hub.admin.snapshots import Asked, Told, end_us, is_side, snapshot, told_of, told_under
from hub.domain.culture.answers import MOST, booking_message, loan_message, reader_message, visit_message
from hub.domain.culture.loans import READER_REGISTERED, Loan, loans_at, reader_at
from hub.domain.culture.visits import bookings_at, visits_at
from hub.domain.joint_services.answers import day_asked
from hub.domain.reported import Person
from hub.projections.views.culture import LOANS, VISITS


def get_reader(connection: psycopg.Connection, person: Person, request: protos.GetReaderRequest, asked: Asked) -> protos.GetReaderResponse:
    """Returns a person as a reader; raises RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, LOANS, max(request.min_position, at)) as position:
        told = _of_person(connection, person, at)
    return reader_answer(told, person, request, asked, at or position)


def _of_person(connection: psycopg.Connection, person: Person, at: int) -> Told:
    """Reads what is reported of a person as a reader, and of all items that the person borrowed: anybody may return them."""
    own = told_of(connection, LOANS, person, at)
    barcodes = {one.message.barcode for one in own.reports if one.kind != READER_REGISTERED}
    items = told_under(connection, LOANS, barcodes, at)
    return Told([*(one for one in own.reports if one.kind == READER_REGISTERED), *items.reports], [])


def reader_answer(told: Told, person: Person, request: protos.GetReaderRequest, asked: Asked, position: int) -> protos.GetReaderResponse:
    """Returns the answer from the reports of the person and of the items."""
    on = day_asked(request.on, "on", asked.today)
    registered = [one for one in told.reports if one.kind == READER_REGISTERED]
    items = [one for one in told.reports if one.kind != READER_REGISTERED]
    answer = reader_message(reader_at(registered, items, person, end_us(on)))
    answer.as_of_position, answer.as_of = position, on.isoformat()
    return answer


def list_loans(
    connection: psycopg.Connection, person: Person | None, request: protos.ListLoansRequest, asked: Asked
) -> protos.ListLoansResponse:
    """Returns the loans of a person, else of an item; raises RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, LOANS, max(request.min_position, at)) as position:
        told = _of_person(connection, person, at) if person is not None else told_under(connection, LOANS, [request.barcode], at)
    return loans_answer(told, person, request, asked, at or position)


def loans_answer(
    told: Told, person: Person | None, request: protos.ListLoansRequest, asked: Asked, position: int
) -> protos.ListLoansResponse:
    """Returns the answer from the reports of the items."""
    on = day_asked(request.on, "on", asked.today)
    items = [one for one in told.reports if one.kind != READER_REGISTERED and request.barcode in ("", one.message.barcode)]
    found = [
        loan
        for loan in loans_at(items, end_us(on))
        if (person is None or loan.is_of(person)) and (loan.is_open or not request.open) and is_side(_sides(loan), asked.province)
    ]
    answer = protos.ListLoansResponse(total=len(found), as_of_position=position, as_of=on.isoformat())
    answer.loans.extend(map(loan_message, found[-MOST:]))
    return answer


def _sides(loan: Loan) -> set[str]:
    return {one.province for one in (loan.lent, loan.ended, *loan.renewals) if one is not None}


def list_visits(
    connection: psycopg.Connection, person: Person, request: protos.ListVenueVisitsRequest, asked: Asked
) -> protos.ListVenueVisitsResponse:
    """Returns the visits and bookings of a person; raises RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, VISITS, max(request.min_position, at)) as position:
        told = told_of(connection, VISITS, person, at)
    return visits_answer(told, person, request, asked, at or position)


def visits_answer(
    told: Told, person: Person, request: protos.ListVenueVisitsRequest, asked: Asked, position: int
) -> protos.ListVenueVisitsResponse:
    """Returns the answer from the reports of the person."""
    on = day_asked(request.on, "on", asked.today)
    own = [one for one in told.reports if person.is_of(one) and is_side({one.province}, asked.province)]
    visits = visits_at(own, end_us(on))
    answer = protos.ListVenueVisitsResponse(visitors=sum(visit.visitors for visit in visits), as_of_position=position, as_of=on.isoformat())
    answer.visits.extend(map(visit_message, visits[-MOST:]))
    answer.bookings.extend(map(booking_message, bookings_at(own, end_us(on))[-MOST:]))
    return answer
