"""`hub journeys`: journeys of a person, trips that clearing refused; as the service answers."""

from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import transit_service_pb2 as protos
from chuanyu.exchange.v1 import usage_transit_pb2 as transit

from hub.admin.journeys import list_journeys, list_rejected_trips
from hub.admin.snapshots import Asked
from hub.commands import transit_screen
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, AtPosition, CardNo, Looker, On, ask_about, reading, show
from hub.commands.looking import Issuer, Purpose
from hub.domain import reference
from hub.domain.looks import Shown
from hub.domain.reported import Person
from hub.words.ledgers import REJECTIONS

app = typer.Typer(help="行程：某人的行程、清分拒绝的。Journeys of a person; refused trips.", no_args_is_help=True)


@app.command("list")
def list_of_person(
    card: CardNo,
    from_on: Annotated[str, typer.Option("--from", help="起始业务日。First business day.")],
    to_on: Annotated[str, typer.Option("--to", help="截止业务日（含）。Last business day.")],
    issuer: Issuer = "",
    on: On = "",
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的行程：清分、争议、换乘优惠、缺漏的计数；查看本身入账。List a person's journeys; itself a look."""
    request = protos.ListJourneysRequest(from_on=from_on, to_on=to_on, on=on, as_of_position=at_position)

    def ask(connection: psycopg.Connection, person: Person, asked: Asked) -> protos.ListJourneysResponse:
        return list_journeys(connection, reference.load(), person, request, asked)

    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_JOURNEYS, Looker(purpose, operator), ask)
    show(answer, as_json, transit_screen.show_journeys)


@app.command("rejected")
def list_rejected(
    from_on: Annotated[str, typer.Option("--from", help="清分拒绝的起始日。First day of the refusals, +08:00.")],
    to_on: Annotated[str, typer.Option("--to", help="截止日（含），至多 31 天后。Last day, at most 31 days later.")],
    page: Annotated[str, typer.Option(help="上一页给出的记号。What the page before gave.")] = "",
    size: Annotated[int, typer.Option(min=1, max=200, help="每页条数。Trips a page.")] = 50,
    reason: Annotated[str, typer.Option(help="只列某一原因。Only this reason: TAC_BAD, DUPLICATE, HOTLISTED, EXPIRED.")] = "",
    on: On = "",
    at_position: AtPosition = 0,
    as_json: AsJson = False,
) -> None:
    """列出清分拒绝的行程。List trips that clearing refused."""
    if reason and reason not in REJECTIONS:
        raise typer.BadParameter("没有这一原因。There is no such reason.", param_hint="--reason")
    wanted = transit.ClearingRejection.Value(f"CLEARING_REJECTION_{reason or 'UNSPECIFIED'}")
    request = protos.ListRejectedTripsRequest(
        from_on=from_on, to_on=to_on, reason=wanted, on=on, as_of_position=at_position, page_size=size, page_token=page
    )
    with reading(request) as (connection, asked):
        answer = list_rejected_trips(connection, reference.load(), request, asked)
    show(answer, as_json, transit_screen.show_rejected)
