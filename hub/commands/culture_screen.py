"""How readers, loans and visits read on a terminal."""

from collections.abc import Iterable

import typer
from chuanyu.exchange.v1 import culture_service_pb2 as protos
from chuanyu.exchange.v1 import medical_service_pb2 as medical
from google.protobuf.timestamp_pb2 import Timestamp

from hub.commands.medical_screen import finding_line
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.instants import microseconds
from hub.words.ledgers import BOOKING_STATES, CULTURE_FINDINGS, LOAN_STATES, VISIT_STATES


def show_reader(answer: protos.GetReaderResponse) -> None:
    """Prints a person as a reader."""
    registered = "、".join(answer.branches) if answer.is_registered else "未见注册 not reported as registered"
    stopped = "停借 stopped" if answer.is_stopped else "可借 may borrow"
    go_to = f"，请到 go to {'、'.join(answer.branches_to_go_to)}" if answer.branches_to_go_to else ""
    typer.echo(f"读者 reader: {registered}")
    typer.echo(f"在借 open: 重庆 Chongqing {answer.open_in_chongqing}，四川 Sichuan {answer.open_in_sichuan}")
    typer.echo(f"逾期 overdue {answer.overdue}，丢失未赔 lost and not paid for {answer.unpaid}")
    typer.echo(f"{stopped}{go_to}")
    typer.echo(f"{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def show_loans(answer: protos.ListLoansResponse) -> None:
    """Draws loans."""
    drawn = table(
        whole("图书\nitem"),
        whole("所属馆\nowner"),
        whole("状态\nstate"),
        whole("借出馆、时间\nlent by, at"),
        whole("到期\ndue"),
        whole("结束馆、时间\nended at"),
        folded("备注\nnotes"),
    )
    for one in answer.loans:
        state = protos.LoanState.Name(one.state).removeprefix("LOAN_STATE_")
        drawn.add_row(
            one.barcode,
            one.owner_branch or "—",
            f"{LOAN_STATES[state][0]} {state}",
            f"{one.lending_branch or '—'}\n{_at(one.lent_at) if one.HasField('lent_at') else '—'}",
            one.due_on or "—",
            f"{one.ended_branch or '—'}\n{_at(one.ended_at) if one.HasField('ended_at') else '—'}",
            "\n".join(_notes(one)),
        )
    screen().print(drawn)
    typer.echo(f"{answer.total} 笔 loans，{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def _notes(one: protos.Loan) -> Iterable[str]:
    if one.is_cross_return:
        yield "通还 returned to another library"
    if one.days_overdue:
        yield f"逾期 overdue {one.days_overdue} 天 days"
    if one.is_unpaid:
        yield "未赔 not paid for"
    yield from map(_finding, one.findings)


def _finding(finding: medical.ReportFinding) -> str:
    return finding_line(finding, CULTURE_FINDINGS)


def show_visits(answer: protos.ListVenueVisitsResponse) -> None:
    """Draws visits and bookings."""
    drawn = table(
        whole("场馆\nvenue"),
        whole("状态\nstate"),
        whole("入\nentered"),
        whole("离\nleft"),
        whole("人数\nvisitors"),
        folded("备注\nnotes"),
    )
    for one in answer.visits:
        state = protos.VisitState.Name(one.state).removeprefix("VISIT_STATE_")
        drawn.add_row(
            one.venue,
            f"{VISIT_STATES[state][0]} {state}",
            _at(one.entered_at) if one.HasField("entered_at") else "—",
            _at(one.left_at) if one.HasField("left_at") else "—",
            str(one.visitors),
            "\n".join(filter(None, [one.booking_ref, *map(_finding, one.findings)])),
        )
    screen().print(drawn)
    for booking in answer.bookings:
        state = protos.BookingState.Name(booking.state).removeprefix("BOOKING_STATE_")
        notes = "".join(f"  {_finding(finding)}" for finding in booking.findings)
        typer.echo(f"预约 booking {booking.booking_ref} {booking.visit_on}: {BOOKING_STATES[state][0]} {state}{notes}")
    typer.echo(f"{answer.visitors} 人次 visitors，{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def _at(at: Timestamp) -> str:
    return local(microseconds(at))[:16]
