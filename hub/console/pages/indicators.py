"""Indicators: all twenty with their targets, one with what it counts, its trend and cells, and frozen reports beside now."""

from collections.abc import Iterator
from datetime import date

import psycopg

from hub.console.drawing.bars import Stack
from hub.console.page import Known as LookedBack
from hub.console.page import Page, Shown
from hub.console.refusals import in_words
from hub.console.tables import Cell, Column, Table, number, table
from hub.domain.errors import HubError
from hub.domain.indicators.definition import Definition, Target, Words, definition, definitions
from hub.indicators import desk, report
from hub.indicators.asking import Answer, Figure, Question, ask, day_of_position, newest
from hub.indicators.record import Known, at_most
from hub.indicators.report import FrozenReport
from hub.indicators.trend import Point, trend
from hub.words.further_kinds import kind_words
from hub.words.indicators import BESIDE, BREAKDOWNS, HIDDEN, HOW, NOT_RECORDED, breakdown_words

# Of each in the list a few months, drawn small.
MONTHS, FEW_MONTHS, MOST_REPORTS = 12, 6, 20
# A page waits for no more events to be counted again: some 0.3 s.
MOST_EVENTS = 20_000
_FIGURE = Column("figure", "数", "Figure", "number")
_SHARE = Column("share", "比率", "Share", "number")


def indicators(page: Page) -> Shown:
    """Shows the totals of all indicators on a day, beside what is aimed at."""
    with page.reading() as connection:
        position, day, known = _asked(page, connection)
        with at_most(MOST_EVENTS):
            record = Known(connection, position)
            rows = [_row(page, record, Question(said.id, day, position), said) for said in definitions().values()]
    columns = (
        Column("id", "指标", "Id", "code"),
        Column("name", "名称", "Name"),
        _FIGURE,
        _SHARE,
        Column("trend", f"{FEW_MONTHS} 个月", f"{FEW_MONTHS} months"),
        Column("targets", "目标与公布", "Targets and published"),
    )
    values = {"day": day.isoformat(), "position": position}
    return Shown("indicators", page.t("指标", "Indicators"), values, (table("indicators", columns, rows),), position, known=known)


def indicator(page: Page) -> Shown:
    """Shows one indicator: what it counts, how it went, its cells, and its reports. Raises as `definition` and `ask`."""
    said = definition(page.parameters["indicator"][:20])
    by = page.query.get("by", "")[:64]
    with page.reading() as connection, at_most(MOST_EVENTS):
        position, day, known = _asked(page, connection)
        record, reports = Known(connection, position), report.listed(connection, said.id)[:MOST_REPORTS]
        found = ask(record, Question(said.id, day, position, by))
        points = trend(record, found, MONTHS) if found.figures else []
    values = {
        "said": said,
        "day": day.isoformat(),
        "by": by,
        "breakdowns": [(name, page.t(*BREAKDOWNS[name])) for name in said.by],
        "name": _text(page, said.name),
        "numerator": _text(page, said.numerator),
        "denominator": _text(page, said.denominator) if said.denominator is not None else "",
        "missing": _text(page, said.missing) if said.missing is not None else "",
        "traps": [_text(page, one) for one in said.traps],
        "targets": [_target(page, one) for one in said.targets],
        "beside": [(page.t(*BESIDE[name]), _number(page, value)) for name, value in found.beside.items()],
        "populations": [(page.t(one.name_zh, one.name_en), f"{one.people:,} {one.source}") for one in found.populations],
        "is_unknown": found.is_population_unknown,
        "is_hidden": any(one.is_hidden for one in found.figures),
        "stacks": _stacks(said, points),
        "position": position,
    }
    tables = (_cells(page, found), _points(page, points), _reports(page, reports))
    return Shown("indicator", f"{said.id} {_text(page, said.name)}", values, tables, position, known=known)


def frozen(page: Page) -> Shown:
    """Shows a frozen report beside now, and what came since. Raises as `hub.indicators.desk.compare`."""
    with page.reading() as connection, at_most(MOST_EVENTS):
        position = newest(connection)
        found = desk.compare(connection, page.parameters["report"][:30], position)
    frozen_then, said = found.then.frozen, found.now.definition
    then = {one["cell"]: Figure(**one) for one in found.then.content["figures"]}
    rows = [
        (_cell(page, one.cell), *_figure(page, then.get(one.cell)), *_figure(page, one)) for one in found.now.figures
    ]  # fmt: skip
    columns = (
        Column("cell", *breakdown_words(frozen_then.by)),
        Column("then", "报告", "Report", "number"),
        Column("then_share", "报告的比率", "Share in the report", "number"),
        Column("now", "现在", "Now", "number"),
        Column("now_share", "现在的比率", "Share now", "number"),
    )
    causes = [
        (Cell(page.t(*kind_words(one.kind)), code=one.kind), page.t(*HOW[one.how]), _number(page, one.events)) for one in found.causes
    ]  # fmt: skip
    cause_columns = (Column("kind", "事件", "Event"), Column("how", "如何", "How"), Column("events", "件", "Events", "number"))
    values = {
        "report": frozen_then,
        "name": f"{said.id} {_text(page, said.name)}",
        "is_same": found.is_same,
        "before": frozen_then.before_code,
    }
    shown = table("figures", columns, rows), table("causes", cause_columns, causes)
    return Shown("indicator_report", frozen_then.report_code, values, shown, position)


