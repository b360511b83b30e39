"""The commands `hub audit request` about what was known of one thing, as of both times."""

from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.commands.asking import Operator
from hub.commands.asof_options import City, times
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
