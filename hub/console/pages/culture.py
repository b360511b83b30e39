"""What libraries and venues reported of the person who has a card that was found: loans, visits and bookings; two looks."""

from collections.abc import Iterable

from chuanyu.exchange.v1 import culture_service_pb2 as protos
from chuanyu.exchange.v1.medical_service_pb2 import ReportFinding
from google.protobuf.timestamp_pb2 import Timestamp

from hub.admin.culture import list_loans, list_visits
from hub.console.page import Page, Shown
from hub.console.pages.persons import asked, notes_cell, reports_of, what_is_wrong
from hub.console.tables import Cell, Column, Table, table
from hub.domain.instants import microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.words.ledgers import BOOKING_STATES, CULTURE_FINDINGS, LOAN_STATES, VISIT_STATES

_SHOWN = (ShownRecord.SHOWN_RECORD_LOANS, ShownRecord.SHOWN_RECORD_VISITS)


def culture(page: Page) -> Shown:
    """Shows loans, visits and bookings, as of today."""
    by = asked(page)
    of_person = reports_of(
        page,
        _SHOWN,
        lambda connection, person: (
            list_loans(connection, person, protos.ListLoansRequest(), by),
            list_visits(connection, person, protos.ListVenueVisitsRequest(), by),
        ),
    )
    loans, visits = of_person.answer
    values = {**of_person.values, "loans": loans.total, "visitors": visits.visitors}
    tables = (_loans(page, loans), _visits(page, visits), _bookings(page, visits))
    position = min(loans.as_of_position, visits.as_of_position)
    return Shown("culture", page.t("借阅与入园入馆", "Loans and visits"), values, tables, position)


def _loans(page: Page, answer: protos.ListLoansResponse) -> Table:
    columns = (
        Column("item", "图书", "Item", "code"),
        Column("state", "状态", "State"),
        Column("lent", "借出", "Lent", "time"),
        Column("branch", "借出馆", "Lent by"),
        Column("due", "到期", "Due", "time"),
        Column("ended", "结束", "Ended", "time"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in reversed(answer.loans):
        state = protos.LoanState.Name(one.state).removeprefix("LOAN_STATE_")
        notes = [
            page.t("通还", "returned to another library") if one.is_cross_return else "",
            page.t(f"逾期 {one.days_overdue} 天", f"{one.days_overdue} days overdue") if one.days_overdue else "",
            page.t("未赔", "not paid for") if one.is_unpaid else "",
        ]
        rows.append(
            (
                one.barcode,
                Cell(page.words.of(LOAN_STATES, state), code=state),
                _at(page, one.lent_at),
                one.lending_branch or "—",
                Cell(one.due_on or "—", mark="attention" if one.days_overdue else ""),
                _at(page, one.ended_at),
                _notes(page, notes, one.findings),
            )
        )
    return table("loans", columns, rows)


def _visits(page: Page, answer: protos.ListVenueVisitsResponse) -> Table:
    columns = (
        Column("venue", "场馆", "Venue"),
        Column("state", "状态", "State"),
        Column("entered", "入", "Entered", "time"),
        Column("left", "离", "Left", "time"),
        Column("visitors", "人数", "Visitors", "number"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in reversed(answer.visits):
        state = protos.VisitState.Name(one.state).removeprefix("VISIT_STATE_")
        said = Cell(page.words.of(VISIT_STATES, state), code=state)
        notes = _notes(page, [one.booking_ref], one.findings)
        rows.append((one.venue, said, _at(page, one.entered_at), _at(page, one.left_at), one.visitors, notes))
    return table("visits", columns, rows)


def _bookings(page: Page, answer: protos.ListVenueVisitsResponse) -> Table:
    columns = (
        Column("booking", "预约", "Booking", "code"),
        Column("day", "入园日", "Day", "time"),
        Column("state", "状态", "State"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in reversed(answer.bookings):
        state = protos.BookingState.Name(one.state).removeprefix("BOOKING_STATE_")
        said = Cell(page.words.of(BOOKING_STATES, state), code=state)
        rows.append((one.booking_ref, one.visit_on or "—", said, _notes(page, [], one.findings)))
    return table("bookings", columns, rows)


def _at(page: Page, at: Timestamp) -> str:
    """Writes an instant, a line where nobody reported one."""
    return page.at(microseconds(at))


def _notes(page: Page, notes: list[str], faults: Iterable[ReportFinding]) -> Cell:
    wrong = [what_is_wrong(page, fault, CULTURE_FINDINGS) for fault in faults]
    return notes_cell(page, [*notes, *wrong], is_wrong=bool(wrong))
