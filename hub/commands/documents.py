"""`hub documents`: the documents and codes that a person's cards carry, with their days."""

import psycopg
import typer
from chuanyu.exchange.v1 import card_service_pb2 as protos
from chuanyu.exchange.v1 import control_pb2 as control

from hub.admin.documents import list_documents
from hub.admin.snapshots import Asked
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, CardNo, Looker, ask_about, show
from hub.commands.looking import Issuer, Purpose
from hub.commands.officer_desk import now
from hub.domain.instants import local_day, microseconds, microseconds_of
from hub.domain.looks import Shown
from hub.domain.reported import Person
from hub.words.names import CARD_DOCUMENTS


def documents(card: CardNo, purpose: Purpose = "", issuer: Issuer = "", operator: Operator = "", as_json: AsJson = False) -> None:
    """列出某人卡上的证照与码及其期限；属于人，换卡不影响；查看本身入账。List the documents that cards carry; itself a look."""
    at_us = microseconds_of(now())

    def ask(connection: psycopg.Connection, person: Person, **_: Asked) -> protos.GetCardResponse:
        return list_documents(connection, person, at_us)

    show(ask_about(card, issuer, Shown.SHOWN_RECORD_DOCUMENTS, Looker(purpose, operator), ask), as_json, _show)


def _show(answer: protos.GetCardResponse) -> None:
    for one in answer.documents:
        name = " ".join(CARD_DOCUMENTS[control.CardDocument.Name(one.document).removeprefix("CARD_DOCUMENT_")])
        typer.echo(f"{name}  {_days(one)}  {_state(one)}  #{one.position:,}")
    if not answer.documents:
        typer.echo("卡上没有证照 no documents are on record")
    typer.echo(f"位置 as of position {answer.as_of_position:,}")


def _days(one: protos.CarriedDocument) -> str:
    return f"{one.valid_from} – {one.valid_to or '长期 no end'}" if one.valid_from else "—"


def _state(one: protos.CarriedDocument) -> str:
    if one.HasField("withdrawn_at"):
        return f"已注销 withdrawn {local_day(microseconds(one.withdrawn_at)).isoformat()}"
    return "有效 in force" if one.in_force else "不在有效期 not in force"
