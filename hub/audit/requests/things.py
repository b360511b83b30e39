"""What can be asked about as of both times: the fields that name a thing, the words, and how what is typed becomes a question of an audit.

Another kind of thing is another row of `THINGS`: of it are made `hub asof KIND`, `hub audit request KIND` and the form of the console.
"""

from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.outcome import Text
from hub.audit.requests.rights import province_of
from hub.domain.errors import HubError
from hub.domain.looks import Shown
from hub.words.names import PROVINCES

Typed = Mapping[str, str]
_ROW_DIGITS = 10


class MonthUnfit(HubError):
    """A month is written such as 2025-09, and goes without a first and a last day."""


class Field(NamedTuple):
    """A field that names a thing: what it is called, an example, and the option of a command that it is; without one it is an argument."""

    name: str
    title: Text
    example: str
    option: str = ""
    is_required: bool = True


class Thing(NamedTuple):
    """A kind of thing: the title of the question, what it answers, its fields, and the name of such a thing, with the fields in it."""

    title: Text
    says: Text
    fields: tuple[Field, ...]
    # None where the question has a sentence of its own.
    named: Text | None = None
    # What of a person is shown to who asks by a card.
    shown: int = Shown.SHOWN_RECORD_PERSON
    # What the fields of the message are, where they are not those that are typed.
    read: Callable[[Typed], Mapping[str, Any]] = dict


def question(kind: str, typed: Typed, **further: Any) -> protos.AuditQuestion:
    """Returns the question about a thing; *further* are the card and both times where they were said. May raise MonthUnfit."""
    asked: Any = {kind: {**THINGS[kind].read(typed), **further}}
    return protos.AuditQuestion(**asked)


def takes(kind: str, field: str) -> bool:
    """Whether a question has a field, such as `card` or `valid_at`."""
    message = protos.AuditQuestion.DESCRIPTOR.fields_by_name[kind].message_type
    assert message is not None, "each question is a message"
    return field in message.fields_by_name


def is_of_person(kind: str) -> bool:
    """Whether a question is about one person."""
    return province_of(question(kind, {})) is not None


def days_of(month: str, day: str, until: str) -> tuple[str, str]:
    """Returns the first and the last business day of a month, or those that were typed; raises MonthUnfit."""
    if not month:
        return day, until
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError:
        raise MonthUnfit from None
    if day or until:
        raise MonthUnfit
    return first.isoformat(), first.replace(day=monthrange(first.year, first.month)[1]).isoformat()


def _days(typed: Typed) -> Typed:
    cell = dict(typed)
    cell["day"], cell["until"] = days_of(cell.pop("month", ""), cell.get("day", ""), cell.get("until", ""))
    return cell


def _numbered(typed: Typed) -> Mapping[str, Any]:
    """Returns what is typed with the row as a number; what is none is row 0, which the question refuses."""
    row_no = typed.get("row_no", "")
    return {**typed, "row_no": int(row_no) if row_no.isdecimal() and len(row_no) <= _ROW_DIGITS else 0}


def name_of(kind: str, asked: Any) -> Text:
    """Returns the thing that a question is about, in words."""
    named = THINGS[kind].named
    assert named is not None, "it is asked only where the question has no sentence of its own"
    zh, en = (text.format_map(_words(kind, asked, number)) for number, text in enumerate(named))
    return Text(zh, en)


def _words(kind: str, asked: Any, number: int) -> dict[str, str]:
    """Returns the words for the fields of a question, in Chinese (0) or English (1)."""
    words = {field.name: str(getattr(asked, field.name)) for field in THINGS[kind].fields if takes(kind, field.name)}
    for name in words:
        if name.endswith("province"):
            words[name] = PROVINCES.get(words[name], ("", ""))[number]
    if takes(kind, "card"):
        issuer = PROVINCES.get(asked.card.issuing_province, ("", ""))[number]
        words["holder"] = " ".join(_HOLDER[number].format(issuer=issuer, card=asked.card.key.hex()[:8]).split())
    return words


_HOLDER = Text("持{issuer}卡 {card}… 者", "The holder of the {issuer} card {card}…")


def _side(name: str, zh: str, en: str) -> Field:
    return Field(name, Text(f"{zh}（50 重庆，51 四川）", f"{en} (50 Chongqing, 51 Sichuan)"), "51")


