"""The chain of a medical settlement by its number, which names nobody; filings and settlements of a person, once looks are recorded."""

from collections.abc import Iterable
from datetime import timedelta

from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.admin.medical import MOST_DAYS, get_chain, list_filings, list_uses
from hub.console.page import InputUnfit, Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.pages.persons import asked, notes_cell, reports_of, what_is_wrong
from hub.console.tables import Cell, Column, Table, table
from hub.domain.errors import RequestInvalid
from hub.domain.instants import microseconds
from hub.domain.looks import Shown as ShownRecord
from hub.intake.request_rules import refuse_invalid
from hub.journal.reader import head_position
from hub.words.ledgers import FILING_KINDS, FILING_STATES, MEDICAL_FINDINGS, MONEY_PARTS, SETTLEMENT_STATES, yuan


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
    """Shows the filings, and the settlements of the last year, of the person who has a card that was found."""
    today = page.today
    first = today - timedelta(days=MOST_DAYS)
    request = protos.ListMedicalUsesRequest(from_on=first.isoformat(), to_on=today.isoformat())
    by, tables = asked(page), page.workings.tables
    of_person = reports_of(
        page,
        (ShownRecord.SHOWN_RECORD_FILINGS, ShownRecord.SHOWN_RECORD_MEDICAL_USES),
        lambda connection, person: (
            list_filings(connection, tables, person, protos.ListFilingsRequest(), page.now_us, by),
            list_uses(connection, person, request, by),
        ),
    )
    filings, answer = of_person.answer
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
    title = page.t("备案与就医结算", "Filings and settlements")
    position = min(filings.as_of_position, answer.as_of_position)
    return Shown("medical_uses", title, values, (table("settlements", columns, rows), _filings(page, filings)), position)


def _filings(page: Page, answer: protos.ListFilingsResponse) -> Table:
    columns = (
        Column("filing", "备案", "Filing", "code"),
        Column("side", "参保方", "Insured side"),
        Column("state", "状态", "State"),
        Column("kind", "类型", "Kind"),
        Column("places", "参保地 → 就医地", "Insured → treated"),
        Column("days", "有效期", "Days", "time"),
        Column("notes", "备注", "Notes"),
    )
    return table("filings", columns, [_filing(page, one) for one in answer.filings])


def _filing(page: Page, one: protos.Filing) -> tuple[Cell | str, ...]:
    state = protos.FilingState.Name(one.state).removeprefix("FILING_STATE_")
    kind = medical.MedicalFilingKind.Name(one.kind).removeprefix("MEDICAL_FILING_KIND_")
    places = [page.region(region) if region else "—" for region in (one.insured_region, one.treatment_region)]
    ended = page.at(microseconds(one.ended_at))[:10]
    wrong = [what_is_wrong(page, fault, MEDICAL_FINDINGS) for fault in one.findings]
    notes = [
        page.t("补登", "registered late") if one.is_late else "",
        page.t("双向待遇", "keeps the insured place") if one.keeps_insured_place else "",
        page.t(f"终止于 {ended}", f"ended {ended}") + f" {one.reason_code}".rstrip() if one.HasField("ended_at") else "",
        *wrong,
    ]
    return (
        one.filing_no,
        Cell(page.of_province(one.insured_province), swatch=SWATCHES.get(one.insured_province, "hub")),
        Cell(page.words.of(FILING_STATES, state), code=state),
        Cell(page.words.of(FILING_KINDS, kind), code=kind) if one.kind else "—",
        " → ".join(places),
        f"{one.valid_from or '—'} – {one.valid_to or '…'}",
        notes_cell(page, notes, is_wrong=bool(wrong)),
    )


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
    wrong = [what_is_wrong(page, fault, MEDICAL_FINDINGS) for fault in one.findings]
    at = page.at(microseconds(one.settled_at)) if one.HasField("settled_at") else "—"
    settled = _money(page, one.money) if one.HasField("money") else "—"
    yield at, one.settlement_id, _state(page, one), settled, notes_cell(page, wrong, is_wrong=bool(wrong))
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
