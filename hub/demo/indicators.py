"""The demo's indicators: all twenty by what was recorded, and a report of one that the record gives again."""

import json
from typing import Any

from rich.console import Console

from hub.demo.screen import typed
from hub.domain.indicators.definition import definitions
from hub.stage import Stage

_INDICATOR = "K10"


def show_indicators(stage: Stage, screen: Console) -> list[str]:
    """Shows which indicators have a figure, freezes a report of one, compares it, and returns what does not hold. Raises ChildDied."""
    said = f"{len(definitions())} 个指标，截至最新业务日 indicators, as of the newest business day"
    screen.print(f"指标 indicators: {typed(str(stage.logs.parent), 'kpi')}；{said}", soft_wrap=True)
    listed = _run(stage, "kpi")
    for one in listed:
        if one.get("figures"):
            screen.print(f"  {one['indicator']} {definitions()[one['indicator']].name.zh}: {_figure(one['figures'][0])}", soft_wrap=True)
    made = _run(stage, "kpi", _INDICATOR, "--by", "scenario", "--freeze")
    found = _run(stage, "kpi", made["code"])
    again = "逐字节相同 the same bytes" if found["is_same"] else "不同 other bytes"
    screen.print(f"  报告 report {made['code']}: 按当时记录重算 counted again by the record of then: {again}", soft_wrap=True)
    problems = [] if len(listed) == len(definitions()) else [f"kpi: {len(listed)} of {len(definitions())} indicators"]
    return problems if found["is_same"] else [*problems, f"{made['code']}: the record gives other bytes"]


def _figure(one: dict[str, Any]) -> str:
    if one["is_hidden"]:
        return "少于 5，不显示 a few, not shown"
    return f"{one['numerator']:,}" + ("" if one["denominator"] is None else f" / {one['denominator']:,}")


def _run(stage: Stage, *arguments: str) -> Any:
    return json.loads(stage.run("hub.cli", *arguments, "--json").splitlines()[-1])
