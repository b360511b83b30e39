"""Statements between the provinces: the newest of each scheme, one with its lines, and the events behind a line."""

from hub.console.page import Page, PageUnknown, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain import reference
from hub.domain.settlement.lines import net_fen
from hub.domain.settlement.statement import Statement
from hub.domain.usage import UsageCell
from hub.journal.reader import events_at, head_position
from hub.projections.views.usage_changes import events_behind
from hub.settlement import reading
from hub.settlement.files import yuan
from hub.words.further_kinds import kind_words
from hub.words.settlement import ROUTES, STATES

MOST, MOST_EVENTS = 200, 500


def statements(page: Page) -> Shown:
    """Shows statements, the newest first."""
    with page.reading() as connection:
        head, found = head_position(connection), list(reading.listed(connection))
    found.sort(key=lambda one: (one.issued.business_day, one.code), reverse=True)
    columns = (
        Column("statement", "结算单", "Statement"),
        Column("scheme", "方案", "Scheme"),
        Column("day", "业务日", "Business day"),
        Column("state", "状态", "State"),
        Column("lines", "行", "Lines", "number"),
        Column("net", "净额", "Net"),
    )
    rows = [
        (Cell(one.code, f"/statements/{one.code}"), _scheme(page, one), one.issued.business_day, _state(page, one), len(one.issued.lines),
         _net(page, one))
        for one in found[:MOST]
    ]  # fmt: skip
    values = {"open": sum(one.state in ("ISSUED", "DISPUTED") for one in found), "total": len(found)}
    return Shown("statements", page.t("结算单", "Statements"), values, (table("statements", columns, rows),), head)


def statement(page: Page) -> Shown:
    """Shows one statement with its lines, each leading to its events."""
    with page.reading() as connection:
        head, found = head_position(connection), reading.find(connection, page.parameters["statement"])
    issued = found.issued
    values = {
        "one": found,
        "scheme": _scheme(page, found),
        "state": _state(page, found),
        "route": page.words.of(ROUTES, "NATIONAL" if found.is_memo else "BILATERAL"),
        "net": _net(page, found),
        "digest": issued.digest.hex(),
        "owed": [(page.of_province(side), yuan(fen)) for side, fen in (("50", issued.owed_by_50_fen), ("51", issued.owed_by_51_fen))],
    }
    return Shown("statement", found.code, values, (_lines(page, found), _steps(page, found)), head)


def line(page: Page) -> Shown:
    """Shows the events behind a line of a statement."""
    number = page.parameters["row"]
    with page.reading() as connection:
        head, found = head_position(connection), reading.find(connection, page.parameters["statement"])
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= len(found.issued.lines)):
            raise PageUnknown
        one = found.issued.lines[int(number) - 1]
        cell = UsageCell(one.business_day, one.issuer_province, one.service_region, one.scenario)
        positions = events_behind(connection, cell, found.issued.after_position, found.issued.cut_position, MOST_EVENTS)
        events = events_at(connection, positions)
    columns = (
        Column("position", "位置", "Position", "number"),
        Column("kind", "事件", "Event"),
        Column("recorded", "记录", "Recorded", "time"),
    )
    rows = [
        (Cell(f"{event.position:,}", f"/journal/{event.position}"), Cell(page.t(*kind_words(event.kind)), code=event.kind),
         page.at(event.recorded_us))
        for event in events
    ]  # fmt: skip
    note = page.t(f"只列前 {MOST_EVENTS} 件", f"only the first {MOST_EVENTS}") if len(events) == MOST_EVENTS else ""
    values = {
        "statement": found, "number": int(number), "day": one.business_day, "issuer": page.of_province(one.issuer_province),
        "place": page.region(one.service_region), "scenario": page.scenario(one.scenario), "uses": one.uses, "yuan": yuan(one.amount_fen),
    }  # fmt: skip
    return Shown("statement_line", f"{found.code}/{number}", values, (table("events", columns, rows, note),), head)


def _lines(page: Page, found: Statement) -> Table:
    columns = (
        Column("line", "行", "Line", "number"),
        Column("day", "业务日", "Business day"),
        Column("issuer", "发卡省", "Issuer"),
        Column("region", "地区", "Place"),
        Column("scenario", "场景", "Scenario"),
        Column("uses", "次数", "Uses", "number"),
        Column("yuan", "金额（元）", "Yuan", "number"),
        Column("owes", "应付方", "Owes"),
    )
    disputed = {one.raised.line for one in found.disputes if not one.outcome}
    rows = []
    for number, one in enumerate(found.issued.lines, 1):
        mark = "attention" if number in disputed else ""
        rows.append(
            (
                Cell(f"{number:,}", f"/statements/{found.code}/{number}", mark=mark),
                one.business_day,
                Cell(page.of_province(one.issuer_province), swatch=SWATCHES.get(one.issuer_province, "hub")),
                Cell(page.region(one.service_region), code=one.service_region),
                Cell(page.scenario(one.scenario), code=one.scenario),
                one.uses,
                yuan(one.amount_fen),
                page.of_province(one.payer_province) if one.payer_province else "—",
            )
        )
    return table("lines", columns, rows)


def _steps(page: Page, found: Statement) -> Table:
    columns = (
        Column("at", "时间", "At", "time"),
        Column("step", "步骤", "Step"),
        Column("side", "哪一方", "Side"),
        Column("person", "经办", "Person"),
    )
    rows = []
    for kind, at, message in found.steps:
        by = message.by if kind != "statement_issued" else None
        side, name = (page.of_province(by.province), by.name) if by is not None else (page.t("枢纽", "the hub"), "—")
        rows.append((page.at(int(at.timestamp() * 1_000_000)), Cell(page.t(*kind_words(kind)), code=kind), side, name))
    return table("steps", columns, rows)


def _scheme(page: Page, found: Statement) -> str:
    scheme = reference.load().schemes.versions[found.issued.scheme][-1]
    return page.t(scheme.name_zh, scheme.name_en)


def _state(page: Page, found: Statement) -> Cell:
    mark = {"DISPUTED": "attention", "PAID": "fine"}.get(found.state, "")
    return Cell(page.words.of(STATES, found.state), code=found.state, mark=mark)


def _net(page: Page, found: Statement) -> str:
    if found.is_memo:
        return page.t("备查，不支付", "memo, not payable")
    net = net_fen(found.issued)
    if net == 0:
        return page.t("无需支付", "nothing to pay")
    payer, payee = ("50", "51") if net > 0 else ("51", "50")
    return page.t(
        f"{page.of_province(payer)}付{page.of_province(payee)} {yuan(abs(net))} 元",
        f"{page.of_province(payer)} pays {page.of_province(payee)} {yuan(abs(net))} yuan",
    )
