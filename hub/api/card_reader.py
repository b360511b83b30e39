"""Reads cards in groups: one SQL round trip for all that wait.

It runs on the event loop, one read at a time; what arrives meanwhile is the next group. There is no cache to go stale: agreements
are kept parsed and read again when their view has moved. Every answer carries the position of the very snapshot it was read from, and
while the views are not all at one position there is none.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import psycopg
from psycopg import pq

from hub.domain.agreement import Agreements
from hub.domain.card import Fact
from hub.domain.errors import HubError, JournalUnavailable, ViewBehind, ViewsLate
from hub.journal.decisions import DecisionWriter
from hub.journal.group import GroupFailed
from hub.journal.loop_connection import LoopConnection, bytea_array
from hub.projections import DECIDED_BY
from hub.projections.agreements import AGREEMENTS, read_agreements
from hub.projections.card_standing import facts_of
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
    min_position: int
    then: Callable[[CardRead | Exception], None]


@dataclass(slots=True)
class _Snapshot:
    as_of_position: int = 0
    furthest_position: int = 0
    revision: int = 0
    facts: dict[bytes, list[Fact]] = field(default_factory=dict)


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

    def ask(self, card_key: bytes, min_position: int, then: Callable[[CardRead | Exception], None]) -> None:
        """Reads a card as `read` does and calls *then* with what it returns or raises; *then* must not raise."""
        if (refusal := self._refused()) is not None:
            then(refusal)
            return
        self._waiting.append(_Asked(card_key, min_position, then))
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_groups())

    async def _read_groups(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                group, self._waiting = self._waiting[:GROUP_CARDS], self._waiting[GROUP_CARDS:]
                began = now_ns()
                try:
                    snapshot = await self._read([asked.card_key for asked in group])
                except (JournalUnavailable, GroupFailed, psycopg.Error) as error:
                    log.warning("cards: the database cannot be read", extra={"error": type(error).__name__})
                    for asked in group:
                        asked.then(JournalUnavailable())
                    continue
                except Exception as fault:
                    # A fault of ours must not leave callers waiting; each of them answers INTERNAL.
                    for asked in group:
                        asked.then(fault)
                    continue
                as_of, agreements = snapshot.as_of_position, self._agreements[1]
                timing = GroupTiming(began, now_ns(), len(group))
                for asked in group:
                    if as_of < snapshot.furthest_position:
                        asked.then(ViewsLate(as_of_position=as_of))
                    elif as_of < asked.min_position:
                        asked.then(ViewBehind(as_of_position=as_of))
                    else:
                        asked.then(CardRead(snapshot.facts.get(asked.card_key, []), agreements, as_of, timing))
        finally:
            self._reading = None

    async def _gather(self) -> None:
        """Lets the group grow: while the last one is being recorded, and to PACE_S after its beginning unless that was small."""
        await self._decisions.idle(PACE_S)
        if self._last_cards >= SMALL_GROUP and (rest_s := self._last_began + PACE_S - time.monotonic()) > 0:
            await asyncio.sleep(rest_s)
        self._last_began, self._last_cards = time.monotonic(), len(self._waiting)

    async def _read(self, keys: Sequence[bytes]) -> _Snapshot:
        asked = list(set(keys))
        while True:
            snapshot = _snapshot(await self._connection.query(bytea_array(asked)))
            if snapshot.revision == self._agreements[0]:
                return snapshot
            self._agreements = await asyncio.to_thread(_load_agreements, self._dsn)


def _snapshot(result: pq.abc.PGresult) -> _Snapshot:
    snapshot, value = _Snapshot(), result.get_value
    for row in range(result.ntuples):
        asked = value(row, 0)
        if asked is None:
            snapshot.as_of_position = int.from_bytes(value(row, 2) or b"", "big")
            snapshot.revision = int.from_bytes(value(row, 3) or b"", "big")
            snapshot.furthest_position = int.from_bytes(value(row, 4) or b"", "big")
            continue
        facts = facts_of((value(row, 1) or b"[]").decode())
        if (known := snapshot.facts.get(asked)) is not None:
            # Facts addressed by another identifier of the same card.
            facts = sorted([*known, *facts], key=lambda fact: (fact.occurred_us, fact.position))
        snapshot.facts[asked] = facts
    return snapshot


def settle(future: "asyncio.Future[Result]", outcome: Result | Exception) -> None:
    """Gives a future its result or its exception, unless whoever awaited it has gone."""
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


# One snapshot: the facts of every identifier of each asked card, then one row with how far the views and agreements are.
_READ_CARDS = f"""
    WITH named AS (
        SELECT a.key AS asked, COALESCE(l.card_key, a.key) AS card_key
        FROM unnest($1::bytea[]) a (key) LEFT JOIN views.card_alias l ON l.key = a.key)
    SELECT asked, facts, NULL::bigint AS as_of_position, NULL::bigint AS revision, NULL::bigint AS furthest_position FROM (
        SELECT n.asked, s.facts FROM named n JOIN views.card_standing s ON s.key = n.card_key
        UNION ALL
        SELECT n.asked, s.facts FROM named n
        JOIN views.card_alias l ON l.card_key = n.card_key JOIN views.card_standing s ON s.key = l.key) f
    UNION ALL
    SELECT NULL, NULL, c.behind, COALESCE((SELECT max(position) FROM views.{AGREEMENTS.name}), 0), c.ahead
    FROM (SELECT min(position) AS behind, max(position) AS ahead FROM views.checkpoint
          WHERE view = ANY ('{{{",".join(p.name for p in DECIDED_BY)}}}')) c"""  # noqa: S608 (names of our own views)
