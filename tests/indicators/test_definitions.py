"""The twenty definitions are there, say all that they must in both languages, and a broken one is refused by file and field."""

import re
from datetime import date
from pathlib import Path

import pytest

from hub.domain.indicators.definition import DIRECTORY, Definition, definition, definitions, read
from hub.domain.indicators.errors import DefinitionInvalid, IndicatorUnknown, PopulationUnknown
from hub.domain.reference.reading import InvalidReferenceTable
from hub.indicators.populations import BASES, population, populations

SOURCES = Path(__file__).parents[2] / "docs" / "sources.md"
K1 = (DIRECTORY / "k1.toml").read_text(encoding="utf-8")


def test_all_twenty_are_there_in_their_order() -> None:
    assert list(definitions()) == [f"K{number}" for number in range(1, 21)]
    assert definition("k7").id == "K7"


@pytest.mark.parametrize("one", definitions().values(), ids=lambda one: one.id)
def test_words_are_in_both_languages_and_sources_are_known(one: Definition) -> None:
    words = [one.name, one.numerator, *one.traps, *filter(None, (one.denominator, one.missing))]
    assert all(re.search("[一-鿿]", zh) and not re.search("[一-鿿]", en) for zh, en in words)
    known = SOURCES.read_text(encoding="utf-8")
    assert all(target.source.strip("[]") in known for target in one.targets)
    assert not one.population or one.population in BASES
    assert not (one.missing and one.by), "what is not recorded is not broken down"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('id = "K1"', 'id = "K2"', "id"),
        ("version = 1", "version = 0", "version"),
        ("version = 1", "version = true", "version"),
        ("version = 1", "version = 1\ncolour = 1", "colour"),
        ('"DISTINCT"', '"SUM"', "additivity"),
        ('"DISTINCT"', '"RATIO"', "additivity"),
        ('"PERSONS"', '"PEOPLE"', "counts"),
        ('"STOCK"', '"WEEK"', "window"),
        ('"region_as_of"', '"planet"', "by"),
        ('"region_as_of"', '"province"', "by"),
        ('en = "Coverage of the population by e-cards"', 'en = ""', "name"),
        ("share_of_10000 = 7900", "share_of_10000 = 7900\ncount = 3", "targets"),
        ('on = "2025-12-31"', 'on = "2025-12-32"', "targets"),
        ('source = "[S0]"', 'source = ""', "targets"),
        ("version = 1", "version = ", "file"),
    ],
)
def test_a_broken_definition_is_refused_by_file_and_field(old: str, new: str, field: str) -> None:
    assert old in K1
    with pytest.raises(DefinitionInvalid) as refused:
        read("k1.toml", K1.replace(old, new, 1).encode())
    assert refused.value.metadata == {"file": "k1.toml", "field": field}


def test_the_digest_is_of_the_bytes_and_of_nothing_else() -> None:
    assert read("k1.toml", K1.encode()).digest == definition("K1").digest
    assert read("k1.toml", f"{K1}# more\n".encode()).digest != definition("K1").digest


def test_an_indicator_that_there_is_not_is_refused() -> None:
    with pytest.raises(IndicatorUnknown):
        definition("K21")


def test_a_population_has_its_source_and_an_unknown_one_is_none() -> None:
    assert all(row.source for rows in populations().values() for row in rows)
    known = population("RESIDENTS", "50", date(2025, 9, 1))
    assert known is not None
    assert known.people == 31_900_000
    assert population("HOLDERS", "51", date(2026, 9, 1)) is None
    assert population("RESIDENTS", "50", date(2024, 12, 30)) is None
    with pytest.raises(PopulationUnknown):
        population("VOTERS", "50", date(2025, 9, 1))


def test_a_broken_table_of_populations_is_refused() -> None:
    header = b"base,province,people,name_zh,name_en,valid_from,valid_to,source\n"
    with pytest.raises(InvalidReferenceTable):
        populations(header + "RESIDENTS,50,-3,重庆,Chongqing,2024-12-31,,[K-h]\n".encode())
