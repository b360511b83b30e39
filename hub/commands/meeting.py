"""`hub meeting`: reports for the joint meeting: frozen for a period, listed, written as files, made again from the record of then."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.kpi import position_of
from hub.commands.login import acting
from hub.commands.officer_desk import now, refusals
from hub.commands.options import Json
from hub.commands.wording import screen, table, whole
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.participant import OPERATOR
from hub.indicators.desk import Officer
from hub.journal.sessions import session
from hub.meeting import desk, handing, report
from hub.meeting.report import MeetingReport
from hub.trust.report_keys import open_report_signer

app = typer.Typer(
    help="联席会议报告：固定、列出、成文件、重做核对。Reports for the joint meeting.",
    no_args_is_help=True,
)
Code = Annotated[str, typer.Argument(help="报告编号，如 MR-3。Code of a report.")]
Folder = Annotated[Path, typer.Option("--to", file_okay=False, help="文件写入此文件夹。Write the files into this folder.")]
Unsigned = Annotated[bool, typer.Option("--unsigned", help="PDF 不签名，供逐字节比对。Without a signature, to compare bytes.")]
_MOST = 100


@contextmanager
def _reading() -> Iterator[tuple[str, psycopg.Connection]]:
    """Opens a session that only reads on the database that the settings name; a refusal becomes one line."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-meeting") as connection, refusals():
        yield dsn, connection


@app.command("report")
def report_(
    period: Annotated[str, typer.Option("--period", help="期间：2026、2026-H1、2026-Q1 或 2026-03。The period.")],
    as_known: Annotated[
        str, typer.Option(help="按该位置或时刻所知，默认现在。As known at this position or instant; now if left out.")
    ] = "",
    to: Annotated[Path | None, typer.Option("--to", file_okay=False, help="另把文件写入此文件夹。Also write its files here.")] = None,
    unsigned: Unsigned = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """固定一个期间的报告，永不改变；各指标一并固定。Freeze the report of a period, and those of its indicators, for good."""
    if to is not None:
        # What is frozen stays, so a folder that cannot be is found out before.
        to.mkdir(parents=True, exist_ok=True)
    with _reading() as (dsn, connection):
        with desk.opened(dsn, connection) as opened:
            made = opened.freeze(period, position_of(connection, as_known), Officer(OPERATOR, acting(operator)), now())
        try:
            files = _written(made, to, unsigned=unsigned) if to is not None else []
        except (OSError, HubError):
            again = f"hub meeting write {made.code} --to {to}"
            typer.echo(f"{made.code} 已固定，文件未写全，再写 is frozen, not all its files are written; again: {again}", err=True)
            raise
        _say(made, as_json=as_json, files=files)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """列出报告，最新在前。List the reports, the newest first."""
    with _reading() as (_, connection):
        found = report.newest(connection, _MOST)
    if as_json:
        typer.echo(json.dumps([_as_json(one) for one in found], ensure_ascii=False))
        return
    listed = table(*map(whole, ("编号 Code", "期间 Period", "截至 As of", "位置 Position", "固定人 By whom")))
    for one in found:
        said = one.frozen
        listed.add_row(one.code, said.period, said.as_of, f"{said.as_known_position:,}", said.person)
    screen().print(listed)


@app.command("write")
def write(code: Code, to: Folder, unsigned: Unsigned = False, as_json: Json = False) -> None:
    """把报告写成文件：PDF、网页、CSV、Parquet；已有的不重写。Write a report's files; what is there already stays."""
    with _reading() as (_, connection):
        found = report.find(connection, code)
        _say(found, as_json=as_json, files=_written(found, to, unsigned=unsigned))


@app.command("check")
def check(code: Code, as_json: Json = False) -> None:
    """按当时的记录重做报告，逐字节比对。Make a report again by the record of then, and compare byte for byte."""
    with _reading() as (_, connection):
        found = report.find(connection, code)
        is_same = desk.made_again(connection, found) == found.frozen.content
    if as_json:
        typer.echo(json.dumps({"code": found.code, "is_same": is_same}))
    else:
        typer.echo(f"{'✓' if is_same else '✗'} {found.code}: {'逐字节相同 the same bytes' if is_same else '不同 DIFFERS'}")
    if not is_same:
        raise typer.Exit(1)


def _written(found: MeetingReport, folder: Path, *, unsigned: bool) -> list[dict[str, Any]]:
    signer = None if unsigned else open_report_signer(Config().certificates_dir)
    return [{"file": str(path), "is_written": is_written} for path, is_written in handing.write(found, folder, signer)]


def _say(found: MeetingReport, *, as_json: bool, files: list[dict[str, Any]]) -> None:
    if as_json:
        typer.echo(json.dumps({**_as_json(found), "files": files}, ensure_ascii=False))
        return
    typer.echo(f"{found.code} {found.outcome.answer.zh} {found.outcome.answer.en}")
    for one in files:
        typer.echo(f"  {'✓ 已写 written' if one['is_written'] else '= 已有 there already'} {one['file']}")


def _as_json(found: MeetingReport) -> dict[str, Any]:
    said = found.frozen
    return {
        "code": found.code, "period": said.period, "as_of": said.as_of, "as_known_position": said.as_known_position,
        "before": said.before_code, "person": said.person, "indicator_reports": list(said.indicator_reports),
    }  # fmt: skip
