"""`hub settle`: statements between the provinces: issued for a business day, listed, shown, acknowledged, disputed, paid, checked again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import settlements_pb2 as protos

from hub.commands import settle_screen
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.commands.officer_desk import Side, now, refusals
from hub.commands.options import Json
from hub.commands.settle_report import outcome_of
from hub.commands.wording import screen
from hub.config import Config
from hub.domain import reference
from hub.domain.settlement.statement import UPHELD, WITHDRAWN, Statement
from hub.journal.sessions import session
from hub.settlement import desk as desks
from hub.settlement import files, reading
from hub.settlement.issuing import stated_again
from hub.trust.report_keys import open_report_signer

app = typer.Typer(help="两省结算：按业务日出账、确认、争议、支付、复核。Statements between the provinces.", invoke_without_command=True)
Code = Annotated[str, typer.Argument(help="结算单编号，如 ST-QR-12。Code of a statement.")]


@contextmanager
def _reading() -> Iterator[tuple[str, psycopg.Connection]]:
    """Opens a session that only reads on the database that the settings name; a refusal becomes one line."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-settlement") as connection, refusals():
        yield dsn, connection


@contextmanager
def _desk() -> Iterator[tuple[desks.SettlementDesk, psycopg.Connection]]:
    """Opens the desk on the database that the settings name; a refusal becomes one line."""
    with _reading() as (dsn, connection), desks.opened(dsn, connection) as found:
        yield found, connection


@app.callback()
def settle(
    context: typer.Context,
    day: Annotated[str, typer.Option(help="出账到这个业务日，如 2026-03-02。State the windows through this business day.")] = "",
    scheme: Annotated[str, typer.Option(help="结算方案，空为全部。Scheme; all if empty.")] = "",
    early: Annotated[bool, typer.Option("--early", help="不等次日，现在切账。Cut the window now, not on the day after.")] = False,
    as_json: Json = False,
) -> None:
    """两省结算。--day 出账；其余见各子命令。Statements between the provinces: issue them with --day."""
    if context.invoked_subcommand is not None:
        return
    if not day:
        typer.echo(context.get_help())
        return
    through = _day(day)
    with _desk() as (desk, _):
        made = list(desk.issue(scheme, through, now(), early=early)) if scheme else desk.issue_all(through, now(), early=early)
    if as_json:
        typer.echo(json.dumps([settle_screen.as_json(one) for one in made]))
        return
    screen().print(settle_screen.listing(made))
    typer.echo("下一步 next: hub settle show CODE · hub settle acknowledge CODE --side 50")


@app.command("schemes")
def schemes(on: Annotated[str, typer.Option(help="哪一天，默认今天。On which day; today if left out.")] = "") -> None:
    """列出结算方案：哪些场景、由谁清算、谁付。List the schemes: which scenarios, over which route, who owes."""
    screen().print(settle_screen.schemes(reference.load().schemes.in_force(_day(on) if on else now().date())))


@app.command("list")
def list_(
    scheme: Annotated[str, typer.Option(help="结算方案，空为全部。Scheme; all if empty.")] = "",
    first: Annotated[str, typer.Option("--from", help="第一个业务日。First business day.")] = "",
    last: Annotated[str, typer.Option("--to", help="最后一个业务日。Last business day.")] = "",
    as_json: Json = False,
) -> None:
    """列出结算单，最新在前。List statements, the newest first."""
    with _reading() as (_, connection):
        found = list(reading.listed(connection, scheme, first, last))
    if as_json:
        typer.echo(json.dumps([settle_screen.as_json(one) for one in found]))
        return
    screen().print(settle_screen.listing(found))


