"""The group-commit writer: one thread, one connection; everything that waits when a commit ends goes into the next.

Callers are coroutines on one event loop. Memory is bounded by events and bytes that wait; beyond that, and beyond the share of one owner,
`append` refuses with QueueFull.
"""

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.domain.errors import ClockDrift, HubError, JournalUnavailable, QueueFull, Unstorable
from hub.journal.group import Appended, Batch, Deferred, Outcome, commit_group
from hub.journal.sessions import CONNECT_WITHIN_S, raw_session, set_up
from hub.journal.statements import ConnectionLost, DatabaseUnfit, DataRefused, GroupFailed, run
from hub.telemetry import names
from hub.telemetry.spans import GroupTiming, now_ns

log = logging.getLogger(__name__)

GROUP_EVENTS = 4_000
WAITING_EVENTS = 40_000
WAITING_BYTES = 64 * 1024 * 1024
# A batch that waits is answered well before its deadline; what it sends again is found if it was committed all the same.
RETRY_FOR_S = 1.0
UNFIT_FOR_S = 1.0
UNFIT_WAIT_S = 0.5
# A head that another writer keeps is no fault of the database: ending that writer takes up to seven seconds.
HEAD_FOR_S = 20.0
PROBE_EVERY_S = 1.0
# A participant that sent what the database cannot store writes apart for as long, one batch after each group: the others pay for it once.
APART_FOR_S = 60.0
LOCK_TIMEOUT = "55P03"
_AWAY = "it cannot be reached"
STALLED_AFTER = "3s"

# A stopped process must not hold the head: the server ends its idle transaction, and waiting writers know by its name whom they may end.
# Planning again costs more than the rest of a small group, and a plan made for an empty table can stay bad: one plan each, by the keys.
SETTINGS = {
    "synchronous_commit": "on", "idle_in_transaction_session_timeout": STALLED_AFTER, "lock_timeout": "4s", "statement_timeout": "30s",
    "plan_cache_mode": "force_generic_plan", "jit": "off", "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
}  # fmt: skip
SESSION = set_up("hub_writer", {"application_name": "hub-writer", **SETTINGS})
# Takes a megabyte of disk and gives it back.
_PROBE = b"CREATE TEMP TABLE room AS SELECT repeat('x', 1000) FROM generate_series(1, 1000); DROP TABLE room"


@dataclass(slots=True)
class Waiting:
    """A batch in the queue and the future that is settled after the commit."""

    future: asyncio.Future[Outcome]
    batch: Batch
    size: int


