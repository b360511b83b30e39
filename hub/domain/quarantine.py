"""Quarantined events: what each rule means in words, and whose events the hub's own feed of their handling carries.

An event that passes when it is evaluated again is recorded in that feed as its province reported it; everything that asks who reported an
event must see that province, never the hub.
"""

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from buf.validate import validate_pb2
from chuanyu.exchange.v1 import event_pb2, hub_decisions_pb2

from hub.domain.agreed_forms import agreed
from hub.domain.errors import FeedUnknown, HubError

QUARANTINE_FEED = "hub.quarantine"
HANDLING_KINDS = frozenset({"quarantine_reevaluated", "quarantine_original_opened"})


class FeedNotFound(FeedUnknown):
    """There is no such feed; see `hub participants list`."""


class EventNotFound(HubError):
    """The feed has no event of this number."""


class EventNotQuarantined(HubError):
    """The event of this number is not quarantined; it is recorded as it was sent."""


class QuarantineOriginalErased(HubError):
    """The original of the quarantined event was erased; only a new event of its province can take its place."""


class QuarantineOriginalTooLarge(HubError):
    """The original is larger than an event may be, so it is not parsed; only a new event of its province can take its place."""


class QuarantineHandled(HubError):
    """The quarantined event has been released or corrected by now."""


class QuarantineReleased(QuarantineHandled):
    """It was released already."""


class QuarantineCorrected(QuarantineHandled):
    """Its province has corrected or reversed it; nothing is to be released."""


class Meaning(NamedTuple):
    """A rule in words."""

    text_zh: str
    text_en: str


