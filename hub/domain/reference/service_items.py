"""The tables of the 川渝通办 catalogue: items, how each side handles them, materials, published figures, packages, words of the search.

An empty cell of a version is not known, and stays empty until a source or a side says it. Named rows and published figures are tables of
their own: neither is ever derived from the other.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar

from chuanyu.exchange.v1 import acceptance_pb2, service_items_pb2, usage_government_pb2

from hub.domain.reference.reading import Cells, read_table, versions_by_key

TABLES = (
    "materials.csv",
    "service_item_packages.csv",
    "service_item_totals.csv",
    "service_item_versions.csv",
    "service_item_words.csv",
    "service_items.csv",
)
ITEM_ID = re.compile(r"[A-Z]{2}[0-9]{3,5}")
MODES = ("FULL_ONLINE", "COLLECT_FORWARD", "JOINT")
MEASURES = ("ITEMS", "LIVE", *MODES, "PACKAGES", "EVIDENCE_WAIVED")
STATES = ("DRAFT", "LIVE", "SUSPENDED", "WITHDRAWN")
CHANNELS = ("ONLINE", "MOBILE", "SELF_SERVICE", "WINDOW")
LEVELS = ("", "NONE", "CARD", "PIN", "FACE", "FACE_AND_ID")
WAIVERS = ("SHARED_DATA", "E_LICENCE", "COMMITMENT")
BASES = ("PUBLISHED", "NATIONAL_LIST", "ASSUMED")
# What the list of materials of a version says where no source has it; an empty cell asks for nothing.
UNKNOWN = "UNKNOWN"
UNSPECIFIED = "UNSPECIFIED"
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,31}")
_OPAQUE_CODE = re.compile(r".{0,64}")
_NUMBER = re.compile(r"[0-9]{0,9}")
_PINYIN = re.compile(r"[a-z]+(?: [a-z]+)*")
_HOW = ("implementing_code", "regions", "mode", "mode_basis", "channels", "auth_level")
_HOW_MUCH = ("promised_working_days", "legal_working_days", "fee_fen", "min_age_years", "max_age_years")
_DATES = ("valid_from", "valid_to")
_MATERIAL_COLUMNS = ("code", "name_zh", "name_en", *_DATES)
_ITEM_COLUMNS = ("item_id", "name_zh", "name_en", "pinyin", "department", "base_code", "life_events", "successors", *_DATES, "source")
_VERSION_COLUMNS = ("item_id", "province", *_HOW, *_HOW_MUCH, "materials", "state", "basis", "since", *_DATES, "source")
_PACKAGE_COLUMNS = ("package_id", "name_zh", "name_en", "provinces", "items", *_DATES, "source")
_WORD_COLUMNS = ("word", "synonyms", "initials")
_FIGURE_COLUMNS = ("measure", "batch", "value", "basis", "published_on", "source")


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class ItemRow:
    """What an item is, from a day on."""

    item_id: str
    definition: service_items_pb2.ServiceItemDefinition
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """How one side handles an item, from a day on."""

    item_id: str
    province: str
    version: service_items_pb2.ServiceItemVersion
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Material:
    """Something an applicant brings."""

    code: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A published figure about the catalogue; batch 0 is all of it."""

    measure: str
    batch: int
    value: int
    basis: str
    published_on: date
    source: str


@dataclass(frozen=True, slots=True)
class Package:
    """A package 一件事 and those of its items that a source names."""

    package_id: str
    name_zh: str
    name_en: str
    provinces: tuple[str, ...]
    items: tuple[str, ...]
    valid_from: date
    valid_to: date | None
    source: str


@dataclass(frozen=True, slots=True, eq=False)
class ServiceItemTables:
    """All of them; *words* has for each synonym the word that names say, *initials* the same for the initials of synonyms."""

    items: Mapping[str, tuple[ItemRow, ...]]
    versions: Mapping[tuple[str, str], tuple[VersionRow, ...]]
    figures: tuple[Figure, ...]
    packages: Mapping[str, tuple[Package, ...]]
    words: Mapping[str, str]
    initials: Mapping[str, str]