def _asked(page: Page, connection: psycopg.Connection) -> tuple[int, date, LookedBack | None]:
    """Returns the position and the day that a page is of: the newest that is counted, or what the query looks back to."""
    known = page.known(connection)
    position = known.position if known is not None else newest(connection)
    return position, page.day("on") if page.query.get("on") else day_of_position(connection, position), known


def _row(page: Page, record: Known, question: Question, said: Definition) -> tuple[Cell | str, ...]:
    name = Cell(_text(page, said.name), page.link(f"/indicators/{said.id}", on=question.as_of.isoformat()))
    targets = page.t("；", "; ").join(_target(page, one) for one in said.targets) or "—"
    try:
        found = ask(record, question)
    except HubError as refusal:
        return said.id, name, "—", "—", "—", in_words(refusal, page.words).said
    if not found.figures:
        return said.id, name, page.t(*NOT_RECORDED), "—", "—", targets
    return (said.id, name, *_figure(page, found.figures[0]), _line(record, found), targets)


def _line(record: Known, found: Answer) -> Cell:
    """Returns the way from the first total of the last months that is shown; none where each would have to be counted again."""
    points = [one for one in trend(record, found, FEW_MONTHS) if one.numerator is not None] if record.is_kept else []
    if len(points) < 2:
        return Cell("—")
    first, whole = points[0].numerator or 0, points[0].denominator
    line = tuple((one.numerator or 0) / (one.denominator or 1) for one in points)
    return Cell(f"{f'{first:,}' if whole is None else _percent(first, whole)} →", title=points[0].day.isoformat(), line=line)


def _figure(page: Page, one: Figure | None) -> tuple[str, str]:
    """Returns a figure and its share in words."""
    if one is None:
        return "—", "—"
    if one.is_hidden or one.numerator is None:
        return number(None), "—"
    if one.denominator is None:
        return f"{one.numerator:,}", "—"
    return f"{one.numerator:,} / {one.denominator:,}", _percent(one.numerator, one.denominator)


def _percent(inside: int, whole: int) -> str:
    parts = inside * 10_000 // whole if whole else 0
    return f"{parts // 100}.{parts % 100:02} %" if whole else "—"


def _number(page: Page, value: int | None) -> str:
    return page.t(*HIDDEN) if value is None else f"{value:,}"


def _text(page: Page, words: Words) -> str:
    return page.t(words.zh, words.en)


def _target(page: Page, one: Target) -> str:
    figure = f"{one.count:,}" if one.count is not None else f"{(one.share_of_10000 or 0) / 100:g} %"
    kind = page.t("目标", "target") if one.kind == "TARGET" else page.t("公布", "published")
    whose = page.of_province(one.province) if one.province else ""
    return " ".join(part for part in (kind, figure, one.on, whose, one.source) if part)


def _cell(page: Page, cell: str) -> str:
    """Returns the name of a cell: of provinces and regions their names are beside the codes."""
    if not cell:
        return page.t("合计", "Total")
    return page.of_province(cell) if cell in ("50", "51") else cell


def _cells(page: Page, found: Answer) -> Table:
    columns = (Column("cell", *breakdown_words(found.question.by)), _FIGURE, _SHARE)
    return table("cells", columns, [(_cell(page, one.cell), *_figure(page, one)) for one in found.figures])


def _points(page: Page, points: list[Point]) -> Table:
    columns = (Column("day", "截至", "As of", "time"), _FIGURE, _SHARE)
    rows = []
    for one in points:
        figure = Figure("", one.numerator, one.denominator, one.numerator is None)
        rows.append((one.day.isoformat(), *_figure(page, figure)))
    return table("trend", columns, rows)


def _stacks(said: Definition, points: list[Point]) -> list[Stack]:
    """Returns the columns of a trend: what is in the numerator, and of a share of its own what is not."""

    def parts(one: Point) -> Iterator[tuple[str, int]]:
        yield "cq", one.numerator or 0
        if said.has_share and one.numerator is not None and one.denominator is not None:
            yield "hub", one.denominator - one.numerator

    return [Stack(one.day.strftime("%m-%d"), list(parts(one))) for one in points]


def _reports(page: Page, found: list[FrozenReport]) -> Table:
    columns = (
        Column("code", "报告", "Report"),
        Column("as_of", "截至", "As of", "time"),
        Column("position", "位置", "Position", "number"),
        Column("by", "分列", "By"),
        Column("person", "固定人", "By whom"),
    )
    said = [one.frozen for one in found]
    rows = [
        (
            Cell(one.report_code, page.link(f"/indicators/reports/{one.report_code}")),
            one.as_of,
            one.as_known_position,
            page.t(*breakdown_words(one.by)),
            one.person,
        )
        for one in said
    ]
    return table("reports", columns, rows)
