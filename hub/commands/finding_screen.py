"""What `hub findings` prints of findings that rules have raised, of rules, and of rules tried out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.table import Table

from hub.commands.wording import folded, local, screen, table
from hub.commands.wording import whole as kept
from hub.domain.unusual_use.finding import match_no
from hub.domain.unusual_use.rule_book import Version
from hub.domain.unusual_use.rule_book import rules as all_rules
from hub.findings.shown import Whole
from hub.findings.simulating import Simulated
from hub.projections.views.raised_findings import Listed, Tally
from hub.words.findings import EVIDENCE_GONE, REASONS, STATES
from hub.words.further_kinds import kind_words


def state_words(state: str) -> str:
    """Returns a state in both languages."""
    return " ".join(STATES[state])


def as_json(one: Listed) -> dict[str, Any]:
    """Returns what is printed of a finding; nobody's key."""
    return {**one._asdict(), "subject": match_no(one.subject), "provinces": one.provinces.split()}


def listing(found: Iterable[Listed]) -> Table:
    """Returns findings as a table."""
    drawn = table(
        kept("编号 code\n状态 state"), folded("规则 rule"), kept("日 day"), kept("证据\nevents"), kept("测得\nmeasured"), kept("省")
    )
    for one in found:
        rule = all_rules()[one.rule_code]
        said = f"{one.code}\n{STATES[one.state][0]} {one.state}"
        drawn.add_row(
            said, f"{' '.join(rule.name)}\n{one.rule_code} v{one.rule_version}", one.day, str(one.evidence_count),
            f"{one.measured:,} {rule.unit}", one.provinces,
        )  # fmt: skip
    return drawn


def whole(found: Whole) -> None:
    """Prints a finding with its evidence by time and its steps."""
    rule, one = all_rules()[found.listed.rule_code], found.listed
    typer.echo(f"{one.code} {' '.join(rule.name)}：{state_words(one.state)}")
    typer.echo(f"  {rule.meaning[0]} {rule.meaning[1]}")
    typer.echo(
        f"  对碰号 match number {match_no(one.subject)}，测得 measured {one.measured:,} {rule.unit}，第 {one.rule_version} 版 version"
    )
    evidence = table(kept("时间 +08:00"), folded("事件 event"), kept("地区\nregion"), kept("场景\nscenario"), kept("位置\nposition"))
    for each in found.evidence:
        gone = "" if each.is_in_force else f"\n{' '.join(EVIDENCE_GONE)}"
        evidence.add_row(local(each.occurred_us), f"{each.kind}{gone}", each.region, each.scenario, f"{each.position:,}")
    screen().print(evidence)
    for step in found.steps:
        reason = " ".join(REASONS.get(step.reason_code, (step.reason_code,)))
        typer.echo(f"  {local(step.at_us)} {' '.join(kind_words(step.kind))} {step.person} {reason} {step.note}".rstrip())


def whole_json(found: Whole) -> dict[str, Any]:
    """Returns a finding with its evidence and its steps."""
    said = as_json(found.listed)
    return {**said, "evidence": [one._asdict() for one in found.evidence], "steps": [one._asdict() for one in found.steps]}


def rules(found: Mapping[str, tuple[Version, Sequence[Tally]]]) -> Table:
    """Returns the rules as a table: parameters in force, and what became of the findings of each version."""
    drawn = table(
        folded("规则 rule"), folded("参数 parameters"), kept("版本：未决 属实 排除 失据，误报\nversion: open confirmed cleared stale")
    )
    for code, (version, counted) in found.items():
        parameters = "\n".join(f"{name}={value} {version.rule.parameters[name].zh}" for name, value in version.parameters.items())
        heeds = "\n拒绝自动化决策者不纳入 heeds an opt-out" if version.rule.heeds_opt_out else ""
        drawn.add_row(f"{code} v{version.number}\n{' '.join(version.rule.name)}{heeds}", parameters, "\n".join(map(_tally, counted)) or "–")
    return drawn


def _tally(one: Tally) -> str:
    decided = one.confirmed + one.cleared
    share = f"{one.cleared}/{decided}" if decided else "–"
    return f"v{one.version}: {one.open} {one.confirmed} {one.cleared} {one.stale}, {share}"


def rule_json(version: Version, counted: Sequence[Tally]) -> dict[str, Any]:
    """Returns a rule with its parameters and tallies."""
    return {
        "rule": version.rule.code, "version": version.number, "parameters": dict(version.parameters),
        "heeds_opt_out": version.rule.heeds_opt_out, "digest": version.digest.hex(), "tallies": [one._asdict() for one in counted],
    }  # fmt: skip


def simulated(found: Simulated) -> None:
    """Prints what a rule found on past days."""
    parameters = ", ".join(f"{name}={value}" for name, value in found.tried.parameters.items())
    typer.echo(f"{found.tried.rule.code} {parameters}，{found.first} – {found.last}")
    typer.echo(
        f"  用卡 uses {found.uses:,}，提出 findings {found.findings:,}（每万次 in 10,000: {found.findings * 10_000 / found.uses:.2f}）"
    )
    typer.echo(
        f"  现行第 {found.in_force.number} 版 version in force {found.findings_in_force:,}，两者都有 both {found.both:,}，"
        f"已拒绝 opted out {found.opted_out:,}"
    )
    if found.floods:
        typer.echo("  ✗ 会淹没核查人员，不能启用 it would flood those who review: it cannot be put in force")


def simulated_json(found: Simulated) -> dict[str, Any]:
    """Returns what a rule found on past days."""
    return {
        "rule": found.tried.rule.code, "parameters": dict(found.tried.parameters), "in_force": dict(found.in_force.parameters),
        "first_day": found.first.isoformat(), "last_day": found.last.isoformat(), "uses": found.uses, "findings": found.findings,
        "findings_in_force": found.findings_in_force, "both": found.both, "opted_out": found.opted_out, "floods": found.floods,
    }  # fmt: skip
