"""Owns the layout of a B2 record: 188 bytes, counted in bytes because a name may take two or four for one character.

Three kinds of record: header `H`, detail `D`, trailer `T`, each padded with spaces. Every field is cut out by its
bytes and read by itself, never the record as text, so a name that was cut inside a character harms nothing but its own
line. Blank numbers mean zero where the format allows a null (§5.4: spaces or zeros). Both directions live here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from adapters.chongqing.errors import AckCode, LineRefused
from adapters.kit.values import UNWRITABLE, read_day

ENCODING: Final = "gb18030"
RECORD_BYTES: Final = 188
NAME_BYTES: Final = 30
FIRST_VERSION: Final = "02.10"

# (field, bytes, kind) after the record type: N digits, Z digits or blank for zero, A letters and digits, X those and
# `-` and `_`, G GB18030 text.
_LAYOUT: Final = (
    ("seq", 9, "N"), ("issuer_code", 8, "A"), ("card_no_tu", 19, "A"), ("ss_card_no", 9, "A"),
    ("name", NAME_BYTES, "G"), ("svc_city", 4, "N"), ("scene", 4, "A"), ("txn_type", 2, "N"),
    ("biz_date", 8, "N"), ("txn_date", 8, "N"), ("txn_time", 6, "N"),
    ("line_in", 4, "X"), ("stn_in", 4, "X"), ("line_out", 4, "X"), ("stn_out", 4, "X"),
    ("fare_full_fen", 8, "Z"), ("fare_paid_fen", 8, "Z"), ("conc_type", 2, "A"), ("conc_cnt", 2, "Z"),
    ("txn_ctr", 6, "Z"), ("psam", 12, "X"), ("psam_seq", 9, "Z"), ("tac", 8, "A"), ("bal_after_fen", 8, "Z"),
    ("flag", 1, "N"),
)  # fmt: skip
_SLICES: Final = tuple(
    (name, slice(1 + sum(n for _, n, _ in _LAYOUT[:index]), 1 + sum(n for _, n, _ in _LAYOUT[: index + 1])), kind)
    for index, (name, _, kind) in enumerate(_LAYOUT)
)
FARE_PAID: Final = next(cut for name, cut, _ in _SLICES if name == "fare_paid_fen")
SEQUENCE: Final = next(cut for name, cut, _ in _SLICES if name == "seq")
# What makes a record the same fact when it comes again: everything but its number in the file and its flag.
CONTENT: Final = slice(SEQUENCE.stop, RECORD_BYTES - 1)


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One use of a card, in the native words; dates and times are local (+08:00), amounts in fen."""

    seq: int
    ss_card_no: str
    name: str
    scene: str
    txn_type: str
    biz_date: date
    txn_at: datetime
    issuer_code: str = ""
    card_no_tu: str = ""
    svc_city: str = "6530"
    line_in: str = ""
    stn_in: str = ""
    line_out: str = ""
    stn_out: str = ""
    fare_full_fen: int = 0
    fare_paid_fen: int = 0
    conc_type: str = "00"
    conc_cnt: int = 0
    txn_ctr: int = 0
    psam: str = ""
    psam_seq: int = 0
    tac: str = ""
    bal_after_fen: int = 0
    flag: str = "0"


def encode_record(record: UsageRecord) -> bytes:
    """Returns the 188 bytes of a detail record; a name too long for its field is cut between characters."""
    values = {name: getattr(record, name) for name, _, _ in _LAYOUT if name not in ("txn_date", "txn_time")}
    values["biz_date"] = f"{record.biz_date:%Y%m%d}"
    values["txn_date"], values["txn_time"] = f"{record.txn_at:%Y%m%d}", f"{record.txn_at:%H%M%S}"
    encoded = b"D" + b"".join(_encode(values[name], size, kind) for name, size, kind in _LAYOUT)
    assert len(encoded) == RECORD_BYTES, "a field is longer than its place"
    return encoded


def parse_record(raw: bytes) -> UsageRecord:
    """Reads a detail record of the right length; raises LineRefused with the field that cannot be read."""
    assert len(raw) == RECORD_BYTES, "the length is checked for the whole file first"
    cut = {name: _READERS[kind](name, raw[place]) for name, place, kind in _SLICES}
    txn_at = datetime.combine(_date("txn_date", cut.pop("txn_date")), _time("txn_time", cut.pop("txn_time")))
    biz_date = _date("biz_date", cut.pop("biz_date"))
    numbers = {name: int(cut.pop(name)) for name, _, kind in _LAYOUT if kind == "Z" or name == "seq"}
    return UsageRecord(biz_date=biz_date, txn_at=txn_at, **numbers, **cut)  # type: ignore[arg-type]


def cut_name(name: str) -> bytes:
    """Returns *name* in GB18030, at most 30 bytes, never ending inside a character."""
    encoded = b""
    for character in name:
        longer = encoded + character.encode(ENCODING)
        if len(longer) > NAME_BYTES:
            break
        encoded = longer
    return encoded


def _encode(value: str | int, size: int, kind: str) -> bytes:
    if isinstance(value, int):
        return b"%0*d" % (size, value)
    encoded = cut_name(value) if kind == "G" else value.encode("ascii")
    return encoded.ljust(size)


def _digits(name: str, raw: bytes) -> str:
    if not raw.isdigit():
        raise LineRefused(AckCode.DIGITS, f"{name}不是数字")
    return raw.decode("ascii")


def _digits_or_blank(name: str, raw: bytes) -> str:
    return _digits(name, raw) if raw.strip(b" ") else "0"


def _letters(name: str, raw: bytes) -> str:
    text = raw.rstrip(b" ")
    if text and not text.isalnum():  # ASCII only: bytes, not str
        raise LineRefused(AckCode.TEXT, f"{name}含非法字符")
    return text.decode("ascii")


def _code(name: str, raw: bytes) -> str:
    text = raw.rstrip(b" ")
    _letters(name, text.translate(None, b"-_"))
    return text.decode("ascii")


def _name(name: str, raw: bytes) -> str:
    try:
        text = raw.rstrip(b" ").decode(ENCODING)
    except UnicodeDecodeError:
        raise LineRefused(AckCode.NAME_BYTES, f"{name}字节不完整或不是GB18030") from None
    if UNWRITABLE.search(text):
        raise LineRefused(AckCode.NAME_BYTES, f"{name}含控制字符")
    return text


def _date(name: str, text: str) -> date:
    try:
        return read_day(text)
    except ValueError:
        raise LineRefused(AckCode.CALENDAR, f"{name}不是日期") from None


def _time(name: str, text: str) -> time:
    try:
        return time(int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        raise LineRefused(AckCode.CALENDAR, f"{name}不是时间") from None


_READERS: Final[dict[str, Callable[[str, bytes], str]]] = {
    "N": _digits, "Z": _digits_or_blank, "A": _letters, "X": _code, "G": _name,
}  # fmt: skip
