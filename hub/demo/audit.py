"""The demo's audit: one asks whether anything was altered, another approves, the hub carries it out, and its answer is shown."""

import json

from rich.console import Console

from hub.stage import Stage

_WHY = ("--purpose", "演示 demonstration", "--basis", "演示 demonstration")


def show_audit(stage: Stage, screen: Console) -> list[str]:
    """Shows the way of an audit of the record and returns what is wrong; raises ChildDied where a command of it fails."""
    asked = json.loads(stage.run("hub.cli", "audit", "request", "record", *_WHY, "--operator", "demo.asker", "--json").splitlines()[-1])
    code = str(asked["code"])
    stage.run("hub.cli", "audit", "approve", code, "--operator", "demo.approver", "--same-login")
    stage.run("hub.cli", "audit", "show", code, "--wait")
    shown = json.loads(stage.run("hub.cli", "audit", "show", code, "--outcome", "--operator", "demo.asker", "--json").splitlines()[-1])
    answer, holds = shown["outcome"]["answer"], shown["outcome"]["holds"]
    # The database goes with the demo, so that no command could show it later; its files stay.
    files = stage.logs.parent / "audits" / code
    screen.print(f"审计 an audit, {code}：申请、核准、交付 asked, approved, delivered: {files}", soft_wrap=True, highlight=False)
    screen.print(f"  {'✓' if holds else '✗'} {answer['zh']} {answer['en']}", soft_wrap=True, highlight=False, markup=False)
    return [] if holds else [f"audit {code}: {answer['en']}"]
