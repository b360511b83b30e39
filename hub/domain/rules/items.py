"""The rule for service items (GOV.*): the catalogue is the hub's own, so that where it says something it alone counts."""

from collections.abc import Iterator
from functools import lru_cache

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.agreement import SIDES
from hub.domain.instants import local_day
from hub.domain.joint_services.periods import periods
from hub.domain.joint_services.sides import Side, State, side_on
from hub.domain.records.items import ItemChange
from hub.domain.records.weighing import UNKNOWN, OnRecord, Reasons, Weighed, weigh
from hub.domain.reference import Reference
from hub.domain.rule_input import RuleInput
from hub.domain.rules.rule import rule


@rule(
    "A40",
    "事项在通办目录内、在此地此渠道办理，且认证等级足够",
    "The item is shared and handled here, through this channel, at this level",
    "GOV.*",
    sees=("catalogue.item", "claims.item_shared", "claims.channel_allowed", "claims.item_auth_level", "claims.auth_level"),
)
def a40_item(asked: RuleInput) -> Weighed:
    """A40, GOV.*: the item is in the catalogue of the day, handled here and through this channel, and the person is known surely enough.

    What the catalogue does not say of an item is not known, and the claim counts: the public lists name few of the items.
    """
    sides = {side.province: side for side in item_sides(asked)}
    claims, level = asked.question.claims, asked.question.claims.item_auth_level
    known_enough = claims.auth_level >= level if level else None
    weighed = (
        weigh(asked.claimed("item_shared"), _offered(asked, sides), Reasons("ITEM_NOT_SHARED"), is_hubs_own=True),
        weigh(None, _handled_here(asked, sides), Reasons("ITEM_OTHER_PLACE")),
        weigh(asked.claimed("channel_allowed"), _open_channel(asked, sides), Reasons("OTHER_CHANNEL"), is_hubs_own=True),
        weigh(known_enough, _known_enough(asked, sides), Reasons("AUTH_LEVEL"), is_hubs_own=True),
    )
    return max(weighed, key=lambda one: (one.reason_code is not None, one.contradicts, one.basis == "RECORD", one.basis != ""))


def item_sides(asked: RuleInput) -> Iterator[Side]:
    """Yields what each side that matters does with the item of the question on its day; none where the catalogue does not have the item.

    A card of the other side needs an item that both sides offer; at home the own side counts alone.
    """
    question, changes = asked.question, asked.records.items
    item_id = changes[0].item_id if changes else _codes(asked.reference).get(question.refs.item_id)
    if item_id is None:
        return
    rows, day = asked.reference.service_items.versions, local_day(question.at_us).toordinal()
    for province in SIDES if question.is_cross_province else (question.service_region[:2],):
        table = [row.version for row in rows.get((item_id, province), ())]
        approved = [change.version for change in changes if change.province == province]
        yield side_on(periods(table + approved), province, day)


@lru_cache(8)
def _codes(reference: Reference) -> dict[str, str]:
    """Returns the items of the table by their ids and codes."""
    tables = reference.service_items
    codes = {row.version.implementing_code: item_id for (item_id, _), rows in tables.versions.items() for row in rows}
    codes |= {row.definition.base_code: item_id for item_id, rows in tables.items.items() for row in rows}
    codes.pop("", None)
    return codes | {item_id: item_id for item_id in tables.items}


Sides = dict[str, Side]


def _offered(asked: RuleInput, sides: Sides) -> OnRecord:
    """Whether all sides that matter offer it; one that a source only shows later may have offered it already."""
    states = {side.state for side in sides.values()} - {State.SERVICE_ITEM_STATE_LIVE}
    if not sides or states == {State.SERVICE_ITEM_STATE_NOT_KNOWN}:
        return UNKNOWN
    return OnRecord(not states, _position(asked, sides))


def _handled_here(asked: RuleInput, sides: Sides) -> OnRecord:
    """Whether the place is among those where it is handled; a region that was split or merged counts under each code of its own."""
    region, version = asked.question.service_region, _version(sides, asked.question.service_region[:2])
    if version is None or not version.regions:
        return UNKNOWN
    codes = (region, *asked.reference.kin.get(region, ()))
    return OnRecord(any(code.startswith(tuple(version.regions)) for code in codes), _position(asked, sides))


def _open_channel(asked: RuleInput, sides: Sides) -> OnRecord:
    """Whether the place takes it through the channel that the question names."""
    channel, version = asked.question.refs.channel, _version(sides, asked.question.service_region[:2])
    if not channel or version is None or not version.channels:
        return UNKNOWN
    number = protos.ServiceItemChannel.Value(f"SERVICE_ITEM_CHANNEL_{channel}")
    return OnRecord(number in version.channels, _position(asked, sides))


def _known_enough(asked: RuleInput, sides: Sides) -> OnRecord:
    """Whether the person is known as surely as each side asks; where one of them does not say how surely, only a no is known."""
    levels = [side.version.auth_level if side.version is not None else 0 for side in sides.values()]
    needed = max(levels, default=0)
    if not needed:
        return UNKNOWN
    holds = asked.question.claims.auth_level >= needed
    return UNKNOWN if holds and 0 in levels else OnRecord(holds, _position(asked, sides))


def _version(sides: Sides, province: str) -> protos.ServiceItemVersion | None:
    return sides[province].version if province in sides else None


def _position(asked: RuleInput, sides: Sides) -> int:
    """Returns where the newest approval is that counts; 0 where the table says it."""
    counting = [side.version for side in sides.values()]
    found: list[ItemChange] = [change for change in asked.records.items if any(change.version is version for version in counting)]
    return max((change.position for change in found), default=0)
