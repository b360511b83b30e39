"""The demo's findings: what rules have raised of the traffic, one looked into and cleared, and a rule tried out that would flood."""

import json
from typing import Any

from rich.console import Console

from hub.demo.screen import typed
from hub.stage import Stage
from hub.words.findings import STATES

_RULE = "CONCESSION_ABUSE"
# Two rides within an hour are no abuse: it finds many.
_TOO_WIDE = ("--set", "gates_s=3600", "--set", "rides_a_day=4")


def show_findings(stage: Stage, screen: Console) -> list[str]:
    """Has a finding reviewed and cleared, and a rule tried out, and returns what does not hold. Raises ChildDied.

    The simulator draws cards at random, so that some are in two cities at once: these are what the rules find.
    """
    at = str(stage.logs.parent)
    found = _run(stage, "raised", "--state", "DETECTED")
    screen.print(f"异常用卡 findings: {typed(at, 'findings', 'raised')}；{len(found):,} 项待核查 to be looked into", soft_wrap=True)
    problems = []
    if found:
        code = found[0]["code"]
        stage.run("hub.cli", "findings", "review", code)
        stage.run("hub.cli", "findings", "clear", code, "--reason", "WRONG_DATA")
        shown = _run(stage, "show", code, "--purpose", "DEMO")
        steps = [one["kind"] for one in shown["steps"]]
        screen.print(f"  {code} {found[0]['rule_code']} {found[0]['measured']:,}：{' '.join(STATES['CLEARED'])}", soft_wrap=True)
        problems += [] if steps[-1] == "finding_cleared" else [f"findings: {steps}"]
    tried = _run(stage, "simulate", _RULE, *_TOO_WIDE)
    said = "✗ 会淹没，不能启用 would flood, cannot be put in force" if tried["floods"] else "可启用 can be put in force"
    screen.print(f"  试算 tried out {_RULE} {' '.join(_TOO_WIDE[1::2])}: {tried['findings']:,} / {tried['uses']:,}，{said}", soft_wrap=True)
    return problems


def _run(stage: Stage, *arguments: str) -> Any:
    return json.loads(stage.run("hub.cli", "findings", *arguments, "--json").splitlines()[-1])