class JournalWriter:
    """Appends batches in groups; start and stop it on the event loop that calls it."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_writer."""
        self._conninfo = make_conninfo(dsn, application_name="hub-writer", connect_timeout=CONNECT_WITHIN_S)
        # None ends the thread once what waits is written.
        self._batches: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._connection: pq.abc.PGconn | None = None
        self._thread = threading.Thread(target=self._work, name="journal-writer", daemon=True)
        self._stopping = False
        self._ended = False
        self.waiting_events = 0
        self._waiting_of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()
        self._apart_until: dict[str, float] = {}
        self._apart: deque[Waiting] = deque()
        self.waiting_bytes = 0
        self.groups = 0
        self.partitions_ahead = 0
        self._checked_at_position = 0
        # Why the database takes no writes; empty while it does.
        self.trouble = ""
        self._trouble_at = 0.0

    def start(self) -> None:
        """Connects in its own thread and begins to work."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Writes what waits and ends the thread."""
        self._stopping = True
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    async def append(self, batch: Batch) -> Outcome:
        """Waits for the commit and returns the outcome.

        Raises QueueFull before anything is queued, JournalUnavailable when the database stays away, ClockDrift when it is ahead.
        """
        if self._stopping or self._is_full(batch.owner):
            raise QueueFull
        if self.trouble and time.monotonic() - self._trouble_at > RETRY_FOR_S:
            # The writer's thread looks for itself whether the database takes writes again.
            raise JournalUnavailable(f"The database takes no writes: {self.trouble}.")
        waiting = Waiting(self._loop.create_future(), batch, _size(batch))
        self.waiting_events += len(batch.tails)
        self._waiting_of[batch.owner] += len(batch.tails)
        self._bytes_of[batch.owner] += waiting.size
        self.waiting_bytes += waiting.size
        self._batches.put(waiting)
        return await waiting.future

    @property
    def is_working(self) -> bool:
        """Whether its thread lives; `trouble` says whether the database takes what it writes."""
        return self._thread.is_alive()

    @property
    def fullness(self) -> float:
        """The share of the queue that is taken, by events or by bytes."""
        return max(self.waiting_events / WAITING_EVENTS, self.waiting_bytes / WAITING_BYTES)

    def _is_full(self, owner: str) -> bool:
        """Whether an owner has more in the queue than is free: so one takes half, two a third each, and others always find room."""
        free_events, free_bytes = WAITING_EVENTS - self.waiting_events, WAITING_BYTES - self.waiting_bytes
        return self._waiting_of[owner] > free_events or self._bytes_of[owner] > free_bytes

    async def wait_for_room(self, owner: str) -> None:
        """Waits until the queue takes batches of an owner again, so that a stream is held back rather than refused."""
        while not self._stopping and self._is_full(owner):
            await asyncio.sleep(0.005)

    def _work(self) -> None:
        self._probe()
        held: list[Waiting] = []
        while held or self._apart or not self._ended:
            if group := self._gather(held):
                held = self._commit(group)
            elif self.trouble and not self._apart and not self._ended:
                self._probe()
            if self._apart:
                held += self._commit([self._apart.popleft()])
        self._disconnect()

    def _probe(self) -> None:
        """Sees whether the database takes writes: while it does not, a participant that was refused stays away and cannot find out."""
        try:
            run(self._connected(), _PROBE)
            self._note("")
        except (ConnectionLost, GroupFailed) as failure:
            self._disconnect()
            self._note(_AWAY if isinstance(failure, ConnectionLost) else str(failure))

    def _note(self, trouble: str) -> None:
        if trouble and not self.trouble:
            self._trouble_at = time.monotonic()
            log.error("journal: the database takes no writes", extra={"reason": trouble})
        elif self.trouble and not trouble:
            log.info("journal: the database takes writes")
        self.trouble = trouble

    def _gather(self, held: list[Waiting]) -> list[Waiting]:
        """Collects the next group: what was held back, then what waits, up to GROUP_EVENTS, less what is to be written apart."""
        group = list(held)
        count = sum(len(waiting.batch.tails) for waiting in held)
        block = not held and not self._apart
        while count < GROUP_EVENTS:
            try:
                waiting = self._batches.get(block, PROBE_EVERY_S if self.trouble else None)
            except queue.Empty:
                break
            block = False
            if waiting is None:
                self._ended = True
            elif self._is_apart(waiting.batch.owner):
                self._apart.append(waiting)
            else:
                group.append(waiting)
                count += len(waiting.batch.tails)
        return group

    def _is_apart(self, owner: str) -> bool:
        """Whether an owner's batches are written apart; its order is kept, so one that waits there keeps those behind it there."""
        if owner not in self._apart_until:
            return False
        if time.monotonic() < self._apart_until[owner] or any(waiting.batch.owner == owner for waiting in self._apart):
            return True
        del self._apart_until[owner]
        return False

    def _commit(self, group: list[Waiting]) -> list[Waiting]:
        """Writes a group, settles its futures and returns what must wait for the next one."""
        began = now_ns()
        try:
            outcomes = self._write([waiting.batch for waiting in group])
        except GroupFailed as failure:
            if len(group) > 1:
                # One bad batch never fails its neighbours, and halves find it sooner than one after the other would.
                half = len(group) // 2
                return self._commit(group[:half]) + self._commit(group[half:])
            outcomes = [self._refused(group[0].batch.owner, failure)]
        except (JournalUnavailable, ClockDrift) as failure:
            names.COMMIT_FAILURES.add("events", "unavailable")
            outcomes = [failure] * len(group)
        done = GroupTiming(began, now_ns(), sum(len(waiting.batch.tails) for waiting in group))
        names.COMMIT_DURATION.record((done.ended - began) / 1e9, "events")
        names.GROUP_SIZE.record(done.size, "events")
        self.groups += 1
        settled: list[tuple[Waiting, Outcome]] = []
        held = []
        for waiting, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Deferred):
                held.append(waiting)
            else:
                if isinstance(outcome, Appended):
                    outcome.group = done
                settled.append((waiting, outcome))
        self._loop.call_soon_threadsafe(self._settle, settled)
        return held

    def _refused(self, owner: str, failure: GroupFailed) -> HubError:
        """Returns what a batch is refused with that the database does not take by itself."""
        log.error("journal: a batch was refused by the database", extra={"reason": str(failure), "participant": owner})
        names.COMMIT_FAILURES.add("events", "refused")
        if not isinstance(failure, DataRefused):
            return JournalUnavailable("the database refused the batch")
        self._apart_until[owner] = time.monotonic() + APART_FOR_S
        return Unstorable()

    def _write(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Writes a group and tries again after a lost connection: the feed rows say what was committed."""
        began = time.monotonic()
        delay_s = 0.05
        while True:
            try:
                outcomes = commit_group(self._connected(), batches)
                break
            except ConnectionLost:
                self._disconnect()
                self._note(_AWAY)
                for batch in batches:
                    batch.uncertain = True
                if time.monotonic() > began + RETRY_FOR_S or (self._stopping and delay_s > 1):
                    raise
                time.sleep(delay_s)
                delay_s = min(delay_s * 2, 2.0)
            except DatabaseUnfit as failure:
                self._disconnect()
                self._note(str(failure))
                if self._stopping or time.monotonic() > began + UNFIT_FOR_S:
                    raise JournalUnavailable("The database takes no writes now.") from None
                time.sleep(UNFIT_WAIT_S)
            except GroupFailed as failure:
                if LOCK_TIMEOUT not in str(failure):
                    raise
                if time.monotonic() > began + HEAD_FOR_S:
                    # No batch is at fault, so none is tried singly.
                    raise JournalUnavailable("the head is held") from None
                self._end_stalled_writers()
        self._note("")
        self._look_ahead(outcomes)
        return outcomes

    def _end_stalled_writers(self) -> None:
        log.warning("journal: another writer holds the head; ending it if it is stalled")
        with contextlib.suppress(GroupFailed, ConnectionLost):
            run(self._connected(), f"SELECT journal.terminate_stalled_writers('{STALLED_AFTER}')".encode())

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.finish()
            self._connection = None

    def _connected(self) -> pq.abc.PGconn:
        if self._connection is None or self._connection.status != pq.ConnStatus.OK:
            self._disconnect()
            # Each of its commits waits for the standby by itself.
            self._connection = raw_session(self._conninfo, SESSION, confirms=False)
            self.partitions_ahead = int(run(self._connection, b"SELECT journal.ensure_partitions()").get_value(0, 0) or 0)
            self._checked_at_position = 0
        return self._connection

    def _look_ahead(self, outcomes: Sequence[Outcome]) -> None:
        """Makes partitions ahead every million positions, well before they are needed."""
        position = max((outcome.positions[-1] for outcome in outcomes if isinstance(outcome, Appended)), default=0)
        if position - self._checked_at_position > 1_000_000:
            self._checked_at_position = position
            try:
                ahead = run(self._connected(), b"SELECT journal.ensure_partitions()").get_value(0, 0)
                self.partitions_ahead = int(ahead or 0)
            except (GroupFailed, ConnectionLost) as failure:
                # The group is committed and must be answered so; there is a million positions' time to try again.
                log.warning("journal: partitions ahead could not be made", extra={"reason": str(failure)})

    def _settle(self, settled: list[tuple[Waiting, Outcome]]) -> None:
        for waiting, outcome in settled:
            self.waiting_events -= len(waiting.batch.tails)
            self._waiting_of[waiting.batch.owner] -= len(waiting.batch.tails)
            self._bytes_of[waiting.batch.owner] -= waiting.size
            self.waiting_bytes -= waiting.size
            if waiting.future.cancelled():
                continue
            if isinstance(outcome, HubError):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)


def _size(batch: Batch) -> int:
    """The bytes of a batch that wait: its rows, and the sealed originals of what is quarantined."""
    return sum(map(len, batch.tails)) + sum(len(sealed) for _, _, sealed in batch.originals)
