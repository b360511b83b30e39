"""What answers say of readers, loans and visits: their messages; the service and the commands share them."""

from collections.abc import Iterable

from chuanyu.exchange.v1 import culture_service_pb2 as protos

from hub.domain.culture.loans import Loan, Reader
from hub.domain.culture.visits import Booking, Visit
from hub.domain.instants import timestamp
from hub.domain.medical.answers import finding_messages

MOST = 200
CHONGQING, SICHUAN = "50", "51"


def reader_message(reader: Reader) -> protos.GetReaderResponse:
    """Returns a reader as answers have it, without position and day."""
    open_loans = [loan.lent.province for loan in reader.loans if loan.is_open and loan.lent is not None]
    return protos.GetReaderResponse(
        is_registered=bool(reader.registrations),
        branches=[one.message.branch_code for one in reader.registrations],
        open_in_chongqing=open_loans.count(CHONGQING),
        open_in_sichuan=open_loans.count(SICHUAN),
        overdue=len(reader.overdue),
        unpaid=len(reader.unpaid),
        is_stopped=reader.is_stopped,
        branches_to_go_to=list(dict.fromkeys(_branches(reader))),
    )


def _branches(reader: Reader) -> Iterable[str]:
    for loan in reader.overdue:
        if loan.lent is not None:
            yield loan.lent.message.branch_code
    for loan in reader.unpaid:
        if loan.ended is not None:
            yield loan.ended.message.branch_code


def loan_message(loan: Loan) -> protos.Loan:
    """Returns a loan as answers have it."""
    message = protos.Loan(
        owner_branch=loan.owner,
        barcode=loan.barcode,
        state=protos.LoanState.Value(f"LOAN_STATE_{loan.state}"),
        due_on=loan.due_on,
        renewals=len(loan.renewals),
        is_cross_return=loan.is_cross_return,
        days_overdue=loan.days_overdue,
        is_unpaid=loan.is_unpaid,
        findings=finding_messages(loan.findings),
    )
    if loan.lent is not None:
        message.lending_branch = loan.lent.message.branch_code
        message.lent_at.CopyFrom(timestamp(loan.lent.occurred_us))
    if loan.ended is not None:
        message.ended_branch, message.fine_fen = loan.ended.message.branch_code, loan.ended.message.fine_fen
        message.ended_at.CopyFrom(timestamp(loan.ended.occurred_us))
    return message


def visit_message(visit: Visit) -> protos.VenueVisit:
    """Returns a visit as answers have it."""
    message = protos.VenueVisit(
        venue=visit.venue,
        state=protos.VisitState.Value(f"VISIT_STATE_{visit.state}"),
        visitors=visit.visitors,
        booking_ref=visit.booking_ref,
        findings=finding_messages(visit.findings),
    )
    for one, field in ((visit.left, "left_at"), (visit.entered, "entered_at")):
        if one is not None:
            getattr(message, field).CopyFrom(timestamp(one.occurred_us))
            message.region = one.event.service_region
    if visit.entered is not None:
        message.ticket_type, message.concession = visit.entered.message.ticket_type, visit.entered.message.concession
    return message


def booking_message(booking: Booking) -> protos.VenueBooking:
    """Returns a booking as answers have it."""
    message = protos.VenueBooking(
        booking_ref=booking.booking_ref,
        state=protos.BookingState.Value(f"BOOKING_STATE_{booking.state}"),
        findings=finding_messages(booking.findings),
    )
    if booking.made is not None:
        message.visit_on, message.party_size = booking.made.message.visit_on, booking.made.message.party_size
    if booking.cancelled is not None:
        message.cancelled_at.CopyFrom(timestamp(booking.cancelled.occurred_us))
    return message
