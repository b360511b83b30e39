"""View: what the sides approved of the catalogue of service items, by item and side; answers about an item rest on it."""

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.joint_services.book import APPROVED, DRAFTED
from hub.domain.records.items import ItemChanges, changes_of
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Changes(NamedTuple):
    """The draft that waits (empty: none), the approved ones in hex with their positions, and the position of the newest event."""

    waiting: bytes
    approved: tuple[tuple[int, str], ...]
    position: int


def keys(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    """Names the item and the side."""
    message = getattr(recorded.event, recorded.kind)
    yield message.item_id, message.province


def evolve(_: Key, known: Changes | None, recorded: Recorded, __: Recorded | None) -> Changes | None:
    """Folds a draft or an approval, as the book does; one that is in it already changes nothing."""
    waiting, approved, position = known if known is not None else Changes(b"", (), 0)
    if recorded.position <= position:
        return known
    if recorded.kind == DRAFTED:
        waiting = recorded.event.service_item_drafted.SerializeToString(deterministic=True)
    elif waiting:
        waiting, approved = b"", (*approved, (recorded.position, waiting.hex()))
    return Changes(waiting, approved, recorded.position)


def decode(row: Row) -> Changes:
    """Reads a row."""
    return Changes(bytes(row[0]), tuple((at, draft) for at, draft in json.loads(row[1])), row[2])


def encode(changes: Changes) -> Row:
    """Writes a row."""
    return changes.waiting, _encode(changes.approved), changes.position


def read_item_changes(connection: psycopg.Connection, through: int | None = None) -> tuple[int, ItemChanges]:
    """Returns what was approved by a position (None: all), and the position of the newest event of the view, 0 where there is none."""
    rows = [decode(row) for row in connection.execute(_ROWS.encode()).fetchall()]
    return max((row.position for row in rows), default=0), approved_in(rows, through)


def approved_in(rows: Iterable[Changes], through: int | None = None) -> ItemChanges:
    """Returns what some rows have as approved by a position (None: all)."""
    approved = (one for row in rows for one in row.approved if through is None or one[0] <= through)
    return changes_of((at, protos.ServiceItemDrafted.FromString(bytes.fromhex(draft))) for at, draft in approved)


ITEM_CHANGES = Projection(
    name="item_changes",
    key_columns=(("item_id", "text"), ("province", "text")),
    value_columns=(("waiting", "bytea"), ("approved", "text"), ("position", "bigint")),
    kinds=frozenset({DRAFTED, APPROVED}),
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    follows_corrections=False,
)
_ROWS = f"SELECT waiting, approved, position FROM views.{ITEM_CHANGES.name}"  # noqa: S608 (our own view)
