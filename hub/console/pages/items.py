"""川渝通办: the catalogue of service items on a day, and cases of both sides with whose turn it is."""

from chuanyu.exchange.v1 import case_service_pb2 as cases_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items_pb2
from chuanyu.exchange.v1.usage_government_pb2 import CaseMode

from hub.admin.cases import get_case, get_timeline, list_cases
from hub.admin.snapshots import Asked
from hub.console.page import InputUnfit, Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.errors import RequestInvalid
from hub.domain.instants import microseconds
from hub.domain.joint_services.answers import list_items
from hub.domain.joint_services.catalogue import Catalogue
from hub.intake.request_rules import refuse_invalid
from hub.journal.reader import head_position
from hub.words.kinds import KINDS
from hub.words.services import ACTORS, CASE_STATES, DEPARTMENTS, ITEM_STATES, MODES

ITEMS_A_PAGE, CASES_A_PAGE = 200, 100


def items(page: Page) -> Shown:
    """Shows the catalogue of a day, or what a search finds in it."""
    on, text = page.day("on"), page.query.get("q", "")[:60]
    request = protos.ListServiceItemsRequest(filter=protos.ServiceItemFilter(text=text), as_of=on.isoformat(), page_size=ITEMS_A_PAGE)
    with page.reading() as connection:
        head, catalogue = head_position(connection), page.workings.catalogue.read(connection)
    answer = list_items(catalogue, request, page.today)
    columns = (
        Column("item", "事项", "Item"),
        Column("department", "部门", "Department"),
        Column("cq", "重庆", "Chongqing"),
        Column("sc", "四川", "Sichuan"),
        Column("mode", "模式", "Mode"),
        Column("shared", "双方都办", "Both offer it"),
    )
    rows = []
    for item in answer.items:
        states = [items_pb2.ServiceItemState.Name(side.state).removeprefix("SERVICE_ITEM_STATE_") for side in item.sides]
        mode = next((side.version.mode for side in item.sides if side.HasField("version")), 0)
        words = [Cell(page.words.of(ITEM_STATES, state), code=state) for state in states]
        name = page.t(item.definition.name_zh, item.definition.name_en or item.definition.name_zh)
        mode_word = page.words.of(MODES, CaseMode.Name(mode).removeprefix("CASE_MODE_"))  # type: ignore[arg-type]
        rows.append(
            (Cell(name, code=item.item_id), _department(page, item.definition.department), *words, mode_word, "✓" if item.shared else "—")
        )
    values = {"on": on.isoformat(), "text": text, "total": answer.total, "figures": answer.figures}
    return Shown("items", page.t("事项", "Service items"), values, (table("items", columns, rows),), head)


def _department(page: Page, department: str) -> str:
    return page.t(department, DEPARTMENTS.get(department, department))


def _item_name(page: Page, catalogue: Catalogue, one: cases_pb2.CaseRecord) -> str:
    """Returns the item of a case; in English as the catalogue has it today, where it has."""
    known = catalogue.on(page.today).entries.get(one.item_id)
    return page.t("", known.definition.name_en if known is not None else "") or one.item_name_zh or one.item_code


def cases(page: Page) -> Shown:
    """Shows cases, those that changed last first."""
    wanted = cases_pb2.CaseFilter(province=page.province, overdue=page.query.get("overdue") == "1")
    request = cases_pb2.ListCasesRequest(filter=wanted, page_size=CASES_A_PAGE, page_token=page.query.get("page", "")[:200])
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
                Cell(one.clock.due_on or "—", mark="attention" if one.clock.is_overdue else ""),
            )
        )
    values = {"overdue": wanted.overdue, "more": page.link("/cases", page=answer.next_page_token, overdue="1" if wanted.overdue else "")}
    if not answer.next_page_token:
        values["more"] = ""
    return Shown("cases", page.t("办件", "Cases"), values, (table("cases", columns, rows),), answer.as_of_position)


def one_case(page: Page) -> Shown:
    """Shows one case with all that was reported of it."""
    key = cases_pb2.CaseKey(handling_province=page.parameters["side"], case_no=page.parameters["case_no"])
    request, timeline = cases_pb2.GetCaseRequest(key=key), cases_pb2.GetCaseTimelineRequest(key=key)
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
        "one": one,
        "item": _item_name(page, catalogue, one),
        "state": _state(page, one),
        "next": _next(page, one),
        "mode": page.words.of(MODES, CaseMode.Name(one.mode).removeprefix("CASE_MODE_")),
        "handling": page.of_province(one.key.handling_province),
        "deciding": page.of_province(one.deciding_province),
        "findings": [(finding.code, finding.position) for finding in one.findings],
    }
    return Shown("case", one.key.case_no, values, (_timeline(page, told),), answer.as_of_position)


def _timeline(page: Page, told: cases_pb2.GetCaseTimelineResponse) -> Table:
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


def _state(page: Page, one: cases_pb2.CaseRecord) -> Cell:
    name = cases_pb2.CaseState.Name(one.state).removeprefix("CASE_STATE_")
    return Cell(page.words.of(CASE_STATES, name), code=name)


def _next(page: Page, one: cases_pb2.CaseRecord) -> str:
    actors = [page.words.of(ACTORS, cases_pb2.CaseActor.Name(actor).removeprefix("CASE_ACTOR_")) for actor in one.next_actors]
    provinces = " ".join(map(page.of_province, one.next_provinces))
    return f"{page.t('、', ', ').join(actors)} {provinces}".strip() or "—"
