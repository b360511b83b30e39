"""Who and what an event is about: card, person, places and medium, out of the fields every message shares.

    aab301 发卡地 · aac002 社会保障号码 · aac058/aac147 other document · aaz500 卡号 · aaz501 卡识别码
    jtkh 交通卡号 · qfh 电子社保卡签发号 · fssj 发生时间 · ywrq 业务日期 · jz 介质 · rzjb 认证级别

The issuing province comes from aab301 and never from the ID number: people born in Chongqing before 1997 carry
Sichuan's prefixes.
"""

from chuanyu.exchange.v1.acceptance_pb2 import AuthLevel, Medium
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, CardRef, IdType, PersonRef

from adapters.sichuan.fields import Fields

SYSTEM = "sc.sbk"
SICHUAN = "51"
MEDIA = {
    "01": Medium.MEDIUM_CONTACT,
    "02": Medium.MEDIUM_CONTACTLESS,
    "03": Medium.MEDIUM_ECARD_QR,
    "04": Medium.MEDIUM_ECARD_SHOW,
    "05": Medium.MEDIUM_FACE,
}
AUTH_LEVELS = {
    "0": AuthLevel.AUTH_LEVEL_NONE,
    "1": AuthLevel.AUTH_LEVEL_CARD,
    "2": AuthLevel.AUTH_LEVEL_PIN,
    "3": AuthLevel.AUTH_LEVEL_FACE,
    "4": AuthLevel.AUTH_LEVEL_FACE_AND_ID,
}
ID_TYPES = {f"{number:02}": number for number in IdType.values() if number}
# In this order the first one found names the card, the others are its aliases.
CARD_IDENTIFIERS = {
    "aaz500": CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO,
    "aaz501": CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE,
    "jtkh": CardIdentifierKind.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO,
    "qfh": CardIdentifierKind.CARD_IDENTIFIER_KIND_SIGN_NO,
}


def issuing_province(native: Fields) -> str:
    """Returns the province of 发卡地: 50, 51, or whatever else was sent, which the hub will not know."""
    return native.required("aab301")[:2]


def card_refs(native: Fields) -> list[CardRef]:
    """Returns every reference the message carries to its card, the best known first; empty where it names none."""
    province = issuing_province(native)
    return [
        CardRef(issuing_province=province, kind=kind, clear=_upper(native, name))
        for name, kind in CARD_IDENTIFIERS.items()
        if native.text(name)
    ]


def _upper(native: Fields, name: str) -> str:
    # A sign number is opaque and keeps its case; everything else has letters in upper case only.
    return native.text(name) if name == "qfh" else native.text(name).upper()


def holder(native: Fields) -> PersonRef | None:
    """Returns the person, None where the message names none; a lower-case check letter x is stored as X."""
    id_type = native.code("aac058", ID_TYPES, IdType.ID_TYPE_RESIDENT_ID)
    other = native.text("aac147") if id_type != IdType.ID_TYPE_RESIDENT_ID else ""
    number = other or native.text("aac002")
    return PersonRef(id_type=IdType.ValueType(id_type), clear=number.upper()) if number else None


def event_about(native: Fields, source: Source, *, region_field: str, needs_card: bool = True) -> Event:
    """Returns an event with everything but its kind; *region_field* names where it happened."""
    cards = card_refs(native)
    if needs_card and not cards:
        raise native.fault("aaz500")
    native.required("fssj")
    return Event(
        occurred_at=native.instant("fssj"),
        business_date=native.day("ywrq"),
        source=source,
        card=cards[0] if cards else None,
        card_aliases=cards[1:],
        holder=holder(native),
        issuer_region=native.required("aab301"),
        service_region=native.text(region_field),
        medium=native.code("jz", MEDIA, Medium.MEDIUM_UNSPECIFIED),
        auth_level=native.code("rzjb", AUTH_LEVELS, AuthLevel.AUTH_LEVEL_UNSPECIFIED),
    )
