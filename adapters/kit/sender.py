"""Sends one feed of the outbox to the hub and keeps at it: resume where GetFeed says, stream, acknowledge, again.

The hub decides what has been recorded; the sender never counts by itself. Whatever breaks the stream ends the session,
and the next one asks again, so there is one way to recover and it is used every day. Two things are not retried: an
outbox and a hub that disagree on what was acknowledged, and an event that differs from the one recorded under its
number. Those stop the feed, with a state an operator can read.
"""

import asyncio
import contextlib
import logging
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence

import grpc
from chuanyu.exchange.v1.event_pb2 import Event
from chuanyu.exchange.v1.feed_service_pb2 import (
    EventOutcome,
    GetFeedRequest,
    StreamEventsRequest,
    StreamEventsResponse,
)

from adapters.kit.connection import HubConnection
from adapters.kit.errors import AdapterError, FeedStopped, SequenceConflict
from adapters.kit.outbox import Origin, Outbox
from adapters.kit.refusal import Refusal, from_call, from_status
from adapters.kit.sent_batch import SentBatch
from adapters.kit.telemetry import NUMBER_SPAN
from adapters.kit.trace import put_traced, step
from adapters.kit.traces import UNTRACED, Traces

BATCH_EVENTS = 500
# Batches under way: enough to keep the hub's group commit fed, few enough that a refusal costs little to resend.
WINDOW_BATCHES = 4
CALL_TIMEOUT_S = 5.0
# A quiet stream is renewed, so that GetFeed doubles as a heartbeat and a peer that vanished without a word is noticed.
QUIET_S = 30.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 10.0
# Another process may put into the outbox, a file import by hand for example; it cannot wake this one.
LOOK_AGAIN_S = 1.0
QUARANTINE_KEPT = 100

log = logging.getLogger(__name__)


