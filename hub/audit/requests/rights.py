"""Whose a question is: a question about one person is an auditor's to ask, of the province whose record it is about."""

from typing import Any

from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import references_pb2

# Of these nothing says which province the person is of.
_OF_BOTH = ("settlement", "loan")
BOTH = ""


def card_in(question: questions.AuditQuestion) -> references_pb2.CardRef | None:
    """Returns the card that a question names, None if it names none."""
    asked: Any = getattr(question, str(question.WhichOneof("asked")), None)
    if asked is None or "card" not in asked.DESCRIPTOR.fields_by_name:
        return None
    card: references_pb2.CardRef = asked.card
    return card


def province_of(question: questions.AuditQuestion) -> str | None:
    """Returns of which province's record a question about one person is, BOTH where it may be of either; None if it is about nobody."""
    kind = question.WhichOneof("asked")
    if (card := card_in(question)) is not None:
        return card.issuing_province
    if kind == "filing":
        return question.filing.insured_province
    if kind == "payment":
        return question.payment.paying_province
    return BOTH if kind in _OF_BOTH else None
