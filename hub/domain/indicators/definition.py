"""What an indicator is: a file that says what is counted, over what, how it may be added up, its traps and what was published beside it.

A file that breaks a rule is refused by its name and field, before anything is counted by it.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from hub.domain.indicators.errors import DefinitionInvalid, IndicatorUnknown

DIRECTORY = Path(__file__).parent / "definitions"
NUMBERS = 20
# How counts may be added up: over places and time, over places only, never since they are of distinct things, never since they are shares.
ADDITIVITY = frozenset({"ADDITIVE", "SEMI", "DISTINCT", "RATIO"})
# What is counted. Of people and what people did, a few are not shown.
OF_PEOPLE = frozenset({"PERSONS", "CARDS", "CASES", "ANSWERS", "UNITS", "USES", "ROWS", "RETURNS"})
OF_THINGS = frozenset({"SCENARIOS", "ITEMS", "BANKS", "OUTLETS"})
# Which days count: the state at the end of the day, the year until then, 90 days, the period of a concession.
WINDOWS = frozenset({"STOCK", "YEAR", "DAYS_90", "PERIOD"})
BREAKDOWNS = frozenset(
    {
        "province", "region", "region_as_of", "mode", "scenario", "group", "direction", "state", "reason", "outcome", "city", "operator",
        "priority_group",
    }
)  # fmt: skip
_TARGET_KINDS = frozenset({"TARGET", "PUBLISHED"})
_PROVINCES = frozenset({"", "50", "51"})
_FIELDS = frozenset(
    {
        "id", "version", "name", "numerator", "denominator", "additivity", "counts", "window", "by", "population", "missing", "traps",
        "targets", "parameters", "for_people",
    }
)  # fmt: skip


class Words(NamedTuple):
    """A text in both languages."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that was published, or is aimed at: a count or a share, never both; *on* is empty where the source gives no day."""

    kind: str
    province: str
    count: int | None
    share_of_10000: int | None
    on: str
    source: str


class Definition(NamedTuple):
    """An indicator; *denominator* is None for a plain count, *missing* says why there is no figure, *digest* names the file's bytes.

    *population* is the base of its shares; *for_people* one of whom so many have so much of what it counts, beside a share.
    """

    id: str
    version: int
    name: Words
    numerator: Words
    denominator: Words | None
    additivity: str
    counts: str
    window: str
    by: tuple[str, ...]
    population: str
    missing: Words | None
    traps: tuple[Words, ...]
    targets: tuple[Target, ...]
    parameters: Mapping[str, Any]
    digest: str
    for_people: str = ""

    @property
    def is_of_people(self) -> bool:
        """Whether a few of what it counts could be somebody."""
        return self.counts in OF_PEOPLE

    @property
    def has_share(self) -> bool:
        """Whether it is a share of what it counts itself; a share of a population is not."""
        return self.denominator is not None and not self.population

    @property
    def base(self) -> str:
        """The population that is asked for where a question names none, empty for an indicator without one."""
        return self.population or self.for_people


@cache
def definitions(directory: Path = DIRECTORY) -> Mapping[str, Definition]:
    """Returns all indicators in the order of their numbers; raises DefinitionInvalid."""
    found = [read(path.name, path.read_bytes()) for path in directory.glob("*.toml")]
    return {one.id: one for one in sorted(found, key=lambda one: int(one.id[1:]))}


def definition(indicator: str) -> Definition:
    """Returns one indicator; raises IndicatorUnknown."""
    found = definitions().get(indicator.upper())
    if found is None:
        raise IndicatorUnknown(indicator=indicator)
    return found