THINGS: Mapping[str, Thing] = {
    "person": Thing(
        Text("当时知道持卡人什么", "What did the hub know of the holder of a card?"),
        Text(
            "名下各卡、备案、优待次数、借阅，按当时已入账的；每个事件前后的变化。",
            "Cards, filings, units and loans by what was recorded then; each event with what it changed.",
        ),
        (),
        Text("{holder}", "{holder}"),
    ),
    "concession": Thing(
        Text("当时优待次数还有多少", "How many units of a concession were left?"),
        Text(
            "某城市（由其任一地区的区划代码指明）的乘车优待次数，按当时已入账的。",
            "Units of a city's transit concession by what was recorded then; any of the city's regions names it.",
        ),
        (Field("region", Text("地区", "Region"), "500103", "--city"),),
        Text("{holder}在 {region} 的优待次数", "Units of {region}'s concession, {holder}"),
        Shown.SHOWN_RECORD_UNITS,
    ),
    "case": Thing(
        Text("当时知道某办件什么", "What did the hub know of a case?"),
        Text(
            "到哪一步、下一步由谁、何时到期，按当时已入账的。",
            "How far it was, who had to act, by when, by what was recorded then.",
        ),
        (
            _side("handling_province", "办理方", "Handling side"),
            Field("case_no", Text("办件编号", "Number of the case"), "TB0572603020001"),
        ),
        Text("{handling_province}办件 {case_no}", "Case {case_no} of {handling_province}"),
    ),
    "agreement": Thing(
        Text("当时知道某约定什么", "What did the hub know of an agreement?"),
        Text("各版条款、是否有效、待签，按当时已入账的。", "Versions, whether in force, what waits, by what was recorded then."),
        (Field("agreement_code", Text("约定编号", "Code of the agreement"), "ORD-TRANSIT"),),
        Text("约定 {agreement_code}", "Agreement {agreement_code}"),
    ),
    "count": Thing(
        Text("当时计数是多少", "What was counted then?"),
        Text("业务日的用卡次数与金额，按当时已入账的；少于 5 不显示。", "Uses and money by what was recorded then; under 5 is not shown."),
        (
            Field("month", Text("某月的业务日", "The business days of a month"), "2026-03", "--month", is_required=False),
            Field("day", Text("业务日", "Business day"), "2026-03-01", "--day", is_required=False),
            Field("until", Text("直到这个业务日（含）", "Through this business day"), "2026-03-31", "--until", is_required=False),
            Field("issuing_province", Text("发卡省", "Issuing province"), "50", "--issuer", is_required=False),
            Field("region", Text("地区", "Region"), "510100", "--region", is_required=False),
            Field("scenario", Text("场景", "Scenario"), "TRA.MET", "--scenario", is_required=False),
        ),
        read=_days,
    ),
    "item": Thing(
        Text("当时知道某事项什么", "What did the hub know of a service item?"),
        Text("一方如何办理，按当时已入账的。", "How a side handled it, by what was recorded then."),
        (
            _side("province", "哪一方", "Side"),
            Field("item_code", Text("事项编号、基本编码或实施编码", "Id, base code or implementing code"), "TB057"),
        ),
        Text("{province}事项 {item_code}", "Item {item_code} of {province}"),
    ),
    "filing": Thing(
        Text("当时知道某备案什么", "What did the hub know of a filing?"),
        Text("一条异地就医备案，按当时已入账的。", "A medical filing by what was recorded then."),
        (_side("insured_province", "参保方", "Insured side"), Field("filing_no", Text("备案编号", "Number of the filing"), "F1")),
        Text("{insured_province}备案 {filing_no}", "Filing {filing_no} of {insured_province}"),
    ),
    "settlement": Thing(
        Text("当时知道某次结算什么", "What did the hub know of a settlement?"),
        Text(
            "一次就诊的结算与退费，余额到分，按当时已入账的。",
            "A visit's settlements and refunds, to the fen, by what was recorded then.",
        ),
        (
            Field("settlement_id", Text("结算或退费的 setl_id", "setl_id of a settlement or a refund"), "S1"),
            Field("institution_code", Text("医药机构编码", "The institution's code"), "H51010000001", "--institution", is_required=False),
        ),
        Text("结算 {settlement_id} 及其退费", "Settlement {settlement_id} with its refunds"),
    ),
    "payment": Thing(
        Text("当时知道某笔发放什么", "What did the hub know of a row of a fund batch?"),
        Text(
            "每次送出与银行的答复，到分，按当时已入账的。",
            "Each time it was sent and what the bank answered, to the fen, by what was recorded then.",
        ),
        (
            _side("paying_province", "发放方", "Paying side"),
            Field("batch_no", Text("批次号", "Number of the batch"), "CQ202603-0007"),
            Field("row_no", Text("行号", "Row"), "1"),
        ),
        Text("{paying_province}发放批次 {batch_no} 第 {row_no} 行", "Row {row_no} of batch {batch_no} of {paying_province}"),
        read=_numbered,
    ),
    "funds": Thing(
        Text("当时知道某发放批次什么", "What did the hub know of a fund batch?"),
        Text(
            "到哪一步、各轮金额到分，按当时已入账的。", "How far it was and what each round came to, to the fen, by what was recorded then."
        ),
        (_side("paying_province", "发放方", "Paying side"), Field("batch_no", Text("批次号", "Number of the batch"), "CQ202603-0007")),
        Text("{paying_province}发放批次 {batch_no}", "Batch {batch_no} of {paying_province}"),
    ),
    "loan": Thing(
        Text("当时知道某册图书什么", "What did the hub know of an item of a library?"),
        Text("一册图书的借阅与归还，按当时已入账的。", "An item's loans and returns by what was recorded then."),
        (Field("barcode", Text("图书条码", "Barcode"), "B1"),),
        Text("图书 {barcode} 的借阅", "Loans of item {barcode}"),
    ),
}
