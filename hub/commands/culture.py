"""`hub reader`, `hub loans` and `hub visits`: a person as a reader, loans of a person or an item, visits; as the service answers."""

from functools import partial
from typing import Annotated

import typer
from chuanyu.exchange.v1 import culture_service_pb2 as protos

from hub.admin.culture import get_reader, list_loans, list_visits
from hub.commands import culture_screen
from hub.commands.asking import Operator
from hub.commands.ledgers import AsJson, AtPosition, CardNo, Looker, On, ask_about, reading, show
from hub.commands.looking import Issuer, Purpose
from hub.domain.looks import Shown


def reader(
    card: CardNo,
    issuer: Issuer = "",
    on: On = "",
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """查看某人作为读者：两省合计的在借、逾期、停借；查看本身入账。Show a person as a reader of both networks; itself a look."""
    request = protos.GetReaderRequest(on=on, as_of_position=at_position)

    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_LOANS, Looker(purpose, operator), partial(get_reader, request=request))
    show(answer, as_json, culture_screen.show_reader)


def loans(
    card: Annotated[str, typer.Argument(help="卡号或卡键；查图书则省略。Card number or key; left out for an item.")] = "",
    barcode: Annotated[str, typer.Option(help="图书条码。Barcode of an item.")] = "",
    issuer: Issuer = "",
    on: On = "",
    open_only: Annotated[bool, typer.Option("--open", help="只列在借的。Only open loans.")] = False,
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的或一册图书的借阅；按人查看本身入账。List the loans of a person, itself a look, or of an item."""
    request = protos.ListLoansRequest(barcode=barcode, open=open_only, on=on, as_of_position=at_position)
    if bool(card) == bool(barcode):
        raise typer.BadParameter("卡号与条码须且只须一项。Either a card or a barcode.", param_hint="--barcode")
    if barcode:
        with reading(request) as (connection, asked):
            answer = list_loans(connection, None, request, asked)
    else:
        answer = ask_about(card, issuer, Shown.SHOWN_RECORD_LOANS, Looker(purpose, operator), partial(list_loans, request=request))
    show(answer, as_json, culture_screen.show_loans)


def visits(
    card: CardNo,
    issuer: Issuer = "",
    on: On = "",
    at_position: AtPosition = 0,
    purpose: Purpose = "",
    operator: Operator = "",
    as_json: AsJson = False,
) -> None:
    """列出某人的入园入馆与预约；查看本身入账。List a person's visits and bookings; itself a look."""
    request = protos.ListVenueVisitsRequest(on=on, as_of_position=at_position)

    answer = ask_about(card, issuer, Shown.SHOWN_RECORD_VISITS, Looker(purpose, operator), partial(list_visits, request=request))
    show(answer, as_json, culture_screen.show_visits)
