"""Cases of both sides, with whose turn it is and by when; one case with all that was reported of it."""

from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1.usage_government_pb2 import CaseMode

from hub.admin.cases import get_case, get_timeline, list_cases
from hub.admin.snapshots import Asked
from hub.console.page import InputUnfit, Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.errors import RequestInvalid
from hub.domain.instants import local_day, microseconds
from hub.domain.joint_services.catalogue import Catalogue
from hub.intake.request_rules import refuse_invalid
from hub.words.kinds import KINDS
from hub.words.services import ACTORS, CASE_FINDINGS, CASE_STATES, MODES

CASES_A_PAGE = 100


def _item_name(page: Page, catalogue: Catalogue, one: protos.CaseRecord) -> str:
    """Returns the item of a case; in English as the catalogue has it today, where it has."""
    known = catalogue.on(page.today).entries.get(one.item_id)
    return page.t("", known.definition.name_en if known is not None else "") or one.item_name_zh or one.item_code


def cases(page: Page) -> Shown:
    """Shows cases by the side that handles them and their number; those that wait for one's side, or are overdue."""
    state, actor, overdue = page.query.get("state", ""), page.query.get("next", ""), page.query.get("overdue") == "1"
    if state not in ("", *CASE_STATES) or actor not in ("", *ACTORS):
        raise InputUnfit
    wanted = protos.CaseFilter(province=page.province, overdue=overdue)
    if state:
        wanted.states.append(protos.CaseState.Value(f"CASE_STATE_{state}"))
    if actor:
        wanted.next_actor = protos.CaseActor.Value(f"CASE_ACTOR_{actor}")
    request = protos.ListCasesRequest(filter=wanted, page_size=CASES_A_PAGE, page_token=page.query.get("page", "")[:200])
    with page.reading() as connection:
        catalogue = page.workings.catalogue.read(connection)
        answer = list_cases(connection, catalogue, request, Asked(page.province, page.today))
    columns = (
        Column("case", "办件", "Case"),
        Column("item", "事项", "Item"),
        Column("deciding", "决定方", "Decides"),
        Column("state", "状态", "State"),
        Column("next", "下一步由", "Next"),
        Column("due", "到期", "Due", "time"),
    )
    rows = []
    for one in answer.records:
        address = f"/cases/{one.key.handling_province}/{one.key.case_no}"
        rows.append(
            (
                Cell(one.key.case_no, address, swatch=SWATCHES.get(one.key.handling_province, "hub")),
                Cell(_item_name(page, catalogue, one), code=one.item_id or one.item_code),
                page.of_province(one.deciding_province),
                _state(page, one),
                _next(page, one),
                _due(page, one.clock),
            )
        )
    chosen = {"state": state, "next": actor, "overdue": "1" if overdue else "", "province": page.query.get("province", "")}
    values = {
        "chosen": chosen,
        "states": [(code, page.words.of(CASE_STATES, code)) for code in CASE_STATES if code != "UNSPECIFIED"],
        "actors": [(code, page.words.of(ACTORS, code)) for code in ACTORS],
        "more": page.link("/cases", **chosen, page=answer.next_page_token) if answer.next_page_token else "",
    }
    return Shown("cases", page.t("办件", "Cases"), values, (table("cases", columns, rows),), answer.as_of_position)


def one_case(page: Page) -> Shown:
    """Shows one case with all that was reported of it."""
    key = protos.CaseKey(handling_province=page.parameters["side"], case_no=page.parameters["case_no"])
    request, timeline = protos.GetCaseRequest(key=key), protos.GetCaseTimelineRequest(key=key)
    try:
        refuse_invalid(request)
    except RequestInvalid:
        raise InputUnfit from None
    asked = Asked(page.province, page.today)
    with page.reading() as connection:
        catalogue = page.workings.catalogue.read(connection)
        answer, told = get_case(connection, catalogue, request, asked), get_timeline(connection, timeline, asked)
    one = answer.record
    values = {
        "case_no": one.key.case_no,
        "item": _item_name(page, catalogue, one),
        "facts_list": _said(page, answer),
        "findings": [(page.words.of(CASE_FINDINGS, finding.code), finding.code, finding.position) for finding in one.findings],
    }
    return Shown("case", one.key.case_no, values, (_timeline(page, told),), answer.as_of_position)


