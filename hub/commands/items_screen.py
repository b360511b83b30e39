"""How the catalogue of service items reads on a terminal."""

import typer
from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.commands.wording import folded, screen, table, whole
from hub.words import services

STATES = {state: zh for state, (zh, _) in services.ITEM_STATES.items()}
# In a line that has no English beside it.
MODES = {mode: f"{zh} {en}" if mode in ("UNSPECIFIED", "MIXED") else zh for mode, (zh, en) in services.MODES.items()}
BASES = {basis: f"{zh} {en}" for basis, (zh, en) in services.BASES.items() if basis != "UNSPECIFIED"}
MEASURES = {measure: f"{zh} {en}" for measure, (zh, en) in services.MEASURES.items()}
SIDES = {"50": "渝 Chongqing", "51": "川 Sichuan"}
UNKNOWN = "不详 not known"


def show_list(answer: protos.ListServiceItemsResponse) -> None:
    """Draws a page of items."""
    drawn = table(whole("编号\nid"), folded("事项\nitem"), whole("部门\ndepartment"), whole("渝\n50"), whole("川\n51"), whole("模式\nmode"))
    for item in answer.items:
        mode = next((side.version.mode for side in item.sides if side.HasField("version")), 0)
        drawn.add_row(
            item.item_id,
            f"{item.definition.name_zh}\n{item.definition.name_en}",
            item.definition.department,
            *(_state(side.state) for side in item.sides),
            _mode(mode),
        )
    screen().print(drawn)
    typer.echo(f"{answer.total} 项相符 match" + (f"；下一页 next page --page {answer.next_page_token}" if answer.next_page_token else ""))


def show_figures(answer: protos.ListServiceItemsResponse) -> None:
    """Prints a page of items and, below it, the figures of the day."""
    show_list(answer)
    for line in figure_lines(answer.figures):
        typer.echo(line)


def figure_lines(figures: protos.CatalogueFigures) -> list[str]:
    """Says how large the catalogue is on a day: what was published, and beside it what is named here."""
    lines = [f"{figures.as_of} 公布数 published:"]
    for figure in figures.published:
        batch = f"第 {figure.batch} 批 batch {figure.batch} " if figure.batch else ""
        lines.append(f"  {batch}{MEASURES[figure.measure]} {figure.value}（{figure.published_on}，{figure.source}）")
    lines.append("  本表已知，不与公布数相加 named here, never added to the published:")
    lines.append(
        f"  {figures.named} 项 items，双方在办 offered by both {figures.named_shared}，当日不详 not known {figures.named_not_known}"
    )
    return lines


def show_item(answer: protos.GetServiceItemResponse) -> None:
    """Prints an item as it is on the day, then what was in force when."""
    item, defined = answer.item, answer.item.definition
    shared = "是川渝通办事项 both sides offer it" if item.shared else "当日非川渝通办 not offered by both sides"
    typer.echo(f"{item.item_id} {defined.name_zh} {defined.name_en}\n  {answer.as_of}: {shared}")
    typer.echo(f"  部门 department: {defined.department}   基本编码 base code: {defined.base_code or UNKNOWN}")
    typer.echo(
        f"  生命事件 life events: {' '.join(defined.life_events) or UNKNOWN}   一件事 packages: {' '.join(item.packages) or UNKNOWN}"
    )
    for side in item.sides:
        typer.echo(f"\n{SIDES[side.province]}: {_state(side.state)}")
        if side.HasField("version"):
            _echo_version(side.version)
    typer.echo("\n沿革 history")
    for period in answer.periods:
        since = "至迟 by " if period.version.known_by_only else ""
        state = items.ServiceItemState.Name(period.version.state).removeprefix("SERVICE_ITEM_STATE_")
        span = f"{since}{period.from_on} → {period.to_on or '…'}"
        typer.echo(f"  {SIDES[period.province]}  {span}  {STATES[state]} {state}  {_mode(period.version.mode)}  {period.version.source}")
    for successor in answer.successors:
        typer.echo(f"\n由此取代 taken over by: {successor.item_id} {successor.definition.name_zh}")