def read_service_items(contents: Mapping[str, bytes], provinces: Collection[str], regions: Collection[str]) -> ServiceItemTables:
    """Reads and checks the tables; raises InvalidReferenceTable where one is wrong."""
    materials = versions_by_key(_read("materials.csv", contents, _MATERIAL_COLUMNS, _material), lambda row: row.code)
    rows = _read("service_items.csv", contents, _ITEM_COLUMNS, _item)
    items = versions_by_key(rows, lambda row: row.item_id)
    for cells, _ in rows:
        cells.items("successors", items)
    _refuse_shared("base_code", ((cells, row.definition.base_code, row.item_id) for cells, row in rows))
    versions = _read("service_item_versions.csv", contents, _VERSION_COLUMNS, lambda cells: _version(cells, materials))
    for cells, version in versions:
        _refuse_unknown(cells, version, items, provinces, regions)
    _refuse_shared("implementing_code", ((cells, one.version.implementing_code, one.item_id + one.province) for cells, one in versions))
    packages = _read("service_item_packages.csv", contents, _PACKAGE_COLUMNS, _package)
    for cells, _ in packages:
        cells.items("provinces", provinces)
        cells.items("items", items)
    words, initials = _words(contents)
    return ServiceItemTables(
        items=items,
        versions=versions_by_key(versions, lambda row: (row.item_id, row.province)),
        figures=_figures(contents),
        packages=versions_by_key(packages, lambda row: row.package_id),
        words=words,
        initials=initials,
    )


def _read(table: str, contents: Mapping[str, bytes], columns: tuple[str, ...], read_row: Callable[[Cells], Row]) -> list[tuple[Cells, Row]]:
    return read_table(table, contents[table], columns, read_row)


def _refuse_unknown(
    cells: Cells, row: VersionRow, items: Mapping[str, tuple[ItemRow, ...]], provinces: Collection[str], regions: Collection[str]
) -> None:
    cells.one_of("item_id", items)
    cells.one_of("province", provinces)
    if not all(prefix.startswith(row.province) and any(code.startswith(prefix) for code in regions) for prefix in row.version.regions):
        raise cells.refuse("regions", "UNKNOWN")
    if row.valid_from < items[row.item_id][0].valid_from:
        raise cells.refuse("valid_from", "NOT_IN_FORCE")


def _refuse_shared(field: str, rows: Iterable[tuple[Cells, str, str]]) -> None:
    """Refuses a code that two items have: a case names its item by it."""
    owners: dict[str, str] = {}
    for cells, code, owner in rows:
        if code and owners.setdefault(code, owner) != owner:
            raise cells.refuse(field, "DUPLICATE")


def _material(cells: Cells) -> Material:
    code = cells.matching("code", _CODE)
    return Material(code, cells.name("name_zh"), cells.name("name_en"), cells.day("valid_from"), cells.valid_to())


def _item(cells: Cells) -> ItemRow:
    definition = service_items_pb2.ServiceItemDefinition(
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        pinyin=cells.matching("pinyin", _PINYIN),
        department=cells.name("department"),
        base_code=cells.matching("base_code", _OPAQUE_CODE),
        life_events=cells.items("life_events"),
        successors=cells.items("successors"),
    )
    cells.name("source")
    return ItemRow(cells.matching("item_id", ITEM_ID), definition, cells.day("valid_from"), cells.valid_to())


