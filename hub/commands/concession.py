"""`hub concession`: how many units of a city's transit concession a person has; the answer is that of the service."""

from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.concessions import get_balance
from hub.admin.snapshots import Asked
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, CardNo, Looker, ask_about, show
from hub.commands.looking import Issuer, Purpose, instant_us
from hub.commands.officer_desk import now, refusals
from hub.commands.wording import local, screen, table, whole
from hub.domain import reference
from hub.domain.instants import microseconds_of
from hub.domain.looks import Shown
from hub.domain.reported import Person
from hub.intake.request_rules import refuse_unknown_region
from hub.words.names import BINDINGS


def concession(
    card: CardNo,
    city: Annotated[str, typer.Option(help="服务地区划代码，如 500103、510104。The city, by any of its regions.")],
    issuer: Issuer = "",
    at: Annotated[str, typer.Option(help="在某一时刻，默认现在。At this instant, +08:00 without an offset; now if left out.")] = "",
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """查询某人在某城市的乘车优待次数；优待属于人，换卡不影响；查看本身入账。A person's units of a city's concession; itself a look."""
    at_us = instant_us(at, "--at")
    at_us = microseconds_of(now()) if at_us is None else at_us
    with refusals():
        refuse_unknown_region(reference.load(), city, at_us, "city")
    request = protos.GetConcessionBalanceRequest(region=city)

    def ask(connection: psycopg.Connection, person: Person, **_: Asked) -> protos.GetConcessionBalanceResponse:
        return get_balance(connection, reference.load(), person, request, at_us, with_entries=True)

    show(ask_about(card, issuer, Shown.SHOWN_RECORD_UNITS, Looker(purpose, operator), ask), as_json, _show)


def _show(answer: protos.GetConcessionBalanceResponse) -> None:
    binding = " ".join(BINDINGS[accounts.ConcessionBinding.Name(answer.binding).removeprefix("CONCESSION_BINDING_")])
    typer.echo(f"{answer.city}  业务日 business day {answer.as_of_business_day}  绑定 bound to: {binding}")
    if not answer.has_scheme:
        typer.echo("当地当日没有敬老乘车优待 no concession for elders here on this day")
        return
    more = f" + 增补 topped up {answer.topped_up}" if answer.topped_up else ""
    typer.echo(f"{answer.period}: 核定 granted {answer.granted}{more}，已用 used {answer.used}，剩余 left {answer.left}")
    if answer.is_overdrawn:
        typer.echo("⚠ 透支：离线闸机不知余次 more was used than there was: gates were offline")
    if answer.is_broken:
        typer.echo(f"⚠ 来源称剩余 {answer.told_left}，与已报次数不符 the source's figure does not agree with what was reported")
    drawn = table(
        whole("业务日\nbusiness day"), whole("时刻\nat"), whole("次数\nunits"), whole("来源称剩余\nleft by source"), whole("位置\nposition")
    )
    for entry in answer.entries:
        left = str(entry.units_left) if entry.HasField("units_left") else "—"
        units = f"{entry.units} ⚠" if entry.other_medium else str(entry.units)
        drawn.add_row(entry.business_day, local(entry.occurred_at.ToMicroseconds()), units, left, str(entry.position))
    screen().print(drawn)
    if any(entry.other_medium for entry in answer.entries):
        typer.echo("⚠ 优待已改绑他处，超过宽限后仍以旧介质乘车 by a medium that the concession had left, beyond the grace")
