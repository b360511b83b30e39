"""What a card holder can use at a place today, and what is missing for the rest.

The card's standing and the agreement are judged once, by the rules, as for handing in a case (GOV.CASE). The rest is the catalogue's: the
place of service says where and how an item is handled, the deciding side which materials count, the stricter of both how surely the holder
has to be known. What the catalogue does not know is said to be unknown, and is not taken for missing.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2
from chuanyu.exchange.v1 import service_item_service_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items

from hub.domain.acceptance import Question, decide
from hub.domain.agreement import Agreements
from hub.domain.card import Fact, standing
from hub.domain.card_policy import policies_of
from hub.domain.instants import local_day
from hub.domain.joint_services.answers import version_of
from hub.domain.joint_services.catalogue import Catalogue, Entry
from hub.domain.joint_services.sides import State
from hub.domain.records.known import NOTHING, Records
from hub.domain.rule_input import age_on

SCENARIO = "GOV.CASE"
AGREEMENT_RULE = "A04"


class Holder(NamedTuple):
    """Who asks for what where: the card by its facts, the place, what is known of the holder and what he brings.

    *records* has the documents that his cards carry where one of them is shown.
    """

    facts: list[Fact]
    agreements: Agreements
    issuing_province: str
    region: str
    medium: int
    auth_level: int
    deciding_province: str
    materials_at_hand: frozenset[str]
    at_us: int
    records: Records = NOTHING


def list_usable(catalogue: Catalogue, holder: Holder, as_of_position: int) -> protos.ListUsableItemsResponse:
    """Returns every item that the place offers; for a card of the other side those that both sides offer."""
    day = catalogue.on(local_day(holder.at_us))
    here = holder.region[:2]
    is_cross_province = here != holder.issuing_province
    offered = [
        entry
        for entry in day.entries.values()
        if (entry.is_shared if is_cross_province else entry.side(here).state == State.SERVICE_ITEM_STATE_LIVE)
    ]
    for_all = list(_missing_for_all(catalogue, holder))
    age = _age(catalogue, holder)
    found = [_usable(catalogue, entry, holder, age, is_stopped=bool(for_all)) for entry in offered]
    return protos.ListUsableItemsResponse(
        missing_for_all=for_all,
        items=found,
        usable_count=sum(item.usable for item in found),
        deciding_province=holder.deciding_province,
        as_of_position=as_of_position,
        as_of=day.on.isoformat(),
        version=version_of(catalogue),
    )


def _missing_for_all(catalogue: Catalogue, holder: Holder) -> Iterator[protos.Missing]:
    """Yields the reasons for which no case of this card would be accepted here, with what the holder can do."""
    question = Question(holder.issuing_province, SCENARIO, holder.region, holder.medium, holder.at_us)
    for code in decide(holder.facts, holder.agreements, catalogue.reference, question, holder.records).reason_codes:
        reason = catalogue.reference.reason(code)
        if not reason.outcome.startswith("ACCEPT"):
            kind = protos.MISSING_KIND_AGREEMENT if reason.rule == AGREEMENT_RULE else protos.MISSING_KIND_CARD
            yield _missing(kind, code, f"{reason.text_zh} {reason.advice_zh}".strip(), f"{reason.text_en} {reason.advice_en}".strip())


def _age(catalogue: Catalogue, holder: Holder) -> int | None:
    born = standing(holder.facts, holder.at_us, policies_of(catalogue.reference, holder.issuing_province)).birth_date
    if not born:
        return None
    day = local_day(holder.at_us)
    policy = catalogue.reference.policy("leapDayBirthday", holder.region, day) if born.endswith("02-29") else None
    return age_on(born, day, policy.value if policy is not None else "")


def _usable(catalogue: Catalogue, entry: Entry, holder: Holder, age: int | None, *, is_stopped: bool) -> protos.UsableItem:
    handling, deciding = entry.side(holder.region[:2]).version, entry.side(holder.deciding_province).version
    versions = [version for version in (handling, deciding) if version is not None]
    missing = [
        *_missing_place(catalogue, handling, holder.region),
        *_missing_age(versions, age),
        *_missing_level(versions, holder.auth_level),
        *_missing_materials(deciding, holder.materials_at_hand),
    ]
    return protos.UsableItem(
        item_id=entry.item_id,
        name_zh=entry.definition.name_zh,
        name_en=entry.definition.name_en,
        department=entry.definition.department,
        mode=handling.mode if handling is not None else 0,  # type: ignore[arg-type]
        usable=not missing and not is_stopped,
        missing=missing,
        not_known=list(_not_known(versions, deciding, age)),
    )


Versions = list[items.ServiceItemVersion]


def _missing_place(catalogue: Catalogue, handling: items.ServiceItemVersion | None, region: str) -> Iterator[protos.Missing]:
    """Yields the place where it is not handled; a region that was split or merged counts under each code that it had and has."""
    if handling is None or not handling.regions:
        return
    codes = (region, *catalogue.reference.kin.get(region, ()))
    if not any(code.startswith(tuple(handling.regions)) for code in codes):
        yield _missing(protos.MISSING_KIND_PLACE, region, "此地不办理该事项", "The item is not handled in this region")


def _missing_age(versions: Versions, age: int | None) -> Iterator[protos.Missing]:
    if age is None:
        return
    least = max((version.min_age_years for version in versions), default=0)
    most = min((version.max_age_years for version in versions if version.HasField("max_age_years")), default=age)
    if age < least:
        yield _missing(protos.MISSING_KIND_AGE, str(least), f"须年满 {least} 周岁", f"From the age of {least}")
    if age > most:
        yield _missing(protos.MISSING_KIND_AGE, str(most), f"不得超过 {most} 周岁", f"Up to the age of {most}")


def _missing_level(versions: Versions, known: int) -> Iterator[protos.Missing]:
    needed = max((version.auth_level for version in versions), default=0)
    if known < needed:
        level = acceptance_pb2.AuthLevel.Name(needed).removeprefix("AUTH_LEVEL_")  # type: ignore[arg-type]
        yield _missing(protos.MISSING_KIND_AUTH_LEVEL, level, f"认证等级须达到 {level}", f"The holder has to be known by {level}")


def _missing_materials(deciding: items.ServiceItemVersion | None, at_hand: frozenset[str]) -> Iterator[protos.Missing]:
    """Yields what is on the deciding side's list, neither waived there nor at hand; what the other side waives does not count."""
    for material in deciding.materials if deciding is not None else ():
        if not material.waived_by and material.code not in at_hand:
            name_en = material.name_en or material.code
            yield _missing(protos.MISSING_KIND_MATERIAL, material.code, f"须提交{material.name_zh}", f"Bring: {name_en}")


def _not_known(versions: Versions, deciding: items.ServiceItemVersion | None, age: int | None) -> Iterator[str]:
    has_limits = any(version.HasField("min_age_years") or version.HasField("max_age_years") for version in versions)
    if age is None and has_limits:
        yield "AGE"
    if not all(version.auth_level for version in versions):
        yield "AUTH_LEVEL"
    if deciding is None or not deciding.materials_known:
        yield "MATERIALS"


def _missing(kind: Any, code: str, text_zh: str, text_en: str) -> protos.Missing:
    return protos.Missing(kind=kind, code=code, text_zh=text_zh, text_en=text_en)
