"""`hub coupons`: a coupon, those of a person with their points, what a funder's come to; the answers are those of the service."""

from functools import partial
from typing import Annotated

import typer
from chuanyu.exchange.v1 import consumption_service_pb2 as protos

from hub.admin.consumption import get_coupon, get_funding, list_coupons
from hub.commands import coupons_screen
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, AtPosition, CardNo, Looker, On, ask_about, reading, show
from hub.commands.looking import Issuer, Purpose
from hub.domain.looks import Shown

app = typer.Typer(no_args_is_help=True, help="消费券与积分：一张券、某人的券与积分、出资方应付。Coupons and points.")
IssuedBy = Annotated[str, typer.Option("--issuer", help="发卡省 50 或 51。Province that issued the card.")]


@app.command("show")
def show_coupon(
    coupon: Annotated[str, typer.Argument(help="券号。The coupon's id.")],
    issuer: IssuedBy,
    on: On = "",
    at_position: AtPosition = 0,
    as_json: AsJson = False,
) -> None:
    """查看一张消费券的去向；不涉及个人。What became of a coupon; it names nobody."""
    request = protos.GetCouponRequest(issuing_province=issuer, coupon_id=coupon, on=on, as_of_position=at_position)
    with reading(request) as (connection, asked):
        answer = get_coupon(connection, request, asked)
    show(answer, as_json, coupons_screen.show_coupon)


@app.command("list")
def list_of_person(
    card: CardNo,
    issuer: Issuer = "",
    on: On = "",
    open_only: Annotated[bool, typer.Option("--open", help="只列可用的。Only those that may be redeemed.")] = False,
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的消费券与积分账户；查看本身入账。List a person's coupons and accounts of points; itself a look."""
    request = protos.ListCouponsRequest(open=open_only, on=on, as_of_position=at_position)
    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_COUPONS, Looker(purpose, operator), partial(list_coupons, request=request))
    show(answer, as_json, coupons_screen.show_coupons)


@app.command("funding")
def funding(
    funder: Annotated[str, typer.Argument(help="出资方，如上报所写；未写出资方的省略。Who pays, as reported; left out for none.")] = "",
    issuer: IssuedBy = "",
    granted_from: Annotated[str, typer.Option("--from", help="发放首日。First day of the grants.")] = "",
    until: Annotated[str, typer.Option(help="发放末日，默认首日。Last day of the grants; the first if left out.")] = "",
    on: On = "",
    at_position: AtPosition = 0,
    as_json: AsJson = False,
) -> None:
    """某出资方的券：发放、两省核销、过期、可用，精确到分。What a funder's coupons come to, to the fen."""
    request = protos.GetCouponFundingRequest(
        issuing_province=issuer, funder=funder, granted_from=granted_from, granted_until=until, on=on, as_of_position=at_position
    )
    with reading(request) as (connection, asked):
        answer = get_funding(connection, request, asked)
    show(answer, as_json, coupons_screen.show_funding)
