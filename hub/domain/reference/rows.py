"""What there is: a class for a row of each table of places, scenarios, documents, media, banks and figures; how it is read from its cells.

A row is a value: what a clerk could read aloud from the file, with lists parted and dates read. Codes stay strings,
since a GB/T 2260 code or a policy value is a name first. Columns and values are explained at the head of each file.
"""

import re
from dataclasses import dataclass
from datetime import date

from hub.domain.reference.reading import Cells

LEVELS = frozenset({"province", "prefecture", "county", "town", "test"})
MEDIA = frozenset({"CONTACT", "CONTACTLESS", "ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN", "YUKUAI_CODE", "ID_CARD", "FACE"}) | {
    "TALENT_CODE",
    "DISABILITY_CERTIFICATE",
    "WORK_PERMIT",
}
CARRIERS = frozenset({"PLASTIC", "ECARD", "DOCUMENT", "NONE"})

_REGION_CODE = re.compile(r"[0-9]{6}(?:[0-9]{3})?")  # GB/T 2260; nine digits for a town.
_UNIONPAY_CODE = re.compile(r"[0-9]{4}")
_ID_TYPE_CODE = re.compile(r"[0-9]{2}")  # AAC058.
_BANK_FAMILY_CODE = re.compile(r"[0-9]{3}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]*")
_FIGURE = re.compile(r"[1-9][0-9]*")


@dataclass(frozen=True, slots=True)
class Region:
    """An administrative region under one code, name and parent, for as long as all three were in force.

    `predecessors` and `successors` are the codes that territory came from or went to, in whole or in part; the
    region's own code among them means that the rest stayed. `parent` is empty for a province.
    """

    code: str
    name_zh: str
    name_en: str
    level: str
    parent: str
    valid_from: date
    valid_to: date | None
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]


def read_region(cells: Cells) -> Region:
    """Reads a row of regions.csv."""
    return Region(
        code=cells.matching("code", _REGION_CODE),
        name_zh=cells.name("name_zh"),
        name_en=cells.text("name_en"),
        level=cells.one_of("level", LEVELS),
        parent=cells.text("parent"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        predecessors=cells.items("predecessors"),
        successors=cells.items("successors"),
    )


@dataclass(frozen=True, slots=True)
class UnionpayArea:
    """A UnionPay area code of transit cards and files, and the GB/T 2260 region it means."""

    unionpay_code: str
    region: str
    valid_from: date
    valid_to: date | None


def read_unionpay_area(cells: Cells) -> UnionpayArea:
    """Reads a row of unionpay_areas.csv."""
    code = cells.matching("unionpay_code", _UNIONPAY_CODE)
    return UnionpayArea(code, cells.name("region"), cells.day("valid_from"), cells.valid_to())


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something a card can be used for."""

    code: str
    group: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None


def read_scenario(cells: Cells) -> Scenario:
    """Reads a row of scenarios.csv, whose code starts with its group."""
    group = cells.name("group")
    return Scenario(
        code=cells.matching("code", re.compile(rf"{re.escape(group)}(?:\.[A-Z]+)+")),
        group=group,
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
    )


@dataclass(frozen=True, slots=True)
class IdType:
    """A kind of identity document, by its AAC058 code."""

    code: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None


def read_id_type(cells: Cells) -> IdType:
    """Reads a row of id_types.csv."""
    code = cells.matching("code", _ID_TYPE_CODE)
    return IdType(code, cells.name("name_zh"), cells.name("name_en"), cells.day("valid_from"), cells.valid_to())


@dataclass(frozen=True, slots=True)
class Medium:
    """What a holder shows; `carrier` is the card it comes from: PLASTIC, ECARD, a DOCUMENT folded into it, or NONE."""

    code: str
    carrier: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None

    @property
    def is_plastic(self) -> bool:
        """Returns whether the plastic card itself is shown."""
        return self.carrier == "PLASTIC"

    @property
    def is_ecard(self) -> bool:
        """Returns whether it is a way of showing the e-card."""
        return self.carrier == "ECARD"


def read_medium(cells: Cells) -> Medium:
    """Reads a row of media.csv."""
    return Medium(
        code=cells.one_of("code", MEDIA),
        carrier=cells.one_of("carrier", CARRIERS),
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
    )


@dataclass(frozen=True, slots=True)
class Bank:
    """A partner bank of one province's card; city and rural banks share a family code (AAE008)."""

    code: str
    family_code: str
    name_zh: str
    name_en: str
    province: str
    valid_from: date
    valid_to: date | None


def read_bank(cells: Cells) -> Bank:
    """Reads a row of banks.csv."""
    return Bank(
        code=cells.matching("code", _CODE),
        family_code=cells.matching("family_code", _BANK_FAMILY_CODE),
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        province=cells.name("province"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
    )


@dataclass(frozen=True, slots=True)
class Target:
    """A published figure to show beside what the hub counts; an empty province is the ministry's."""

    code: str
    province: str
    value: int
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None
    source: str


def read_target(cells: Cells) -> Target:
    """Reads a row of targets.csv, which never lacks its source."""
    return Target(
        code=cells.matching("code", _CODE),
        province=cells.text("province"),
        value=int(cells.matching("value", _FIGURE)),
        name_zh=cells.name("name_zh"),
        name_en=cells.name("name_en"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        source=cells.name("source"),
    )
