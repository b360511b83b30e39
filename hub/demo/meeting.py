"""The demo's report for the joint meeting, which the record gives again, and the open data that it is."""

import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from hub.demo.screen import typed
from hub.domain.instants import LOCAL
from hub.stage import Stage


def show_meeting(stage: Stage, screen: Console) -> list[str]:
    """Freezes the report of this year so far, makes it again, writes open data, and returns what does not hold. Raises ChildDied."""
    data = stage.logs.parent
    year = str(datetime.now(UTC).astimezone(LOCAL).year)
    screen.print(f"会议报告 report for the joint meeting: {typed(str(data), f'meeting report --period {year} --to q')}", soft_wrap=True)
    made = _run(stage, "meeting", "report", "--period", year)
    is_same = _run(stage, "meeting", "check", made["code"])["is_same"]
    said = f"{made['code']} {made['period']}，{len(made['indicator_reports'])} 项指标 indicators"
    screen.print(f"  {said}；重做 made again: {'逐字节相同 the same bytes' if is_same else '不同 other bytes'}", soft_wrap=True)
    files = _run(stage, "open-data", "write", str(data / "open-data"))["files"]
    screen.print(f"  开放数据 open data: {data / 'open-data'}，{len(files)} 个文件 files", soft_wrap=True, highlight=False)
    return [] if is_same else [f"{made['code']}: the record gives other bytes"]


def _run(stage: Stage, *arguments: str) -> Any:
    return json.loads(stage.run("hub.cli", *arguments, "--json").splitlines()[-1])