@app.command("show")
def show(
    code: Code,
    csv: Annotated[Path | None, typer.Option("--csv", help="另存为 CSV。Also write the lines as CSV.")] = None,
    camt: Annotated[Path | None, typer.Option("--camt054", help="另存为 camt.054 式 XML（配 --side）。Also write XML for --side.")] = None,
    pdf: Annotated[Path | None, typer.Option("--pdf", help="另存为已签名的 PDF。Also write it as a signed PDF.")] = None,
    side: Side = "50",
    as_json: Json = False,
) -> None:
    """查看一张结算单及其明细。Show a statement with its lines."""
    with _reading() as (_, connection):
        found = reading.find(connection, code)
    if csv is not None:
        csv.write_text(files.as_csv(found), encoding="utf-8")
    if camt is not None:
        camt.write_text(files.as_camt054(found, side), encoding="utf-8")
    if pdf is not None:
        # What makes PDFs takes a while to load, and few ask for one.
        from hub.audit.report import signing
        from hub.audit.report.pdf import render

        pdf.write_bytes(signing.sign(render(outcome_of(found)), open_report_signer(Config().certificates_dir)))
    if as_json:
        typer.echo(json.dumps(settle_screen.as_json(found, with_lines=True)))
        return
    settle_screen.show(found)


@app.command("verify")
def verify(code: Code, as_json: Json = False) -> None:
    """按日志重算一张结算单，并与所出比对。Make a statement again from the journal and compare: exit code 1 where it differs."""
    with _reading() as (_, connection):
        found = reading.find(connection, code)
        again = stated_again(connection, found)
    is_equal = again.digest == found.issued.digest
    if as_json:
        digests = {"digest": found.issued.digest.hex(), "again": again.digest.hex()}
        typer.echo(json.dumps({"statement": found.code, "equal": is_equal, **digests}))
    else:
        typer.echo(f"{'✓ 相同 equal' if is_equal else '✗ 不同 differs'}: {found.code} {found.issued.digest.hex()}")
        for line in settle_screen.differences(found.issued, again):
            typer.echo(line)
    if not is_equal:
        raise typer.Exit(1)


@app.command("acknowledge")
def acknowledge(code: Code, side: Side, operator: Operator = "") -> None:
    """代一方确认结算单。Acknowledge a statement for a side."""
    with _desk() as (desk, connection):
        digest = reading.find(connection, code).issued.digest
        _done(desk.acknowledge(code, _party(side, operator), digest, now()))


@app.command("dispute")
def dispute(
    code: Code,
    line: Annotated[int, typer.Argument(help="第几行，从 1 起。Number of the line.")],
    side: Side,
    reason: Annotated[str, typer.Option(help="原因代码，如 AMOUNT_DIFFERS。Reason code.")] = "AMOUNT_DIFFERS",
    operator: Operator = "",
) -> None:
    """代一方对一行提出争议。Dispute a line for a side."""
    with _desk() as (desk, _):
        _done(desk.dispute(code, _party(side, operator), line, reason, now()))


@app.command("resolve")
def resolve(
    code: Code,
    line: Annotated[int, typer.Argument(help="第几行，从 1 起。Number of the line.")],
    side: Side,
    # Required, for the one is for the other side to say and the other for the side that raised it.
    upheld: Annotated[
        bool, typer.Option("--upheld/--withdrawn", help="成立（对方承认）或撤回（提出方）。Upheld by the other side, or withdrawn.")
    ],
    operator: Operator = "",
) -> None:
    """了结一项争议。End a dispute."""
    with _desk() as (desk, _):
        _done(desk.resolve(code, _party(side, operator), line, UPHELD if upheld else WITHDRAWN, now()))


@app.command("pay")
def pay(
    code: Code,
    side: Side,
    payment: Annotated[str, typer.Option("--reference", help="银行付款参考号。Reference of the payment.")],
    fen: Annotated[int, typer.Option(help="金额（分），须等于净额。Amount in fen, the net of the statement.")],
    operator: Operator = "",
) -> None:
    """报告净额已支付。Report that the net was paid."""
    with _desk() as (desk, _):
        _done(desk.pay(code, _party(side, operator), payment, fen, now()))


def _party(side: str, operator: str) -> protos.StatementParty:
    return desks.of_operator(side, acting(operator))


def _done(found: Statement) -> None:
    typer.echo(f"{found.code}: {settle_screen.state_words(found)}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"不是日期 no day: {text}；如 such as 2026-03-02", param_hint="--day") from None
