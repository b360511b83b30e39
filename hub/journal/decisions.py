"""Records the hub's own decisions, and who looked at a card: all that wait go in one call and one commit, and only then are they answered.

A decision is small and its service point waits for it, so it does not queue behind the batches of feeds: it has its own connection,
awaited on the event loop, and one function on the server that locks, numbers, inserts and commits. The request key makes it safe to
send again: what was recorded before is found by it, never guessed.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import psycopg
from psycopg import pq

from hub.domain.errors import JournalUnavailable, QueueFull, Unstorable
from hub.journal.loop_connection import LoopConnection, bigint, bigint_array, boolean_array, bytea_array, text_array
from hub.journal.sessions import session
from hub.journal.statements import ConnectionLost, DataRefused, GroupFailed
from hub.journal.writer_connection import LOCK_TIMEOUT, SESSION, STALLED_AFTER
from hub.telemetry import names
from hub.telemetry.outage import Outage
from hub.telemetry.spans import GroupTiming, now_ns

log = logging.getLogger(__name__)

Result = TypeVar("Result")

GROUP_DECISIONS = 256
WAITING_DECISIONS = 10_000
# Well below any caller's deadline: it goes on by the offline hotlist then.
RETRY_FOR_S = 1.0
# A head that another writer keeps: it is ended after the first wait for the lock.
HEAD_FOR_S = 5.0
RETRY_WAIT_S = 0.1

_STATEMENT = (
    "SELECT decision_position, is_new, redeemed_position FROM journal.append_answers("
    "$1::bigint, $2::bytea[], $3::bigint[], $4::text[], $5::bytea[], $6::text[], $7::bigint, $8::bytea[], $9::boolean[])"
)


class TokenRedeemed(Exception):
    """The decision was not recorded: another answer, at *position*, has used its token."""

    def __init__(self, position: int) -> None:
        """The position of the other answer."""
        super().__init__(position)
        self.position = position


class Decision(NamedTuple):
    """A decision, or a look, to record: *data* is its Event in bytes, *request_key* what a repeat of the request is known by.

    *token* is the key of what an e-card showed, b"" for none; it is not recorded once another answer has used that. *redeems* uses it.
    """

    request_key: bytes
    occurred_us: int
    data: bytes
    trace_parent: str = ""
    kind: str = "decision_made"
    token: bytes = b""
    redeems: bool = False


@dataclass(slots=True)
class Receipt:
    """Where the answer is; *is_new* False means that this request was answered before, there. *group* is when it was committed."""

    position: int
    is_new: bool
    group: GroupTiming = field(default=GroupTiming(0, 0, 0), compare=False)


class _Lot(NamedTuple):
    """Decisions that came together, and the future of their receipts."""

    decisions: Sequence[Decision]
    receipts: "asyncio.Future[list[Receipt | Exception]]"


class DecisionWriter:
    """Records decisions in groups; used from one event loop."""

    def __init__(self, dsn: str, stream_id: int) -> None:
        """*stream_id* is the row of feed hub.decisions."""
        self._dsn = dsn
        self._stream = bigint(stream_id)
        self._connection = LoopConnection(dsn, "hub-writer", SESSION, _STATEMENT)
        self._waiting: deque[_Lot] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._outage = Outage(log, "decisions")

    async def append(self, decision: Decision) -> Receipt:
        """Waits for the commit; raises QueueFull before anything is queued, JournalUnavailable or ClockDrift."""
        (receipt,) = await self.record((decision,))
        if isinstance(receipt, Exception):
            raise receipt
        return receipt

    async def record(self, decisions: Sequence[Decision]) -> list[Receipt | Exception]:
        """Waits for the commit of decisions that came together; returns for each its receipt, TokenRedeemed, or what `append` would raise.

        Raises QueueFull before anything is queued.
        """
        if sum(len(lot.decisions) for lot in self._waiting) >= WAITING_DECISIONS:
            raise QueueFull
        lot = _Lot(decisions, asyncio.get_running_loop().create_future())
        self._waiting.append(lot)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_groups())
        return await lot.receipts

    async def stop(self) -> None:
        """Records what waits and closes the connection."""
        if self._writing is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._writing
        self._connection.close()

    async def _write_groups(self) -> None:
        try:
            while self._waiting:
                lots = self._gather()
                # A request that came twice is recorded once, and its repeats are answered by that.
                decisions: dict[bytes, Decision] = {}
                for lot in lots:
                    for decision in lot.decisions:
                        decisions.setdefault(decision.request_key, decision)
                receipts: dict[bytes, Receipt | Exception]
                try:
                    receipts = dict(zip(decisions, await self._write(list(decisions.values())), strict=True))
                except Exception as failure:
                    # A fault of ours too must reach the waiting calls.
                    receipts = dict.fromkeys(decisions, failure)
                taken = _once if len(decisions) == sum(len(lot.decisions) for lot in lots) else _taken
                for lot in lots:
                    settle(lot.receipts, [taken(receipts, decision.request_key) for decision in lot.decisions])
        finally:
            self._writing = None

    def _gather(self) -> list[_Lot]:
        """Takes the next lots, of up to GROUP_DECISIONS together."""
        lots = [self._waiting.popleft()]
        room = GROUP_DECISIONS - len(lots[0].decisions)
        while self._waiting and (room := room - len(self._waiting[0].decisions)) >= 0:
            lots.append(self._waiting.popleft())
        return lots

    async def _write(self, decisions: list[Decision]) -> list[Receipt | Exception]:
        began_s, began = time.monotonic(), now_ns()
        while True:
            try:
                result = await self._connection.query(
                    self._stream,
                    bytea_array([decision.request_key for decision in decisions]),
                    bigint_array([decision.occurred_us for decision in decisions]),
                    text_array([decision.kind for decision in decisions]),
                    bytea_array([decision.data for decision in decisions]),
                    text_array([decision.trace_parent for decision in decisions]),
                    bigint(time.time_ns() // 1_000),
                    bytea_array([decision.token for decision in decisions]),
                    boolean_array([decision.redeems for decision in decisions]),
                )
            except DataRefused as failure:
                return await self._halves(decisions, failure)
            except (ConnectionLost, GroupFailed) as failure:
                self._outage.failed(str(failure))
                is_head_kept = LOCK_TIMEOUT in str(failure)
                if time.monotonic() > began_s + (HEAD_FOR_S if is_head_kept else RETRY_FOR_S):
                    names.COMMIT_FAILURES.add("decisions", "unavailable")
                    raise JournalUnavailable from None
                if is_head_kept:
                    await asyncio.to_thread(self._end_stalled)
                await asyncio.sleep(RETRY_WAIT_S)
                continue
            self._outage.over()
            group = GroupTiming(began, now_ns(), len(decisions))
            names.COMMIT_DURATION.record((group.ended - began) / 1e9, "decisions")
            names.GROUP_SIZE.record(group.size, "decisions")
            return [_receipt(result, row, group) for row in range(result.ntuples)]

    async def _halves(self, decisions: list[Decision], failure: DataRefused) -> list[Receipt | Exception]:
        """Finds the decision that the database cannot store, so that the others are answered."""
        if len(decisions) > 1:
            half = len(decisions) // 2
            return await self._write(decisions[:half]) + await self._write(decisions[half:])
        log.error("decisions: a decision was refused by the database", extra={"reason": str(failure)})
        names.COMMIT_FAILURES.add("decisions", "refused")
        return [Unstorable()]

    def _end_stalled(self) -> None:
        """Ends a writer that has kept the head locked for too long."""
        with contextlib.suppress(psycopg.Error), session(self._dsn, "hub_writer", "hub-decisions") as connection:
            connection.execute("SELECT journal.terminate_stalled_writers(%s::interval)", (STALLED_AFTER,))


def _receipt(result: pq.abc.PGresult, row: int, group: GroupTiming) -> Receipt | Exception:
    position, value = result.get_value(row, 0), result.get_value
    if position is None:
        return TokenRedeemed(int.from_bytes(value(row, 2) or b"", "big"))
    return Receipt(int.from_bytes(position, "big"), value(row, 1) == b"\x01", group)


def _once(receipts: dict[bytes, Receipt | Exception], request_key: bytes) -> Receipt | Exception:
    """Returns the receipt of a request where none was repeated."""
    return receipts[request_key]


def _taken(receipts: dict[bytes, Receipt | Exception], request_key: bytes) -> Receipt | Exception:
    """Returns the receipt of a request; where it is taken again, the request was repeated."""
    receipt = receipts[request_key]
    if isinstance(receipt, Receipt) and receipt.is_new:
        receipts[request_key] = replace(receipt, is_new=False)
    return receipt


def settle(future: "asyncio.Future[Result]", outcome: Result | Exception) -> None:
    """Gives a future its result or its exception, unless it is no longer awaited."""
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
