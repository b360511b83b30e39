"""What the commands `hub audit request` share: purpose, basis and both times as they are typed, the card, and the request."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as protos
from chuanyu.exchange.v1 import references_pb2

from hub.audit.requests.desk import Asking
from hub.audit.requests.folder import Folder
from hub.commands.audit_desk import acting, opened, waited
from hub.commands.audit_screen import as_row, lines
from hub.commands.database import database
from hub.commands.looking import keys_of_one
from hub.config import Config
from hub.domain.looks import card_by_key
from hub.trust.keyring import open_keyring

Purpose = Annotated[str, typer.Option(help="目的，用文字写明，入账。What for, in words; it is recorded.")]
Basis = Annotated[str, typer.Option(help="法律依据，用文字写明，入账。Legal basis, in words; it is recorded.")]
Wait = Annotated[bool, typer.Option("--wait", help="等到有结果，并显示进度。Wait until it has ended, and show how far it is.")]
AsOf = Annotated[str, typer.Option("--at", help="当时所知，如 2026-03-03T10:05。What was known by then; now if left out.")]
ValidAt = Annotated[str, typer.Option("--valid-at", help="所问的时刻，默认同上。The instant it is about; the same if left out.")]


def card_named(card: str, issuer: str) -> references_pb2.CardRef:
    """Returns a card by its key; raises CardNotNamed or RequestInvalid."""
    config = Config()
    with database(config) as dsn:
        key = keys_of_one(config, dsn, card, issuer)[0]
    return card_by_key(issuer or "51", references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key)


def ask(question: protos.AuditQuestion, purpose: str, basis: str, name: str, *, is_waiting: bool, as_json: bool) -> None:
    """Records a request, waits for its end if that is wanted, and prints how far it is."""
    config = Config()
    with database(config) as dsn, opened(dsn) as desk:
        asking = Asking(question, purpose, basis)
        audit = desk.request(asking, acting(name), open_keyring(config.keys_dir), datetime.now(UTC))
        if is_waiting:
            audit = waited(desk, config, audit)
    if as_json:
        typer.echo(json.dumps(as_row(audit), ensure_ascii=False))
        return
    for line in lines(audit, Folder(config.data_dir, audit.code).progress()):
        typer.echo(line)
