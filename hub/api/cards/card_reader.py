"""Reads cards: all that are asked about together in one SQL round trip and one snapshot.

There is no cache to go stale: what all cards share (agreements, changes of the catalogue) is kept parsed and read again when its view
has moved. Every answer carries the position of the very snapshot it was read from, and while the views are not all at one position there
is none.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import psycopg

from hub.api.cards.card_snapshot import READ_CARDS, READ_WITH_RECORD, CardRead, Snapshot, Wanted, snapshot_in, with_documents_only
from hub.api.cards.view_wait import when_seen
from hub.domain.agreement import Agreements
from hub.domain.errors import HubError, JournalUnavailable
from hub.domain.records.items import NO_CHANGES, ItemChanges
from hub.domain.succession import wanted
from hub.journal.loop_connection import LoopConnection, boolean_array, bytea_array, text_array
from hub.journal.sessions import session, set_up
from hub.journal.statements import GroupFailed
from hub.projections.views.agreements import read_agreements
from hub.projections.views.item_changes import read_item_changes
from hub.telemetry.outage import Outage

log = logging.getLogger(__name__)

_SESSION = set_up("hub_reader", {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"})
_NO_RECORD: Mapping[bytes, Wanted] = MappingProxyType({})


class _Shared(NamedTuple):
    """What all cards share, and the position of the newest event among it."""

    revision: int
    agreements: Agreements
    items: ItemChanges


class CardReader:
    """Used from one event loop."""

    def __init__(self, dsn: str, refused: Callable[[], HubError | None]) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *refused* returns why no card may be read now, None if they may."""
        self._dsn, self._refused = dsn, refused
        self._connection = LoopConnection(dsn, "hub-cards", _SESSION, READ_CARDS, READ_WITH_RECORD, confirms=True)
        self._shared = _Shared(-1, Agreements(()), NO_CHANGES)
        self._outage = Outage(log, "cards")
        # A group waits for one single read at most, however many callers look at cards.
        self._reading, self._single = asyncio.Lock(), asyncio.Lock()

    async def stop(self) -> None:
        """Closes the connection once what is being read has been read."""
        async with self._reading:
            self._connection.close()

    async def read(self, card_key: bytes, min_position: int, *, with_documents: bool = False) -> CardRead:
        """Reads a card, at *min_position* or later; raises ViewBehind, ViewsLate, JournalUnavailable, or why none may be read now."""

        async def attempt() -> CardRead:
            async with self._single:
                snapshot = await self.read_together({card_key: True}, {card_key: Wanted()} if with_documents else _NO_RECORD)
            return with_documents_only(snapshot.card(card_key, min_position))

        return await when_seen(attempt)

    async def read_together(self, asked: Mapping[bytes, bool], with_record: Mapping[bytes, Wanted] = _NO_RECORD) -> Snapshot:
        """Reads cards by their keys; raises JournalUnavailable, or why none may be read now.

        The value of a key says whether the predecessors are wanted too whose e-card the card carries on. Of those *with_record* it reads
        what is on record of the holder as well.
        """
        if (refusal := self._refused()) is not None:
            raise refusal
        try:
            async with self._reading:
                snapshot = await self._read(dict(asked), _parameters(with_record) if with_record else ())
        except (JournalUnavailable, GroupFailed, psycopg.Error) as error:
            self._outage.failed(error)
            raise JournalUnavailable from None
        self._outage.over()
        return snapshot

    async def _read(self, asked: dict[bytes, bool], with_record: Sequence[bytes]) -> Snapshot:
        while True:
            snapshot = snapshot_in(await self._connection.query(bytea_array(list(asked)), *with_record, number=1 if with_record else 0))
            if more := {**_relatives(snapshot, asked, with_ecard=False), **_relatives(snapshot, asked, with_ecard=True)}:
                # Again in one snapshot, together with them: few cards have relatives.
                asked |= more
            elif snapshot.revision == self._shared.revision:
                snapshot.agreements, snapshot.items = self._shared.agreements, self._shared.items
                return snapshot
            else:
                self._shared = await asyncio.to_thread(_load_shared, self._dsn)


def _parameters(with_record: Mapping[bytes, Wanted]) -> tuple[bytes, ...]:
    """Returns what the statement that reads the record takes beside the cards."""
    wanted_of = with_record.values()
    units_since, library = [one.units_since for one in wanted_of], [one.library for one in wanted_of]
    entries = [one.entries for one in wanted_of]
    institutions = sorted({code for one in wanted_of for code in one.institutions})
    return bytea_array(list(with_record)), text_array(units_since), boolean_array(library), text_array(institutions), boolean_array(entries)


def _relatives(snapshot: Snapshot, asked: Mapping[bytes, bool], *, with_ecard: bool) -> dict[bytes, bool]:
    """Returns the further cards to read for those that are asked with or without their e-card."""
    keys = (key for key, is_so in asked.items() if is_so == with_ecard)
    return dict.fromkeys(wanted(snapshot.rows, keys, with_ecard=with_ecard) - asked.keys(), with_ecard)


def _load_shared(dsn: str) -> _Shared:
    with session(dsn, "hub_reader", "hub-cards") as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        (agreed, agreements), (changed, items) = read_agreements(connection), read_item_changes(connection)
        return _Shared(max(agreed, changed), agreements, items)
