"""The command `hub clock`: an operator accepts the journal's time where a database clock was once far ahead."""

import time
from typing import Annotated

import typer

from hub.commands.asking import Operator
from hub.commands.database import database
from hub.commands.login import acting
from hub.commands.looking import is_purpose
from hub.config import Config
from hub.domain.errors import ClockDrift, RequestInvalid
from hub.journal import clock as journal_clock
from hub.journal.sessions import session
from hub.monitoring.vitals import read_clock

app = typer.Typer(help="日志时间超前时由运维接受。Where the journal's time is ahead of the clocks.", no_args_is_help=True)


@app.callback()
def clock() -> None:
    """日志时间。The journal's time."""


@app.command()
def accept(
    reason: Annotated[str, typer.Option(help="原因代码，如 TIME_SERVICE_FAULT，入账。Why, as a code; it is recorded.")],
    operator: Operator = "",
) -> None:
    """时钟校准后，接受日志里已超前的时间（入账）：此后照常记账，入账时间不变，直至时钟追上。

    Once the clocks are right, accept that the journal's newest time is ahead of them; it is recorded. Events are recorded again, all with
    that time, until the clocks have caught up.
    """
    name, config = acting(operator), Config()
    if not is_purpose(reason):
        raise RequestInvalid([("reason", "string.pattern")])
    with database(config) as dsn:
        with session(dsn, "hub_reader", "hub-command") as connection:
            drift = read_clock(connection)
        if drift.is_beyond(config.max_clock_drift_s):
            # What is accepted is for good, so the clocks come first.
            raise ClockDrift(drift_s=f"{drift.drift_s:.1f}")
        accepted = journal_clock.accept(dsn, name, reason, time.time_ns() // 1_000)
    typer.echo(f"已接受 accepted: 超前 ahead by {accepted.ahead_s:,} s，位置 position {accepted.position:,}")
