"""The group-commit writer: one thread, one connection; everything that waits when a commit ends goes into the next.

Callers are coroutines on one event loop. Memory is bounded by events and bytes that wait; beyond that, and beyond the share of one owner,
`append` refuses with QueueFull.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from itertools import chain

from hub.domain.errors import ClockDrift, HubError, JournalUnavailable, QueueFull, Unstorable
from hub.journal.batch import Appended, Batch, Deferred, Outcome
from hub.journal.statements import DataRefused, GroupFailed
from hub.journal.writer_connection import WriterConnection
from hub.telemetry import names
from hub.telemetry.spans import GroupTiming, now_ns

log = logging.getLogger(__name__)

GROUP_EVENTS = 4_000
# A full group of ordinary events has 1.2 MB; quarantined originals are large, and answers to questions wait while a group is written.
GROUP_BYTES = 2 * 1024 * 1024
WAITING_EVENTS = 40_000
WAITING_BYTES = 64 * 1024 * 1024
PROBE_EVERY_S = 1.0
# A participant that sent what the database cannot store writes apart for as long, one batch after each group: the others pay for it once.
APART_FOR_S = 60.0


@dataclass(slots=True)
class Waiting:
    """A batch in the queue and the future that is settled after the commit."""

    future: asyncio.Future[Appended]
    batch: Batch
    size: int


class JournalWriter:
    """Appends batches in groups; start and stop it on the event loop that calls it."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_writer."""
        self._connection = WriterConnection(dsn, lambda: self._stopping)
        # None ends the thread once what waits is written.
        self._batches: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
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

    def start(self) -> None:
        """Connects in its own thread and begins to work."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Writes what waits and ends the thread."""
        self._stopping = True
        self._batches.put(None)
        await asyncio.to_thread(self._thread.join)

    async def append(self, batch: Batch) -> Appended:
        """Waits for the commit and returns where the batch is; raises what it was refused with.

        Raises QueueFull before anything is queued, JournalUnavailable when the database stays away, ClockDrift when it is ahead.
        """
        if self._stopping or self._is_full(batch.owner):
            raise QueueFull
        if self._connection.has_long_had_trouble:
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
    def trouble(self) -> str:
        """Why the database takes no writes; empty while it does."""
        return self._connection.trouble

    @property
    def partitions_ahead(self) -> int:
        """How many partitions there were beyond the head when the writer looked last."""
        return self._connection.partitions_ahead

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
        self._connection.probe()
        held: list[Waiting] = []
        while held or self._apart or not self._ended:
            if group := self._gather(held):
                held = self._commit(group)
            elif self.trouble and not self._apart and not self._ended:
                self._connection.probe()
            if self._apart:
                held += self._commit([self._apart.popleft()])
        self._connection.close()

    def _gather(self, held: list[Waiting]) -> list[Waiting]:
        """Collects the next group: what was held back, then what waits, up to GROUP_EVENTS or GROUP_BYTES, less what is written apart."""
        group = list(held)
        count, size = sum(len(waiting.batch.tails) for waiting in held), sum(waiting.size for waiting in held)
        block = not held and not self._apart
        while count < GROUP_EVENTS and size < GROUP_BYTES:
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
                count, size = count + len(waiting.batch.tails), size + waiting.size
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
            outcomes = self._connection.write([waiting.batch for waiting in group])
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
            elif isinstance(outcome, Appended):
                waiting.future.set_result(outcome)


def _size(batch: Batch) -> int:
    """The bytes of a batch that wait: its rows and entries, and the sealed originals of what is quarantined."""
    return sum(map(len, chain.from_iterable(batch.tails))) + sum(len(sealed) for _, _, sealed in batch.originals)
