"""How many people there are: a base of a share, by province and day, with its source; where nothing was published there is no share."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from pathlib import Path

from hub.domain.indicators.errors import PopulationUnknown
from hub.domain.reference.reading import Cells, in_force, read_table, versions_by_key

_TABLE = Path(__file__).parent / "populations.csv"
BASES = frozenset({"RESIDENTS", "HOLDERS"})


@dataclass(frozen=True, slots=True)
class Population:
    """How many people a province has by a base, from a day on."""

    base: str
    province: str
    people: int
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None
    source: str


@cache
def populations(content: bytes = _TABLE.read_bytes()) -> Mapping[tuple[str, str], tuple[Population, ...]]:
    """Returns what was published by base and province; raises InvalidReferenceTable."""
    rows = read_table(_TABLE.name, content, tuple(field.name for field in fields(Population)), _read)
    return versions_by_key(rows, lambda row: (row.base, row.province))


def population(base: str, province: str, on: date) -> Population | None:
    """Returns the people of a province on a day, None where nothing was published; raises PopulationUnknown for no such base."""
    if base not in BASES:
        raise PopulationUnknown(population=base)
    return in_force(populations().get((base, province), ()), on)


def _read(cells: Cells) -> Population:
    people = int(cells.matching("people", re.compile(r"[1-9][0-9]{0,9}")))
    return Population(
        cells.one_of("base", BASES), cells.one_of("province", ("50", "51")), people, cells.name("name_zh"), cells.name("name_en"),
        cells.day("valid_from"), cells.valid_to(), cells.name("source"),
    )  # fmt: skip