# A rule is never renamed: provinces' systems read it.
MEANINGS = {
    "unknown_kind": Meaning("没有事件种类，或本枢纽不认识该种类。", "There is no kind, or one this hub does not know."),
    "too_large": Meaning("超过 16 KiB，未作解析。", "It has more than 16 KiB; it was not looked into."),
    "hub_only": Meaning("只有枢纽可以记录的种类。", "Only the hub records this kind."),
    "too_early": Meaning("早于 1999 年 12 月首张社保卡。", "Before the first social-security card of December 1999."),
    "in_the_future": Meaning("超前一天以上。", "More than a day ahead."),
    "impossible_instant": Meaning(
        "不是有效时刻：秒须在 1900 至 2199 年间，纳秒须在 0 至 999999999。",
        "No instant: its seconds lie outside 1900 to 2199, or its nanos outside 0 to 999,999,999.",
    ),
    "impossible_duration": Meaning("不是有效时长：须为正且不超过十年。", "No length of time: it is negative, or longer than ten years."),
    "control_character": Meaning("含控制字符或改变文字方向的字符。", "It has a control character, or one that turns text around."),
    "born_later": Meaning("出生日期晚于事件发生日。", "Born after the day of the event."),
    "contradicts_number": Meaning(
        "出生日期与证件号码中的不符：应与号码第 7 至 14 位相同，或留空。",
        "The birth date is not the one in the holder's number: it should be its digits 7 to 14, or be left out.",
    ),
    "impossible_date": Meaning("历法中没有这一天，应如 2026-03-01。", "No day of the calendar; one is such as 2026-03-01."),
    "unknown_region": Meaning(
        "当日没有这一行政区划，应为当日有效的六位代码，如 510100。",
        "No region of that day: six digits in force then, such as 510100.",
    ),
    "unknown_scenario": Meaning(
        "目录中没有这一场景，应如 TRA.MET（scenarios.csv）。",
        "Not in the catalogue of scenarios (scenarios.csv); one is such as TRA.MET.",
    ),
    "ends_before_it_begins": Meaning("末日早于首日。", "Its last day is before its first one."),
    "required": Meaning("缺少必填项。", "It is missing."),
    "card_or_holder_required": Meaning("卡和持卡人至少要有一项。", "It needs a card or a holder."),
    "issuer_only": Meaning("只有发卡省可以报送。", "Only the issuing province may tell it."),
    "role_missing": Meaning("报送方没有可以报送它的角色。", "Its sender has no role to tell it."),
    "role_scope": Meaning("超出报送方角色的范围。", "It lies beyond how far its sender's role reaches."),
    "other_province": Meaning("属于另一省。", "It is of the other province."),
    "corrects_and_reverses": Meaning("更正和冲正只能有一项。", "It corrects and reverses at once."),
    "not_your_feed": Meaning("所指的事件不在报送方自己的数据流中。", "It names an event in a feed that is not the sender's."),
    "money_sum": Meaning("各分项之和与合计不符，精确到分。", "Its parts do not add up to it, to the fen."),
    "unstorable": Meaning("数据库无法存储其中某个值。", "The database cannot store a value of it."),
    "card_or_barcode": Meaning("卡和图书条码须且只须一项。", "Either a card or a barcode, and not both."),
    "clear_only": Meaning("外部只能给出明文标识。", "From outside an identifier comes in clear."),
    "length": Meaning(
        "长度不对：卡号 9 位，卡识别码 32 位，交通卡号 19 位，证号 18 位，账号 16 至 19 位，手机号 11 位，签发号至多 64 位。",
        "Its length is wrong: a card number has 9 characters, a 卡识别码 32, a transit number 19, an ID number 18, an account 16 to 19, "
        "a mobile number 11, a sign number at most 64.",
    ),
    "charset": Meaning(
        "有不允许的字符：卡号为 A-Z 和 0-9，卡识别码为 0-9 和 A-F，证号末位可为 X，交通卡号、账号和手机号（1[3-9] 开头）只有数字。",
        "It has characters that do not belong there: a card number has A-Z and 0-9, a 卡识别码 0-9 and A-F, an ID number may end with X, "
        "transit numbers, accounts and mobile numbers (1[3-9]…) have digits only.",
    ),
    "prefix": Meaning("开头不对：交通卡号应以 310 开头。", "It begins wrongly: a transit number begins with 310."),
    "check_digit": Meaning(
        "校验码不对：证号按 GB 11643，账号按 Luhn 计算。",
        "Its check digit is wrong: by GB 11643 of an ID number, by Luhn of an account.",
    ),
    "birth_date": Meaning(
        "号码中的出生日期（第 7 至 14 位）不存在，应如 19820419。",
        "The birth date in it (digits 7 to 14) is no day; one is such as 19820419.",
    ),
    "fifteen_digits": Meaning("15 位旧号码，应为 18 位。", "An old number of 15 digits; it should have 18."),
    "shape": Meaning(
        "不符合该证件的号码格式，如外国人护照为 5 至 17 位大写字母和数字；也不得是 0、- 之类的占位。",
        "It has not the form of that document's numbers, such as 5 to 17 capitals and digits of a foreign passport; or it is a placeholder "
        "such as 0 or -.",
    ),
    "id_type": Meaning(
        "未知的证件类型：应为 AAC058 代码对应的 IdType 取值，如 ID_TYPE_RESIDENT_ID。",
        "The kind of document is not known: a value of IdType, such as ID_TYPE_RESIDENT_ID.",
    ),
    "disability_suffix": Meaning(
        "残疾人证的类别等级码不对：18 位证号后应为 1-7 和 1-4 各一位，补发加 B 和一位数字，如 11B1。",
        "The suffix of the disability card is wrong: behind the ID number stand 1-7, 1-4, and for a new copy B with a digit, such as 11B1.",
    ),
    "kind": Meaning(
        "未知的标识种类：应为 CardIdentifierKind 的取值，如 CARD_IDENTIFIER_KIND_CARD_NO。",
        "The kind of identifier is not known: a value of CardIdentifierKind, such as CARD_IDENTIFIER_KIND_CARD_NO.",
    ),
    "out_of_range": Meaning("早于 1970 年。", "Before 1970."),
    "identifier_in_clear": Meaning("文本中含有证号、手机号、账号或卡号。", "It holds a number of a person or a card in clear."),
    "no_identifier": Meaning("不得含有类似个人或卡标识的内容。", "It looks as if it named a person or a card."),
    "reserved": Meaning("该名称由枢纽保留。", "The hub keeps this name for itself."),
    "toml": Meaning("不是 TOML 文件。", "It is no TOML."),
    "no_slash": Meaning("不得含有斜杠。", "It has a slash."),
    "is_another_agreement": Meaning("文件中是另一份约定。", "The file is about another agreement."),
    "is_in_the_table": Meaning("该事项已在目录表中定义。", "The table defines this item already."),
    "of_another_item": Meaning("该编码属于另一事项。", "It is another item's code."),
    "repeated": Meaning("有重复项。", "It names one thing twice."),
    "unknown_field": Meaning("没有这一字段。", "There is no such field."),
    "value": Meaning("不是该字段的取值。", "It is none of this field's values."),
    "not_after": Meaning("须晚于起始日。", "It has to be after the first day."),
    "page_of_another_list": Meaning("目录已变，请从第一页重新查询。", "The catalogue has changed: ask for the first page again."),
    "string.min_len": Meaning("缺少或过短。", "It is missing or too short."),
    "string.max_len": Meaning("过长。", "It is too long."),
    "bytes.len": Meaning("字节数不对。", "It has not the agreed number of bytes."),
    "repeated.max_items": Meaning("项数过多。", "It has too many items."),
    "string.pattern": Meaning("不符合约定的格式。", "It has not the agreed form."),
    "string.in": Meaning("不是约定的取值。", "It is none of the agreed values."),
    "enum.not_in": Meaning("未指定。", "It is unspecified."),
    "enum.defined_only": Meaning("代码表中没有该值。", "The code list has no such value."),
}
for _number in ("int32", "int64", "uint32", "uint64"):
    MEANINGS[f"{_number}.lte"] = Meaning("超过该字段能容纳的或合理的最大值。", "More than the field holds or its meaning allows.")
    MEANINGS[f"{_number}.gte"] = Meaning("小于该字段允许的最小值。", "Less than the field allows.")
    MEANINGS[f"{_number}.gte_lte"] = Meaning("超出该字段的取值范围。", "Outside the field's range.")
