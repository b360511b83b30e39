"""How cases read on a terminal: a list, one case in words, and its timeline as a picture with one column for each side."""

from collections.abc import Iterable, Iterator
from datetime import date

import typer
from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1 import usage_government_pb2 as government
from google.protobuf.timestamp_pb2 import Timestamp
from rich.cells import chop_cells, set_cell_size

from hub.commands.items_screen import MODES, SIDES, UNKNOWN
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.instants import epoch_day_of, microseconds, midnight_us
from hub.words.kinds import KINDS
from hub.words.services import ACTORS as CASE_ACTORS
from hub.words.services import CASE_FINDINGS, CASE_STATES

STATES = {**{state: zh for state, (zh, _) in CASE_STATES.items()}, "UNSPECIFIED": "无有效上报 no report in force"}
ACTORS = {actor: f"{zh} {en}" for actor, (zh, en) in CASE_ACTORS.items()}
FINDINGS = {code: f"{zh} {en}" for code, (zh, en) in CASE_FINDINGS.items()}
# Columns of a side in the picture; Sichuan is on the left.
_WIDTH, _MARGIN = 40, 19
_LEFT = "51"


def show_list(answer: protos.ListCasesResponse) -> None:
    """Draws a page of cases."""
    drawn = table(
        whole("办理方\nhandling"),
        whole("办件编号\ncase"),
        folded("事项\nitem"),
        whole("决定方\ndeciding"),
        whole("状态\nstate"),
        folded("下一步由\nnext"),
        whole("到期\ndue"),
    )
    for record in answer.records:
        drawn.add_row(
            record.key.handling_province,
            record.key.case_no,
            f"{record.item_id or record.item_code}\n{record.item_name_zh}",
            record.deciding_province,
            _state(record),
            _next(record),
            _due(record.clock),
        )
    screen().print(drawn)
    following = f"；下一页 next page --page {answer.next_page_token}" if answer.next_page_token else ""
    typer.echo(f"{len(answer.records)} 件 cases，{answer.as_of}，位置 as of position {answer.as_of_position:,}{following}")


def show_case(answer: protos.GetCaseResponse, timeline: protos.GetCaseTimelineResponse) -> None:
    """Prints a case, what does not go together, and its timeline."""
    for line in case_lines(answer):
        typer.echo(line)
    typer.echo("")
    ends_us = midnight_us(epoch_day_of(date.fromisoformat(answer.as_of)) + 1)
    known = (entry for entry in timeline.entries if entry.position <= answer.as_of_position)
    shown = [entry for entry in known if microseconds(entry.occurred_at) < ends_us]
    for line in picture(shown):
        typer.echo(line)


def case_lines(answer: protos.GetCaseResponse) -> list[str]:
    """Says how a case is, a line each."""
    record, clock = answer.record, answer.record.clock
    decided = "" if not record.HasField("granted") else "：准予 granted" if record.granted else "：不予 refused"
    lines = [
        f"{record.key.case_no}  {record.item_id or record.item_code} {record.item_name_zh}",
        f"  办理 handled by {SIDES.get(record.key.handling_province, UNKNOWN)}",
        f"  决定 decided by {' '.join(filter(None, [SIDES.get(record.deciding_province, UNKNOWN), record.agency]))}",
        f"  模式 mode: {MODES[government.CaseMode.Name(record.mode).removeprefix('CASE_MODE_')]}",
        f"  状态 state: {_state(record)}{decided}",
        f"  下一步 next: {_next(record)}（{' '.join(record.allowed_next) or '—'}）",
        f"  到期 due: {_due(clock)}" + (f"，中止 paused {clock.paused_days} 工作日 working days" if clock.paused_days else ""),
    ]
    if record.filed_region.code:
        now = "、".join(f"{region.code} {region.name_zh}" for region in record.regions_now)
        lines.append(f"  提交地 filed in {record.filed_region.code} {record.filed_region.name_zh}，今属 now {now or UNKNOWN}")
    if record.stars:
        lines.append(f"  评价 rating: {'★' * record.stars}" + ("，须回访 to be followed up" if record.needs_follow_up else ""))
    if answer.HasField("package"):
        package = answer.package
        ended = f"已办完 closed {_instant(package.closed_at)}" if package.HasField("closed_at") else f"未办完 open {package.open}"
        lines.append(f"  一件事 package {package.package_no}: {package.cases} 件 cases，{ended}")
    for finding in record.findings:
        against = f"，相对 against {finding.against_position}" if finding.against_position else ""
        lines.append(f"  ! {finding.code} 位置 position {finding.position}{against}: {FINDINGS[finding.code]}")
    lines.append(f"  {answer.as_of}，位置 as of position {answer.as_of_position:,}")
    return lines


