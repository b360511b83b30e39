"""Breaks between the books of both sides and the hub: those of the last month, and one with its evidence and its steps."""

from datetime import timedelta
from typing import Any

import psycopg
from chuanyu.exchange.v1 import reconciliation_pb2 as protos

from hub.console.page import Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.reconciliation.day_book import Break, DayBook, day_of_code
from hub.domain.reconciliation.differences import CLASS_NAMES, Refs
from hub.journal.reader import head_position
from hub.reconciliation.reading import day_books, find_break, position_of
from hub.settlement.files import yuan
from hub.words.further_kinds import kind_words
from hub.words.reconciliation import CAUSES, CLASSES, EXPLAINED, REASONS, STATES

DAYS = 31


def breaks(page: Page) -> Shown:
    """Shows the breaks of a month, the newest days first; ?open=1 only those that are not closed."""
    only_open = page.query.get("open") == "1"
    with page.reading() as connection:
        head = head_position(connection)
        listed = [
            one for _, _, book in day_books(connection, page.today - timedelta(days=DAYS), page.today) for one in book.breaks.values()
        ]
    found = [one for one in listed if one.is_open or not only_open]
    columns = (
        Column("break", "差错", "Break"),
        Column("class", "类别", "Class"),
        Column("cell", "单元", "Cell"),
        Column("uses", "差笔", "Uses", "number"),
        Column("yuan", "差额（元）", "Yuan", "number"),
        Column("reason", "原因", "Reason"),
        Column("due", "期限", "Due", "time"),
        Column("state", "状态", "State"),
    )
    rows = [_row(page, one) for one in found]
    values = {"open": sum(one.is_open for one in listed), "only_open": only_open, "total": len(listed)}
    return Shown("breaks", page.t("差错", "Breaks"), values, (table("breaks", columns, rows),), head)


def _row(page: Page, one: Break) -> tuple[Cell | str, ...]:
    side, _ = day_of_code(one.code)
    uses, fen = one.ours.less(one.theirs)
    is_late = one.is_open and one.due_on < page.today.isoformat()
    return (
        Cell(one.code, f"/breaks/{one.code}", swatch=SWATCHES.get(side, "hub")),
        Cell(page.words.of(CLASSES, CLASS_NAMES[one.break_class]), code=CLASS_NAMES[one.break_class]),
        _cell(page, one),
        f"{uses:+,}",
        yuan(fen),
        _reason(page, one),
        Cell(one.due_on, mark="attention" if is_late else ""),
        _state(page, one),
    )


def one_break(page: Page) -> Shown:
    """Shows one break: both figures, what it comes of, the events that show it, and its steps."""
    with page.reading() as connection:
        head = head_position(connection)
        book, one = find_break(connection, page.parameters["broken"])
        evidence, said = (_placed(connection, refs) for refs in (one.evidence, one.said_evidence))
    side, day = day_of_code(one.code)
    uses, fen = one.ours.less(one.theirs)
    values = {
        "one": one,
        "facts_of": [
            (page.t("哪一方的账", "Whose book"), page.of_province(side)),
            (page.t("业务日", "Business day"), day.isoformat()),
            (page.t("单元", "Cell"), _cell(page, one)),
            (page.t("枢纽", "The hub"), f"{one.ours.uses:,} · {yuan(one.ours.fen)}"),
            (page.t("对方", "The other book"), f"{one.theirs.uses:,} · {yuan(one.theirs.fen)}"),
            (page.t("差", "Difference"), f"{uses:+,} · {yuan(fen)}"),
            (page.t("原因（按记录）", "Reason, by the record"), _reason(page, one)),
            (page.t("处理方说明", "The owner says"), page.words.of(EXPLAINED, one.said_reason) if one.said_reason else "—"),
            (page.t("处理方", "Owner"), page.of_province(one.owner)),
            (page.t("期限", "Due"), one.due_on),
        ],
        "class": page.words.of(CLASSES, CLASS_NAMES[one.break_class]),
        "state": _state(page, one),
    }
    return Shown("break", one.code, values, (_evidence(page, evidence, said), _steps(page, book, one)), head)


def _placed(connection: psycopg.Connection, refs: Refs) -> list[tuple[str, int, int | None]]:
    return [(ref.feed, ref.sequence, position_of(connection, ref.feed, ref.sequence)) for ref in refs]


def _evidence(page: Page, found: list[tuple[str, int, int | None]], said: list[tuple[str, int, int | None]]) -> Table:
    columns = (Column("event", "事件", "Event"), Column("position", "位置", "Position", "number"), Column("by", "谁指出", "Named by"))
    by_record, by_owner = page.t("枢纽", "the hub"), page.t("处理方", "the owner")
    rows = [
        (f"{feed}#{sequence}", Cell("—" if position is None else f"{position:,}", "" if position is None else f"/journal/{position}"), by)
        for refs, by in ((found, by_record), (said, by_owner))
        for feed, sequence, position in refs
    ]
    return table("evidence", columns, rows)


def _steps(page: Page, book: DayBook, one: Break) -> Table:
    columns = (
        Column("at", "时间", "At", "time"),
        Column("step", "步骤", "Step"),
        Column("side", "哪一方", "Side"),
        Column("says", "内容", "Says"),
    )
    rows = []
    for kind, at, message in book.steps:
        if getattr(message, "break_code", "") == one.code:
            by = message.by if "by" in message.DESCRIPTOR.fields_by_name and message.HasField("by") else None
            side = page.of_province(by.province) if by is not None else page.t("枢纽", "the hub")
            rows.append((page.at(int(at.timestamp() * 1_000_000)), Cell(page.t(*kind_words(kind)), code=kind), side, _says(page, message)))
    return table("steps", columns, rows)


def _says(page: Page, message: Any) -> str:
    names = message.DESCRIPTOR.fields_by_name
    if "figures" in names:
        figures = message.figures
        return f"{figures.our_uses - figures.their_uses:+,} · {yuan(figures.our_fen - figures.their_fen)}"
    if "cause" in names:
        return page.words.of(CAUSES, protos.BreakCause.Name(message.cause).removeprefix("BREAK_CAUSE_"))
    return page.of_province(message.owner) if "owner" in names else page.words.of(EXPLAINED, str(message.reason_code))


def _cell(page: Page, one: Break) -> str:
    if not one.cell.issuer:
        return page.t("全日", "the whole day")
    return f"{page.of_province(one.cell.issuer)} → {page.region(one.cell.region)} · {page.scenario(one.cell.scenario)}"


def _reason(page: Page, one: Break) -> str:
    return page.words.of(REASONS, one.reason) if one.reason in REASONS else one.reason


def _state(page: Page, one: Break) -> Cell:
    cause = page.words.of(CAUSES, protos.BreakCause.Name(one.cause).removeprefix("BREAK_CAUSE_")) if one.cause else ""
    text = page.words.of(STATES, one.state)
    return Cell(f"{text}：{cause}" if cause else text, code=one.state, mark="attention" if one.is_open else "fine")