class FeedSender:
    """One feed on its way to the hub; run() is its task, everything else may be called beside it."""

    def __init__(self, outbox: Outbox, connection: HubConnection, feed: str, traces: Traces = UNTRACED) -> None:
        """Connects nothing yet; *traces* are those that the events put come from."""
        self._outbox, self._connection, self.feed, self._traces = outbox, connection, feed, traces
        self.state = "starting"
        self.counters = Counter(sent=0, recorded=0, quarantined=0, duplicates=0, refused=0)
        # The latest quarantined sequences with the rules they break, for status pages and native replies.
        self.quarantined: dict[int, list[str]] = {}
        self._acknowledged = outbox.state(feed).acknowledged_sequence
        self._in_flight: deque[SentBatch] = deque()
        self._stopped = False
        self._arrived = asyncio.Event()
        self._progress = asyncio.Condition()

    async def put(self, items: Sequence[tuple[str, bytes]]) -> list[tuple[int, bool]]:
        """Numbers *items* durably, as Outbox.put does, and wakes the sender."""
        with step(NUMBER_SPAN):
            numbered = await asyncio.to_thread(put_traced, self._outbox, self.feed, items)
        self._arrived.set()
        return numbered

    async def wait_acknowledged(self, sequence: int) -> None:
        """Returns once the hub has recorded *sequence*; raises FeedStopped if it will not without an operator."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._acknowledged >= sequence or self._stopped)
        if self._acknowledged < sequence:
            raise FeedStopped(self.state)

    def status(self) -> dict[str, object]:
        """Returns the feed's state, where it stands and its counters since the start."""
        feed = self._outbox.state(self.feed)
        return {
            "state": self.state,
            "next_sequence": feed.next_sequence,
            "acknowledged_sequence": feed.acknowledged_sequence,
            "pending": feed.pending_count,
            **self.counters,
            "recently_quarantined": self.quarantined,
        }

    async def run(self) -> None:
        """Sends until cancelled, or until the feed is stopped by what only an operator can mend."""
        failures = 0
        while not self._stopped:
            target, acknowledged = self._connection.target, self._acknowledged
            try:
                await self._session()
                failures = 0
            except AdapterError as error:
                await self._stop(error)
            except Refusal as refusal:
                self._abandon(refusal.code)
                failures = failures + 1 if self._acknowledged == acknowledged else 1
                self.state = f"waiting: {refusal}"
                if refusal.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    self._connection.fail_over(target)
                await asyncio.sleep(_delay_s(failures, refusal.retry_after_s))
            finally:
                self._abandon(grpc.StatusCode.CANCELLED)

    def _abandon(self, code: grpc.StatusCode) -> None:
        """Ends what is under way without an answer; the next session sends it again."""
        while self._in_flight:
            self._in_flight.popleft().failed(code.name)

    async def _stop(self, error: AdapterError) -> None:
        log.error("feed %s is stopped: %s", self.feed, error)
        async with self._progress:
            self.state, self._stopped = f"stopped: {error}", True
            self._progress.notify_all()

    async def _session(self) -> None:
        try:
            feed = await self._connection.feeds.GetFeed(GetFeedRequest(feed=self.feed), timeout=CALL_TIMEOUT_S)
            await asyncio.to_thread(self._outbox.resume, self.feed, feed.next_sequence)
            await self._advance(feed.next_sequence - 1)
            self._in_flight.clear()
            window = asyncio.Semaphore(WINDOW_BATCHES)
            call = self._connection.feeds.StreamEvents(self._batches(feed.next_sequence, window))
            self.state = "sending"
            try:
                while (answer := await self._read(call)) is not None:
                    await self._take(answer)
                    window.release()
            finally:
                call.cancel()
        except grpc.aio.AioRpcError as error:
            raise from_call(error) from error
        except asyncio.CancelledError:
            # gRPC also cancels a call whose requests failed to be made; only our own task's end may end the sender.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Refusal(grpc.StatusCode.CANCELLED, "STREAM_CANCELLED") from None

    async def _batches(self, sequence: int, window: asyncio.Semaphore) -> AsyncIterator[StreamEventsRequest]:
        while True:
            await window.acquire()
            self._arrived.clear()
            while not (pending := await asyncio.to_thread(self._pending, sequence)):
                await self._wait_for_more()
            rows, origins = pending
            assert rows[0][0] == sequence, "the outbox has a hole"
            self.counters["sent"] += len(rows)
            events = [Event.FromString(event) for _, event in rows]
            request = StreamEventsRequest(feed=self.feed, first_sequence=sequence, events=events)
            self._in_flight.append(SentBatch(self._traces, self._connection.target, request, origins))
            yield request
            sequence += len(rows)

    def _pending(self, sequence: int) -> tuple[list[tuple[int, bytes]], list[Origin]] | None:
        rows = self._outbox.pending(self.feed, sequence, BATCH_EVENTS)
        return (rows, self._outbox.origins(self.feed, sequence, rows[-1][0])) if rows else None

    async def _wait_for_more(self) -> None:
        # Not wait_for, here or below: Python 3.11's can swallow the cancellation that ends the sender.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN_S):
                await self._arrived.wait()
        self._arrived.clear()

    async def _read(
        self, call: "grpc.aio.StreamStreamCall[StreamEventsRequest, StreamEventsResponse]"
    ) -> StreamEventsResponse | None:
        try:
            async with asyncio.timeout(QUIET_S):
                answer = await call.read()
        except TimeoutError:
            if self._in_flight:
                raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "NO_ANSWER") from None
            return None
        if isinstance(answer, StreamEventsResponse):
            return answer
        # The hub ended the stream, as one that is being stopped does.
        raise Refusal(grpc.StatusCode.UNAVAILABLE, "STREAM_ENDED")

    async def _take(self, answer: StreamEventsResponse) -> None:
        sent = self._in_flight.popleft()
        size = len(sent.request.events)
        if answer.HasField("refused"):
            refusal = from_status(answer.refused)
            sent.failed(refusal.code.name, refusal.reason)
            self.counters["refused"] += size
            if refusal.reason == "SEQUENCE_CONFLICT":
                raise SequenceConflict(f"conflict at {refusal.metadata.get('sequence', answer.first_sequence)}")
            raise refusal
        sent.answered(answer.appended)
        outcomes = Counter(answer.appended.outcomes)
        self.counters["recorded"] += outcomes[EventOutcome.EVENT_OUTCOME_RECORDED]
        self.counters["duplicates"] += outcomes[EventOutcome.EVENT_OUTCOME_DUPLICATE]
        self.counters["quarantined"] += outcomes[EventOutcome.EVENT_OUTCOME_QUARANTINED]
        for notice in answer.appended.quarantined:
            self.quarantined[notice.sequence] = [f"{v.field_path} {v.rule_id}".strip() for v in notice.violations]
        while len(self.quarantined) > QUARANTINE_KEPT:
            del self.quarantined[next(iter(self.quarantined))]
        through = answer.first_sequence + size - 1
        await asyncio.to_thread(self._outbox.acknowledge, self.feed, through)
        await self._advance(through)

    async def _advance(self, through_sequence: int) -> None:
        self._traces.acknowledged(self.feed, through_sequence)
        async with self._progress:
            self._acknowledged = max(self._acknowledged, through_sequence)
            self._progress.notify_all()


def _delay_s(failures: int, retry_after_s: float | None) -> float:
    # Full jitter, on top of what the hub asked for: adapters that lost one hub together must not come back together.
    spread = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2**failures)
    return (retry_after_s or 0.0) + random.SystemRandom().uniform(0, spread)
