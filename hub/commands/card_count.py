"""`hub card-count`: how many cards of a province the hub knows; the answer is that of the service."""

from typing import Annotated

import typer
from chuanyu.exchange.v1 import card_lifecycle_pb2 as lifecycle
from chuanyu.exchange.v1 import card_service_pb2 as protos
from google.protobuf import json_format

from hub.admin.card_count import count_cards
from hub.commands.database import database
from hub.commands.officer_desk import refusals
from hub.commands.options import Json
from hub.commands.wording import screen, table, whole
from hub.config import Config
from hub.intake.request_rules import refuse_invalid
from hub.journal.sessions import session


def card_count(
    province: Annotated[str, typer.Argument(help="发卡省份：50 重庆，51 四川。Issuing province: 50 Chongqing, 51 Sichuan.")],
    as_json: Json = False,
) -> None:
    """清点一省的卡，按登记时的状态。How many cards of a province the hub knows, by the status they were registered with."""
    request = protos.CountCardsRequest(issuing_province=province)
    with refusals():
        refuse_invalid(request)
    with database(Config()) as dsn, session(dsn, "hub_reader", "hub-card-count") as connection, refusals():
        answer = count_cards(connection, request)
    if as_json:
        typer.echo(json_format.MessageToJson(answer, indent=None, always_print_fields_with_no_presence=True))
        return
    drawn = table(whole("登记时状态\nregistered as"), whole("卡数\ncards"))
    for one in answer.registered:
        drawn.add_row(lifecycle.SocialStatus.Name(one.status).removeprefix("SOCIAL_STATUS_"), f"{one.cards:,}")
    drawn.add_row("未登记 not registered", f"{answer.unregistered:,}")
    screen().print(drawn)
    typer.echo(f"截至位置 as of position {answer.as_of_position:,}")
