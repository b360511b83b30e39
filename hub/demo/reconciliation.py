"""The demo's reconciliation: Sichuan's totals a fen off, the break found, explained, and closed by the totals as they should be."""

import csv
import io
import json
from typing import Any

from rich.console import Console

from hub.demo.screen import typed
from hub.reconciliation.files import COLUMNS
from hub.stage import Stage
from hub.words.reconciliation import cell_words

_SIDE, _OTHER = "51", "50"
_FILE = "totals-51.csv"


def show_reconciliation(stage: Stage, screen: Console) -> list[str]:
    """Has Sichuan's totals compared, once with one error and once without, and returns what does not hold. Raises ChildDied.

    They are of the newest business day on which it served Chongqing's cards: uses lie as far back as the simulated day began.
    """
    served = _served(stage)
    if not served:
        screen.print("对账 reconciliation: 四川没有受理过渝卡 Sichuan has served no card of Chongqing", soft_wrap=True)
        return []
    day = max(one["day"] for one in served)
    cells = [one for one in served if one["day"] == day]
    command = typed(str(stage.logs.parent), "reconcile", "--day", day)
    said = f"四川总数 {len(cells)} 个单元，其中一个多报一分 cells of Sichuan, one of them a fen off"
    screen.print(f"对账 reconciliation: {command}；{said}", soft_wrap=True)
    wrong = [{**one, "amount_fen": one["amount_fen"] + (one is cells[0])} for one in cells]
    found = _reported(stage, day, wrong)
    broken = [one for one in found["breaks"] if one["state"] == "OPEN"]
    for one in broken:
        screen.print(
            f"  {one['break']} {one['class']} {cell_words(*one['cell'])} {one['amount_fen']:+} 分 fen {one['reason']}", soft_wrap=True
        )
        stage.run("hub.cli", "reconcile", "explain", one["break"], "--side", _SIDE, "--reason", "ENTERED_WRONG")
    problems = [] if found["difference"] == found["explained"] else ["差错没有说明全部差异 breaks do not explain the difference"]
    if ("AMOUNT", -1) not in [(one["class"], one["amount_fen"]) for one in broken]:
        problems.append("一分钱的差错没有查出 the fen was not found")
    closed = _reported(stage, day, [one for one in _served(stage) if one["day"] == day])
    still = [one for one in closed["breaks"] if one["state"] != "CLOSED"]
    screen.print(f"  更正后 after the totals were corrected: {'✓ 自行了结 closed by the hub' if not still else '✗'}", soft_wrap=True)
    return problems + ([] if not still else ["差错没有自行了结 the break was not closed"])


def _served(stage: Stage) -> list[dict[str, Any]]:
    """Returns what Sichuan served of Chongqing's cards, by the hub's book: in the demo its own book is the same."""
    return [one for one in _run(stage, "usage", "--issuer", _OTHER)["cells"] if one["region"].startswith(_SIDE)]


def _reported(stage: Stage, day: str, cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Reports totals from a file, as the version after the last, has the day reconciled, and returns what came of it."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([one["issuer"], one["region"], one["scenario"], one["uses"], one["amount_fen"]] for one in cells)
    file = stage.logs.parent / _FILE
    file.write_text(out.getvalue(), encoding="utf-8")
    version = _compared(stage, day, "--dry")["version"] + 1
    _run(stage, "reconcile", "totals", str(file), "--day", day, "--side", _SIDE, "--version", str(version))
    return _compared(stage, day)


def _compared(stage: Stage, day: str, *further: str) -> dict[str, Any]:
    """Returns the comparison of a day with Sichuan."""
    (found,) = (one for one in _run(stage, "reconcile", "--day", day, *further) if one["side"] == _SIDE)
    return dict(found)


def _run(stage: Stage, *arguments: str) -> Any:
    return json.loads(stage.run("hub.cli", *arguments, "--json").splitlines()[-1])
