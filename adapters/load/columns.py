"""The columns of a table of cards, and how a row of it becomes the `card_registered` of that card."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1.card_lifecycle_pb2 import CardGeneration, CardKind, SocialStatus
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, IdType

# AAZ502 as provinces write it.
_STATUS_CODES = {"0": "SEALED", "1": "ACTIVE", "2": "FORMALLY_LOST", "3": "APP_LOCKED", "4": "TEMP_LOST", "9": "CANCELLED"}
_GENERATION_CODES = {"1": "FIRST", "2": "SECOND", "3": "THIRD"}
_YES, _NO = {"1", "Y", "YES", "TRUE", "是"}, {"0", "N", "NO", "FALSE", "否", ""}
_REGION = re.compile(r"[0-9]{6}")
SYSTEM = "load"


class Fault(NamedTuple):
    """What is wrong in a cell, said so that it can be mended; never the cell's value."""

    column: str
    words: str


class CellWrong(ValueError):
    """A cell that cannot be read; its text says what it has to be."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its two names, and what puts a cell of it into an event."""

    name: str
    chinese: str
    put: Callable[[Event, str], None]
    is_required: bool = False


def _named(enum: Any, prefix: str, codes: Mapping[str, str]) -> Callable[[str], int]:
    numbers: dict[str, int] = {name.removeprefix(prefix): number for name, number in enum.items() if number}
    known = ", ".join([*numbers, *codes])

    @lru_cache(maxsize=64)
    def read(cell: str) -> int:
        name = cell.upper().removeprefix(prefix)
        number = numbers.get(codes.get(name, name))
        if number is None:
            raise CellWrong(f"应为下列之一 is one of: {known}")
        return number

    return read


@lru_cache(maxsize=65_536)
def _day(cell: str) -> str:
    """Reads a day; raises CellWrong."""
    try:
        return date.fromisoformat(cell).isoformat() if cell else ""
    except ValueError:
        raise CellWrong("日期写作 YYYY-MM-DD。A day is written YYYY-MM-DD.") from None


def instant(cell: str) -> datetime:
    """Reads an instant with its offset; raises CellWrong."""
    try:
        read = datetime.fromisoformat(cell)
    except ValueError:
        read = datetime.min
    if read.tzinfo is None:
        raise CellWrong("时刻须带时区，如 2026-01-01T00:00:00+08:00。An instant has its offset.")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise CellWrong("时刻超出范围。The instant is before the year 1 or after 9999.") from None


def _card_no(event: Event, cell: str) -> None:
    event.card.kind, event.card.clear = CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO, cell


def _region(event: Event, cell: str) -> None:
    if not _REGION.fullmatch(cell):
        raise CellWrong("六位区划代码，如 500199。A region has six digits.")
    event.issuer_region, event.card.issuing_province = cell, cell[:2]


def _alias(kind: CardIdentifierKind.ValueType) -> Callable[[Event, str], None]:
    def put(event: Event, cell: str) -> None:
        if cell:
            event.card_aliases.add(kind=kind, clear=cell, issuing_province=event.card.issuing_province)

    return put


def _status_until(event: Event, cell: str) -> None:
    if cell:
        event.card_registered.status_until.FromDatetime(instant(cell))


def _holder_number(event: Event, cell: str) -> None:
    if cell:
        event.holder.clear = cell


def _holder_type(event: Event, cell: str) -> None:
    if cell:
        event.holder.id_type = IdType.ValueType(_id_type(cell))


def _transit(event: Event, cell: str) -> None:
    if cell.upper() not in _YES | _NO:
        raise CellWrong("是或否：1、0、true、false。Yes or no: 1, 0, true, false.")
    event.card_registered.transit_enabled = cell.upper() in _YES


def _field(name: str, read: Callable[[str], Any]) -> Callable[[Event, str], None]:
    return lambda event, cell: setattr(event.card_registered, name, read(cell))


