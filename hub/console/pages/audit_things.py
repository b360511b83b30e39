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


def _case(page: Page) -> protos.AuditQuestion:
    asked = protos.CaseQuestion(handling_province=said(page, "handling"), case_no=said(page, "no"), **times(page))
    return protos.AuditQuestion(case=asked)


def _agreement(page: Page) -> protos.AuditQuestion:
    return protos.AuditQuestion(agreement=protos.AgreementQuestion(agreement_code=said(page, "code"), **times(page)))


def _count(page: Page) -> protos.AuditQuestion:
    days = {"day": said(page, "day"), "until": said(page, "until")}
    cell = {"issuing_province": said(page, "of"), "region": said(page, "region"), "scenario": said(page, "scenario")}
    asked = protos.CountQuestion(**days, **cell, **times(page))  # type: ignore[arg-type]
    return protos.AuditQuestion(count=asked)


def _item(page: Page) -> protos.AuditQuestion:
    asked = protos.ServiceItemQuestion(item_code=said(page, "code"), province=said(page, "side"), **times(page))
    return protos.AuditQuestion(item=asked)


def _filing(page: Page) -> protos.AuditQuestion:
    asked = protos.FilingQuestion(insured_province=said(page, "insured"), filing_no=said(page, "no"), **times(page))
    return protos.AuditQuestion(filing=asked)


def _settlement(page: Page) -> protos.AuditQuestion:
    asked = protos.SettlementQuestion(settlement_id=said(page, "no"), institution_code=said(page, "institution"), **times(page))
    return protos.AuditQuestion(settlement=asked)


def _loan(page: Page) -> protos.AuditQuestion:
    return protos.AuditQuestion(loan=protos.LoanQuestion(barcode=said(page, "no"), **times(page)))


def _side(name: str, title: tuple[str, str]) -> Box:
    return Box(name, (f"{title[0]}（50 重庆，51 四川）", f"{title[1]} (50 Chongqing, 51 Sichuan)"), "51")


_TIMES = ("at", "valid")
THINGS: Mapping[str, Form] = {
    "person": Form(
        ("当时知道持卡人什么", "What did the hub know of the holder of a card?"),
        (
            "名下各卡、备案、优待次数、借阅，按当时已入账的；每个事件前后的变化。",
            "Cards, filings, units and loans by what was recorded then; each event with what it changed.",
        ),
        ("card", *_TIMES), _person, is_of_person=True,
    ),
    "concession": Form(
        ("当时优待次数还有多少", "How many units of a concession were left?"),
        ("某城市的乘车优待次数，按当时已入账的。", "Units of a city's transit concession by what was recorded then."),
        ("card", *_TIMES), _concession, (Box("region", ("城市（区划代码）", "City (code of a region)"), "500103"),),
        is_of_person=True,
    ),
    "case": Form(
        ("当时知道某办件什么", "What did the hub know of a case?"),
        ("到哪一步、下一步由谁、何时到期，按当时已入账的。", "How far it was, who had to act, by when, by what was recorded then."),
        _TIMES, _case, (_side("handling", ("办理方", "Handling side")), Box("no", ("办件编号", "Number of the case"), "TB0572603020001")),
    ),
    "terms": Form(
        ("当时知道某约定什么", "What did the hub know of an agreement?"),
        ("各版条款、是否有效、待签，按当时已入账的。", "Versions, whether in force, what waits, by what was recorded then."),
        _TIMES, _agreement, (Box("code", ("约定编号", "Code of the agreement"), "ORD-TRANSIT"),),
    ),
    "count": Form(
        ("当时计数是多少", "What was counted then?"),
        ("业务日的用卡次数与金额，按当时已入账的；少于 5 不显示。", "Uses and money by what was recorded then; under 5 is not shown."),
        ("at",), _count,
        (
            Box("day", ("业务日，自", "Business day, from"), "2026-03-01"),
            Box("until", ("至（含）", "Through"), "2026-03-31", is_required=False),
            Box("of", ("发卡省（空为两省）", "Issuing province (empty: both)"), "50", is_required=False),
            Box("region", ("用卡地区（空为各地）", "Region (empty: anywhere)"), "510100", is_required=False),
            Box("scenario", ("场景（空为各类）", "Scenario (empty: any)"), "TRA.MET", is_required=False),
        ),
    ),
    "item": Form(
        ("当时知道某事项什么", "What did the hub know of a service item?"),
        ("一方如何办理，按当时已入账的。", "How a side handled it, by what was recorded then."),
        _TIMES, _item, (_side("side", ("哪一方", "Side")), Box("code", ("事项编号或编码", "Id or code of the item"), "TB057")),
    ),
    "filing": Form(
        ("当时知道某备案什么", "What did the hub know of a filing?"),
        ("一条异地就医备案，按当时已入账的。", "A medical filing by what was recorded then."),
        _TIMES, _filing, (_side("insured", ("参保方", "Insured side")), Box("no", ("备案编号", "Number of the filing"), "F1")),
        is_of_person=True,
    ),
    "settlement": Form(
        ("当时知道某次结算什么", "What did the hub know of a settlement?"),
        ("一次就诊的结算与退费，余额到分，按当时已入账的。", "A visit's settlements and refunds, to the fen, by what was recorded then."),
        _TIMES, _settlement,
        (
            Box("no", ("结算或退费的 setl_id", "setl_id of a settlement or refund"), "S1"),
            Box("institution", ("医药机构编码", "The institution's code"), "H51010000001", is_required=False),
        ),
        is_of_person=True,
    ),
    "loan": Form(
        ("当时知道某册图书什么", "What did the hub know of an item of a library?"),
        ("一册图书的借阅与归还，按当时已入账的。", "An item's loans and returns by what was recorded then."),
        _TIMES, _loan, (Box("no", ("图书条码", "Barcode"), "B1"),), is_of_person=True,
    ),
}  # fmt: skip
