"""Reads cards in groups: one SQL round trip for all that wait.

It runs on the event loop, one read at a time; what arrives meanwhile is the next group. There is no cache to go stale: agreements
are kept parsed and read again when their view has moved. Every answer carries the position of the very snapshot it was read from, and
while the views are not all at one position there is none.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import psycopg
from psycopg import pq

from hub.domain.agreement import Agreements
from hub.domain.card import Fact
from hub.domain.errors import HubError, JournalUnavailable, ViewBehind, ViewsLate
from hub.domain.succession import CardRow, facts_known, wanted
from hub.journal.decisions import DecisionWriter
from hub.journal.group import GroupFailed
from hub.journal.loop_connection import LoopConnection, bytea_array
from hub.projections import DECIDED_BY
from hub.projections.views.agreements import AGREEMENTS, read_agreements
from hub.projections.views.card_rows import merged, rows_named
from hub.projections.views.card_standing import facts_of
from hub.telemetry.outage import Outage
from hub.telemetry.spans import GroupTiming, now_ns

log = logging.getLogger(__name__)

Result = TypeVar("Result")

GROUP_CARDS = 256
VIEW_WAIT_S = 2.0
# A busy event loop hardly ever waits for the database: groups taken as they come are of one or two, and most of the loop's time goes
# into round trips (with 32 checks in flight 0.37 as many calls as empty ones; gathered, 0.5 and more). A lone caller never waits.
PACE_S = 0.004
SMALL_GROUP = 3
_SESSION = "SET ROLE hub_reader; SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET jit = off"


class CardRead(NamedTuple):
    """What a group read found for one card, at which position, and when the group was read."""

    facts: list[Fact]
    agreements: Agreements
    as_of_position: int
    group: GroupTiming


class _Asked(NamedTuple):
    card_key: bytes
    with_ecard: bool
    min_position: int
    then: Callable[[CardRead | Exception], None]


@dataclass(slots=True)
class _Snapshot:
    as_of_position: int = 0
    furthest_position: int = 0
    revision: int = 0
    rows: dict[bytes, CardRow] = field(default_factory=dict)


class CardReader:
    """Used from one event loop."""

    def __init__(self, dsn: str, decisions: DecisionWriter, refused: Callable[[], HubError | None]) -> None:
        """*dsn* names a login that may SET ROLE hub_reader; *decisions* records what is decided from the cards.

        *refused* returns why no card may be read now, None if they may.
        """
        self._decisions, self._refused = decisions, refused
        self._dsn = dsn
        self._connection = LoopConnection(dsn, "hub-cards", _SESSION, _READ_CARDS)
        self._agreements = (-1, Agreements(()))
        self._waiting: list[_Asked] = []
        self._outage = Outage(log, "cards")
        self._reading: asyncio.Task[None] | None = None
        self._last_began, self._last_cards = 0.0, 0

    async def stop(self) -> None:
        """Answers what waits and closes the connection."""
        if self._reading is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._reading
        self._connection.close()

    async def read(self, card_key: bytes, min_position: int) -> CardRead:
        """Reads a card together with what else waits; raises ViewBehind, JournalUnavailable, or why none may be read now."""
        read: asyncio.Future[CardRead] = asyncio.get_running_loop().create_future()
        self.ask(card_key, min_position, lambda outcome: settle(read, outcome))
        return await read

    def ask(self, card_key: bytes, min_position: int, then: Callable[[CardRead | Exception], None], *, with_ecard: bool = True) -> None:
        """Reads a card as `read` does and calls *then* with what it returns or raises; *then* must not raise.

        Only *with_ecard* are the predecessors read whose e-card it carries on.
        """
        if (refusal := self._refused()) is not None:
            then(refusal)
            return
        self._waiting.append(_Asked(card_key, with_ecard, min_position, then))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_groups())

    async def _read_groups(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                group, self._waiting = self._waiting[:GROUP_CARDS], self._waiting[GROUP_CARDS:]
                began = now_ns()
                try:
                    snapshot = await self._read(group)
                except (JournalUnavailable, GroupFailed, psycopg.Error) as error:
                    self._outage.failed(error)
                    for asked in group:
                        asked.then(JournalUnavailable())
                    continue
                except Exception as fault:
                    # A fault of ours must not leave callers waiting; each of them answers INTERNAL.
                    for asked in group:
                        asked.then(fault)
                    continue
                self._outage.over()
                as_of, agreements = snapshot.as_of_position, self._agreements[1]
                timing = GroupTiming(began, now_ns(), len(group))
                for asked in group:
                    if as_of < snapshot.furthest_position:
                        asked.then(ViewsLate(as_of_position=as_of))
                    elif as_of < asked.min_position:
                        asked.then(ViewBehind(as_of_position=as_of))
                    else:
                        facts = facts_known(asked.card_key, snapshot.rows, with_ecard=asked.with_ecard)
                        asked.then(CardRead(facts, agreements, as_of, timing))
        finally:
            self._reading = None

    async def _gather(self) -> None:
        """Lets the group grow: while the last one is being recorded, and to PACE_S after its beginning unless that was small."""
        await self._decisions.idle(PACE_S)
        if self._last_cards >= SMALL_GROUP and (rest_s := self._last_began + PACE_S - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)
        self._last_began, self._last_cards = time.monotonic(), len(self._waiting)

    async def _read(self, group: Sequence[_Asked]) -> _Snapshot:
        asked = {one.card_key: False for one in group} | {one.card_key: True for one in group if one.with_ecard}
        while True:
            snapshot = _snapshot(await self._connection.query(bytea_array(list(asked))))
            if more := {**_relatives(snapshot, asked, with_ecard=False), **_relatives(snapshot, asked, with_ecard=True)}:
                # Again in one snapshot, together with them: few cards have relatives.
                asked |= more
            elif snapshot.revision == self._agreements[0]:
                return snapshot
            else:
                self._agreements = await asyncio.to_thread(_load_agreements, self._dsn)


def _relatives(snapshot: _Snapshot, asked: Mapping[bytes, bool], *, with_ecard: bool) -> dict[bytes, bool]:
    """Returns the further cards to read for those that are asked with or without their e-card."""
    keys = (key for key, is_so in asked.items() if is_so == with_ecard)
    return dict.fromkeys(wanted(snapshot.rows, keys, with_ecard=with_ecard) - asked.keys(), with_ecard)


def _snapshot(result: pq.abc.PGresult) -> _Snapshot:
    snapshot, value = _Snapshot(), result.get_value
    rows = snapshot.rows
    for row in range(result.ntuples):
        asked = value(row, 0)
        if asked is None:
            snapshot.as_of_position = int.from_bytes(value(row, 5) or b"", "big")
            snapshot.revision = int.from_bytes(value(row, 6) or b"", "big")
            snapshot.furthest_position = int.from_bytes(value(row, 7) or b"", "big")
            continue
        facts, held = facts_of((value(row, 3) or b"[]").decode()), value(row, 4)
        if held is None and asked not in rows:
            rows[asked] = CardRow(value(row, 1) or b"", facts)
        else:
            merged(rows, asked, value(row, 1) or b"", (value(row, 2) or b"").decode(), facts, held.decode() if held else None)
    return snapshot


def settle(future: "asyncio.Future[Result]", outcome: Result | Exception) -> None:
    """Gives a future its result or its exception, unless it is no longer awaited."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


async def when_seen(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Tries again while the views are behind the asked position, for VIEW_WAIT_S at most; then raises ViewBehind."""
    deadline = time.monotonic() + VIEW_WAIT_S
    while True:
        try:
            return await attempt()
        except ViewBehind:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.01)


def _load_agreements(dsn: str) -> tuple[int, Agreements]:
    with psycopg.connect(dsn, autocommit=True, application_name="hub-cards") as connection:
        connection.execute("SET ROLE hub_reader")
        return read_agreements(connection)


# One snapshot: what there is of each asked card, then one row with how far the views and agreements are.
_READ_CARDS = f"""
    {rows_named("$1")}
    SELECT asked, card, issuing_province, facts, held,
           NULL::bigint AS as_of_position, NULL::bigint AS revision, NULL::bigint AS furthest_position FROM rows
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, c.behind, COALESCE((SELECT max(position) FROM views.{AGREEMENTS.name}), 0), c.ahead
    FROM (SELECT min(position) AS behind, max(position) AS ahead FROM views.checkpoint
          WHERE view = ANY ('{{{",".join(p.name for p in DECIDED_BY)}}}')) c"""  # noqa: S608 (names of our own views)
