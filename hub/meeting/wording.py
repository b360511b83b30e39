"""What a report for the meeting says of figures, cells and targets, in Chinese and English."""

from collections.abc import Mapping
from typing import Any

from hub.audit.outcome import Text
from hub.domain import reference
from hub.words.further_kinds import kind_words
from hub.words.indicators import BESIDE, HOW
from hub.words.names import GROUPS, PROVINCES

HEADING = Text("联席会议报告", "report for the joint meeting")
HIDDEN = Text("不显示（少于 5 或可由此推算）", "not shown: a few, or computable")
TOTAL = Text("合计", "total")
STATES = {
    "REPORTED": Text("有数", "counted"),
    "NOT_RECORDED": Text("记录中没有来源", "the record has no source"),
    "NO_EVENT": Text("截至当日没有事件", "no event by the day"),
    "WITHHELD": Text("不公布：与其他数字一起可推算出少数人", "withheld: with other figures a few could be computed"),
}
ADDITIVITY = {
    "ADDITIVE": Text("各地各时可加", "adds up over places and time"),
    "SEMI": Text("各地可加，各时不可加", "adds up over places, not over time"),
    "DISTINCT": Text("不可加：同一个体可在多处", "never adds up: one may be in several places"),
    "RATIO": Text("比率不可加", "a share never adds up"),
}


def figure(one: Mapping[str, Any] | None) -> Text | str:
    """Returns a figure: a count, or two numbers and their share."""
    if one is None:
        return "—"
    if one["is_hidden"]:
        return HIDDEN
    parts = share(one)
    numbers = f"{one['numerator']:,}" + ("" if one["denominator"] is None else f" / {one['denominator']:,}")
    return numbers if parts is None else f"{numbers} = {percent(parts)}"


def times(beside: Mapping[str, int | None]) -> Text | None:
    """Returns the times beside a figure, in seconds; None where there are none."""
    known = [(BESIDE[name], f"{value:,}") for name, value in beside.items() if value is not None]
    if not known:
        return None
    return Text("，".join(f"{zh} {value}" for (zh, _), value in known), ", ".join(f"{en} {value}" for (_, en), value in known))


def share(one: Mapping[str, Any]) -> int | None:
    """Returns a share in hundredths of a percent, rounded down; None where there is none or it is not shown."""
    inside, whole = one["numerator"], one["denominator"]
    return None if one["is_hidden"] or inside is None or not whole else int(inside * 10_000 // whole)


def percent(parts: int) -> str:
    """Returns hundredths of a percent as percent."""
    return f"{parts // 100}.{parts % 100:02} %"


def cell(by: str, code: str) -> Text | str:
    """Returns what a cell of a breakdown is called."""
    if not code:
        return TOTAL
    if by == "province" and code in PROVINCES:
        return Text(*PROVINCES[code])
    if by == "group" and code in GROUPS:
        return Text(*GROUPS[code])
    if by == "scenario" and (versions := reference.load().scenarios.get(code)):
        return Text(f"{versions[-1].name_zh} {code}", f"{versions[-1].name_en} {code}")
    return code


def cause(one: Mapping[str, Any]) -> Text:
    """Returns what came since the last report: so many events of a kind, and how."""
    zh, en = HOW[one["how"]]
    many = Text(f"{one['events']:,}", f"{one['events']:,}") if one["events"] is not None else Text("少于 5", "a few")
    kind = Text(*kind_words(one["kind"]))
    return Text(f"{kind.zh}（{zh}）{many.zh}", f"{kind.en} ({en}) {many.en}")


def target(one: Mapping[str, Any]) -> Text:
    """Returns a target, or a figure that was published, with its day and source."""
    zh, en = ("目标", "target") if one["kind"] == "TARGET" else ("公布", "published")
    whose = Text(*PROVINCES[one["province"]]) if one["province"] else Text("两省市", "both sides")
    return Text(" ".join(filter(None, (zh, whose.zh, one["on"]))), " ".join(filter(None, (en, whose.en, one["on"]))))
