"""What commands about ledgers share: a connection on which a question is asked, the person who has a card, and the answer in JSON."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, NamedTuple, TypeVar

import psycopg
import typer
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from hub.admin.snapshots import Asked, about_person
from hub.commands.database import database
from hub.commands.looking import keys_of_one, look_first
from hub.commands.officer_desk import now, refusals
from hub.config import Config
from hub.domain.instants import local_day, microseconds_of
from hub.domain.looks import Shown
from hub.intake.request_rules import refuse_invalid
from hub.journal.sessions import session

Answer = TypeVar("Answer", bound=Message)

CardNo = Annotated[str, typer.Argument(help="卡号，或枢纽的卡键（64 位十六进制）。Card number, or the hub's key of a card in hex.")]
AsJson = Annotated[bool, typer.Option("--json", help="输出一行 JSON，与 gRPC 相同。One line of JSON, the same as by gRPC.")]
On = Annotated[str, typer.Option(help="截至某日（北京时间），默认今天。At the end of this day, +08:00; today if left out.")]
AtPosition = Annotated[int, typer.Option(min=0, max=2**63 - 1, help="按该位置已知。As it was known at this position; 0 for now.")]


class Looker(NamedTuple):
    """Why an operator looks at a person's record, and who that is."""

    purpose: str
    operator: str


@contextmanager
def reading(request: Message) -> Iterator[tuple[psycopg.Connection, Asked]]:
    """Gives a connection and who asks: operators see what both sides report. A refusal becomes one line, and exit code 1."""
    with refusals():
        refuse_invalid(request)
        with database(Config()) as dsn, session(dsn, "hub_reader", "hub-ledgers") as connection:
            yield connection, Asked("", local_day(microseconds_of(now())))


def ask_about(card: str, issuer: str, shown: int, looker: Looker, question: Callable[..., Answer]) -> Answer:
    """Returns the answer about the person who has a card, once the look is recorded; a refusal becomes one line, and exit code 1.

    *question* is asked with a connection, the person and, by its name, who asks: `question(connection, person, asked=asked)`.
    """
    config, asked = Config(), Asked("", local_day(microseconds_of(now())))
    with refusals(), database(config) as dsn:
        keys = keys_of_one(config, dsn, card, issuer)
        with session(dsn, "hub_reader", "hub-ledgers") as connection:
            known, answer = about_person(connection, keys[0], partial(question, asked=asked))
        look_first(dsn, keys, issuer, shown if known else Shown.SHOWN_RECORD_NOTHING, looker.purpose, looker.operator)
        return answer
    raise AssertionError("refusals end the command")


def show(answer: Answer, as_json: bool, screen: Callable[[Answer], None]) -> None:
    """Prints an answer, as one line of JSON if that is wanted."""
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
    else:
        screen(answer)
