"""A service item as of both times: how a side handled it by the tables and by what was approved, and what waited for approval."""

from collections.abc import Iterator

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos
from chuanyu.exchange.v1 import service_items_pb2 as items
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.audit.known.asking import AsOf
from hub.audit.known.catalogue import book_events, book_of, catalogue_at
from hub.audit.known.thing import Line, Lines, line
from hub.audit.outcome import Text
from hub.audit.replay.own import Own
from hub.domain import reference
from hub.domain.instants import local_day
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.joint_services.sides import Side
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.words.names import PROVINCES
from hub.words.services import ITEM_STATES, MODES


class Item:
    """What one side does with an item on the day of an instant."""

    def __init__(self, own: Own, item_id: str, province: str, valid_us: int) -> None:
        """*own* are the events of the book about this item and side."""
        self.own, self._item_id, self._province, self._valid_us = own, item_id, province, valid_us
        self._told: list[Recorded] = []
        zh, en = PROVINCES[province]
        self.name = Text(f"{zh}事项 {item_id}", f"item {item_id} of {en}")

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._told.append(event)

    def lines(self) -> Lines:
        """Returns what is known by the tables and the events so far; raises BeforeCatalogue."""
        book = book_of(self._told)
        entry = Catalogue(reference.load(), book).on(local_day(self._valid_us)).entries.get(self._item_id)
        waits = None if book is None else book.proposals.get((self._item_id, self._province))
        found = [] if entry is None else list(_say(entry.side(self._province)))
        if waits is not None:
            text = f"{waits.version.valid_from} {_version(waits.version)}"
            found.append(line("proposal", ("待核准", "waits for approval"), text, text))
        return tuple(found)

    def is_same(self, connection: psycopg.Connection) -> None:
        """It is in no view: the tables and the book are all there is."""
        return


def find(connection: psycopg.Connection, asked: protos.ServiceItemQuestion, at: AsOf) -> Item:
    """Finds an item by any of its codes; raises UnknownItem."""
    item_id = catalogue_at(connection, at.reached).item_id(asked.item_code)
    events = [event for event in book_events(connection, at.reached) if _is_about(event, item_id, asked.province)]
    return Item(Own(b"", events, {}, frozenset(event.position for event in events)), item_id, asked.province, at.valid_us)


def _is_about(event: Recorded, item_id: str, province: str) -> bool:
    told = getattr(event.event, event.kind)
    return bool(told.item_id == item_id and told.province == province)


def _say(side: Side) -> Iterator[Line]:
    state = items.ServiceItemState.Name(items.ServiceItemState.ValueType(side.state)).removeprefix("SERVICE_ITEM_STATE_")
    yield line("state", ("状态", "state"), state, ITEM_STATES[state])
    if side.version is None:
        return
    mode = government.CaseMode.Name(side.version.mode).removeprefix("CASE_MODE_")
    yield line("mode", ("办理模式", "mode"), mode, MODES[mode])
    text = _version(side.version)
    yield line("version", ("版本", "version"), text, text)


def _version(version: items.ServiceItemVersion) -> str:
    """Writes a version as one line."""
    return "; ".join(f"{field.name} {value}" for field, value in version.ListFields() if not isinstance(value, bytes)).replace("\n", " ")
