"""What `hub kpi` prints of indicators and of reports."""

from collections.abc import Iterable
from typing import Any

import typer
from rich.table import Table

from hub.commands.wording import folded, screen, table, whole
from hub.domain.indicators.definition import Definition, Target
from hub.indicators.asking import Answer, Figure
from hub.indicators.desk import Compared
from hub.indicators.report import FrozenReport
from hub.words.indicators import BESIDE, HIDDEN, HOW, NOT_RECORDED, UNKNOWN_POPULATION, breakdown_words


def share(one: Figure) -> str:
    """Returns a figure in words: a count, or two numbers and the hundredths of a percent that they are."""
    if one.is_hidden:
        return " ".join(HIDDEN)
    if one.denominator is None:
        return f"{one.numerator:,}"
    assert one.numerator is not None, "what is shown is a number"
    parts = one.numerator * 10_000 // one.denominator if one.denominator else 0
    return f"{one.numerator:,} / {one.denominator:,}" + (f" = {parts // 100}.{parts % 100:02} %" if one.denominator else "")


def target(one: Target) -> str:
    """Returns a published figure in words."""
    figure = f"{one.count:,}" if one.count is not None else f"{(one.share_of_10000 or 0) / 100:g} %"
    kind = "目标 target" if one.kind == "TARGET" else "公布 published"
    return " ".join(part for part in (kind, figure, one.on, one.province, one.source) if part)


def overview(answers: Iterable[tuple[Definition, Answer | None, str]]) -> Table:
    """Returns all indicators as a table: a total, or why there is none."""
    listed = table(whole("指标 Id"), *map(folded, ("名称 Name", "合计 Total", "旁列 Beside")))
    for said, found, refusal in answers:
        beside = "\n".join(map(target, said.targets))
        listed.add_row(said.id, "\n".join(said.name), refusal if found is None else total(found), beside)
    return listed


def total(found: Answer) -> str:
    """Returns the total of an answer in words."""
    if found.definition.missing is not None:
        return "\n".join(NOT_RECORDED)
    return share(found.figures[0])


def answer(found: Answer) -> None:
    """Prints an answer: what was counted, of what, in which cells, what is beside it, and its traps."""
    said, asked = found.definition, found.question
    typer.echo(f"{said.id} {said.name.zh} {said.name.en}（定义第 {said.version} 版 version {said.version}, {said.digest[:12]}）")
    typer.echo(f"截至 as of {asked.as_of}，按位置 {asked.position:,} 所知 as known at position {asked.position:,}")
    if said.missing is not None:
        typer.echo(f"{' '.join(NOT_RECORDED)}: {said.missing.zh} {said.missing.en}")
        return
    typer.echo(f"  分子 numerator: {said.numerator.zh} {said.numerator.en}")
    if said.denominator is not None:
        typer.echo(f"  分母 denominator: {said.denominator.zh} {said.denominator.en}")
    listed = table(*map(whole, (" ".join(breakdown_words(asked.by)), "数 Figure")))
    for one in found.figures:
        listed.add_row(one.cell or "合计 total", share(one))
    screen().print(listed)
    _further(found)


def _further(found: Answer) -> None:
    for name, value in found.beside.items():
        typer.echo(f"  {' '.join(BESIDE[name])}: {value if value is not None else ' '.join(HIDDEN)}")
    for row in found.populations:
        typer.echo(f"  人口 population {row.name_zh} {row.name_en}: {row.people:,} {row.source}")
    if found.is_population_unknown:
        typer.echo(f"  {' '.join(UNKNOWN_POPULATION)}")
    for one in found.definition.targets:
        typer.echo(f"  {target(one)}")
    for trap in found.definition.traps:
        typer.echo(f"  ※ {trap.zh} {trap.en}")


def reports(found: Iterable[FrozenReport]) -> Table:
    """Returns frozen reports as a table."""
    listed = table(*map(whole, ("编号 Code", "截至 As of", "位置 Position", "分列 By", "固定人 By whom")))
    for one in found:
        said = one.frozen
        listed.add_row(said.report_code, said.as_of, f"{said.as_known_position:,}", " ".join(breakdown_words(said.by)), said.person)
    return listed


def compared(found: Compared) -> None:
    """Prints a report beside what is known now, and what came since."""
    then = {one["cell"]: Figure(**one) for one in found.then.content["figures"]}
    said = found.then.frozen
    same = "逐字节相同 the same bytes" if found.is_same else "不同 DIFFERS"
    typer.echo(f"{said.report_code}: 截至 as of {said.as_of}；按当时记录重算 counted again by the record of then: {same}")
    listed = table(*map(whole, (" ".join(breakdown_words(said.by)), "报告 Report", "现在 Now")))
    for one in found.now.figures:
        listed.add_row(one.cell or "合计 total", share(then[one.cell]) if one.cell in then else "—", share(one))
    screen().print(listed)
    for kind, how, events in found.causes:
        typer.echo(f"  {kind}: {' '.join(HOW[how])} {events if events is not None else ' '.join(HIDDEN)}")


def compared_json(found: Compared) -> dict[str, Any]:
    """Returns a comparison as it is written with --json."""
    return {
        "report": report_json(found.then), "now": found.now.as_json(), "is_same": found.is_same,
        "causes": [one._asdict() for one in found.causes],
    }  # fmt: skip


def report_json(one: FrozenReport) -> dict[str, Any]:
    """Returns a report as it is written with --json."""
    said = one.frozen
    return {"code": said.report_code, "before": said.before_code, "person": said.person, "content": one.content}
