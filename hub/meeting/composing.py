"""What a report for the meeting says, as an outcome: its PDF, page and tables are made of it. The same parts give the same bytes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.audit.outcome import Line, Outcome, Table, Text, Trend
from hub.meeting import wording
from hub.meeting.facts import KIND, REPORTED, Part, facts_by_indicator, indicators
from hub.meeting.report import MeetingReport
from hub.words.names import PROVINCES

_INDICATOR = Text("指标", "indicator")
_FIGURE = Text("数", "figure")


class Head(NamedTuple):
    """Which report it is: its code, period, day and position, when that was recorded, and who froze it."""

    code: str
    period: str
    as_of: str
    position: int
    recorded_us: int
    person: str


def compose(head: Head, parts: Iterable[Part], before: Sequence[MeetingReport]) -> Outcome:
    """Returns what a report says; *before* are the reports before it, the newest first."""
    found = indicators(parts, before)
    last = before[0].code if before else ""
    reported = sum(one["state"] == REPORTED for one in found)
    facts = {
        "report": KIND, "code": head.code, "period": head.period, "as_of": head.as_of, "as_known_position": head.position,
        "before": last, "indicators": found,
    }  # fmt: skip
    return Outcome(
        question=Text(f"{head.period} 川渝社保卡“一卡通”指标", f"Indicators of the one card of Sichuan and Chongqing, {head.period}"),
        answer=Text(
            f"截至 {head.as_of}，{len(found)} 项指标中 {reported} 项有数。",
            f"As of {head.as_of}, {reported} of {len(found)} indicators have figures.",
        ),
        holds=None,
        recorded_as_of=head.position,
        facts=facts,
        tables=(_overview(found), _targets(found), _then_and_now(found, last), _cells(found), *_annex(found)),
        limits=_LIMITS,
        recorded_us=head.recorded_us,
        about=(
            Line(Text("报告编号", "Report"), Text(head.code, head.code)),
            Line(Text("期间", "Period"), Text(f"{head.period}，截至 {head.as_of}", f"{head.period}, as of {head.as_of}")),
            Line(Text("上次报告", "Report before it"), Text(last or "无", last or "none")),
            Line(Text("固定人", "Frozen by"), Text(head.person, head.person)),
        ),
        heading=wording.HEADING,
        trends=tuple(one for fact in found if (one := _trend(head, fact, before)) is not None),
    )  # fmt: skip


def _name(fact: Mapping[str, Any]) -> Text:
    return Text(f"{fact['indicator']} {fact['name']['zh']}", f"{fact['indicator']} {fact['name']['en']}")


def _total(figures: Sequence[Mapping[str, Any]], cell: str = "") -> Mapping[str, Any] | None:
    return next((one for one in figures if one["cell"] == cell), None)


def _overview(found: Iterable[Mapping[str, Any]]) -> Table:
    rows = [(_name(fact), _said(fact), _then(fact), fact["report"] or "—") for fact in found]
    columns = (_INDICATOR, Text("本期合计", "total"), Text("上次报告的合计", "total of the report before"), Text("指标报告", "its report"))
    return Table(Text("总表", "Overview"), columns, tuple(rows))


def _said(fact: Mapping[str, Any]) -> Text | str:
    if fact["state"] != REPORTED:
        return wording.STATES[fact["state"]]
    total, times = wording.figure(_total(fact["figures"])), wording.times(fact["beside"])
    if times is None:
        return total
    zh, en = total if isinstance(total, Text) else (total, total)
    return Text(f"{zh}（{times.zh}）", f"{en} ({times.en})")


def _then(fact: Mapping[str, Any]) -> Text | str:
    return wording.figure(_total(fact["then"]["figures"]) if fact["then"] is not None else None)


def _targets(found: Iterable[Mapping[str, Any]]) -> Table:
    rows = []
    for fact in found:
        for one in fact["targets"]:
            aim = wording.percent(one["share_of_10000"]) if one["count"] is None else f"{one['count']:,}"
            rows.append((_name(fact), wording.target(one), aim, wording.figure(beside_target(fact, one)), one["source"]))
    columns = (
        _INDICATOR,
        Text("目标或公布", "target or published"),
        Text("数", "figure"),
        Text("本期", "this period"),
        Text("来源", "source"),
    )
    return Table(Text("改革目标与本期", "Targets of the reform beside this period"), columns, tuple(rows))


def beside_target(fact: Mapping[str, Any], target: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Returns the figure that a target is shown beside: that of its province, or the total of both; None where there is none."""
    if not target["province"]:
        return _total(fact["figures"])
    return _total(fact["figures"], target["province"]) if fact["by"] == "province" else None


def _then_and_now(found: Iterable[Mapping[str, Any]], last: str) -> Table:
    rows: list[tuple[str | int | Text, ...]] = []
    for fact in (fact for fact in found if fact["now"] is not None):
        then, now = _total(fact["then"]["figures"]), _total(fact["now"]["figures"])
        causes = [wording.cause(one) for one in fact["causes"]]
        why = (
            Text("；".join(one.zh for one in causes), "; ".join(one.en for one in causes))
            if causes
            else Text("没有晚到的", "nothing came late")
        )
        rows.append((_name(fact), wording.figure(then), wording.figure(now), why))
    columns = (_INDICATOR, Text("当时", "then"), Text("现在所知", "as known now"), Text("其后到的事件", "events that came since"))
    title = Text(f"上次报告 {last} 与现在", f"Report {last} and now") if last else Text("上次报告与现在", "The report before and now")
    return Table(title, columns, tuple(rows))


