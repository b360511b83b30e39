"""The command `hub usage`: uses and money by business day and cell, as known now or as known at an instant or position."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer
from rich.table import Table

from hub.audit.requests.things import days_of
from hub.commands.database import database
from hub.commands.instants import zoned_instant
from hub.commands.options import Json
from hub.commands.wording import screen, table, whole
from hub.config import Config
from hub.domain.errors import HubError
from hub.journal.times import last_position_by
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.projections.views.usage_counts import Counts, Wanted, counts


class KnownTwice(HubError):
    """--known-at 与 --known-position 只能用一个。Say either --known-at or --known-position, not both."""


def usage(
    month: Annotated[str, typer.Option(help="某月的业务日，如 2025-09。The business days of a month.")] = "",
    day: Annotated[str, typer.Option(help="业务日，如 2025-09-01；空为全部。Business day; empty for all.")] = "",
    until: Annotated[str, typer.Option(help="直到这个业务日（含）。Through this business day.")] = "",
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")] = "",
    region: Annotated[str, typer.Option(help="用卡地区，六位。Serving region, six digits.")] = "",
    scenario: Annotated[str, typer.Option(help="场景，如 TRA.MET。Scenario.")] = "",
    known_at: Annotated[str, typer.Option(help="按该时刻已知，如 2025-09-02T03:00+08:00。As known at this instant.")] = "",
    known_position: Annotated[int, typer.Option(min=0, help="按该位置已知。As known at this position; 0 for now.")] = 0,
    as_json: Json = False,
) -> None:
    """用卡次数与金额：按业务日、发卡省、地区、场景；可按某时刻已知。Uses and money by day and cell, as known now or then."""
    if known_at and known_position:
        raise KnownTwice
    day, until = days_of(month, day, until)
    wanted = Wanted(_day(day, "--day"), _day(until, "--until"), issuer, region, scenario)
    if wanted.until and not wanted.day:
        raise typer.BadParameter("要有 --day。It goes with --day.", param_hint="--until")
    with database(Config()) as dsn, runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        position = known_position or None
        if known_at:
            instant = zoned_instant(known_at, "--known-at").astimezone(UTC)
            position = last_position_by(connection, (instant - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND)
        found = counts(connection, wanted, position)
    if as_json:
        typer.echo(json.dumps(_as_json(found)))
        return
    screen().print(_listing(found))
    uses, fen = found.sum
    typer.echo(f"合计 sum: {uses:,} 次 uses, {fen:,} 分 fen；位置 as of position {found.position:,}")


_MICROSECOND = timedelta(microseconds=1)


def _day(text: str, option: str) -> str:
    """Returns a day as it is written, "" for none; raises BadParameter."""
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        raise typer.BadParameter(f"不是日期 no day: {text}；如 such as 2025-09-01", param_hint=option) from None


def _as_json(found: Counts) -> dict[str, object]:
    cells = [{**one.cell._asdict(), "uses": one.uses, "amount_fen": one.fen} for one in found.cells]
    uses, fen = found.sum
    return {"as_of_position": found.position, "uses": uses, "amount_fen": fen, "cells": cells}


def _listing(found: Counts) -> Table:
    listed = table(*map(whole, ("业务日 Day", "发卡 Issuer", "地区 Region", "场景 Scenario", "次数 Uses", "金额（分）Fen")))
    for cell, uses, fen in found.cells:
        listed.add_row(*cell, f"{uses:,}", f"{fen:,}")
    return listed
