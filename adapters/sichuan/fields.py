"""Reads single values of Sichuan's clear data: what cannot be read at all is refused with the field's path.

The format's habits end here: null may be missing, null or an empty string; money is a string of yuan with two
decimals; times are local, without zone; unknown extra fields are simply never asked for. Whether a value makes sense
is not judged here: the hub does that, for both provinces alike, and quarantines what does not.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from adapters.kit.values import UNWRITABLE, read_day
from adapters.sichuan.nonce_window import read_local
from adapters.sichuan.replies import ParameterInvalid

# Longer than anything the interface defines; it bounds an event, so that a batch of one always fits the hub's limit.
MAX_TEXT_CHARS = 256
YUAN = re.compile(r"(\d{1,12})\.(\d{2})", re.ASCII)

Code = TypeVar("Code")


class Fields:
    """One JSON object of the clear data and its path, such as `mx[3].`."""

    def __init__(self, values: object, path: str = "") -> None:
        """Takes the object; raises ParameterInvalid for anything else."""
        if not isinstance(values, dict):
            raise ParameterInvalid(path.rstrip(".") or "data")
        self._values, self._path = values, path

    def fault(self, name: str) -> ParameterInvalid:
        """Returns the refusal that names this field."""
        return ParameterInvalid(self._path + name)

    def text(self, name: str) -> str:
        """Returns the trimmed text, empty for null; whole numbers count as their digits."""
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS or UNWRITABLE.search(value):
            raise self.fault(name)
        return value.strip()

    def required(self, name: str) -> str:
        """Returns the text of a field that may not be null."""
        value = self.text(name)
        if not value:
            raise self.fault(name)
        return value

    def fen(self, name: str, *, required: bool = False) -> int:
        """Returns yuan such as "12.50" in fen, 0 for null where null is allowed."""
        value = self._values.get(name)
        if not required and (value is None or value == ""):
            return 0
        # A JSON number is refused although it could be read: 12.5 has lost what "12.50" says.
        match = YUAN.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self.fault(name)
        return int(match[1]) * 100 + int(match[2])

    def count(self, name: str, digits: int = 9) -> int:
        """Returns a whole number of up to *digits* digits, 0 for null; nine of them always fit 32 bits."""
        value = self.text(name)
        if not re.fullmatch(rf"\d{{0,{digits}}}", value, re.ASCII):
            raise self.fault(name)
        return int(value or 0)

    def instant(self, name: str) -> Timestamp | None:
        """Returns the instant of a local yyyyMMddHHmmss, None for null."""
        value = self.text(name)
        if not value:
            return None
        instant = Timestamp()
        try:
            instant.FromDatetime(read_local(value))
        except ValueError as error:
            raise self.fault(name) from error
        return instant

    def day(self, name: str) -> str:
        """Returns yyyyMMdd as yyyy-MM-dd, empty for null."""
        value = self.text(name)
        if not value:
            return ""
        try:
            return read_day(value).isoformat()
        except ValueError as error:
            raise self.fault(name) from error

    def flag(self, name: str) -> bool:
        """Returns true for 1, false for 0 or null."""
        return self.code(name, {"1": True, "0": False}, default=False)

    def code(self, name: str, table: Mapping[str, Code], default: Code) -> Code:
        """Returns what a code of this interface means; for null the *default*, for an unknown code a refusal.

        Only for tables the interface itself owns. An unknown code of an open, national catalogue is no refusal.
        """
        value = self.text(name)
        if not value:
            return default
        if value not in table:
            raise self.fault(name)
        return table[value]

    def nested(self, name: str) -> "Fields":
        """Returns the object under *name*, an empty one for null."""
        return Fields(self._values.get(name) or {}, f"{self._path}{name}.")

    def has(self, name: str) -> bool:
        """Whether there is anything under *name*: null and an empty list are nothing."""
        return bool(self._values.get(name))

    def rows(self, name: str, limit: int) -> list["Fields"]:
        """Returns the 1 to *limit* objects listed under *name*."""
        return rows(self._values.get(name), self._path + name, limit)


def rows(values: object, path: str, limit: int) -> list[Fields]:
    """Returns 1 to *limit* objects of a list, each with its path `path[n]`, counted from 1 as people count lines."""
    return [Fields(row, f"{path}[{number}].") for number, row in enumerate(listed(values, path, limit), 1)]


def listed(values: object, path: str, limit: int) -> list[object]:
    """Returns a list of 1 to *limit* values, whatever they are; raises ParameterInvalid for anything else."""
    if not isinstance(values, list) or not 1 <= len(values) <= limit:
        raise ParameterInvalid(f"{path} 应为 1 至 {limit} 条")
    return values
