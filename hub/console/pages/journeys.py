"""Journeys of the last month of who has a card that was found: taps, transfer discounts, disputes and refused trips; one look."""

from datetime import timedelta

from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.admin.journeys import list_journeys
from hub.console.page import Page, Shown
from hub.console.pages.persons import asked, notes_cell, reports_of, what_is_wrong
from hub.console.tables import Cell, Column, Table, table
from hub.domain.findings import MEANINGS
from hub.domain.instants import microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.settlement.files import yuan
from hub.words.ledgers import JOURNEY_FINDINGS, JOURNEY_STATES, REJECTIONS, TRIP_DISPUTE_OUTCOMES

SHOWN_DAYS = 31
_FINDINGS = JOURNEY_FINDINGS | {
    code: (MEANINGS[code].text_zh, MEANINGS[code].text_en) for code in ("USE_TOLD_AGAIN", "USE_TOLD_DIFFERENTLY")
}


def journeys(page: Page) -> Shown:
    """Shows journeys, the newest first, and counters that nobody reported."""
    first = page.today - timedelta(days=SHOWN_DAYS)
    request = protos.ListJourneysRequest(from_on=first.isoformat(), to_on=page.today.isoformat())
    of_person = reports_of(
        page,
        (ShownRecord.SHOWN_RECORD_JOURNEYS,),
        lambda connection, person: list_journeys(connection, page.workings.tables, person, request, asked(page)),
    )
    answer = of_person.answer
    values = {
        **of_person.values,
        "first": first.isoformat(),
        "total": answer.total,
        "uses": answer.uses,
        "paid": yuan(answer.paid_fen),
        "faults": [what_is_wrong(page, fault, _FINDINGS) for fault in answer.findings],
    }
    tables = (_journeys(page, answer), _gaps(page, answer))
    return Shown("journeys", page.t("行程", "Journeys"), values, tables, answer.as_of_position)


def _journeys(page: Page, answer: protos.ListJourneysResponse) -> Table:
    columns = (
        Column("day", "营业日", "Business day", "time"),
        Column("state", "状态", "State"),
        Column("entered", "进", "Entered", "time"),
        Column("left", "出", "Left", "time"),
        Column("counters", "钱包计数", "Counters", "number"),
        Column("fare", "票价（元）", "Fare, yuan", "number"),
        Column("paid", "实付（元）", "Paid, yuan", "number"),
        Column("notes", "备注", "Notes"),
    )
    rows = []
    for one in reversed(answer.journeys):
        state = protos.JourneyState.Name(one.state).removeprefix("JOURNEY_STATE_")
        counters = (str(getattr(one, name)) for name in ("counter_in", "counter_out") if one.HasField(name))
        rows.append(
            (
                one.business_day,
                Cell(page.words.of(JOURNEY_STATES, state), code=state, mark="attention" if state == "REJECTED" else ""),
                _tap(page, one, "entered_at", one.line_in, one.station_in),
                _tap(page, one, "left_at", one.line_out, one.station_out),
                "→".join(counters) or "—",
                yuan(one.fare_full_fen),
                yuan(one.fare_paid_fen),
                _notes(page, one),
            )
        )
    return table("journeys", columns, rows)


def _gaps(page: Page, answer: protos.ListJourneysResponse) -> Table:
    columns = (
        Column("purse", "钱包", "Purse", "number"),
        Column("between", "计数之间", "Between counters"),
        Column("missing", "缺漏", "Missing", "number"),
        Column("at", "至", "Until", "time"),
    )
    rows = [
        (gap.purse, f"{gap.after_counter} … {gap.before_counter}", gap.missing, page.at(microseconds(gap.before_at)))
        for gap in reversed(answer.gaps)
    ]
    return table("gaps", columns, rows)


def _tap(page: Page, one: protos.Journey, field: str, line: str, station: str) -> str:
    if not one.HasField(field):  # type: ignore[arg-type]
        return "—"
    return " ".join(filter(None, (page.at(microseconds(getattr(one, field))), line, station)))


def _notes(page: Page, one: protos.Journey) -> Cell:
    missing = {protos.MISSING_TAP_ENTRY: page.t("缺进站", "entry missing"), protos.MISSING_TAP_EXIT: page.t("缺出站", "exit missing")}
    outcome = transit.TripDisputeOutcome.Name(one.dispute_outcome).removeprefix("TRIP_DISPUTE_OUTCOME_")
    reason = transit.ClearingRejection.Name(one.rejection).removeprefix("CLEARING_REJECTION_")
    discount = yuan(one.discount_fen)
    wrong = [what_is_wrong(page, fault, _FINDINGS) for fault in one.findings]
    said = [
        missing.get(one.missing, ""),
        page.t(f"换乘优惠 {discount} 元，首程计数 {one.transfer_of}", f"transfer discount {discount} yuan, first leg {one.transfer_of}")
        if one.HasField("transfer_of")
        else "",
        page.words.of(REJECTIONS, reason) if one.rejection else "",
        page.t(f"争议 {one.dispute_reason}", f"disputed {one.dispute_reason}").rstrip() if one.HasField("disputed_at") else "",
        page.words.of(TRIP_DISPUTE_OUTCOMES, outcome) if one.dispute_outcome else "",
        page.t(f"优待 {one.concession_units} 次", f"{one.concession_units} units") if one.concession_units else "",
        *wrong,
    ]
    return notes_cell(page, said, is_wrong=bool(wrong or one.rejection))
