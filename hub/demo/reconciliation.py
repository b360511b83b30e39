"""The demo's reconciliation: Sichuan's totals a fen off, the break found, explained, and closed by the totals as they should be."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from hub.domain.instants import LOCAL
from hub.reconciliation.files import COLUMNS
from hub.stage import Stage

_SIDE, _OTHER = "51", "50"
_FILE = "totals-51.csv"


def show_reconciliation(stage: Stage, screen: Console) -> list[str]:
    """Has Sichuan's totals of the day compared, once with one error and once without, and returns what does not hold. Raises ChildDied."""
    day = datetime.now(UTC).astimezone(LOCAL).date().isoformat()
    cells = _served(stage, day)
    screen.print(
        f"对账 reconciliation: hub reconcile --day {day}；四川总数 {len(cells)} 个单元，其中一个多报一分 cells, one of them a fen off",
        soft_wrap=True,
    )
    if not cells:
        return []
    wrong = [{**one, "amount_fen": one["amount_fen"] + (one is cells[0])} for one in cells]
    found = _reported(stage, day, wrong, 1)
    broken = [one for one in found["breaks"] if one["state"] == "OPEN"]
    for one in broken:
        screen.print(
            f"  {one['break']} {one['class']} {' '.join(one['cell'])} {one['amount_fen']:+} 分 fen {one['reason']}", soft_wrap=True
        )
        stage.run("hub.cli", "reconcile", "explain", one["break"], "--side", _SIDE, "--reason", "ENTERED_WRONG")
    problems = [] if found["difference"] == found["explained"] else ["差错没有说明全部差异 breaks do not explain the difference"]
    if ("AMOUNT", -1) not in [(one["class"], one["amount_fen"]) for one in broken]:
        problems.append("一分钱的差错没有查出 the fen was not found")
    closed = _reported(stage, day, _served(stage, day), 2)
    still = [one for one in closed["breaks"] if one["state"] != "CLOSED"]
    screen.print(f"  更正后 after the totals were corrected: {'✓ 自行了结 closed by the hub' if not still else '✗'}", soft_wrap=True)
    return problems + ([] if not still else ["差错没有自行了结 the break was not closed"])


def _served(stage: Stage, day: str) -> list[dict[str, Any]]:
    """Returns what Sichuan served of Chongqing's cards, by the hub's book: in the demo its own book is the same."""
    return [one for one in _run(stage, "usage", "--day", day)["cells"] if one["issuer"] == _OTHER and one["region"].startswith(_SIDE)]


def _reported(stage: Stage, day: str, cells: list[dict[str, Any]], version: int) -> dict[str, Any]:
    """Reports totals from a file, has the day reconciled, and returns what came of it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([one["issuer"], one["region"], one["scenario"], one["uses"], one["amount_fen"]] for one in cells)
    file = stage.logs.parent / _FILE
    file.write_text(out.getvalue(), encoding="utf-8")
    _run(stage, "reconcile", "totals", str(file), "--day", day, "--side", _SIDE, "--version", str(version))
    (found,) = (one for one in _run(stage, "reconcile", "--day", day) if one["side"] == _SIDE)
    return dict(found)


def _run(stage: Stage, *arguments: str) -> Any:
    return json.loads(stage.run("hub.cli", *arguments, "--json").splitlines()[-1])