def _said(page: Page, answer: protos.GetCaseResponse) -> list[tuple[str, Cell]]:
    """Says how a case is: who handles and decides it, how far it is, and by when."""
    one, clock = answer.record, answer.record.clock
    promised = page.t(f"{clock.promised_working_days} 工作日", f"{clock.promised_working_days} working days")
    decided = page.t("准予", "granted") if one.granted else page.t("不予", "refused")
    said: list[tuple[str, Cell | str]] = [
        (page.t("编号", "Number"), one.key.case_no),
        (page.t("办理方", "Handles"), page.of_province(one.key.handling_province)),
        (page.t("决定方", "Decides"), " ".join(filter(None, [page.of_province(one.deciding_province), one.agency]))),
        (page.t("模式", "Mode"), page.words.of(MODES, CaseMode.Name(one.mode).removeprefix("CASE_MODE_"))),
        (page.t("状态", "State"), _state(page, one)),
        (page.t("结果", "Result"), decided if one.HasField("granted") else ""),
        (page.t("下一步由", "Next"), _next(page, one)),
        (page.t("承诺", "Promised"), promised if clock.HasField("promised_working_days") else ""),
        (page.t("到期", "Due"), _due(page, clock)),
        (page.t("不计日", "Days that do not count"), str(clock.paused_days or "")),
        (page.t("提交地", "Filed in"), _filed(page, one)),
        (page.t("一件事", "Package"), _package(page, answer)),
        (page.t("评价", "Rating"), "★" * one.stars + (page.t("，须回访", ", to be followed up") if one.needs_follow_up else "")),
    ]
    return [(label, value if isinstance(value, Cell) else Cell(value)) for label, value in said if value]


def _due(page: Page, clock: protos.CaseClock) -> Cell:
    if not clock.due_on:
        return Cell("—")
    marks = [
        page.t("暂定", "provisional") if clock.due_is_provisional else "",
        page.t("中止中", "paused") if clock.is_paused else "",
        page.t("超期", "overdue") if clock.is_overdue else "",
    ]
    return Cell(" ".join([clock.due_on, *(mark for mark in marks if mark)]), mark="attention" if clock.is_overdue else "")


def _filed(page: Page, one: protos.CaseRecord) -> str:
    """Names the region that a case was filed in as it was named then, and what it is today where that is another."""
    code = one.filed_region.code
    if not code:
        return ""
    day = local_day(microseconds(one.submitted_at)) if one.HasField("submitted_at") else page.today
    named = page.workings.tables.region(code, day)
    then = page.t(one.filed_region.name_zh, named.name_en if named is not None else "") or code
    now = [page.region(region.code) for region in one.regions_now if region.code != code]
    return then + (page.t("，今属 ", ", now ") + page.t("、", ", ").join(now) if now else "")


def _package(page: Page, answer: protos.GetCaseResponse) -> str:
    if not answer.HasField("package"):
        return ""
    one = answer.package
    ended = page.t("已办完", "closed") if one.HasField("closed_at") else page.t(f"未办完 {one.open}", f"{one.open} open")
    return page.t(f"{one.package_no}：{one.cases} 件，{ended}", f"{one.package_no}: {one.cases} cases, {ended}")


def _timeline(page: Page, told: protos.GetCaseTimelineResponse) -> Table:
    columns = (
        Column("occurred", "发生", "Occurred", "time"),
        Column("province", "谁报", "Reported by"),
        Column("report", "上报", "Report"),
        Column("says", "内容", "Says"),
        Column("position", "位置", "Position", "number"),
    )
    rows = []
    for entry in told.entries:
        days = page.t(f"{entry.promised_working_days} 工作日", f"{entry.promised_working_days} working days")
        says = [
            entry.reason_code,
            days if entry.HasField("promised_working_days") else "",
            " ".join(filter(None, [entry.to_province, entry.to_region, entry.to_agency])),
            page.t("、", ", ").join(entry.materials),
            (page.t("准予", "granted") if entry.granted else page.t("不予", "refused")) if entry.HasField("granted") else "",
            "★" * entry.stars,
            page.t(f"更正于 {entry.until_position:,}", f"corrected at {entry.until_position:,}") if entry.until_position else "",
        ]
        who = Cell(page.of_province(entry.province), swatch=SWATCHES.get(entry.province, "hub"))
        report = Cell(page.words.of(KINDS, entry.kind), code=entry.kind)
        position = Cell(f"{entry.position:,}", f"/journal/{entry.position}")
        rows.append((page.at(microseconds(entry.occurred_at)), who, report, " · ".join(filter(None, says)) or "—", position))
    return table("timeline", columns, rows)


def _state(page: Page, one: protos.CaseRecord) -> Cell:
    name = protos.CaseState.Name(one.state).removeprefix("CASE_STATE_")
    return Cell(page.words.of(CASE_STATES, name), code=name)


def _next(page: Page, one: protos.CaseRecord) -> str:
    actors = [page.words.of(ACTORS, protos.CaseActor.Name(actor).removeprefix("CASE_ACTOR_")) for actor in one.next_actors]
    provinces = " ".join(map(page.of_province, one.next_provinces))
    return f"{page.t('、', ', ').join(actors)} {provinces}".strip() or "—"