def read(file: str, content: bytes) -> Definition:
    """Reads a file; raises DefinitionInvalid with its name and the field."""
    try:
        table = tomllib.loads(content.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise _invalid(file, "file") from None
    for field in table.keys() - _FIELDS:
        raise _invalid(file, field)
    number = table.get("id")
    if not isinstance(number, str) or number not in {f"K{one}" for one in range(1, NUMBERS + 1)} or file != f"{number.lower()}.toml":
        raise _invalid(file, "id")
    reader = _Reader(file, table)
    found = Definition(
        number, reader.version(), reader.words("name"), reader.words("numerator"), reader.optional_words("denominator"),
        reader.one_of("additivity", ADDITIVITY), reader.one_of("counts", OF_PEOPLE | OF_THINGS), reader.one_of("window", WINDOWS),
        reader.breakdowns(), reader.optional_text("population"), reader.optional_words("missing"), reader.traps(), reader.targets(),
        reader.parameters(), hashlib.sha256(content).hexdigest(), reader.optional_text("for_people"),
    )  # fmt: skip
    if (found.additivity == "RATIO") != found.has_share or (found.population and found.denominator is None):
        raise _invalid(file, "additivity")
    return found


def _invalid(file: str, field: str) -> DefinitionInvalid:
    return DefinitionInvalid(f"（{file}, {field}）", file=file, field=field)


class _Reader:
    """Reads the fields of one file."""

    def __init__(self, file: str, table: Mapping[str, Any]) -> None:
        self._file, self._table = file, table

    def version(self) -> int:
        value = self._table.get("version")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise _invalid(self._file, "version")
        return value

    def words(self, field: str, value: Any = None) -> Words:
        said = self._table.get(field) if value is None else value
        if not isinstance(said, dict) or said.keys() != {"zh", "en"} or not all(isinstance(one, str) and one for one in said.values()):
            raise _invalid(self._file, field)
        return Words(said["zh"], said["en"])

    def optional_words(self, field: str) -> Words | None:
        return self.words(field) if field in self._table else None

    def optional_text(self, field: str) -> str:
        value = self._table.get(field, "")
        if not isinstance(value, str):
            raise _invalid(self._file, field)
        return value

    def one_of(self, field: str, known: frozenset[str]) -> str:
        value = self._table.get(field)
        if not isinstance(value, str) or value not in known:
            raise _invalid(self._file, field)
        return value

    def breakdowns(self) -> tuple[str, ...]:
        found = self._list("by")
        if not all(isinstance(one, str) and one in BREAKDOWNS for one in found) or len(set(found)) != len(found):
            raise _invalid(self._file, "by")
        return tuple(found)

    def traps(self) -> tuple[Words, ...]:
        found = self._list("traps")
        if not found:
            raise _invalid(self._file, "traps")
        return tuple(self.words("traps", one) for one in found)

    def targets(self) -> tuple[Target, ...]:
        return tuple(self._target(one) for one in self._list("targets", required=False))

    def parameters(self) -> Mapping[str, Any]:
        found = self._table.get("parameters", {})
        if not isinstance(found, dict):
            raise _invalid(self._file, "parameters")
        return found

    def _list(self, field: str, *, required: bool = True) -> Sequence[Any]:
        found = self._table.get(field, None if required else [])
        if not isinstance(found, list):
            raise _invalid(self._file, field)
        return found

    def _target(self, said: Any) -> Target:
        if not isinstance(said, dict) or said.keys() - {"count", "share_of_10000"} != {"kind", "province", "on", "source"}:
            raise _invalid(self._file, "targets")
        count, share = said.get("count"), said.get("share_of_10000")
        numbers = [one for one in (count, share) if one is not None]
        is_fit = said["kind"] in _TARGET_KINDS and said["province"] in _PROVINCES and isinstance(said["source"], str) and said["source"]
        if not is_fit or len(numbers) != 1 or not isinstance(numbers[0], int) or not self._is_day(said["on"]):
            raise _invalid(self._file, "targets")
        return Target(said["kind"], said["province"], count, share, said["on"], said["source"])

    @staticmethod
    def _is_day(text: Any) -> bool:
        try:
            return text == "" or bool(date.fromisoformat(text))
        except (TypeError, ValueError):
            return False
