"""How Chongqing names places, cards, people and instants, said in the words of the exchange.

Places come as GB/T 2260 codes in calls and as UnionPay areas in files; the latter cannot be computed (former Sichuan
districts of Chongqing kept their areas between Sichuan's), so they are looked up in `unionpay_areas.csv`, made from
the area list of public transit-card readers and today's GB/T 2260 names. Clocks are local: +08:00, no summer time.
"""

import csv
import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Final

from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, CardRef, IdType, PersonRef
from google.protobuf.timestamp_pb2 import Timestamp

from adapters.kit.values import read_day, to_utc

CHONGQING: Final = "50"


@cache
def _areas() -> dict[str, str]:
    table = resources.files("adapters.chongqing").joinpath("unionpay_areas.csv").read_text(encoding="utf-8")
    return {row["area"]: row["region"] for row in csv.DictReader(table.splitlines())}


def region_of_area(area: str) -> str | None:
    """Returns the GB/T 2260 code of a UnionPay area, or None; an area without a row belongs to the head of its ten."""
    return _areas().get(area) or _areas().get(f"{area[:3]}0")


def instant(local: datetime) -> Timestamp:
    """Returns the UTC instant of a local time without zone; raises ValueError as `to_utc` does."""
    stamp = Timestamp()
    stamp.FromDatetime(to_utc(local))
    return stamp


def card_ref(province: str, kind: CardIdentifierKind.ValueType, value: str) -> CardRef:
    """Names a card towards the hub by one of its identifiers in clear."""
    return CardRef(issuing_province=province, kind=kind, clear=value)


def person_ref(social_security_no: str) -> PersonRef:
    """Names a person by 社会保障号码; digits are taken for a resident ID, as the other province's adapter does.

    Letters first mean a foreigner: fifteen characters an old permanent residence, more a number made of a passport.
    """
    number = social_security_no.upper()
    if not number[:1].isalpha():
        kind = IdType.ID_TYPE_RESIDENT_ID
    elif len(number) == 15:
        kind = IdType.ID_TYPE_FOREIGN_PERMANENT_RESIDENT
    else:
        kind = IdType.ID_TYPE_OTHER
    return PersonRef(id_type=kind, clear=number)


def birth_date(social_security_no: str) -> str:
    """Returns the ISO date of birth that an 18-digit number carries, or an empty string."""
    try:
        return read_day(social_security_no[6:14]).isoformat()
    except ValueError:
        return ""


def fingerprint(*parts: str | bytes) -> bytes:
    """Returns the SM3 of *parts*: what the adapter remembers of a fact instead of the fact, which names a person."""
    joined = b"|".join(part if isinstance(part, bytes) else escaped(part, "|").encode() for part in parts)
    return hashlib.new("sm3", joined).digest()


def escaped(part: str, separator: str) -> str:
    """Returns a part of a joined key in which *separator* does not occur, so that no two lists of parts give one key."""
    return part.replace("%", "%25").replace(separator, f"%{ord(separator):02X}")


def call_key(fields: Mapping[str, str]) -> str:
    """Returns the key of a call: who calls, and the caller's number for it."""
    return f"{escaped(fields['用户名'], ':')}:{escaped(fields['流水号'], ':')}"
