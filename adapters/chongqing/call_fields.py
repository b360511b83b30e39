"""Reading one field of a B1 call: present or not, a date, a word from a list; everything else is refused by name."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final, TypeVar

from chuanyu.exchange.v1 import card_lifecycle_pb2 as life

from adapters.chongqing.errors import MalformedCall
from adapters.kit.values import read_time

Fields = Mapping[str, str]
T = TypeVar("T")

TIMESTAMP: Final = "%Y-%m-%d %H:%M:%S"
CHANNELS: Final = {
    "电话": life.REPORT_CHANNEL_TELEPHONE, "窗口": life.REPORT_CHANNEL_WINDOW, "网厅": life.REPORT_CHANNEL_APP,
    "电子社保卡": life.REPORT_CHANNEL_ECARD, "银行": life.REPORT_CHANNEL_BANK, "系统": life.REPORT_CHANNEL_SYSTEM,
}  # fmt: skip
YES_NO: Final = {"是": True, "否": False}
_YUAN: Final = re.compile(r"(\d{1,12})\.(\d{2})", re.ASCII)


def need(fields: Fields, tag: str) -> str:
    """Returns the value of a mandatory field; raises MalformedCall."""
    value = fields.get(tag, "")
    if not value:
        raise MalformedCall(f"缺少{tag}")
    return value


def local_time(fields: Fields, tag: str, form: str) -> datetime:
    """Returns the local time in a mandatory field; raises MalformedCall."""
    try:
        return read_time(need(fields, tag), form)
    except ValueError:
        raise MalformedCall(f"{tag}格式错误") from None


def iso_date(fields: Fields, tag: str) -> str:
    """Returns a yyyyMMdd field as an ISO date, empty if it is absent; raises MalformedCall."""
    return local_time(fields, tag, "%Y%m%d").date().isoformat() if fields.get(tag) else ""


def channel(fields: Fields) -> life.ReportChannel.ValueType:
    """Returns the 受理渠道, a window when the call does not say."""
    return choice(fields, "受理渠道", CHANNELS, "窗口")


def choice(fields: Fields, tag: str, choices: Mapping[str, T], default: str | None = None) -> T:
    """Returns what the word in a field means, *default* being the word when it is absent; raises MalformedCall."""
    word = fields.get(tag) or default
    if word is None:
        raise MalformedCall(f"缺少{tag}")
    if word not in choices:
        raise MalformedCall(f"{tag}取值错误")
    return choices[word]


def is_yes(fields: Fields, tag: str) -> bool:
    """Says whether a 是/否 field says yes; absent means no."""
    return choice(fields, tag, YES_NO, "否")


def fen(fields: Fields, tag: str) -> int:
    """Returns yuan such as 12.50 in fen, 0 for an absent field; raises MalformedCall."""
    said = fields.get(tag, "")
    match = _YUAN.fullmatch(said)
    if said and match is None:
        raise MalformedCall(f"{tag}格式错误")
    return int(match[1]) * 100 + int(match[2]) if match is not None else 0


def count(fields: Fields, tag: str, digits: int = 4) -> int:
    """Returns a whole number of up to *digits* digits, 0 for an absent field; raises MalformedCall."""
    said = fields.get(tag, "")
    if said and not (said.isascii() and said.isdigit() and len(said) <= digits):
        raise MalformedCall(f"{tag}格式错误")
    return int(said or 0)
