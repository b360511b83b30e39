"""`hub filings` and `hub settlements`: filings 备案 of a person, chains of settlements, settlements of a person; as the service answers."""

from functools import partial
from typing import Annotated

import psycopg
import typer
from chuanyu.exchange.v1 import medical_service_pb2 as protos

from hub.admin.medical import get_chain, list_filings, list_uses
from hub.admin.snapshots import Asked
from hub.commands import medical_screen
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, AtPosition, CardNo, Looker, On, ask_about, reading, show
from hub.commands.looking import Issuer, Purpose, instant_us
from hub.commands.officer_desk import now
from hub.domain import reference
from hub.domain.instants import microseconds_of
from hub.domain.looks import Shown
from hub.domain.reported import Person

app = typer.Typer(help="医保结算：结算链、某人的结算。Chains of settlements to the fen; settlements of a person.", no_args_is_help=True)


def filings(
    card: CardNo,
    issuer: Issuer = "",
    at: Annotated[str, typer.Option(help="在某一时刻，默认现在。At this instant, +08:00 without an offset; now if left out.")] = "",
    region: Annotated[str, typer.Option(help="就医地区划代码：是否已被备案覆盖。Where the person wants to be treated.")] = "",
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的异地就医备案；备案属于人，换卡不影响；查看本身入账。List a person's medical filings; itself a look."""
    at_us = instant_us(at, "--at")
    at_us = microseconds_of(now()) if at_us is None else at_us
    request = protos.ListFilingsRequest(treatment_region=region, as_of_position=at_position)

    def ask(connection: psycopg.Connection, person: Person, asked: Asked) -> protos.ListFilingsResponse:
        return list_filings(connection, reference.load(), person, request, at_us, asked)

    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_FILINGS, Looker(purpose, operator), ask)
    show(answer, as_json, lambda found: medical_screen.show_filings(found, region))


@app.command("show")
def show_chain(
    settlement_id: Annotated[str, typer.Argument(help="结算或退费的 setl_id。setl_id of a settlement or a refund.")],
    institution: Annotated[str, typer.Option(help="医药机构编码 fixmedins_code。The institution's code.")] = "",
    on: On = "",
    at_position: AtPosition = 0,
    as_json: AsJson = False,
) -> None:
    """查看一次就诊的结算链：结算、退费、再结算，各项余额到分。Show the chain of a settlement, with what is left of each part."""
    request = protos.GetSettlementChainRequest(settlement_id=settlement_id, institution_code=institution, on=on, as_of_position=at_position)
    with reading(request) as (connection, asked):
        answer = get_chain(connection, request, asked)
    show(answer, as_json, medical_screen.show_chain)


@app.command("list")
def list_of_person(
    card: CardNo,
    from_on: Annotated[str, typer.Option("--from", help="起始日。First day, +08:00.")],
    to_on: Annotated[str, typer.Option("--to", help="截止日（含）。Last day.")],
    issuer: Issuer = "",
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的医保结算；查看本身入账。List a person's settlements; itself a look."""
    request = protos.ListMedicalUsesRequest(from_on=from_on, to_on=to_on)

    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_MEDICAL_USES, Looker(purpose, operator), partial(list_uses, request=request))
    show(answer, as_json, medical_screen.show_uses)
