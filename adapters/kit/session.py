"""One stream of one feed: batches out, answers in, and each answer proved to be that of the batch it is taken for.

All that a stream needs to know lives here and ends with it: the batches under way, the window, the task that writes. A stream that breaks
off leaves nothing behind that could speak in the next one. What the hub answers is compared with what was asked; an answer that does not
fit acknowledges nothing and ends the session, and the next one begins where the outbox is.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import grpc
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import EventOutcome, StreamEventsRequest, StreamEventsResponse

from adapters.kit.batch_keys import BatchKeys
from adapters.kit.connection import Edge
from adapters.kit.errors import OutboxDamaged, SequenceConflict
from adapters.kit.outbox import Origin
from adapters.kit.receipts import HubReceipts
from adapters.kit.refusal import Refusal, from_call, from_status
from adapters.kit.sampling import Traces
from adapters.kit.sent_batch import SentBatch

BATCH_EVENTS = 500
# Batches under way: enough to keep the hub's group commit fed, few enough that a refusal costs little to resend.
WINDOW_BATCHES = 4
# A quiet stream is renewed, so that GetFeed doubles as a heartbeat and a peer that vanished without a word is noticed.
QUIET_S = 30.0
# Another process may put into the outbox, a file import by hand for example; it cannot wake this one.
LOOK_AGAIN_S = 1.0
_COUNTED = {
    EventOutcome.EVENT_OUTCOME_RECORDED: "recorded",
    EventOutcome.EVENT_OUTCOME_DUPLICATE: "duplicates",
    EventOutcome.EVENT_OUTCOME_QUARANTINED: "quarantined",
}


@dataclass(frozen=True, slots=True)
class Taken:
    """What the hub has recorded: all up to a sequence, at a position, and the rules that quarantined ones among the new break.

    *receipt* is the hub's, as it is kept, "" from a hub that gives none.
    """

    through_sequence: int
    position: int
    quarantined: Mapping[int, list[str]]
    receipt: str = ""


class Numbered(Protocol):
    """What a session sends: events that have their numbers, such as an outbox's."""

    def pending(self, feed: str, from_sequence: int, limit: int, /) -> list[tuple[int, bytes]]:
        """Returns up to *limit* (sequence, event bytes) in order."""

    def origins(self, feed: str, first_sequence: int, last_sequence: int, /) -> list[Origin]:
        """Returns the traces that they come from."""


class Proofs(NamedTuple):
    """What batches are proved with on their way, and the receipts that come back are checked by."""

    keys: BatchKeys
    receipts: HubReceipts