def show_timeline(answer: protos.GetCaseTimelineResponse) -> None:
    """Prints the timeline."""
    for line in picture(answer.entries):
        typer.echo(line)
    typer.echo(f"{answer.total} 条上报 reports，位置 as of position {answer.as_of_position:,}")


def picture(entries: Iterable[protos.CaseTimelineEntry]) -> Iterator[str]:
    """Draws reports from the first to the last: each in the column of the side that made it, with an arrow where the case goes over."""
    yield f"{'':{_MARGIN}}{set_cell_size(SIDES[_LEFT], _WIDTH)}{SIDES['50']}"
    for entry in entries:
        margin = _instant(entry.occurred_at)[:16].replace("T", " ")
        for line in _lines(entry):
            left, right = (line, "│") if entry.province == _LEFT else ("│", line)
            yield f"{margin:{_MARGIN}}{set_cell_size(left, _WIDTH)}{right}"
            margin = ""
        target = entry.to_province or entry.to_region[:2]
        if target and not entry.until_position:
            yield f"{'':{_MARGIN}}{_arrow(to_left=target == _LEFT)}"


def _arrow(to_left: bool) -> str:
    line = "─" * (_WIDTH - 2)
    return f"◀{line}─┤" if to_left else f"├{line}─▶"


def _lines(entry: protos.CaseTimelineEntry) -> Iterator[str]:
    """Says what a report is, and below it what it says, in lines that fit into a column."""
    yield " ".join(["✗" if entry.until_position else "●", *KINDS[entry.kind]])
    details = [
        entry.reason_code,
        f"{entry.promised_working_days} 工作日 working days" if entry.HasField("promised_working_days") else "",
        entry.to_region or entry.to_province,
        entry.to_agency,
        "、".join(entry.materials),
        ("准予 granted" if entry.granted else "不予 refused") if entry.HasField("granted") else "",
        "★" * entry.stars,
        f"更正于 corrected at {entry.until_position}" if entry.until_position else "",
    ]
    for detail in filter(None, details):
        for piece in chop_cells(detail, _WIDTH - 4):
            yield f"│ {piece}"


def _state(record: protos.CaseRecord) -> str:
    name = protos.CaseState.Name(record.state).removeprefix("CASE_STATE_")
    return f"{STATES[name]} {name}" if record.state else STATES[name]


def _next(record: protos.CaseRecord) -> str:
    actors = [ACTORS[protos.CaseActor.Name(actor).removeprefix("CASE_ACTOR_")] for actor in record.next_actors]
    return "、".join(actors) + (f" {' '.join(record.next_provinces)}" if record.next_provinces else "") or "—"


def _due(clock: protos.CaseClock) -> str:
    if not clock.due_on:
        return UNKNOWN if clock.started_on else "—"
    marks = [("暂定 provisional", clock.due_is_provisional), ("中止中 paused", clock.is_paused), ("超期 overdue", clock.is_overdue)]
    return " ".join([clock.due_on, *(mark for mark, is_so in marks if is_so)])


def _instant(at: Timestamp) -> str:
    return local(microseconds(at))
