"""Reads cards: all that are asked about together in one SQL round trip and one snapshot.

There is no cache to go stale: agreements are kept parsed and read again when their view has moved. Every answer carries the position of
the very snapshot it was read from, and while the views are not all at one position there is none.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import psycopg
from psycopg import pq

from hub.api.cards.view_wait import when_seen
from hub.domain.agreement import Agreements
from hub.domain.card import Fact
from hub.domain.concessions import Entry
from hub.domain.errors import HubError, JournalUnavailable, ViewBehind, ViewsLate
from hub.domain.records.known import NOTHING, Records, Register, RegisterKey, records_of
from hub.domain.succession import CardRow, facts_known, wanted
from hub.journal.loop_connection import LoopConnection, bytea_array, text_array
from hub.journal.sessions import session, set_up
from hub.journal.statements import GroupFailed
from hub.projections import DECIDED_BY
from hub.projections.views.agreements import AGREEMENTS, read_agreements
from hub.projections.views.card_rows import merged, rows_named
from hub.projections.views.card_standing import facts_of
from hub.projections.views.concessions import entries_of
from hub.projections.views.record_rows import RECORDS, REGISTER_ROWS, subjects, units_since
from hub.projections.views.registers import decode as register_state
from hub.projections.views.registers import registers_of
from hub.telemetry.outage import Outage

log = logging.getLogger(__name__)

_SESSION = set_up("hub_reader", {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"})


_NO_RECORD: Mapping[bytes, str] = MappingProxyType({})


class CardRead(NamedTuple):
    """What was found for one card, and at which position."""

    facts: list[Fact]
    agreements: Agreements
    as_of_position: int
    records: Records = NOTHING


@dataclass(slots=True)
class Snapshot:
    """What one read found of all cards that were asked about."""

    as_of_position: int = 0
    furthest_position: int = 0
    revision: int = 0
    rows: dict[bytes, CardRow] = field(default_factory=dict)
    records: dict[bytes, list[list[Fact]]] = field(default_factory=dict)
    registers: dict[RegisterKey, Register] = field(default_factory=dict)
    units: dict[bytes, list[Entry]] = field(default_factory=dict)
    agreements: Agreements = field(default_factory=lambda: Agreements(()))

    def card(self, card_key: bytes, min_position: int, *, with_ecard: bool = True) -> CardRead:
        """Returns one of the cards; raises ViewsLate, or ViewBehind where the snapshot is before *min_position*."""
        as_of = self.as_of_position
        if as_of < self.furthest_position:
            raise ViewsLate(as_of_position=as_of)
        if as_of < min_position:
            raise ViewBehind(as_of_position=as_of)
        records = NOTHING
        if self.registers or card_key in self.records or card_key in self.units:
            records = records_of(self.records.get(card_key, ()), self.registers, self.units.get(card_key, ()))
        return CardRead(facts_known(card_key, self.rows, with_ecard=with_ecard), self.agreements, as_of, records)


class CardReader:
    """Used from one event loop."""

    def __init__(self, dsn: str, refused: Callable[[], HubError | None]) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *refused* returns why no card may be read now, None if they may."""
        self._dsn, self._refused = dsn, refused
        self._connection = LoopConnection(dsn, "hub-cards", _SESSION, _READ_CARDS, confirms=True)
        self._agreements = (-1, Agreements(()))
        self._outage = Outage(log, "cards")
        # A group waits for one single read at most, however many callers look at cards.
        self._reading, self._single = asyncio.Lock(), asyncio.Lock()

    async def stop(self) -> None:
        """Closes the connection once what is being read has been read."""
        async with self._reading:
            self._connection.close()

    async def read(self, card_key: bytes, min_position: int) -> CardRead:
        """Reads a card, at *min_position* or later; raises ViewBehind, ViewsLate, JournalUnavailable, or why none may be read now."""

        async def attempt() -> CardRead:
            async with self._single:
                snapshot = await self.read_together({card_key: True})
            return snapshot.card(card_key, min_position)

        return await when_seen(attempt)

    async def read_together(self, asked: Mapping[bytes, bool], with_record: Mapping[bytes, str] = _NO_RECORD) -> Snapshot:
        """Reads cards by their keys; raises JournalUnavailable, or why none may be read now.

        The value of a key says whether the predecessors are wanted too whose e-card the card carries on. Of those *with_record* it reads
        what is on record of the holder as well; the value there is the day from which on concessions are wanted, "" for none.
        """
        if (refusal := self._refused()) is not None:
            raise refusal
        try:
            async with self._reading:
                snapshot = await self._read(dict(asked), bytea_array(list(with_record)), text_array(list(with_record.values())))
        except (JournalUnavailable, GroupFailed, psycopg.Error) as error:
            self._outage.failed(error)
            raise JournalUnavailable from None
        self._outage.over()
        return snapshot

    async def _read(self, asked: dict[bytes, bool], *with_record: bytes) -> Snapshot:
        while True:
            snapshot = _snapshot(await self._connection.query(bytea_array(list(asked)), *with_record))
            if more := {**_relatives(snapshot, asked, with_ecard=False), **_relatives(snapshot, asked, with_ecard=True)}:
                # Again in one snapshot, together with them: few cards have relatives.
                asked |= more
            elif snapshot.revision == self._agreements[0]:
                snapshot.agreements = self._agreements[1]
                return snapshot
            else:
                self._agreements = await asyncio.to_thread(_load_agreements, self._dsn)


