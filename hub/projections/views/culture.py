"""Views: reports of loans by item, with those of readers; and of visits and bookings by booking or gate."""

from hub.domain.culture.loans import LOAN_KINDS, READER_REGISTERED
from hub.domain.culture.visits import VISIT_KINDS
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view

_BY_PERSON = ("card WHERE card <> ''", "holder WHERE holder <> ''")


def _loan(recorded: Recorded) -> tuple[str, str]:
    message = getattr(recorded.event, recorded.kind)
    # No barcode begins like this; a reader is looked for by person.
    return f"reader {message.branch_code}" if recorded.kind == READER_REGISTERED else message.barcode, ""


def _visit(recorded: Recorded) -> tuple[str, str]:
    message = getattr(recorded.event, recorded.kind)
    return message.booking_ref or f"gate {message.gate}", ""


LOANS = reports_view("library_loan", LOAN_KINDS | {READER_REGISTERED}, _loan, _BY_PERSON)
VISITS = reports_view("venue_visit", VISIT_KINDS, _visit, _BY_PERSON)
