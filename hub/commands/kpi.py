"""`hub kpi`: the twenty indicators as of a day and as known then, one of them by its cells; and reports: frozen, listed, compared."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Annotated

import psycopg
import typer

from hub.commands import kpi_screen
from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.instants import zoned_instant
from hub.commands.login import acting
from hub.commands.officer_desk import now, refusals
from hub.commands.options import Json
from hub.commands.refusals import in_words
from hub.commands.wording import screen
from hub.config import Config
from hub.domain.errors import HubError
from hub.domain.indicators.definition import Definition, definition, definitions
from hub.domain.instants import microseconds_of
from hub.domain.participant import OPERATOR
from hub.indicators import desk, report
from hub.indicators.asking import Answer, Question, ask, day_of_position, newest
from hub.indicators.record import Known
from hub.journal.sessions import session
from hub.journal.times import last_position_by


@contextmanager
def _reading() -> Iterator[tuple[str, psycopg.Connection]]:
    """Opens a session that only reads on the database that the settings name; a refusal becomes one line."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-kpi") as connection, refusals():
        yield dsn, connection


def kpi(
    indicator: Annotated[
        str, typer.Argument(help="指标，如 K1；或报告编号，如 IR-K1-3；空为全部。Indicator, report, or empty for all.")
    ] = "",
    as_of: Annotated[str, typer.Option(help="截至哪个业务日，默认最新一日。Business day; the newest if left out.")] = "",
    as_known: Annotated[
        str, typer.Option(help="按该位置或时刻所知，默认现在。As known at this position or instant; now if left out.")
    ] = "",
    by: Annotated[str, typer.Option(help="分列，如 province 或 province,mode；见定义。Breakdown, as the definition has it.")] = "",
    population: Annotated[str, typer.Option(help="人口：RESIDENTS 或 HOLDERS。Population of a share.")] = "",
    freeze: Annotated[bool, typer.Option("--freeze", help="固定为报告，永不改变。Freeze as a report, which never changes.")] = False,
    reports: Annotated[bool, typer.Option("--reports", help="列出该指标的报告。List the reports of the indicator.")] = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """指标 K1 至 K20：截至某业务日、按某时刻所知；报告固定后不变。Indicators, and reports that never change."""
    with _reading() as (dsn, connection):
        position = position_of(connection, as_known)
        if indicator.upper().startswith("IR-"):
            _compare(connection, indicator, position, as_json=as_json)
            return
        if reports:
            _list(connection, indicator, as_json=as_json)
            return
        asked = Question(indicator, _day(as_of) if as_of else day_of_position(connection, position), position, by, population)
        if freeze:
            with desk.opened(dsn, connection) as opened:
                made = opened.freeze(asked, desk.Officer(OPERATOR, acting(operator)), now())
            _print(kpi_screen.report_json(made), f"{made.frozen.report_code}", as_json=as_json)
        elif indicator:
            found = ask(Known(connection, position), asked)
            if as_json:
                typer.echo(json.dumps(found.as_json(), ensure_ascii=False))
            else:
                kpi_screen.answer(found)
        else:
            _all(connection, asked, as_json=as_json)


def _all(connection: psycopg.Connection, asked: Question, *, as_json: bool) -> None:
    """Prints all indicators; one that has no figure says why."""
    known = Known(connection, asked.position)
    found = [_or_refusal(known, one, asked) for one in definitions().values()]
    if as_json:
        written = [{"indicator": said.id, "refused": refusal} if one is None else one.as_json() for said, one, refusal in found]
        typer.echo(json.dumps(written, ensure_ascii=False))
        return
    screen().print(kpi_screen.overview(found))
    typer.echo(f"截至 as of {asked.as_of}，按位置 {asked.position:,} 所知 as known at position {asked.position:,}")


def _or_refusal(known: Known, said: Definition, asked: Question) -> tuple[Definition, Answer | None, str]:
    try:
        return said, ask(known, Question(said.id, asked.as_of, asked.position)), ""
    except HubError as refusal:
        return said, None, in_words(refusal)


def _compare(connection: psycopg.Connection, code: str, position: int, *, as_json: bool) -> None:
    found = desk.compare(connection, code, position)
    if as_json:
        typer.echo(json.dumps(kpi_screen.compared_json(found), ensure_ascii=False))
    else:
        kpi_screen.compared(found)


def _list(connection: psycopg.Connection, indicator: str, *, as_json: bool) -> None:
    found = report.listed(connection, definition(indicator).id)
    if as_json:
        typer.echo(json.dumps([kpi_screen.report_json(one) for one in found], ensure_ascii=False))
    else:
        screen().print(kpi_screen.reports(found))


def _print(written: object, line: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(written, ensure_ascii=False) if as_json else line)


def position_of(connection: psycopg.Connection, text: str) -> int:
    """Returns the position that a text names, or the last one by the instant that it is; the newest for none."""
    if not text:
        return newest(connection)
    if text.isascii() and text.isdigit():
        return int(text)
    at: datetime = zoned_instant(text, "--as-known").astimezone(UTC)
    return last_position_by(connection, microseconds_of(at))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"不是日期 no day: {text}；如 such as 2026-03-02", param_hint="--as-of") from None
