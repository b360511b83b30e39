"""Changes of the catalogue of service items on record: what the sides approved since the table, each with the position of its approval."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import service_items_pb2 as protos


class ItemChange(NamedTuple):
    """How a side handles an item from a day on, as it was approved at a position."""

    position: int
    item_id: str
    province: str
    base_code: str
    version: protos.ServiceItemVersion


class ItemChanges(NamedTuple):
    """All of them, in the order in which they were approved."""

    changes: tuple[ItemChange, ...] = ()

    def about(self, code: str) -> tuple[ItemChange, ...]:
        """Returns those of the item that an id, a base code or an implementing code names."""
        items = {code} | {one.item_id for one in self.changes if code in (one.base_code, one.version.implementing_code)}
        return tuple(one for one in self.changes if one.item_id in items) if code else ()


NO_CHANGES = ItemChanges()


def changes_of(approved: Iterable[tuple[int, protos.ServiceItemDrafted]]) -> ItemChanges:
    """Puts together what was approved, each with its position."""
    found = (ItemChange(at, said.item_id, said.province, said.definition.base_code, said.version) for at, said in approved)
    return ItemChanges(tuple(sorted(found, key=lambda one: one.position)))


def packed_changes(changes: Iterable[ItemChange]) -> list[list[Any]]:
    """Writes changes as JSON has them."""
    return [[*one[:-1], one.version.SerializeToString(deterministic=True).hex()] for one in changes]


def unpacked_changes(said: Iterable[Any]) -> tuple[ItemChange, ...]:
    """Reads what `packed_changes` wrote."""
    read = protos.ServiceItemVersion.FromString
    return tuple(ItemChange(at, item, side, code, read(bytes.fromhex(version))) for at, item, side, code, version in said)
