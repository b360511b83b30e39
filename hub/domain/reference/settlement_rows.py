"""The table of settlement schemes: which uses across the border are settled together, over which route, and who owes their money."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from hub.domain.reference.reading import Cells, in_force, is_named, read_table, versions_by_key

TABLE = "settlement_schemes.csv"
_COLUMNS = ("scheme", "name_zh", "name_en", "scenarios", "route", "payer", "cut", "valid_from", "valid_to", "source")
_CODE = re.compile(r"[A-Z][A-Z0-9]{1,15}")
_HOUR = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class Scheme:
    """One version of a scheme; *scenarios* are codes, or groups such as MED.*; *cut* is HH:MM in +08:00 on the day after."""

    scheme: str
    name_zh: str
    name_en: str
    scenarios: tuple[str, ...]
    route: str
    payer: str
    cut: str
    valid_from: date
    valid_to: date | None
    source: str

    @property
    def is_memo(self) -> bool:
        """Whether its statements are memos, because the money is cleared elsewhere."""
        return self.route == "NATIONAL"

    def has(self, scenario: str) -> bool:
        """Whether uses in a scenario belong to it."""
        return any(is_named(pattern, scenario) for pattern in self.scenarios)

    def payer_of(self, issuer: str, region: str) -> str:
        """Returns the province that owes the money of a use, "" in a memo."""
        if self.is_memo:
            return ""
        return issuer if self.payer == "ISSUER" else region[:2]


@dataclass(frozen=True, slots=True, eq=False)
class Schemes:
    """All schemes, each with its versions."""

    versions: Mapping[str, tuple[Scheme, ...]]

    def scheme(self, code: str, on: date) -> Scheme | None:
        """Returns a scheme as it was on a day, or None."""
        return in_force(self.versions.get(code, ()), on)

    def in_force(self, on: date) -> list[Scheme]:
        """Returns the schemes of a day, in order of code."""
        found = (in_force(versions, on) for _, versions in sorted(self.versions.items()))
        return [one for one in found if one is not None]


def read_schemes(contents: Mapping[str, bytes], scenarios: Collection[str]) -> Schemes:
    """Reads and checks the table; raises InvalidReferenceTable where two schemes of one day have a scenario in common, or none is known."""
    rows = read_table(TABLE, contents[TABLE], _COLUMNS, _row)
    for cells, row in rows:
        if not all(any(is_named(pattern, known) for known in scenarios) for pattern in row.scenarios):
            raise cells.refuse("scenarios", "UNKNOWN")
    _refuse_shared(rows, scenarios)
    return Schemes(versions_by_key(rows, lambda row: row.scheme))


def _refuse_shared(rows: Iterable[tuple[Cells, Scheme]], scenarios: Collection[str]) -> None:
    seen: list[Scheme] = []
    for cells, row in rows:
        for other in seen:
            is_at_once = row.valid_from < (other.valid_to or date.max) and other.valid_from < (row.valid_to or date.max)
            if other.scheme != row.scheme and is_at_once and any(row.has(one) and other.has(one) for one in scenarios):
                raise cells.refuse("scenarios", "DUPLICATE")
        seen.append(row)


def _row(cells: Cells) -> Scheme:
    return Scheme(
        scheme=cells.matching("scheme", _CODE),
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        scenarios=cells.items("scenarios"),
        route=cells.one_of("route", ("BILATERAL", "NATIONAL")),
        payer=cells.one_of("payer", ("ISSUER", "SERVING")),
        cut=cells.matching("cut", _HOUR),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        source=cells.name("source"),
    )
