"""The commands `hub asof`: what the hub knew by what was recorded then, at an instant, and what it answered."""

import time
from typing import Annotated, Any

import psycopg
import typer
from chuanyu.exchange.v1 import audit_question_pb2 as asked
from chuanyu.exchange.v1 import references_pb2

from hub.audit.replay.questions import answer
from hub.audit.requests import things
from hub.audit.requests.things import THINGS, Typed
from hub.audit.requests.windows import check_times, position_of
from hub.commands.asking import Operator
from hub.commands.asof_options import RecordedAsOf, Steps, ValidAt, place, times
from hub.commands.database import database
from hub.commands.ledgers import CardNo
from hub.commands.looking import Issuer, Purpose, keys_of_one, look_first
from hub.commands.options import Json
from hub.commands.outcomes import print_outcome
from hub.commands.things import add_commands
from hub.config import Config
from hub.domain.looks import Shown, card_by_key
from hub.intake.request_rules import refuse_invalid
from hub.journal.sessions import session

app = typer.Typer(help="按两种时间查询：当时所知、当时答复。As of both times: what was known and answered.", no_args_is_help=True)


@app.command()
def card(
    card: CardNo,
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
    question = asked.AuditQuestion(card=asked.CardQuestion(against_today=today, **times(recorded_as_of, valid_at)))
    _ask_by_card(question, card, issuer, Shown.SHOWN_RECORD_LIVES, (purpose, operator), in_json=as_json, with_steps=steps)


def _thing(
    kind: str, typed: Typed, recorded_as_of: RecordedAsOf = "", valid_at: ValidAt = "", steps: Steps = False, as_json: Json = False
) -> None:
    question = things.question(kind, typed, **times(recorded_as_of, valid_at))
    refuse_invalid(getattr(question, kind))
    with database(Config()) as dsn:
        outcome = answer(dsn, question)
    print_outcome(outcome, in_json=as_json, with_timeline=steps)


def _thing_by_card(
    kind: str,
    typed: Typed,
    card: CardNo,
    issuer: Issuer = "",
    recorded_as_of: RecordedAsOf = "",
    valid_at: ValidAt = "",
    steps: Steps = False,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    question = things.question(kind, typed, **times(recorded_as_of, valid_at))
    _ask_by_card(question, card, issuer, THINGS[kind].shown, (purpose, operator), in_json=as_json, with_steps=steps)


def _ask_by_card(
    question: asked.AuditQuestion, card: str, issuer: str, shown: int, looker: tuple[str, str], *, in_json: bool, with_steps: bool
) -> None:
    """Answers a question about a card or its holder, once the look is recorded."""
    config = Config()
    about: Any = getattr(question, str(question.WhichOneof("asked")))
    with database(config) as dsn:
        keys = keys_of_one(config, dsn, card, issuer)
        about.card.CopyFrom(card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0]))
        look_first(dsn, keys, issuer, shown, *looker)
        outcome = answer(dsn, question)
    print_outcome(outcome, in_json=in_json, with_timeline=with_steps)


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


add_commands(app, _thing, _thing_by_card)