def _version(cells: Cells, materials: Mapping[str, tuple[Material, ...]]) -> VersionRow:
    version = service_items_pb2.ServiceItemVersion(
        implementing_code=cells.matching("implementing_code", _OPAQUE_CODE),
        regions=cells.items("regions"),
        mode=usage_government_pb2.CaseMode.Value(f"CASE_MODE_{cells.one_of('mode', ('', *MODES)) or UNSPECIFIED}"),
        mode_basis=_basis(cells, "mode_basis"),
        channels=[service_items_pb2.ServiceItemChannel.Value(f"SERVICE_ITEM_CHANNEL_{name}") for name in cells.items("channels", CHANNELS)],
        auth_level=acceptance_pb2.AuthLevel.Value(f"AUTH_LEVEL_{cells.one_of('auth_level', LEVELS) or UNSPECIFIED}"),
        materials_known=cells.text("materials") != UNKNOWN,
        state=service_items_pb2.ServiceItemState.Value(f"SERVICE_ITEM_STATE_{cells.one_of('state', STATES)}"),
        basis=_basis(cells, "basis"),
        valid_from=cells.day("valid_from").isoformat(),
        valid_to=cells.text("valid_to"),
        known_by_only=cells.one_of("since", ("KNOWN_BY", "FROM")) == "KNOWN_BY",
        source=cells.name("source"),
    )
    for field in _HOW_MUCH:
        if number := cells.matching(field, _NUMBER):
            setattr(version, field, int(number))
    if version.materials_known:
        version.materials.extend(_asked(cells, part, materials) for part in cells.items("materials"))
    return VersionRow(cells.name("item_id"), cells.name("province"), version, cells.day("valid_from"), cells.valid_to())


def _asked(cells: Cells, part: str, materials: Mapping[str, tuple[Material, ...]]) -> service_items_pb2.ServiceMaterial:
    """Returns a material of a version: CODE, or CODE:WAIVER where it is waived."""
    code, _, waiver = part.partition(":")
    if code not in materials or waiver not in ("", *WAIVERS):
        raise cells.refuse("materials", "UNKNOWN")
    waived = service_items_pb2.MaterialWaiver.Value(f"MATERIAL_WAIVER_{waiver or UNSPECIFIED}")
    newest = materials[code][-1]
    return service_items_pb2.ServiceMaterial(code=code, name_zh=newest.name_zh, name_en=newest.name_en, waived_by=waived)


def _basis(cells: Cells, field: str) -> Any:
    return service_items_pb2.ServiceItemBasis.Value(f"SERVICE_ITEM_BASIS_{cells.one_of(field, BASES)}")


def _package(cells: Cells) -> Package:
    return Package(
        package_id=cells.matching("package_id", _CODE),
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        provinces=cells.items("provinces"),
        items=cells.items("items"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        source=cells.name("source"),
    )


def _figures(contents: Mapping[str, bytes]) -> tuple[Figure, ...]:
    """Returns the figures by day; refuses one that is given twice."""
    table = _read("service_item_totals.csv", contents, _FIGURE_COLUMNS, _figure)
    seen: set[tuple[str, int, date]] = set()
    for cells, figure in table:
        key = (figure.measure, figure.batch, figure.published_on)
        if key in seen:
            raise cells.refuse("published_on", "DUPLICATE")
        seen.add(key)
    return tuple(sorted((figure for _, figure in table), key=lambda figure: figure.published_on))


def _figure(cells: Cells) -> Figure:
    return Figure(
        measure=cells.one_of("measure", MEASURES),
        batch=int(cells.matching("batch", re.compile("[0-9]?")) or 0),
        value=int(cells.matching("value", re.compile("[0-9]{1,6}"))),
        basis=cells.one_of("basis", ("PUBLISHED", "ARITHMETIC")),
        published_on=cells.day("published_on"),
        source=cells.name("source"),
    )


def _words(contents: Mapping[str, bytes]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the word for each synonym, and for the initials of synonyms; refuses what is given for two."""
    words: dict[str, str] = {}
    initials: dict[str, str] = {}
    for cells, word in _read("service_item_words.csv", contents, _WORD_COLUMNS, lambda cells: cells.name("word")):
        for field, found, named in (("synonyms", words, (word,)), ("initials", initials, ())):
            for synonym in (*named, *cells.items(field)):
                if found.setdefault(synonym, word) != word:
                    raise cells.refuse(field, "DUPLICATE")
    return words, initials
