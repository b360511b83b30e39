"""The forms that ask what was known of one thing, as of both times."""

from collections.abc import Mapping

from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.console.page import Page
from hub.console.pages.audit_fields import Box, Form, named_card, said, times


def _person(page: Page) -> protos.AuditQuestion:
    return protos.AuditQuestion(person=protos.PersonQuestion(card=named_card(page), **times(page)))


def _concession(page: Page) -> protos.AuditQuestion:
    asked = protos.ConcessionQuestion(card=named_card(page), region=said(page, "region"), **times(page))
    return protos.AuditQuestion(concession=asked)


THINGS: Mapping[str, Form] = {
    "person": Form(
        ("当时知道持卡人什么", "What did the hub know of the holder of a card?"),
        (
            "名下各卡、备案、优待次数、借阅，按当时已入账的；每个事件前后的变化。",
            "Cards, filings, units and loans by what was recorded then; each event with what it changed.",
        ),
        ("card", "at", "valid"), _person,
    ),
    "concession": Form(
        ("当时优待次数还有多少", "How many units of a concession were left?"),
        ("某城市的乘车优待次数，按当时已入账的。", "Units of a city's transit concession by what was recorded then."),
        ("card", "at", "valid"), _concession, (Box("region", ("城市（区划代码）", "City (code of a region)"), "500103"),),
    ),
}  # fmt: skip
