"""The commands `hub asof`: what the hub knew by what was recorded then, at an instant, and what it answered."""

import time
from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import references_pb2

from hub.audit.replay.questions import answer
from hub.audit.requests.windows import check_times, position_of
from hub.commands import asof_things
from hub.commands.asking import Operator
from hub.commands.asof_options import RecordedAsOf, Steps, ValidAt, place, times
from hub.commands.database import database
from hub.commands.looking import Issuer, Purpose, keys_of, look_first
from hub.commands.options import Json
from hub.commands.outcomes import print_outcome
from hub.config import Config
from hub.domain.looks import Shown, card_by_key
from hub.journal.sessions import session

app = typer.Typer(help="按两种时间查询：当时所知、当时答复。As of both times: what was known and answered.", no_args_is_help=True)


@app.command()
def card(
    card: Annotated[str, typer.Argument(help="卡号，或枢纽的卡键（64 位十六进制）。Card number, or the hub's key of a card in hex.")],
    issuer: Issuer = "",
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    today: Annotated[
        bool, typer.Option("--today", help="并按今日所知再答一次。Also what would be answered with what is known today.")
    ] = False,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """一张卡在两种时间下的状态与答复。A card as of both times, and what was answered about it; the look is recorded first."""
    config = Config()
    question = asked.AuditQuestion(card=asked.CardQuestion(against_today=today, **times(recorded_as_of, valid_at)))
    with database(config) as dsn:
        keys = keys_of(config, dsn, card, issuer)
        question.card.card.CopyFrom(card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0]))
        look_first(dsn, keys, issuer, Shown.SHOWN_RECORD_LIVES, purpose, operator)
        outcome = answer(dsn, question)
    print_outcome(outcome, in_json=as_json, with_timeline=steps)


def _position(connection: psycopg.Connection, text: str) -> int:
    """Returns the position of a place; raises AuditWindowAhead or AuditWindowBefore."""
    asks = asked.AuditQuestion(card=asked.CardQuestion(recorded_as_of=place(text)))
    check_times(connection, asks, time.time_ns() // 1_000)
    return position_of(connection, asks.card.recorded_as_of)


@app.command()
def position(
    instant: Annotated[str, typer.Argument(help="时刻，如 2026-03-03T10:05；无时区为北京时间。An instant, in +08:00 without an offset.")],
) -> None:
    """某时刻前入账的最后位置，供其他命令的 --at-position 使用。The last position before an instant, for --at-position of other commands."""
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-replay") as connection:
        typer.echo(_position(connection, instant))


for command in (
    asof_things.person,
    asof_things.agreement,
    asof_things.count,
    asof_things.filing,
    asof_things.settlement,
    asof_things.concession,
    asof_things.loan,
    asof_things.item,
):
    app.command()(command)
app.command("case")(asof_things.application)
