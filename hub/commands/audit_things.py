"""The commands `hub audit request` about what was known of one thing, as of both times."""

from typing import Annotated

import typer
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.commands.asking import Operator
from hub.commands.asof_options import City, Day, Month, Side, Until, days_of, times
from hub.commands.audit_asking import AsOf, Basis, Purpose, ValidAt, Wait, ask, card_named
from hub.commands.ledgers import CardNo
from hub.commands.looking import Issuer
from hub.commands.options import Json


def person(
    card: CardNo,
    purpose: Purpose,
    basis: Basis,
    issuer: Issuer = "",
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某卡持卡人什么。What the hub knew of the holder of a card."""
    question = protos.PersonQuestion(card=card_named(card, issuer), **times(at, valid_at))
    ask(protos.AuditQuestion(person=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def concession(
    card: CardNo,
    city: City,
    purpose: Purpose,
    basis: Basis,
    issuer: Issuer = "",
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时某卡持卡人的优待次数。What the hub knew of the units of a concession."""
    question = protos.ConcessionQuestion(card=card_named(card, issuer), region=city, **times(at, valid_at))
    ask(protos.AuditQuestion(concession=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def application(
    side: Side,
    number: Annotated[str, typer.Argument(help="办件编号。Number of the case.")],
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某办件什么。What the hub knew of a case."""
    question = protos.CaseQuestion(handling_province=side, case_no=number, **times(at, valid_at))
    ask(protos.AuditQuestion(case=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def filing(
    side: Side,
    number: Annotated[str, typer.Argument(help="备案编号。Number of the filing.")],
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某备案什么。What the hub knew of a filing."""
    question = protos.FilingQuestion(insured_province=side, filing_no=number, **times(at, valid_at))
    ask(protos.AuditQuestion(filing=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def settlement(
    settlement_id: Annotated[str, typer.Argument(help="结算或退费的 setl_id。setl_id of a settlement or a refund.")],
    purpose: Purpose,
    basis: Basis,
    institution: Annotated[str, typer.Option(help="医药机构编码 fixmedins_code。The institution's code.")] = "",
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某次就诊的结算什么。What the hub knew of the settlements of a visit."""
    question = protos.SettlementQuestion(settlement_id=settlement_id, institution_code=institution, **times(at, valid_at))
    ask(protos.AuditQuestion(settlement=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def loan(
    barcode: Annotated[str, typer.Argument(help="图书条码。Barcode of the item.")],
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某册图书什么。What the hub knew of the loans of an item."""
    question = protos.LoanQuestion(barcode=barcode, **times(at, valid_at))
    ask(protos.AuditQuestion(loan=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def agreement(
    code: Annotated[str, typer.Argument(help="约定编号。Code of the agreement.")],
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道某约定什么。What the hub knew of an agreement."""
    question = protos.AgreementQuestion(agreement_code=code, **times(at, valid_at))
    ask(protos.AuditQuestion(agreement=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def item(
    side: Side,
    code: Annotated[str, typer.Argument(help="事项编号、基本编码或实施编码。Id, base code or implementing code.")],
    purpose: Purpose,
    basis: Basis,
    at: AsOf = "",
    valid_at: ValidAt = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """当时知道一方如何办理某事项。What the hub knew of how a side handles a service item."""
    question = protos.ServiceItemQuestion(item_code=code, province=side, **times(at, valid_at))
    ask(protos.AuditQuestion(item=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)


def count(
    purpose: Purpose,
    basis: Basis,
    month: Month = "",
    day: Day = "",
    until: Until = "",
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")] = "",
    region: Annotated[str, typer.Option(help="用卡地区，六位。Serving region, six digits.")] = "",
    scenario: Annotated[str, typer.Option(help="场景，如 TRA.MET。Scenario.")] = "",
    at: AsOf = "",
    wait: Wait = False,
    operator: Operator = "",
    as_json: Json = False,
) -> None:
    """业务日的用卡次数，当时计为多少。Uses of business days: how many were counted then."""
    first, end = days_of(month, day, until)
    question = protos.CountQuestion(day=first, until=end, issuing_province=issuer, region=region, scenario=scenario, **times(at, ""))
    ask(protos.AuditQuestion(count=question), purpose, basis, operator, is_waiting=wait, as_json=as_json)
