"""Reads the terms of an agreement from a TOML file as a policy officer writes it; every problem names its field.

Days and instants without an offset are local (+08:00): a day means its first moment, so `valid_to` is the first day on which the
terms hold no more.
"""

import tomllib
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.errors import RequestInvalid
from hub.domain.instants import local_midnight, with_zone

_LISTS = ("scenarios", "issuer_provinces", "serving_provinces", "serving_regions", "venues", "data_items")
_TEXTS = ("legal_basis", "source")
_REQUIRED = ("scenarios", "issuer_provinces", "serving_provinces", "concession", "settlement", "legal_basis", "valid_from")
_ENUMS: dict[str, Callable[[str], int]] = {
    "concession": lambda name: decisions.ConcessionTerms.Value(f"CONCESSION_TERMS_{name}"),
    "settlement": lambda name: decisions.SettlementTerms.Value(f"SETTLEMENT_TERMS_{name}"),
}
_KNOWN = {"code", "media", "valid_from", "valid_to", *_LISTS, *_TEXTS, *_ENUMS}


def read_terms(content: bytes) -> tuple[str, decisions.AgreementTerms]:
    """Returns the code, empty if the file names none, and the terms; raises RequestInvalid with every problem."""
    try:
        table = tomllib.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError):
        raise RequestInvalid([("file", "toml")]) from None
    problems = [(field, "unknown_field") for field in table if field not in _KNOWN]
    problems += [(field, "required") for field in _REQUIRED if field not in table]
    terms = decisions.AgreementTerms()
    for field in table.keys() & _KNOWN:
        try:
            _set(terms, field, table[field])
        except (TypeError, ValueError):
            problems.append((field, "value"))
    if problems:
        raise RequestInvalid(sorted(problems))
    return table.get("code", ""), terms


def _set(terms: decisions.AgreementTerms, field: str, value: Any) -> None:
    """Sets one field; raises TypeError or ValueError where the value is none of its kind."""
    if field in _LISTS:
        getattr(terms, field).extend(_texts(value))
    elif field == "media":
        terms.media.extend(acceptance.Medium.Value(f"MEDIUM_{name}") for name in _texts(value))
    elif field in _ENUMS:
        setattr(terms, field, _ENUMS[field](value))
    elif field in ("valid_from", "valid_to"):
        getattr(terms, field).FromDatetime(instant(value))
    elif not isinstance(value, str):
        raise TypeError
    elif field in _TEXTS:
        setattr(terms, field, value)


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError
    return value


def instant(value: Any) -> datetime:
    """Returns the instant in UTC of a day or a time, local where it has no offset; raises TypeError for anything else."""
    if isinstance(value, datetime):
        return with_zone(value).astimezone(UTC)
    if isinstance(value, date):
        return local_midnight(value)
    raise TypeError
