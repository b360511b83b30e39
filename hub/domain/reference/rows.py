"""One class for a row of each reference table, and how it is read from its cells.

A row is a value: what a clerk could read aloud from the file, with lists parted and dates read. Codes stay strings,
since a GB/T 2260 code or a policy value is a name first. Columns and values are explained at the head of each file.
"""

import re
from dataclasses import dataclass
from datetime import date

from hub.domain.reference.reading import Cells

LEVELS = frozenset({"province", "prefecture", "county", "town", "test"})
OUTCOMES = frozenset({"ACCEPT", "ACCEPT_NO_CONCESSION", "STEP_UP", "REFER_ISSUER", "DENY"})
MEDIA = frozenset({"CONTACT", "CONTACTLESS", "ECARD_QR", "ECARD_SHOW", "ECARD_LOGIN", "YUKUAI_CODE", "ID_CARD", "FACE"})
CONCESSIONS = frozenset({"NONE", "HOST_RULES", "HOME_RULES", "MUTUAL"})
CARRIERS = frozenset({"PLASTIC", "ECARD", "NONE"})
SETTLEMENTS = frozenset({"NONE", "T_PLUS_1", "MONTHLY", "NATIONAL_PLATFORM"})

_REGION_CODE = re.compile(r"[0-9]{6}(?:[0-9]{3})?")  # GB/T 2260; nine digits for a town.
_UNIONPAY_CODE = re.compile(r"[0-9]{4}")
_ID_TYPE_CODE = re.compile(r"[0-9]{2}")  # AAC058.
_BANK_FAMILY_CODE = re.compile(r"[0-9]{3}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]*")
_FIGURE = re.compile(r"[1-9][0-9]*")
_RULE_ID = re.compile(r"(?:A[0-9]{2})?")


@dataclass(frozen=True, slots=True)
class Region:
    """An administrative region under one code, name and parent, for as long as all three held.

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
    """Read a row of regions.csv."""
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
    """Read a row of unionpay_areas.csv."""
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
    """Read a row of scenarios.csv, whose code starts with its group."""
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
    """Read a row of id_types.csv."""
    code = cells.matching("code", _ID_TYPE_CODE)
    return IdType(code, cells.name("name_zh"), cells.name("name_en"), cells.day("valid_from"), cells.valid_to())


@dataclass(frozen=True, slots=True)
class Medium:
    """What a holder shows; `carrier` is the card it comes from: PLASTIC, ECARD, or NONE for another document or a face."""

    code: str
    carrier: str
    name_zh: str
    name_en: str
    valid_from: date
    valid_to: date | None

    @property
    def is_plastic(self) -> bool:
        """Return whether the plastic card itself is shown."""
        return self.carrier == "PLASTIC"

    @property
    def is_ecard(self) -> bool:
        """Return whether it is a way of showing the e-card."""
        return self.carrier == "ECARD"


def read_medium(cells: Cells) -> Medium:
    """Read a row of media.csv."""
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
    """Read a row of banks.csv."""
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
    """Read a row of targets.csv, which never lacks its source."""
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


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a decision came out as it did, in words for the card holder; `rule` is empty where none refused."""

    code: str
    rule: str
    outcome: str
    text_zh: str
    text_en: str
    advice_zh: str
    advice_en: str


def read_reason(cells: Cells) -> Reason:
    """Read a row of reasons.csv."""
    return Reason(
        code=cells.name("code"),
        rule=cells.matching("rule", _RULE_ID),
        outcome=cells.one_of("outcome", OUTCOMES),
        text_zh=cells.name("text_zh"),
        text_en=cells.name("text_en"),
        advice_zh=cells.text("advice_zh"),
        advice_en=cells.text("advice_en"),
    )


@dataclass(frozen=True, slots=True)
class Policy:
    """The value of one policy parameter in one province, or in those of its regions whose codes begin so; an empty value is not known."""

    parameter: str
    province: str
    regions: tuple[str, ...]
    value: str
    valid_from: date
    valid_to: date | None
    evidence: str

    @property
    def number(self) -> int:
        """Return the value as a number, in the unit that ends the parameter's name."""
        return int(self.value)

    @property
    def flag(self) -> bool:
        """Return whether the value is true; a value that is no flag raises KeyError."""
        return {"true": True, "false": False}[self.value]


def read_policy(cells: Cells) -> Policy:
    """Read a row of policy.csv, which never lacks its evidence."""
    return Policy(
        parameter=cells.name("parameter"),
        province=cells.name("province"),
        regions=cells.items("regions"),
        value=cells.text("value"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        evidence=cells.name("evidence"),
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of an agreement: cards of the issuer provinces are accepted in the serving provinces.

    `scenarios` are catalogue codes, wildcards resolved. `serving_regions` are GB/T 2260 prefixes, fit for
    `str.startswith`; empty is the whole province. Empty `venues` are any listed, empty `media` are all.
    """

    agreement_id: str
    version: int
    scenarios: frozenset[str]
    issuer_provinces: frozenset[str]
    serving_provinces: frozenset[str]
    serving_regions: tuple[str, ...]
    venues: frozenset[str]
    media: frozenset[str]
    concession: str
    settlement: str
    legal_basis: str
    valid_from: date
    valid_to: date | None
    source: str


def read_agreement(cells: Cells) -> Agreement:
    """Read a row of agreements.csv as version 1 with its scenarios as written; both are resolved among all rows."""
    return Agreement(
        agreement_id=cells.name("agreement_id"),
        version=1,
        scenarios=frozenset(cells.items("scenarios")),
        issuer_provinces=frozenset(cells.items("issuer_provinces")),
        serving_provinces=frozenset(cells.items("serving_provinces")),
        serving_regions=cells.items("serving_regions"),
        venues=frozenset(cells.items("venues")),
        media=frozenset(cells.items("media", MEDIA)),
        concession=cells.one_of("concession", CONCESSIONS),
        settlement=cells.one_of("settlement", SETTLEMENTS),
        legal_basis=cells.name("legal_basis"),
        valid_from=cells.day("valid_from"),
        valid_to=cells.valid_to(),
        source=cells.name("source"),
    )