def _cells(found: Iterable[Mapping[str, Any]]) -> Table:
    rows = [
        (fact["indicator"], wording.cell(fact["by"], one["cell"]), wording.figure(one))
        for fact in found
        if fact["by"]
        for one in fact["figures"]
    ]
    return Table(Text("分列", "By cells"), (_INDICATOR, Text("单元", "cell"), _FIGURE), tuple(rows[:1_000]))


_NONE = ("—", Text("全部有来源", "all have a source"))


def _annex(found: Sequence[Mapping[str, Any]]) -> tuple[Table, ...]:
    definitions = []
    for fact in found:
        base = _text(fact["denominator"]) if fact["denominator"] is not None else "—"
        version = f"{fact['definition_version']} · {fact['definition_digest'][:12]}"
        definitions.append((_name(fact), _text(fact["numerator"]), base, wording.ADDITIVITY[fact["additivity"]], version))
    traps = [(fact["indicator"], _text(one)) for fact in found for one in fact["traps"]]
    missing = [(fact["indicator"], _text(fact["missing"])) for fact in found if fact["missing"] is not None]
    people = {
        (one["province"], one["valid_from"], one["people"], one["source"]): fact["population"]
        for fact in found
        for one in fact["population_rows"]
    }
    columns = (_INDICATOR, Text("分子", "numerator"), Text("分母", "denominator"), Text("可加性", "adding up"), Text("版本", "version"))
    return (
        Table(Text("附录一 定义", "Annex 1: definitions"), columns, tuple(definitions)),
        Table(
            Text("附录二 易误解之处", "Annex 2: what is easily taken for something else"), (_INDICATOR, Text("说明", "note")), tuple(traps)
        ),
        Table(
            Text("附录三 没有来源的指标", "Annex 3: indicators without a source"),
            (_INDICATOR, Text("原因", "why")),
            tuple(missing or [_NONE]),
        ),
        Table(
            Text("附录四 人口", "Annex 4: populations"),
            (Text("口径", "base"), Text("省", "province"), Text("人数", "people"), Text("起", "from"), Text("来源", "source")),
            tuple(
                (base, Text(*PROVINCES[province]), number, since, source)
                for (province, since, number, source), base in sorted(people.items())
            ),
        ),
    )


def _text(words: Mapping[str, str]) -> Text:
    return Text(words["zh"], words["en"])


def _trend(head: Head, fact: Mapping[str, Any], before: Sequence[MeetingReport]) -> Trend | None:
    """Returns an indicator over the periods, by one definition: of the province whose targets there are, else of both."""
    if fact["state"] != REPORTED:
        return None
    provinces = {one["province"] for one in fact["targets"]}
    cell = provinces.pop() if fact["by"] == "province" and len(provinces) == 1 else ""
    points = {head.period: _total(fact["figures"], cell)}
    for report in before:
        one = facts_by_indicator(report).get(fact["indicator"])
        if one is not None and one["state"] == REPORTED and one["definition_digest"] == fact["definition_digest"]:
            points.setdefault(report.frozen.period, _total(one["figures"], cell))
    is_share = fact["denominator"] is not None
    if len(points) == 1 and not fact["targets"]:
        return None
    drawn = [(Text(period, period), _point(one, is_share=is_share)) for period, one in reversed(points.items())]
    goals = [
        (wording.target(one), one["share_of_10000"] if is_share else one["count"])
        for one in fact["targets"]
        if one["province"] == cell and (one["count"] is None) == is_share
    ]
    whose = Text(*PROVINCES[cell]) if cell else Text("两省市", "both sides")
    title = _name(fact)
    return Trend(Text(f"{title.zh}（{whose.zh}）", f"{title.en} ({whose.en})"), is_share, tuple(drawn), tuple(goals))


def _point(one: Mapping[str, Any] | None, *, is_share: bool) -> int | None:
    if one is None or one["is_hidden"]:
        return None
    count: int | None = wording.share(one) if is_share else one["numerator"]
    return count


_LIMITS = (
    Text(
        "数字只来自枢纽的日志，截至所列位置；不是两省市各自公布的统计。目标与公布数只列在旁，从不并入。",
        "Figures come from the hub's journal alone, up to the position above; they are not the statistics that the sides publish."
        " Targets and published figures are beside them and never in them.",
    ),
    Text(
        "少于 5 的人次、可由此推算的单元、以及与上次报告只差少数的单元不显示。“不显示”不是零。",
        "Counts under five of people and of what they did, cells that such a count could be computed from, and cells that moved by a few"
        " since the report before are not shown. Not shown is not nought.",
    ),
    Text(
        "报告固定后不再改变；晚到的、更正的和冲正的在下一份报告里列在“当时”与“现在”两栏。",
        "A report never changes; what comes late, is corrected or reversed is in the next one, as then and now.",
    ),
    Text(
        "没有来源的指标不编造数字；定义变更的指标不与上次相比。",
        "No figure is made up for an indicator without a source; one whose definition changed is not compared with the report before.",
    ),
)
