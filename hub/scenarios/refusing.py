"""The checks that reading a scenario is made of; each refuses with file, place and field, and says what would be right."""

from collections.abc import Collection
from typing import Any

from hub.domain.errors import HubError
from hub.domain.event_rules import is_real_date
from hub.scenarios.filling import local_instant


class ScenarioInvalid(HubError):
    """The scenario file is not one:"""


class Checks:
    """The checks of one file."""

    def __init__(self, file: str) -> None:
        """*file* is named in every refusal."""
        self._file = file

    def _refuse(self, where: str, name: str, why: str) -> ScenarioInvalid:
        return ScenarioInvalid(", ".join(part for part in (self._file, where, name) if part) + f": {why}")

    def _fields(self, where: str, content: dict[str, Any], needed: Collection[str], further: Collection[str] | None) -> None:
        for name in sorted(needed):
            if name not in content:
                raise self._refuse(where, name, "is missing")
        for name in content:
            if further is not None and name not in needed and name not in further:
                raise self._refuse(where, name, f"is no field here; one of: {', '.join(sorted({*needed, *further}))}")

    def _instant(self, where: str, name: str, value: Any) -> int:
        try:
            return local_instant(value)
        except ValueError:
            raise self._refuse(where, name, f'is no time, such as "2025-09-01 09:30": {value!r}') from None

    def _day(self, where: str, value: Any) -> str:
        day = str(value)
        if not is_real_date(day):
            raise self._refuse(where, "day", f'is no day, such as "2025-09-01": {value!r}')
        return day

    def _text(self, where: str, name: str, value: Any, *, may_be_empty: bool = False) -> str:
        if not isinstance(value, str) or (not value and not may_be_empty):
            raise self._refuse(where, name, "is missing" if value is None else "is no text")
        return value

    def _table(self, where: str, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self._refuse(where, name, "is no table")
        return value

    def _list(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._refuse("", name, f"is no list; write [[{name}]]")
        return value

    def _list_of(self, where: str, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self._refuse(where, name, "is no list")
        return value

    def _one_of(self, where: str, name: str, value: Any, known: Collection[str], what: str = "value") -> str:
        if not isinstance(value, str) or value not in known:
            few = f"; one of: {', '.join(sorted(known))}" if len(known) <= 30 else ""
            raise self._refuse(where, name, f"{value!r} is no {what}{few}")
        return str(value)