def _relatives(snapshot: Snapshot, asked: Mapping[bytes, bool], *, with_ecard: bool) -> dict[bytes, bool]:
    """Returns the further cards to read for those that are asked with or without their e-card."""
    keys = (key for key, is_so in asked.items() if is_so == with_ecard)
    return dict.fromkeys(wanted(snapshot.rows, keys, with_ecard=with_ecard) - asked.keys(), with_ecard)


def _snapshot(result: pq.abc.PGresult) -> Snapshot:
    snapshot, value = Snapshot(), result.get_value
    rows = snapshot.rows
    for row in range(result.ntuples):
        asked = value(row, 0)
        if asked is None:
            _take_other(snapshot, [value(row, column) or b"" for column in range(2, 8)])
            continue
        if value(row, 1) is None:
            text = (value(row, 3) or b"").decode()
            if value(row, 4) is None:
                snapshot.records.setdefault(asked, []).append(facts_of(text))
            else:
                snapshot.units[asked] = entries_of(text)
            continue
        facts, held = facts_of((value(row, 3) or b"[]").decode()), value(row, 4)
        if held is None and asked not in rows:
            rows[asked] = CardRow(value(row, 1) or b"", facts)
        else:
            merged(rows, asked, value(row, 1) or b"", (value(row, 2) or b"").decode(), facts, held.decode() if held else None)
    return snapshot


def _take_other(snapshot: Snapshot, values: Sequence[bytes]) -> None:
    """Takes a row that is of no card: a register, or how far views and agreements are."""
    province, declared, register, *numbers = values
    if province:
        state = register_state((declared.decode(), int.from_bytes(numbers[0], "big", signed=True)))
        snapshot.registers.update(registers_of([(register.decode(), province.decode(), state)]))
    else:
        reached = (int.from_bytes(number, "big") for number in numbers)
        snapshot.as_of_position, snapshot.revision, snapshot.furthest_position = reached


def _load_agreements(dsn: str) -> tuple[int, Agreements]:
    with session(dsn, "hub_reader", "hub-cards") as connection:
        return read_agreements(connection)


# One snapshot: what there is of each asked card, what is on record of the holders of some, the registers, and how far the views are.
_READ_CARDS = f"""
    {rows_named("$1")}, {subjects("$2")}
    SELECT asked, card, issuing_province, facts, held,
           NULL::bigint AS as_of_position, NULL::bigint AS revision, NULL::bigint AS furthest_position FROM rows
    UNION ALL
    SELECT asked, NULL, NULL, facts, NULL, NULL, NULL, NULL FROM ({RECORDS}) r
    UNION ALL
    SELECT asked, NULL, NULL, entries, '', NULL, NULL, NULL FROM ({units_since("$3")}) u
    UNION ALL
    SELECT NULL, NULL, province, declared, register, last_us, NULL, NULL FROM ({REGISTER_ROWS} WHERE cardinality($2) > 0) r
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, c.behind, COALESCE((SELECT max(position) FROM views.{AGREEMENTS.name}), 0), c.ahead
    FROM (SELECT min(position) AS behind, max(position) AS ahead FROM views.checkpoint
          WHERE view = ANY ('{{{",".join(p.name for p in DECIDED_BY)}}}')) c"""  # noqa: S608 (names of our own views)