_OF_SHAPE = Meaning("不符合该字段在协议中的约束。", "It breaks the rule written beside the field in the protocol.")


def meaning_of(rule: str, path: str = "") -> Meaning:
    """Returns what is wrong by a rule, and what the field at *path* should be, where the protocol says it; path "" is for a rule alone."""
    meaning = MEANINGS.get(rule, _OF_SHAPE)
    right = agreed(path, rule) if path else None
    if right is None:
        return meaning
    return Meaning(f"{meaning.text_zh.rstrip('。')}：应为{right[0]}。", f"{meaning.text_en.rstrip('.')}: it should be {right[1]}.")


def put_into_words(violations: Iterable[hub_decisions_pb2.RuleViolation]) -> None:
    """Sets what the rules mean, for who reads an answer."""
    for violation in violations:
        violation.text_zh, violation.text_en = meaning_of(violation.rule_id, violation.field_path)


@cache
def _rules_of_shape() -> frozenset[str]:
    fields = validate_pb2.FieldRules.DESCRIPTOR.fields
    return frozenset(f"{field.name}.{rule.name}" for field in fields if field.message_type for rule in field.message_type.fields)


def is_rule(rule: str) -> bool:
    """Whether an event may be said to break it: one of ours, or one that may be written beside a field in the protocol."""
    return rule in MEANINGS or rule in _rules_of_shape()


def told_in(event: event_pb2.Event) -> str:
    """Returns the feed whose owner reported what an event of the hub's feed is about."""
    kind = event.WhichOneof("kind")
    if kind in HANDLING_KINDS:
        return str(getattr(event, kind).event.feed)
    # What an event corrects or reverses is always in a feed of the same owner.
    return event.corrects.feed or event.reverses.feed
