"""`hub findings raised`, `show`, `review`, `confirm`, `clear`, `rules`, `simulate` and `adopt`: findings of unusual use and their rules."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import findings_pb2 as protos

from hub.commands import finding_screen
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.commands.looking import Purpose, look_first
from hub.commands.officer_desk import now, refusals
from hub.commands.options import Json
from hub.commands.wording import screen
from hub.config import Config
from hub.domain.looks import Shown
from hub.domain.settlement.lines import SIDES
from hub.domain.unusual_use.finding import CLEARED_FOR, CONFIRMED_FOR, Said
from hub.domain.unusual_use.rule_book import rule_named
from hub.findings import shown
from hub.findings.desk import HUB, opened
from hub.findings.reading import rule_versions
from hub.findings.simulating import DAYS, newest_day, simulate
from hub.journal.sessions import session
from hub.projections import PROJECTIONS
from hub.projections.engine import create_views
from hub.projections.runner import connect
from hub.projections.views.raised_findings import Wanted, listed, tallies
from hub.words.findings import STATES

Code = Annotated[str, typer.Argument(help="编号，如 FD-20260302-1A2B3C4D。Code of a finding.")]
RuleCode = Annotated[str, typer.Argument(help="规则，如 PIN_BURST；见 hub findings rules。Rule.")]
Note = Annotated[str, typer.Option(help="备注，不得含标识。Remark, without identifiers.")]
Set = Annotated[list[str], typer.Option("--set", help="参数=值，可多次。Parameter=value, several times.")]
First = Annotated[str, typer.Option("--from", help="首日，默认末日前 30 天。First day; 30 days before the last.")]
Last = Annotated[str, typer.Option("--to", help="末日，默认最近用卡之日。Last day; that of the newest use.")]


@contextmanager
def _reading() -> Iterator[tuple[str, psycopg.Connection]]:
    """Opens a session that only reads on the database that the settings name; a refusal becomes one line."""
    with database(Config()) as dsn:
        with connect(dsn) as projector:
            create_views(projector, PROJECTIONS)
        with session(dsn, "hub_reader", "hub-findings") as connection, refusals():
            yield dsn, connection


def raised(
    state: Annotated[str, typer.Option(help="状态，如 DETECTED。State.")] = "",
    rule: Annotated[str, typer.Option(help="规则，如 PIN_BURST。Rule.")] = "",
    most: Annotated[int, typer.Option(min=1, max=100_000, help="最多条数。How many at most.")] = 100,
    as_json: Json = False,
) -> None:
    """列出规则提出的异常用卡，最近变动在前。List findings that rules have raised, those that changed last first."""
    if state and state.upper() not in STATES:
        raise typer.BadParameter(f"没有此状态 no state: {state}；{' '.join(STATES)}", param_hint="--state")
    with _reading() as (_, connection):
        code = rule_named(rule.upper()).code if rule else ""
        found = listed(connection, Wanted(state.upper(), code, SIDES, most=most))
    if as_json:
        typer.echo(json.dumps([finding_screen.as_json(one) for one in found]))
        return
    screen().print(finding_screen.listing(found))
    typer.echo(f"{len(found):,} 项 findings" + ("，要更多用 for more --most" if len(found) == most else ""))


def show(code: Code, purpose: Purpose = "", operator: Operator = "", as_json: Json = False) -> None:
    """查看一项异常用卡的证据与经过；查看本身入账。Show one with its evidence and steps; itself a look."""
    with _reading() as (dsn, connection):
        found = shown.whole(connection, code, SIDES)
        issuer = found.finding.card.issuing_province if found.finding.card is not None else ""
        look_first(dsn, list(found.keys[:1]), issuer, Shown.SHOWN_RECORD_FINDINGS, purpose, operator, found.listed.position)
    if as_json:
        typer.echo(json.dumps(finding_screen.whole_json(found)))
        return
    finding_screen.whole(found)


def review(code: Code, operator: Operator = "") -> None:
    """受理核查。Begin to look into one."""
    _decide(code, Said(protos.FINDING_STEP_REVIEW, _by(operator)))


def confirm(
    code: Code,
    reason: Annotated[str, typer.Option(help=f"理由代码。Reason code: {' '.join(CONFIRMED_FOR)}.")],
    note: Note = "",
    operator: Operator = "",
) -> None:
    """判定属实；不改变任何答复。Confirm one; it changes no answer."""
    _decide(code, Said(protos.FINDING_STEP_CONFIRM, _by(operator), reason, note))


def clear(
    code: Code,
    reason: Annotated[str, typer.Option(help=f"理由代码。Reason code: {' '.join(CLEARED_FOR)}.")],
    note: Note = "",
    operator: Operator = "",
) -> None:
    """排除；计为该规则该版本的误报。Clear one: a false positive of its rule and version."""
    _decide(code, Said(protos.FINDING_STEP_CLEAR, _by(operator), reason, note))


def rules(as_json: Json = False) -> None:
    """列出规则、参数与误报。List the rules with their parameters and false positives."""
    with _reading() as (_, connection):
        versions, counted = rule_versions(connection), tallies(connection)
    if as_json:
        typer.echo(json.dumps([finding_screen.rule_json(some[-1], counted.get(code, [])) for code, some in versions.items()]))
        return
    screen().print(finding_screen.rules({code: (some[-1], counted.get(code, [])) for code, some in versions.items()}))


def try_out(rule: RuleCode, values: Set = [], first: First = "", last: Last = "", as_json: Json = False) -> None:  # noqa: B006 (Typer's own)
    """在既往日期试算规则，什么也不登记。Try a rule out on past days; it records nothing."""
    with _reading() as (_, connection):
        found = simulate(connection, rule.upper(), _parameters(values), _days(connection, first, last))
    if as_json:
        typer.echo(json.dumps(finding_screen.simulated_json(found)))
        return
    finding_screen.simulated(found)


def adopt(rule: RuleCode, values: Set, first: First = "", last: Last = "", operator: Operator = "") -> None:
    """试算后启用规则的新参数；会淹没核查人员的被拒。Put other parameters in force, unless they would flood those who review."""
    with _reading() as (dsn, connection), opened(dsn, connection) as desk:
        version, tried = desk.adopt(rule.upper(), _parameters(values), _days(connection, first, last), _by(operator), now())
    finding_screen.simulated(tried)
    typer.echo(f"{version.rule.code}: 第 {version.number} 版已启用 version {version.number} is in force, 位置 position {version.position}")


def _by(operator: str) -> protos.FindingOfficer:
    return protos.FindingOfficer(participant=HUB, person=acting(operator))


def _decide(code: str, said: Said) -> None:
    with _reading() as (dsn, connection), opened(dsn, connection) as desk:
        found = desk.decide(code, said, SIDES, now())
    typer.echo(f"{found.raised.finding_code}: {finding_screen.state_words(found.state)}")


def _parameters(values: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for said in values:
        name, equals, value = said.partition("=")
        if not equals or not (value.isascii() and value.isdigit() and len(value) < 11):
            raise typer.BadParameter(f"写作 参数=整数 say parameter=whole number: {said}", param_hint="--set")
        found[name] = int(value)
    return found


def _days(connection: psycopg.Connection, first: str, last: str) -> tuple[date, date]:
    until = _day(last, "--to") if last else newest_day(connection)
    if first:
        return _day(first, "--from"), until
    return date.fromordinal(max(until.toordinal() - (DAYS - 1), 1)), until


def _day(text: str, hint: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"不是日期 no day: {text}；如 such as 2026-03-02", param_hint=hint) from None