def _echo_version(version: items.ServiceItemVersion) -> None:
    channels = " ".join(items.ServiceItemChannel.Name(channel).removeprefix("SERVICE_ITEM_CHANNEL_") for channel in version.channels)
    level = acceptance_pb2.AuthLevel.Name(version.auth_level).removeprefix("AUTH_LEVEL_") if version.auth_level else UNKNOWN
    basis = items.ServiceItemBasis.Name(version.mode_basis).removeprefix("SERVICE_ITEM_BASIS_")
    lines = {
        "实施编码 implementing code": version.implementing_code or UNKNOWN,
        "办理地 regions": " ".join(version.regions) or "全域 the whole side",
        "模式 mode": f"{_mode(version.mode)}（{BASES.get(basis, UNKNOWN)}）",
        "渠道 channels": channels or UNKNOWN,
        "认证等级 auth level": level,
        "承诺时限 promised working days": _number(version, "promised_working_days"),
        "法定时限 legal working days": _number(version, "legal_working_days"),
        "收费（分） fee in fen": _number(version, "fee_fen"),
        "年龄 age": f"{_number(version, 'min_age_years')} – {_number(version, 'max_age_years')}",
        "材料 materials": _materials(version),
        "依据 basis": BASES[items.ServiceItemBasis.Name(version.basis).removeprefix("SERVICE_ITEM_BASIS_")],
    }
    for label, value in lines.items():
        typer.echo(f"  {label}: {value}")


def _materials(version: items.ServiceItemVersion) -> str:
    if not version.materials_known:
        return UNKNOWN
    said = []
    for material in version.materials:
        waiver = items.MaterialWaiver.Name(material.waived_by).removeprefix("MATERIAL_WAIVER_")
        said.append(f"{material.name_zh}（{material.code}{'，免 waived by ' + waiver if material.waived_by else ''}）")
    return "、".join(said) or "无 none"


def show_usable(answer: protos.ListUsableItemsResponse) -> None:
    """Prints what is in the way of every item, then each item."""
    for missing in answer.missing_for_all:
        typer.echo(f"✗ {missing.code}: {missing.text_zh} {missing.text_en}")
    for item in answer.items:
        wanted = "；".join(f"{missing.text_zh} {missing.text_en}" for missing in item.missing)
        unknown = f"（不详 not known: {' '.join(item.not_known)}）" if item.not_known else ""
        typer.echo(f"{'✓' if item.usable else '✗'} {item.item_id} {item.name_zh}  {wanted}{unknown}")
    typer.echo(
        f"{answer.usable_count} / {len(answer.items)} 项可办 usable，{answer.as_of}；"
        f"材料以审批方为准 materials by the deciding side: {SIDES[answer.deciding_province]}"
    )


def show_comparison(answer: protos.CompareCatalogueResponse) -> None:
    """Prints both figures, then each change."""
    for line in (*figure_lines(answer.from_figures), *figure_lines(answer.to_figures)):
        typer.echo(line)
    for change in answer.changes:
        side = SIDES.get(change.province, "")
        typer.echo(f"{change.item_id} {change.name_zh} {side} {change.field}: {change.before or UNKNOWN} → {change.after or UNKNOWN}")
    typer.echo(f"{answer.total} 处变化 changes")


def _state(number: int) -> str:
    name = items.ServiceItemState.Name(number).removeprefix("SERVICE_ITEM_STATE_")  # type: ignore[arg-type]
    return f"{STATES[name]} {name}"


def _mode(number: int) -> str:
    return MODES[government.CaseMode.Name(number).removeprefix("CASE_MODE_")]  # type: ignore[arg-type]


def _number(version: items.ServiceItemVersion, field: str) -> str:
    return str(getattr(version, field)) if version.HasField(field) else UNKNOWN  # type: ignore[arg-type]
