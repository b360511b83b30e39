"""`hub reconcile`: the books of a business day compared, breaks found, listed, assigned, explained and closed, totals taken from a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import reconciliation_pb2 as protos

from hub.commands import reconcile_screen
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.commands.officer_desk import Side, now, refusals
from hub.commands.options import Json
from hub.commands.wording import screen
from hub.config import Config
from hub.domain.instants import LOCAL
from hub.domain.reconciliation.day_book import EXPLANATIONS, Break
from hub.domain.settlement.lines import SIDES
from hub.journal.sessions import session
from hub.reconciliation.comparing import compare
from hub.reconciliation.desk import ReconciliationDesk, opened
from hub.reconciliation.files import read_totals
from hub.reconciliation.reading import day_books
from hub.settlement.desk import of_operator

app = typer.Typer(help="对账：三本账比对、差错处理。Reconciliation: three books, and breaks.", invoke_without_command=True)
Code = Annotated[str, typer.Argument(help="差错编号，如 BR-51-20260302-1。Code of a break.")]
_DAYS = 31


@contextmanager
def _reading() -> Iterator[tuple[str, psycopg.Connection]]:
    """Opens a session that only reads on the database that the settings name; a refusal becomes one line."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-reconciliation") as connection, refusals():
        yield dsn, connection


@contextmanager
def _desk() -> Iterator[ReconciliationDesk]:
    with _reading() as (dsn, connection), opened(dsn, connection) as desk:
        yield desk


@app.callback()
def reconcile(
    context: typer.Context,
    day: Annotated[str, typer.Option(help="业务日，如 2026-03-02。Business day.")] = "",
    dry: Annotated[bool, typer.Option("--dry", help="只比对，不登记差错。Compare and record nothing.")] = False,
    as_json: Json = False,
) -> None:
    """对账。--day 比对一个业务日并登记差错；其余见各子命令。Compare a business day and record its breaks with --day."""
    if context.invoked_subcommand is not None:
        return
    if not day:
        typer.echo(context.get_help())
        return
    on, at = _day(day), now()
    if dry:
        with _reading() as (_, connection):
            found = [compare(connection, side, on) for side in SIDES]
    else:
        with _desk() as desk:
            found = [desk.reconcile(side, on, at) for side in SIDES]
    if as_json:
        typer.echo(json.dumps([reconcile_screen.as_json(one) for one in found]))
        return
    for one in found:
        reconcile_screen.comparison(one)


@app.command("totals")
def totals(
    file: Annotated[Path, typer.Argument(help="CSV：发卡省、地区、场景、笔数、金额（分）。Totals as CSV.", exists=True, dir_okay=False)],
    day: Annotated[str, typer.Option(help="业务日，如 2026-03-02。Business day.")],
    side: Side,
    version: Annotated[int, typer.Option(min=1, help="第几版。Version.")] = 1,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """代一方报送总数并比对。Report a side's totals from a file, and compare."""
    with _desk() as desk:
        message = protos.ReconTotalsRecorded(
            by=of_operator(side, acting(operator)), business_day=day, version=version, totals=read_totals(file.read_bytes())
        )
        found = desk.submit(message, now())
    if as_json:
        typer.echo(json.dumps(reconcile_screen.as_json(found)))
        return
    reconcile_screen.comparison(found)


@app.command("breaks")
def breaks(
    first: Annotated[str, typer.Option("--from", help="第一个业务日，默认 31 天前。First business day.")] = "",
    last: Annotated[str, typer.Option("--to", help="最后一个业务日，默认今天。Last business day.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="也列出已了结的。Also those that are closed.")] = False,
    as_json: Json = False,
) -> None:
    """列出差错，最近的业务日在前。List breaks, the newest days first."""
    until = _day(last) if last else now().astimezone(LOCAL).date()
    since = _day(first) if first else until - timedelta(days=_DAYS)
    with _reading() as (_, connection):
        found = [one for _, _, book in day_books(connection, since, until) for one in book.breaks.values() if all_ or one.is_open]
    if as_json:
        typer.echo(json.dumps([reconcile_screen.break_json(one) for one in found]))
        return
    screen().print(reconcile_screen.breaks(found))


@app.command("assign")
def assign(
    code: Code, side: Side, owner: Annotated[str, typer.Option(help="由哪一方处理。Which side settles it.")], operator: Operator = ""
) -> None:
    """指定由哪一方处理差错。Make a side the owner of a break."""
    with _desk() as desk:
        _done(desk.assign(code, of_operator(side, acting(operator)), owner, now()))


@app.command("explain")
def explain(
    code: Code,
    side: Side,
    reason: Annotated[str, typer.Option(help=f"原因代码。Reason code: {' '.join(EXPLANATIONS)}.")],
    operator: Operator = "",
) -> None:
    """说明差错的原因。Say what a break comes of."""
    with _desk() as desk:
        _done(desk.explain(code, of_operator(side, acting(operator)), reason, [], now()))


@app.command("close")
def close(
    code: Code,
    side: Side,
    written_off: Annotated[bool, typer.Option("--written-off/--accepted", help="核销或接受。Written off, or accepted.")] = False,
    operator: Operator = "",
) -> None:
    """了结差额留下的差错。Close a break whose difference stays; the hub closes the others itself."""
    cause = protos.BREAK_CAUSE_WRITTEN_OFF if written_off else protos.BREAK_CAUSE_ACCEPTED
    with _desk() as desk:
        _done(desk.leave(code, of_operator(side, acting(operator)), cause, [], now()))


def _done(found: Break) -> None:
    typer.echo(f"{found.code}: {reconcile_screen.state_words(found)}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"不是日期 no day: {text}；如 such as 2026-03-02", param_hint="--day") from None
