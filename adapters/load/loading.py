"""Streams a file of events to the hub from where the feed is, waits where the hub holds it back, and counts what came of it.

The session is that of the adapters: batches out, each answer proved to be that of its batch. What differs is where the events come from,
and that a load has an end.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import grpc
from chuanyu.exchange.v1.feed_service_pb2 import GetFeedRequest

from adapters.kit.batch_keys import BatchKeys
from adapters.kit.connection import Edge, HubConnection
from adapters.kit.errors import AdapterError
from adapters.kit.outbox import Outbox
from adapters.kit.receipts import HubReceipts
from adapters.kit.refusal import Refusal, from_call
from adapters.kit.sampling import UNTRACED
from adapters.kit.session import BATCH_EVENTS, Numbered, Proofs, Session

CALL_TIMEOUT_S = 5.0
WAIT_S = 1.0
# What the summary shows of quarantined lines; the hub has them all.
SHOWN = 20
# A question that meets a batch in the journal waits for the whole of it and for its flush. On a disk the flush is most of that, so that
# a batch of 100 keeps the journal about as long as one of 20: with a fifth of the batches a twentieth of the questions met one.
PACED_BATCHES_PER_S = 10
# What a further try may mend.
AGAIN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)


class FeedElsewhere(AdapterError):
    """数据流不在此文件的序号范围内；用 --first 给出首行的序号。The feed is outside this file's numbers; --first names that of line 1."""


class LoadRefused(AdapterError):
    """枢纽不接受；重试无用，先排除原因。The hub does not take it, and to try again is of no use before the cause is mended."""


class Stock(Numbered, Protocol):
    """A file whose rows have their numbers: of events, or of cards."""

    first_sequence: int
    lines: int

    @property
    def last_sequence(self) -> int:
        """The number of the last row."""

    def line_of(self, sequence: int, /) -> int:
        """Returns the line of a number."""

    def close(self) -> None:
        """Closes the file."""


@dataclass
class Loaded:
    """How far a load is, and what came of its lines; *next_sequence* is what the feed expects now."""

    feed: str
    lines: int
    first_sequence: int
    next_sequence: int = 0
    resumed_at: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    quarantined: dict[int, list[str]] = field(default_factory=dict)
    waits: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    # Where the feed's last event lies.
    position: int = 0

    @property
    def done(self) -> int:
        """How many lines the hub has."""
        return min(self.next_sequence - self.first_sequence, self.lines)

    @property
    def is_whole(self) -> bool:
        """Whether the hub has every line."""
        return self.done == self.lines


class Paced:
    """A file whose rows are handed out no faster than so many a second, in small batches evenly spaced, which hold up nobody's question."""

    def __init__(self, stock: Stock, events_per_s: int) -> None:
        """Begins to count with the first batch."""
        self._stock, self._per_s, self._due_s = stock, events_per_s, 0.0
        self.first_sequence, self.lines = stock.first_sequence, stock.lines
        self.last_sequence, self.line_of, self.origins, self.close = stock.last_sequence, stock.line_of, stock.origins, stock.close

    def pending(self, feed: str, from_sequence: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns rows once they are due; called on a thread, which may sleep."""
        rows = self._stock.pending(feed, from_sequence, max(1, min(limit, self._per_s // PACED_BATCHES_PER_S)))
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        self._due_s = max(self._due_s, time.monotonic() - 1 / PACED_BATCHES_PER_S) + len(rows) / self._per_s
        return rows


class ReceiptsTo(NamedTuple):
    """What batches are proved with, and the outbox that keeps their receipts."""

    keys: BatchKeys
    outbox: Outbox

    async def proofs(self, edge: Edge) -> Proofs:
        """Asks an edge for the keys of its receipts, and keeps them."""
        receipts = await HubReceipts.ask(edge)
        self.outbox.keep_keys(receipts.keys or {})
        return Proofs(self.keys, receipts)


async def load(
    connection: HubConnection, feed: str, file: Stock, report: Callable[[Loaded], None], receipts: ReceiptsTo | None = None
) -> Loaded:
    """Loads the whole file; raises AdapterError for what a further try cannot mend. *report* is called after each answer.

    Without *receipts* batches are not signed, and receipts not looked at.
    """
    loaded, began_s = Loaded(feed, file.lines, file.first_sequence), time.monotonic()
    while True:
        edge = connection.edge
        try:
            loaded.next_sequence, _ = await _reached(edge, feed)
            loaded.resumed_at = loaded.resumed_at or loaded.next_sequence
            if not file.first_sequence <= loaded.next_sequence <= file.last_sequence + 1:
                raise FeedElsewhere(f"{feed}: next_sequence {loaded.next_sequence}, --first {file.first_sequence}, lines {file.lines}")
            await _session(edge, loaded, file, report, began_s, receipts)
            loaded.next_sequence, loaded.position = await _reached(edge, feed)
        except (Refusal, grpc.aio.AioRpcError) as error:
            await _wait(connection, edge, error, loaded)
            continue
        loaded.seconds = time.monotonic() - began_s
        return loaded


async def _reached(edge: Edge, feed: str) -> tuple[int, int]:
    answer = await edge.feeds.GetFeed(GetFeedRequest(feed=feed), timeout=CALL_TIMEOUT_S)
    return int(answer.next_sequence), int(answer.last_position)


async def _session(
    edge: Edge, loaded: Loaded, file: Stock, report: Callable[[Loaded], None], began_s: float, receipts: ReceiptsTo | None
) -> None:
    """Sends from where the feed is, and the batch before once more: another file under the same numbers is a conflict, and stops."""
    first = max(file.first_sequence, loaded.next_sequence - BATCH_EVENTS)
    arrived, proofs = asyncio.Event(), await receipts.proofs(edge) if receipts else None
    async with Session(file, loaded.feed, first, UNTRACED, edge, arrived, loaded.counters, proofs) as session:
        through = first - 1
        while through < file.last_sequence:
            taken = await session.next_answer()
            if taken is None:
                raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "NO_ANSWER")
            if receipts and taken.receipt:
                await asyncio.to_thread(receipts.outbox.keep_receipt, taken.receipt)
            through = taken.through_sequence
            loaded.next_sequence = max(loaded.next_sequence, through + 1)
            loaded.quarantined |= taken.quarantined
            loaded.seconds = time.monotonic() - began_s
            report(loaded)


async def _wait(connection: HubConnection, edge: Edge, error: Exception, loaded: Loaded) -> None:
    """Waits as long as the hub says; raises LoadRefused for what only people mend."""
    refusal = from_call(error) if isinstance(error, grpc.aio.AioRpcError) else error
    assert isinstance(refusal, Refusal)
    if refusal.code not in AGAIN:
        raise LoadRefused(f"{loaded.feed}: {refusal}")
    if refusal.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        connection.fail_over(edge.target)
    loaded.waits[refusal.reason or refusal.code.name] += 1
    await asyncio.sleep(refusal.retry_after_s or WAIT_S)
