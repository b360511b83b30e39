"""Medical settlements: the chain of one by its number, which names nobody, and those of a person, once the look is recorded."""

from collections.abc import Iterable
from datetime import timedelta

from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.admin.medical import MOST_DAYS, get_chain, list_uses
from hub.console.page import InputUnfit, Page, Shown
from hub.console.pages.persons import asked, reports_of, what_is_wrong
from hub.console.tables import Cell, Column, Table, table
from hub.domain.errors import RequestInvalid
from hub.domain.instants import microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.intake.request_rules import refuse_invalid
from hub.journal.reader import head_position
from hub.words.ledgers import MEDICAL_FINDINGS, MONEY_PARTS, SETTLEMENT_STATES, yuan


def chain(page: Page) -> Shown:
    """Shows the settlements of a visit with their refunds; without a number it asks for one. Raises SettlementNotFound, NotPermitted."""
    number, institution = (page.query.get(name, "").strip()[:64] for name in ("number", "institution"))
    title = page.t("医保结算链", "Medical settlements")
    values: dict[str, object] = {"wanted": number, "institution": institution, "answer": None}
    if not number:
        with page.reading() as connection:
            return Shown("chain", title, values, (), head_position(connection))
    request = protos.GetSettlementChainRequest(settlement_id=number, institution_code=institution)
    try:
        refuse_invalid(request)
        with page.reading() as connection:
            answer = get_chain(connection, request, asked(page))
    except RequestInvalid as refusal:
        said = page.t("该编号不止一家机构有，请一并给出机构编码", "several institutions have this number: give the institution's code too")
        raise InputUnfit(said if ("institution_code", "required") in refusal.violations else "") from None
    one = answer.settlements[0]
    places = [page.region(region) if region else "—" for region in (one.insured_region, one.treatment_region)]
    values |= {"answer": answer, "net": _money(page, answer.net), "places": " → ".join(places)}
    return Shown("chain", title, values, (_chain(page, answer),), answer.as_of_position)


def uses(page: Page) -> Shown:
    """Shows the settlements of the last year of the person who has a card that was found."""
    today = page.today
    first = today - timedelta(days=MOST_DAYS)
    request = protos.ListMedicalUsesRequest(from_on=first.isoformat(), to_on=today.isoformat())
    shown, by = (ShownRecord.SHOWN_RECORD_MEDICAL_USES,), asked(page)
    of_person = reports_of(page, shown, lambda connection, person: list_uses(connection, person, request, by))
    answer = of_person.answer
    columns = (
        Column("at", "结算时间", "Settled", "time"),
        Column("settlement", "结算", "Settlement", "code"),
        Column("institution", "机构", "Institution", "code"),
        Column("state", "状态", "State"),
        Column("total", "总费用（元）", "Total, yuan", "number"),
        Column("left", "退费后（元）", "After refunds, yuan", "number"),
    )
    rows = [
        (
            page.at(microseconds(one.settled_at)),
            Cell(one.settlement_id, page.link("/medical", number=one.settlement_id, institution=one.institution_code)),
            one.institution_code,
            _state(page, one),
            yuan(one.money.total_fen),
            yuan(one.net.total_fen),
        )
        for one in reversed(answer.settlements)
    ]
    values = {**of_person.values, "total": answer.total, "net": _money(page, answer.net), "first": first.isoformat()}
    title = page.t("就医结算", "Medical settlements")
    return Shown("medical_uses", title, values, (table("settlements", columns, rows),), answer.as_of_position)


def _chain(page: Page, answer: protos.GetSettlementChainResponse) -> Table:
    columns = (
        Column("at", "时间", "When", "time"),
        Column("number", "编号", "Number", "code"),
        Column("what", "事项", "What"),
        Column("money", "金额（元）", "Money, yuan"),
        Column("notes", "备注", "Notes"),
    )
    return table("chain", columns, [row for one in answer.settlements for row in _rows(page, one)])


def _rows(page: Page, one: protos.Settlement) -> Iterable[tuple[Cell | str, ...]]:
    notes = page.t("；", "; ").join(what_is_wrong(page, fault, MEDICAL_FINDINGS) for fault in one.findings)
    at = page.at(microseconds(one.settled_at)) if one.HasField("settled_at") else "—"
    settled = _money(page, one.money) if one.HasField("money") else "—"
    yield at, one.settlement_id, _state(page, one), settled, Cell(notes or "—", mark="attention" if notes else "")
    for refund in one.refunds:
        what = page.t("退费", "refund") + (page.t("，已被撤销", ", undone") if refund.is_undone else "")
        back = page.t(f"退 {refund.original_settlement_id}", f"of {refund.original_settlement_id}")
        at = page.at(microseconds(refund.refunded_at))
        yield at, refund.settlement_id, what, _money(page, refund.money), Cell(back, f"/journal/{refund.position}")
    if one.refunds and one.HasField("money"):
        yield "", one.settlement_id, page.t("退费后余额", "left after refunds"), _money(page, one.net), ""


def _state(page: Page, one: protos.Settlement) -> Cell:
    name = protos.SettlementState.Name(one.state).removeprefix("SETTLEMENT_STATE_")
    return Cell(page.words.of(SETTLEMENT_STATES, name), code=name)


def _money(page: Page, money: medical.MedicalMoney) -> str:
    shown = [part for part in MONEY_PARTS if part == "total_fen" or getattr(money, part)]
    return page.t("，", ", ").join(f"{page.words.of(MONEY_PARTS, part)} {yuan(getattr(money, part))}" for part in shown)
