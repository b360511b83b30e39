"""`hub group-service`: whether a person has the extra of a group's service; the answer is that of the service."""

from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.groups import check_group_service
from hub.admin.snapshots import Asked
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, CardNo, Looker, ask_about, show
from hub.commands.looking import Issuer
from hub.commands.officer_desk import now
from hub.domain import reference
from hub.domain.instants import microseconds_of
from hub.domain.looks import Shown
from hub.domain.reported import Person


def group_service(
    card: CardNo,
    service: Annotated[str, typer.Option(help="服务，如 PRIORITY_LANE；从不问群体。The service, never a group.")],
    region: Annotated[str, typer.Option(help="服务地区划代码。Region where it is given.")],
    purpose: Annotated[str, typer.Option(help="事由代码，先入账。Why: a code in capitals, recorded first.")],
    scenario: Annotated[str, typer.Option(help="用卡情景。The use with which it is given.")] = "GOV.ID",
    issuer: Issuer = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """查询某人是否享有某项群体服务的额外部分；不回答属于何群体；查看本身入账。Whether a person has the extra; itself a look."""
    at_us = microseconds_of(now())
    request = protos.CheckGroupServiceRequest(service=service, scenario=scenario, service_region=region, purpose_code=purpose)
    request.card.issuing_province = issuer

    def ask(connection: psycopg.Connection, person: Person, **_: Asked) -> protos.CheckGroupServiceResponse:
        return check_group_service(connection, reference.load(), person, request, at_us)

    show(ask_about(card, issuer, Shown.SHOWN_RECORD_GROUP_SERVICE, Looker(purpose, operator), ask), as_json, _show)


def _show(answer: protos.CheckGroupServiceResponse) -> None:
    if answer.has_extra:
        typer.echo("有：按群体服务提供 yes: the service with its extra")
    else:
        typer.echo(f"无：照常提供服务 no: the service without the extra（{answer.reason.text_zh} {answer.reason.text_en}）")
    typer.echo(f"位置 as of position {answer.as_of_position:,}")