_id_type = _named(IdType, "ID_TYPE_", {"01": "RESIDENT_ID"})
# In the order in which they are put: a reference needs the province, which the region says.
COLUMNS = (
    Column("issuer_region", "发卡地区划", _region, is_required=True),
    Column("card_no", "卡号", _card_no, is_required=True),
    Column("status", "卡状态", _field("status", _named(SocialStatus, "SOCIAL_STATUS_", _STATUS_CODES)), is_required=True),
    Column("generation", "卡代次", _field("generation", _named(CardGeneration, "CARD_GENERATION_", _GENERATION_CODES)), is_required=True),
    Column("card_kind", "卡类别", _field("card_kind", _named(CardKind, "CARD_KIND_", {})), is_required=True),
    Column("occurred_at", "时点", lambda event, cell: event.occurred_at.FromDatetime(instant(cell)) if cell else None),
    Column("issued_on", "发卡日期", _field("issued_on", _day)),
    Column("expires_on", "有效期至", _field("expires_on", _day)),
    Column("birth_date", "出生日期", _field("birth_date", _day)),
    Column("transit_enabled", "交通联合", _transit),
    Column("bank_code", "服务银行", _field("bank_code", str)),
    Column("status_until", "状态至", _status_until),
    Column("ident_code", "卡识别码", _alias(CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE)),
    Column("transit_card_no", "交通卡号", _alias(CardIdentifierKind.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO)),
    Column("id_type", "证件类型", _holder_type),
    Column("id_no", "证件号码", _holder_number),
)
REQUIRED = ", ".join(column.name for column in COLUMNS if column.is_required)
_BY_NAME = {name: column for column in COLUMNS for name in (column.name, column.chinese)}


def base_of(taken_at: datetime | None) -> bytes:
    """Returns what the events of all rows have: their source, and the instant of the export where there is one for all."""
    event = Event()
    event.source.system = SYSTEM
    if taken_at is not None:
        event.occurred_at.FromDatetime(taken_at)
    return event.SerializeToString()


class Header:
    """Which column is where in a file."""

    def __init__(self, names: Sequence[str]) -> None:
        """Reads the *names*; `faults` says what is wrong with them."""
        read = [name.strip() for name in names]
        found = [_BY_NAME[name] for name in read if name in _BY_NAME]
        self.width = len(read)
        self._places = [(column, index) for column in COLUMNS for index, name in enumerate(read) if _BY_NAME.get(name) is column]
        self.faults = list(self._faults(read, found))
        self.has_instant = any(column.name == "occurred_at" for column in found)

    @staticmethod
    def _faults(names: Sequence[str], found: Sequence[Column]) -> list[str]:
        if not found:
            return [f"首行不是表头。The first line is no header; it names the columns: {REQUIRED} …"]
        missing = [f"{column.name}（{column.chinese}）" for column in COLUMNS if column.is_required and column not in found]
        faults = [f"缺少列 missing column: {name}" for name in missing]
        faults += [f"未知列 unknown column: {name[:40]}" for name in names if name not in _BY_NAME]
        return faults + [f"列出现两次 column twice: {column.name}" for column in COLUMNS if found.count(column) > 1]

    def card_no(self, cells: Sequence[str]) -> str:
        """Returns the card number of a row."""
        return next(cells[index] for column, index in self._places if column.name == "card_no").strip()

    def event(self, cells: Sequence[str], base: bytes) -> tuple[Event, list[Fault]]:
        """Returns the registration that a row is, on what `base_of` has for all rows, and what is wrong with it."""
        event, faults = Event.FromString(base), []
        for column, index in self._places:
            cell = cells[index].strip()
            if column.is_required and not cell:
                faults.append(Fault(column.name, "不可为空。It cannot be empty."))
                continue
            try:
                column.put(event, cell)
            except CellWrong as wrong:
                faults.append(Fault(column.name, str(wrong)))
        if not event.HasField("occurred_at"):
            faults.append(Fault("occurred_at", "缺时点：用 --taken-at 给出导出时点。No instant: --taken-at names that of the export."))
        if event.HasField("holder") and not (event.holder.clear and event.holder.id_type):
            faults.append(Fault("id_no", "证件类型与号码须同时有。A document has both its type and its number."))
        return event, faults
