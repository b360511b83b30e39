"""What a field must look like, in words: read off the rule beside it in the protocol, so that a new field needs nothing here.

Only a new pattern needs its words, with an example; a test asks for them.
"""

from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from buf.validate import validate_pb2
from chuanyu.exchange.v1 import (
    card_service_pb2,
    event_pb2,
    feed_service_pb2,
    hotlist_service_pb2,
    service_item_service_pb2,
    subscription_service_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor

_FILES = (event_pb2, card_service_pb2, feed_service_pb2, hotlist_service_pb2, service_item_service_pb2, subscription_service_pb2)
_PACKAGE = "chuanyu."
# More names than this are looked up in the protocol.
_NAMED = 12
_ENGLISH_CHARS = 220

# Pattern: what has it, in Chinese and in English, with an example.
PATTERNS = {
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": ("日期 yyyy-MM-dd，如 2026-03-01", "a day as yyyy-MM-dd, such as 2026-03-01"),
    "^[0-9]{6}$": ("六位区划代码，如 510100", "a region's six digits, such as 510100"),
    "^[0-9]{2,6}$": ("二至六位区划代码或其前几位，如 5101", "the first two to six digits of a region, such as 5101"),
    "^[A-Za-z0-9._@-]{1,64}$": ("A-Z a-z 0-9 . _ @ -，1 至 64 个字符，如 li.ming", "1 to 64 of A-Z a-z 0-9 . _ @ -, such as li.ming"),
    "^[A-Z][A-Z0-9_]{0,63}$": (
        "大写代码：A-Z 0-9 _，字母开头，至多 64 个字符，如 KEY_LOST",
        "a code in capitals: A-Z 0-9 _, a letter first, at most 64 characters, such as KEY_LOST",
    ),
    "^[A-Z][A-Z0-9]{0,15}$": (
        "网点代码：A-Z 0-9，字母开头，至多 16 个字符，如 W510104001",
        "a code of an outlet: A-Z 0-9, a letter first, at most 16 characters, such as W510104001",
    ),
    "^[A-Z][A-Z0-9_]{0,31}$": (
        "大写代码：A-Z 0-9 _，字母开头，至多 32 个字符，如 HOLDER_REQUEST",
        "a code in capitals: A-Z 0-9 _, a letter first, at most 32 characters, such as HOLDER_REQUEST",
    ),
    "^[A-Z][A-Z_]{0,31}$": (
        "大写代码：A-Z _，字母开头，至多 32 个字符，如 HOLDER",
        "a code in capitals: A-Z _, a letter first, at most 32 characters, such as HOLDER",
    ),
    "^[a-z0-9][a-z0-9.-]{0,62}$": (
        "a-z 0-9 . -，至多 63 个字符，如 sc.card-center",
        "at most 63 of a-z 0-9 . -, a letter or digit first, such as sc.card-center",
    ),
    "^urn:chuanyu:participant:[a-z0-9][a-z0-9.-]{0,62}$": (
        "urn:chuanyu:participant: 加名称，如 urn:chuanyu:participant:sc.card-center",
        "urn:chuanyu:participant: and a name, such as urn:chuanyu:participant:sc.card-center",
    ),
    "^[0-9a-f]{64}$": ("64 位小写十六进制数，如 SHA-256 指纹", "64 hexadecimal digits in lower case, such as a SHA-256 fingerprint"),
    "^[0-9a-f]{16}$": ("16 位小写十六进制的密钥编号，如 16d8a3f2b7905c4e", "a key's id of 16 hexadecimal digits, such as 16d8a3f2b7905c4e"),
    "^[0-9a-f]{1,64}$": ("至多 64 位小写十六进制数，如 1ff4669e", "at most 64 hexadecimal digits in lower case, such as 1ff4669e"),
    "^[a-z]{1,16}$": ("小写字母，至多 16 个，如 card", "at most 16 letters in lower case, such as card"),
    "^K([1-9]|1[0-9]|20)$": ("指标编号 K1 至 K20，如 K4", "an indicator, K1 to K20, such as K4"),
    "^IR-K[1-9][0-9]?-[1-9][0-9]{0,8}$": ("指标报告编号，如 IR-K4-1", "the code of a report of an indicator, such as IR-K4-1"),
    "^MR-[1-9][0-9]{0,8}$": ("联席会议报告编号，如 MR-3", "the code of a report for the joint meeting, such as MR-3"),
    "^[0-9]{4}(-(H[12]|Q[1-4]|0[1-9]|1[0-2]))?$": ("期间：年、半年、季或月，如 2026-Q1", "a year, half, quarter or month, such as 2026-Q1"),
    "^[A-Z]{2}[0-9]{3,5}$": ("事项编号，如 TB031", "the id of a service item, such as TB031"),
    "^[A-Z]{3}[0-9]{3}$": ("三个大写字母加三位数字，如 AAC002", "three capitals and three digits, such as AAC002"),
    "^[0-9A-Za-z]{1,32}$": ("字母和数字，至多 32 个，如 95588", "at most 32 letters and digits, such as 95588"),
    "^[a-z][a-z0-9_.]{0,63}$": (
        "名称：a-z 0-9 _ .，字母开头，至多 64 个字符，如 card_standing",
        "a name: a-z 0-9 _ ., a letter first, at most 64 characters, such as card_standing",
    ),
    "^AU-[1-9][0-9]{0,8}$": ("AU- 加审计的编号，如 AU-12", "AU- and the number of the audit, such as AU-12"),
    "^(|ONLINE|MOBILE|SELF_SERVICE|WINDOW)$": (
        "办理渠道：ONLINE、MOBILE、SELF_SERVICE 或 WINDOW，可空，如 WINDOW",
        "a channel: ONLINE, MOBILE, SELF_SERVICE or WINDOW, or nothing, such as WINDOW",
    ),
    "^5[01]$": ("一方：50 重庆，51 四川，如 50", "a side: 50 or 51, such as 50"),
    "^[A-Z][A-Z0-9]{1,15}$": ("结算方案，如 QR", "a settlement scheme, such as QR"),
    "^[A-Za-z0-9-]{1,35}$": ("银行付款参考号，如 20260303-0001", "a payment reference, such as 20260303-0001"),
    "^ST-[A-Z][A-Z0-9]{1,15}-[1-9][0-9]{0,8}$": ("结算单编号，如 ST-QR-12", "the code of a statement, such as ST-QR-12"),
    "^BR-5[01]-[0-9]{8}-[1-9][0-9]{0,5}$": ("差错编号，如 BR-51-20260302-1", "the code of a break, such as BR-51-20260302-1"),
    "^FD-[0-9]{8}-[0-9A-F]{8}$": ("发现编号，如 FD-20260302-1A2B3C4D", "the code of a finding, such as FD-20260302-1A2B3C4D"),
    "^[0-9]{2}$": ("两位省级代码，如 50", "the two digits of a province, such as 50"),
    "^[0-9]{1,9}(\\.[0-9]{1,3})?$": ("数量，至多三位小数，如 2.5", "a quantity with at most three decimals, such as 2.5"),
    "^ER-[0-9A-F]{8}$": ("ER- 加八位大写十六进制数，如 ER-1A2B3C4D", "ER- and eight hexadecimal digits, such as ER-1A2B3C4D"),
    "^([*]|[A-Z]{2,8}([.][A-Z0-9]{1,8}){0,3}([.][*])?)$": (
        "场景代码，可以 .* 结尾，如 TRA.MET 或 CUL.LIB.*；全部用 *",
        "a scenario, or a group with .* at its end, such as TRA.MET or CUL.LIB.*; * for all",
    ),
}


@lru_cache(4_096)
def agreed(path: str, rule: str) -> tuple[str, str] | None:
    """Returns what a field should be by a rule of the protocol, in Chinese and in English; None where that depends on the message."""
    said = {_said(field, rule) for field in _named(path)} - {None}
    return said.pop() if len(said) == 1 else None


def patterns() -> set[str]:
    """Returns every pattern of the protocol."""
    return {text.pattern for fields in _fields().values() for field in fields if (text := _rules(field).string).pattern}


def _named(path: str) -> list[FieldDescriptor]:
    """The field of an event at a path; of a request every field that has its name, for a path does not say which request it is of."""
    names = [name.partition("[")[0] for name in path.split(".")]
    message: Descriptor | None = event_pb2.Event.DESCRIPTOR
    for name in names[:-1]:
        field = message.fields_by_name.get(name) if message is not None else None
        message = field.message_type if field is not None else None
    if message is not None and names[-1] in message.fields_by_name:
        return [message.fields_by_name[names[-1]]]
    return _fields().get(names[-1], [])


@cache
def _fields() -> dict[str, list[FieldDescriptor]]:
    found: dict[str, list[FieldDescriptor]] = {}
    for message in _messages():
        for field in message.fields:
            found.setdefault(field.name, []).append(field)
    return found


def _messages() -> Iterator[Descriptor]:
    seen: set[str] = set()
    files: list[FileDescriptor] = [module.DESCRIPTOR for module in _FILES]
    while files:
        file = files.pop()
        if file.name in seen or not file.package.startswith(_PACKAGE):
            continue
        seen.add(file.name)
        files += file.dependencies
        yield from file.message_types_by_name.values()


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return rules.repeated.items if field.is_repeated and rules.repeated.HasField("items") else rules


def _said(field: FieldDescriptor, rule: str) -> tuple[str, str] | None:
    kind, _, name = rule.partition(".")
    if kind == "repeated":
        return _bound(field.GetOptions().Extensions[validate_pb2.field].repeated, name)
    if kind == "enum":
        return _values(field)
    rules = _rules(field)
    if rules.WhichOneof("type") != kind:
        return None
    limits = getattr(rules, kind)
    if name == "pattern":
        return PATTERNS.get(limits.pattern)
    if name == "in":
        values = " ".join(getattr(limits, "in"))
        return (f"取值为 {values}", f"one of {values}") if 0 < len(values) <= _ENGLISH_CHARS else None
    return _range(limits) if name in ("gte", "lte", "gte_lte") else _bound(limits, name)


def _bound(limits: Any, name: str) -> tuple[str, str] | None:
    words = {
        "min_len": ("至少 {} 个字符", "at least {} characters"),
        "max_len": ("至多 {} 个字符", "at most {} characters"),
        "len": ("{} 字节", "{} bytes"),
        "min_items": ("至少 {} 项", "at least {} items"),
        "max_items": ("至多 {} 项", "at most {} items"),
    }
    number = getattr(limits, name, 0) if name in words else 0
    return (words[name][0].format(number), words[name][1].format(number)) if number else None


def _range(limits: Any) -> tuple[str, str] | None:
    least = limits.gte if limits.HasField("gte") else None
    most = limits.lte if limits.HasField("lte") else None
    if least is None:
        return None if most is None else (f"至多 {most:,}", f"at most {most:,}")
    return (f"至少 {least:,}", f"at least {least:,}") if most is None else (f"{least:,} 至 {most:,}", f"{least:,} to {most:,}")


def _values(field: FieldDescriptor) -> tuple[str, str] | None:
    enum = field.enum_type
    if enum is None:
        return None
    names = [value.name for value in enum.values if value.number]
    listed = " ".join(names)
    if len(names) > _NAMED or len(listed) > _ENGLISH_CHARS:
        return f"{enum.name} 的取值之一，如 {names[0]}", f"a value of {enum.name}, such as {names[0]}"
    return f"取值为 {listed}", f"one of {listed}"
