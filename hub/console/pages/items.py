"""川渝通办: the catalogue of service items on a day, and one item as both sides handle it, with what was in force when."""

from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items_pb2
from chuanyu.exchange.v1.usage_government_pb2 import CaseMode

from hub.console.page import Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.joint_services.answers import get_item, list_items
from hub.journal.reader import head_position
from hub.words.seen import VALUES
from hub.words.services import BASES, CHANNELS, DEPARTMENTS, ITEM_STATES, MEASURES, MODES, WAIVERS

ITEMS_A_PAGE = 200


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
        mode = next((side.version.mode for side in item.sides if side.HasField("version")), 0)
        name = Cell(_name(page, item), page.link(f"/items/{item.item_id}", on=page.query.get("on", "")), code=item.item_id)
        states = [_state(page, side.state) for side in item.sides]
        department = _department(page, item.definition.department)
        rows.append((name, department, *states, _mode(page, mode), "✓" if item.shared else "—"))
    named = answer.figures.named, answer.figures.named_shared
    values = {"on": on.isoformat(), "text": text, "total": answer.total, "named": named}
    tables = (table("items", columns, rows), _published(page, answer.figures))
    return Shown("items", page.t("事项", "Service items"), values, tables, head)


def one_item(page: Page) -> Shown:
    """Shows one item on a day; raises UnknownItem."""
    on = page.day("on")
    request = protos.GetServiceItemRequest(code=page.parameters["item"][:64], as_of=on.isoformat())
    with page.reading() as connection:
        head, catalogue = head_position(connection), page.workings.catalogue.read(connection)
    answer = get_item(catalogue, request, page.today)
    item, defined = answer.item, answer.item.definition
    unknown, between = page.t("不详", "not known"), page.t("、", ", ")
    values = {
        "on": on.isoformat(),
        "item_id": item.item_id,
        "item": _name(page, item),
        "is_shared": item.shared,
        "facts_list": [
            (page.t("部门", "Department"), _department(page, defined.department)),
            (page.t("基本编码", "Base code"), defined.base_code or unknown),
            (page.t("生命事件", "Life events"), between.join(defined.life_events) or unknown),
            (page.t("一件事", "Packages"), between.join(item.packages) or unknown),
        ],
        "successors": [(one.item_id, _name(page, one)) for one in answer.successors],
    }
    return Shown("item", _name(page, item), values, (_sides(page, item), _periods(page, answer)), head)


def _sides(page: Page, item: protos.ServiceItem) -> Table:
    """Puts how both sides handle an item beside each other."""
    columns = (Column("what", "内容", "What"), Column("cq", "重庆", "Chongqing"), Column("sc", "四川", "Sichuan"))
    said = [dict(_said(page, side)) for side in item.sides]
    labels = list(dict.fromkeys(label for side in said for label in side))
    return table("sides", columns, [(label, *(side.get(label, "—") for side in said)) for label in labels])


def _said(page: Page, side: protos.ServiceItemSide) -> list[tuple[str, Cell | str]]:
    """Says how a side handles an item; what no source says is not known."""
    found: list[tuple[str, Cell | str]] = [(page.t("状态", "State"), _state(page, side.state))]
    if not side.HasField("version"):
        return found
    one, unknown, between = side.version, page.t("不详", "not known"), page.t("、", ", ")

    def days(name: str) -> str:
        return f"{getattr(one, name):,}" if one.HasField(name) else unknown  # type: ignore[arg-type]

    channels = [items_pb2.ServiceItemChannel.Name(channel).removeprefix("SERVICE_ITEM_CHANNEL_") for channel in one.channels]
    level = page.words.of(VALUES, acceptance_pb2.AuthLevel.Name(one.auth_level)) if one.auth_level else unknown
    ages = (
        f"{days('min_age_years')} – {days('max_age_years')}" if one.HasField("min_age_years") or one.HasField("max_age_years") else unknown
    )
    return [
        *found,
        (page.t("实施编码", "Implementing code"), one.implementing_code or unknown),
        (page.t("模式", "Mode"), f"{_mode(page, one.mode)} · {_basis(page, one.mode_basis)}"),
        (page.t("渠道", "Channels"), between.join(page.words.of(CHANNELS, channel) for channel in channels) or unknown),
        (page.t("认证等级", "Authentication"), level),
        (page.t("承诺工作日", "Promised working days"), days("promised_working_days")),
        (page.t("法定工作日", "Legal working days"), days("legal_working_days")),
        (page.t("年龄", "Age"), ages),
        (page.t("材料", "Materials"), _materials(page, one)),
        (page.t("依据", "Basis"), f"{_basis(page, one.basis)} · {one.source}".rstrip(" ·")),
    ]


