"""What answers are made by: a class for a row of the tables of reasons, policy and agreements, and how it is read from its cells."""

import re
from dataclasses import dataclass
from datetime import date

from hub.domain.reference.reading import Cells
from hub.domain.reference.rows import MEDIA

OUTCOMES = frozenset({"ACCEPT", "ACCEPT_NO_CONCESSION", "STEP_UP", "REFER_ISSUER", "DENY"})
CONCESSIONS = frozenset({"NONE", "HOST_RULES", "HOME_RULES", "MUTUAL"})
SETTLEMENTS = frozenset({"NONE", "T_PLUS_1", "MONTHLY", "NATIONAL_PLATFORM"})
_RULE_ID = re.compile(r"(?:A[0-9]{2})?")


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
    """Reads a row of reasons.csv."""
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
        """Returns the value as a number, in the unit that ends the parameter's name."""
        return int(self.value)

    @property
    def flag(self) -> bool:
        """Returns whether the value is true; a value that is no flag raises KeyError."""
        return {"true": True, "false": False}[self.value]


def read_policy(cells: Cells) -> Policy:
    """Reads a row of policy.csv, which never lacks its evidence."""
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
    """Reads a row of agreements.csv as version 1 with its scenarios as written; both are resolved among all rows."""
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
