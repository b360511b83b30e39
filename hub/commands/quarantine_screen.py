"""How `hub quarantine` says things: rows of the list, one event with its reasons, what an evaluation came to."""

import json
from collections.abc import Sequence
from typing import Any

import typer
from rich.table import Table

from hub.commands.wording import folded, in_two_lines, local, table, whole
from hub.domain.quarantine import QuarantineOriginalErased, meaning_of
from hub.projections.views.quarantine import Listed
from hub.words.names import QUARANTINE

STATES = {state: zh for state, (zh, _) in QUARANTINE.items()}


def in_words(outcome: dict[str, Any]) -> str:
    """Says what the evaluation of one event came to."""
    name = f"{outcome['feed']} {outcome['sequence']}"
    where = f"位置 position {outcome['position']}" if "position" in outcome else ""
    if "error" in outcome:
        return f"✗ {name}: {outcome['message']} {where}".rstrip()
    lines = [f"{name}: {STATES[outcome['outcome']]} {outcome['outcome']}{'，' if where else ''}{where}"]
    return "\n".join([*lines, *_reason_lines(outcome.get("violations", []))])


def _reason_lines(violations: list[dict[str, str]]) -> list[str]:
    return [f"  {v['field_path']}  {v['rule']}: {v['zh']}{v['en']}" for v in violations]


def explained(violations: Sequence[Sequence[str]]) -> list[dict[str, str]]:
    """Adds to each (field path, rule) what it means."""
    words = [(path, rule, meaning_of(rule, path)) for path, rule in violations]
    return [{"field_path": path, "rule": rule, "zh": meaning.text_zh, "en": meaning.text_en} for path, rule, meaning in words]


def summary(one: Listed) -> dict[str, Any]:
    """Returns a row of the list for a machine."""
    return {
        "feed": one.feed,
        "sequence": one.entry.sequence,
        "position": one.position,
        "recorded_at": local(one.entry.recorded_us),
        "kind": one.entry.declared_kind,
        "violations": [{"field_path": path, "rule": rule} for path, rule in one.violations],
        **handling_of(one),
    }


def handling_of(one: Listed) -> dict[str, Any]:
    """Returns what became of a quarantined event."""
    entry = one.entry
    return {
        "state": entry.state,
        "settled_position": entry.settled_position,
        "evaluations": entry.evaluations,
        "evaluated_at": local(entry.evaluated_us) if entry.evaluations else "",
        "evaluated_by": entry.evaluated_by,
        "still": explained(json.loads(entry.still)),
        "opened_in_clear": entry.openings,
    }


def listing(found: Sequence[Listed]) -> Table:
    """Draws the list."""
    drawn = table(
        whole("数据流 feed\n序号 number"),
        whole("位置\nposition"),
        whole("入账 +08:00\nrecorded"),
        folded("种类 declared kind\n违反 breaks"),
        whole("状态\nstate"),
        whole("了结于\nsettled at"),
    )
    for one in found:
        entry = one.entry
        breaks = [f"{path} {rule}" for path, rule in one.violations]
        drawn.add_row(
            f"{one.feed}\n{entry.sequence}",
            str(one.position),
            in_two_lines(entry.recorded_us),
            "\n".join([entry.declared_kind or "—", *breaks]),
            f"{STATES[entry.state]}\n{entry.state}",
            str(entry.settled_position or ""),
        )
    return drawn


def show_one(told: dict[str, Any]) -> None:
    """Prints one event: its reasons, what became of it, and what was sent."""
    typer.echo(f"{told['feed']} {told['sequence']}: {told['kind'] or '—'}, 位置 position {told['position']}, {told['recorded_at']}")
    typer.echo("违反 breaks:")
    typer.echo("\n".join(_reason_lines(told["violations"])))
    if told["handling"] is not None:
        _show_handling(told["handling"])
    if told["sent"] is None:
        typer.echo(f"原文 as sent: 已删除 erased. {QuarantineOriginalErased()}")
        return
    typer.echo("原文 as sent:")
    for path, text in told["sent"].items():
        typer.echo(f"  {path}: {text}")


def _show_handling(handling: dict[str, Any]) -> None:
    at = f"，位置 position {handling['settled_position']}" if handling["settled_position"] else ""
    typer.echo(f"状态 state: {STATES[handling['state']]} {handling['state']}{at}")
    if handling["evaluations"]:
        by = f"{handling['evaluated_at']} {handling['evaluated_by']}"
        typer.echo(f"重新评估 evaluated again: {handling['evaluations']} 次 times, 最近 last {by}")
        typer.echo("\n".join(_reason_lines(handling["still"])) or "  合规 passed")
    if handling["opened_in_clear"]:
        typer.echo(f"明文查看 opened in clear: {handling['opened_in_clear']} 次 times")