class Session:
    """A stream to one edge, from entering to leaving it."""

    def __init__(
        self,
        outbox: Numbered,
        feed: str,
        first_sequence: int,
        traces: Traces,
        edge: Edge,
        arrived: asyncio.Event,
        counters: Counter[str],
        proofs: Proofs | None = None,
    ) -> None:
        """Begins with *first_sequence*; *arrived* is set by what puts more into the outbox. Without *proofs* receipts are not looked at."""
        self._proofs = proofs
        self._outbox, self._feed, self._first_sequence, self._traces, self._edge = outbox, feed, first_sequence, traces, edge
        self._arrived, self._counters = arrived, counters
        self._in_flight: deque[SentBatch] = deque()
        self._window = asyncio.Semaphore(WINDOW_BATCHES)
        self._fault: Exception | None = None
        self._call: Any = None
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Opens the stream and begins to write."""
        self._call = self._edge.feeds.StreamEvents()
        self._writing = asyncio.create_task(self._write())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Ends everything that belongs to the stream; what has no answer is sent again by the next session."""
        self._call.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        code = error.code if isinstance(error, Refusal) else grpc.StatusCode.CANCELLED
        while self._in_flight:
            self._in_flight.popleft().failed(code.name)

    async def next_answer(self) -> Taken | None:
        """Returns what the next answer acknowledges, None when the stream was quiet for long.

        Raises Refusal when the stream has ended, a batch was refused or an answer does not fit, AdapterError for what is not to be retried.
        """
        answer = await self._read()
        if answer is None:
            return None
        sent = self._in_flight[0] if self._in_flight else None
        if sent is None or not _fits(answer, sent.request):
            raise Refusal(grpc.StatusCode.INTERNAL, "ANSWER_UNFIT")
        self._in_flight.popleft()
        if answer.HasField("refused"):
            raise self._refused(answer, sent)
        appended = answer.appended
        sent.answered(appended)
        for outcome, count in Counter(appended.outcomes).items():
            self._counters[_COUNTED[outcome]] += count
        self._window.release()
        receipt = self._proofs.receipts.taken(appended, sent.digest) if self._proofs else ""
        rules = {notice.sequence: [f"{v.field_path} {v.rule_id}".strip() for v in notice.violations] for notice in appended.quarantined}
        return Taken(appended.first_sequence + len(appended.positions) - 1, appended.positions[-1], rules, receipt)

    async def _read(self) -> StreamEventsResponse | None:
        try:
            async with asyncio.timeout(QUIET_S):
                answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error
        except TimeoutError:
            if self._in_flight:
                raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "NO_ANSWER") from None
            return None
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # The writer, at a fault of ours, or gRPC has cancelled the call; only our own task's end may end the sender.
            raise self._fault or Refusal(grpc.StatusCode.CANCELLED, "STREAM_CANCELLED") from None
        if isinstance(answer, StreamEventsResponse):
            return answer
        # The hub ended the stream, as one that is being stopped does.
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "STREAM_ENDED")

    def _refused(self, answer: StreamEventsResponse, sent: SentBatch) -> Exception:
        refusal = from_status(answer.refused)
        sent.failed(refusal.code.name, refusal.reason)
        self._counters["refused"] += len(sent.request.events)
        if refusal.reason == "SEQUENCE_CONFLICT":
            return SequenceConflict(f"conflict at {refusal.metadata.get('sequence', answer.first_sequence)}")
        return refusal

    async def _write(self) -> None:
        try:
            await self._write_batches(self._first_sequence)
        except Exception as fault:
            # The reading side waits for answers that will not come: it is woken, and raises the fault in its place.
            self._fault = fault
            self._call.cancel()

    async def _write_batches(self, sequence: int) -> None:
        while True:
            await self._window.acquire()
            self._arrived.clear()
            while not (pending := await asyncio.to_thread(self._pending, sequence)):
                await self._wait_for_more()
            rows, origins = pending
            if rows[0][0] != sequence or rows[-1][0] != sequence + len(rows) - 1:
                raise OutboxDamaged(f"feed {self._feed}: {sequence} is missing")
            events = [Event.FromString(event) for _, event in rows]
            request = StreamEventsRequest(feed=self._feed, first_sequence=sequence, events=events)
            digest = self._proofs.keys.prove(request) if self._proofs else b""
            self._in_flight.append(SentBatch(self._traces, self._edge.target, request, origins, digest))
            self._counters["sent"] += len(rows)
            if not await self._sent(request):
                return
            sequence += len(rows)

    async def _sent(self, request: StreamEventsRequest) -> bool:
        try:
            await self._call.write(request)
        except Exception:
            # The call is over; its reading side says why.
            return False
        return True

    def _pending(self, sequence: int) -> tuple[list[tuple[int, bytes]], list[Origin]] | None:
        rows = self._outbox.pending(self._feed, sequence, BATCH_EVENTS)
        return (rows, self._outbox.origins(self._feed, sequence, rows[-1][0])) if rows else None

    async def _wait_for_more(self) -> None:
        # Not wait_for: Python 3.11's can swallow the cancellation that ends the session.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._arrived.wait()
        self._arrived.clear()


def _fits(answer: StreamEventsResponse, request: StreamEventsRequest) -> bool:
    """Whether an answer can be that to *request*: the same feed and number, and for each event a position and an outcome."""
    if (answer.feed, answer.first_sequence) != (request.feed, request.first_sequence):
        return False
    if not answer.HasField("appended"):
        return answer.HasField("refused")
    appended, count = answer.appended, len(request.events)
    return (
        (appended.feed, appended.first_sequence) == (request.feed, request.first_sequence)
        and len(appended.positions) == len(appended.outcomes) == count
        and all(outcome in _COUNTED for outcome in appended.outcomes)
        and appended.positions[0] > 0
        and all(before < after for before, after in pairwise(appended.positions))
        and all(0 <= notice.sequence - request.first_sequence < count for notice in appended.quarantined)
    )