def _materials(page: Page, one: items_pb2.ServiceItemVersion) -> str:
    if not one.materials_known:
        return page.t("不详", "not known")
    said = []
    for material in one.materials:
        waiver = items_pb2.MaterialWaiver.Name(material.waived_by).removeprefix("MATERIAL_WAIVER_")
        free = page.t("（免：", " (waived: ") + page.words.of(WAIVERS, waiver) + page.t("）", ")") if material.waived_by else ""
        said.append(page.t(material.name_zh, material.name_en or material.name_zh) + free)
    return page.t("、", ", ").join(said) or page.t("无", "none")


def _periods(page: Page, answer: protos.GetServiceItemResponse) -> Table:
    columns = (
        Column("side", "一方", "Side"),
        Column("from", "起", "From", "time"),
        Column("to", "止（不含）", "Until", "time"),
        Column("state", "状态", "State"),
        Column("mode", "模式", "Mode"),
        Column("source", "来源", "Source"),
    )
    rows = []
    for one in answer.periods:
        side = Cell(page.of_province(one.province), swatch=SWATCHES.get(one.province, "hub"))
        begins = page.t(f"至迟 {one.from_on}", f"by {one.from_on}") if one.version.known_by_only else one.from_on
        rows.append(
            (side, begins, one.to_on or "—", _state(page, one.version.state), _mode(page, one.version.mode), one.version.source or "—")
        )
    return table("periods", columns, rows)


def _published(page: Page, figures: protos.CatalogueFigures) -> Table:
    """Lists what was published by the day: the named items are never added to it."""
    columns = (
        Column("measure", "公布的数", "Published figure"),
        Column("batch", "批次", "Batch", "number"),
        Column("value", "数", "Figure", "number"),
        Column("on", "公布日", "Published", "time"),
        Column("basis", "依据", "Basis"),
        Column("source", "来源", "Source"),
    )
    rows = []
    for one in figures.published:
        batch = one.batch or page.t("全部", "all")
        measure = Cell(page.words.of(MEASURES, one.measure), code=one.measure)
        rows.append((measure, batch, one.value, one.published_on, _basis(page, one.basis), one.source))
    return table("published", columns, rows)


def _name(page: Page, item: protos.ServiceItem) -> str:
    return page.t(item.definition.name_zh, item.definition.name_en or item.definition.name_zh)


def _state(page: Page, number: int) -> Cell:
    state = items_pb2.ServiceItemState.Name(number).removeprefix("SERVICE_ITEM_STATE_")  # type: ignore[arg-type]
    return Cell(page.words.of(ITEM_STATES, state), code=state)


def _mode(page: Page, number: int) -> str:
    return page.words.of(MODES, CaseMode.Name(number).removeprefix("CASE_MODE_"))  # type: ignore[arg-type]


def _basis(page: Page, number: int) -> str:
    return page.words.of(BASES, items_pb2.ServiceItemBasis.Name(number).removeprefix("SERVICE_ITEM_BASIS_"))  # type: ignore[arg-type]


def _department(page: Page, department: str) -> str:
    return page.t(department, DEPARTMENTS.get(department, department))
