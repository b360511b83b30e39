"""Sends one feed of the outbox to the hub and keeps at it: compare with GetFeed, stream, acknowledge, again.

Only an answer to the very events acknowledges them: what was sent and not answered is sent again, and the hub, which compares it event by
event, says that it has it. GetFeed alone acknowledges nothing; it is asked whether outbox and hub can be a pair at all. Whatever breaks
the stream ends the session, and the next one begins in the same way, so there is one way to recover and it is used every day.

Four things are not retried: an outbox and a hub that disagree on what was acknowledged, an event that differs from the one recorded under
its number, a receipt that is not that of its batch, and a fault of the adapter's own. Those stop the feed, and the feed alone, with a state
that an operator can read.
"""

import asyncio
import logging
import random
import sqlite3
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import grpc
from chuanyu.exchange.v1.feed_service_pb2 import GetFeedRequest

from adapters.kit.batch_keys import BatchKeys
from adapters.kit.connection import Edge, HubConnection
from adapters.kit.errors import AdapterError, FeedStopped, HubBehind, SenderFault
from adapters.kit.outbox import Outbox
from adapters.kit.receipts import HubReceipts
from adapters.kit.refusal import Refusal, from_call
from adapters.kit.sampling import UNTRACED, Traces
from adapters.kit.session import Proofs, Session, Taken
from adapters.kit.telemetry import NUMBER_SPAN
from adapters.kit.trace import put_traced, step

CALL_TIMEOUT_S = 5.0
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.2, 10.0
# A refusal that only people can mend: each further try is a line in the hub's security log.
DENIED_BACKOFF_S = 60.0
RECENTLY_QUARANTINED = 100

log = logging.getLogger(__name__)


class FeedSender:
    """One feed on its way to the hub; run() is its task, everything else may be called beside it."""

    def __init__(
        self, outbox: Outbox, connection: HubConnection, feed: str, traces: Traces = UNTRACED, keys: BatchKeys | None = None
    ) -> None:
        """Connects nothing yet; *traces* are those that the events put come from. Without *keys* receipts are not looked at."""
        self._outbox, self._connection, self.feed, self._traces, self._keys = outbox, connection, feed, traces, keys
        self.state = "starting"
        self.counters = Counter(sent=0, recorded=0, quarantined=0, duplicates=0, refused=0, receipts=0)
        self._acknowledged = outbox.state(feed).acknowledged_sequence
        # Where the newest event lies that was acknowledged since the start; a question that asks for it sees all that was reported here.
        self.position = 0
        self._stopped = False
        # What the log last said of this feed, empty while it goes on.
        self._trouble = ""
        self._arrived = asyncio.Event()
        self._progress = asyncio.Condition()

    async def put(self, items: Sequence[tuple[str, bytes]], *, is_message: bool = False) -> list[tuple[int, bool]]:
        """Numbers *items* durably, as Outbox.put does, and wakes the sender."""
        with step(NUMBER_SPAN):
            numbered = await asyncio.to_thread(put_traced, self._outbox, self.feed, items, is_message=is_message)
        self._arrived.set()
        return numbered

    async def wait_acknowledged(self, sequence: int) -> None:
        """Returns once the hub has recorded *sequence*; raises FeedStopped if it will not without an operator."""
        async with self._progress:
            await self._progress.wait_for(lambda: self._acknowledged >= sequence or self._stopped)
        if self._acknowledged < sequence:
            raise FeedStopped(self.state)

    async def quarantined(self, sequences: Iterable[int]) -> dict[int, list[str]]:
        """Returns which of the acknowledged *sequences* the hub quarantined, with the rules they break."""
        return await asyncio.to_thread(self._outbox.quarantined, self.feed, list(sequences))

    def status(self) -> dict[str, object]:
        """Returns the feed's state, how far it is, and its counters since the start."""
        feed = self._outbox.state(self.feed)
        return {
            "state": self.state,
            "next_sequence": feed.next_sequence,
            "acknowledged_sequence": feed.acknowledged_sequence,
            "pending": feed.pending_count,
            **self.counters,
            "recently_quarantined": self._outbox.newest_quarantined(self.feed, RECENTLY_QUARANTINED),
        }

    async def run(self) -> None:
        """Sends until cancelled, or until the feed is stopped by what only an operator can mend."""
        failures = 0
        while not self._stopped:
            edge, acknowledged = self._connection.edge, self._acknowledged
            try:
                await self._session(edge)
                failures = 0
            except AdapterError as error:
                await self._stop(error)
            except (Refusal, grpc.aio.AioRpcError, OSError, sqlite3.OperationalError) as error:
                failures = failures + 1 if self._acknowledged == acknowledged else 1
                await self._wait_and_try_again(error, edge, failures)
            except Exception as error:
                # The edge of the feed: whatever it is, it must not take the province's other feeds and its service down.
                place = traceback.extract_tb(error.__traceback__)[-1]
                log.error("feed %s has met a fault of the adapter's own", self.feed, exc_info=error)
                await self._stop(SenderFault(f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"))

    async def _wait_and_try_again(self, error: Exception, edge: Edge, failures: int) -> None:
        """Says what is waited for and waits; a file that cannot be read or written now may be once there is room."""
        refusal = from_call(error) if isinstance(error, grpc.aio.AioRpcError) else error
        if not isinstance(refusal, Refusal):
            self._tell(f"waiting: the outbox cannot be used ({type(error).__name__})")
            await asyncio.sleep(_delay_s(failures, LAST_BACKOFF_S))
            return
        self._tell(f"waiting: {refusal}", refusal.transport)
        if refusal.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            self._connection.fail_over(edge.target)
        delay_s = _delay_s(failures, DENIED_BACKOFF_S if refusal.is_denial else LAST_BACKOFF_S)
        await asyncio.sleep(delay_s + (refusal.retry_after_s or 0.0))

    def _tell(self, state: str, transport: str = "") -> None:
        """Changes the state; a trouble is logged when it begins or becomes another, not as often as it is met."""
        self.state = state
        if state != self._trouble:
            self._trouble = state
            log.warning("feed %s is %s", self.feed, state, extra={"transport": transport} if transport else None)

    def _tell_going_on(self) -> None:
        if self._trouble:
            self._trouble = ""
            log.info("feed %s goes on", self.feed)

    async def _stop(self, error: AdapterError) -> None:
        log.error("feed %s is stopped: %s", self.feed, error)
        async with self._progress:
            self.state, self._stopped = f"stopped: {error}", True
            self._progress.notify_all()

    async def _session(self, edge: Edge) -> None:
        feed = await edge.feeds.GetFeed(GetFeedRequest(feed=self.feed), timeout=CALL_TIMEOUT_S)
        try:
            state = await asyncio.to_thread(self._outbox.check_pair, self.feed, feed.next_sequence)
        except HubBehind:
            # What this hub does not have is not recorded, even if another hub acknowledged it.
            self._acknowledged = feed.next_sequence - 1
            raise
        first, proofs = state.acknowledged_sequence + 1, await self._proofs(edge)
        async with Session(self._outbox, self.feed, first, self._traces, edge, self._arrived, self.counters, proofs) as session:
            self.state = "sending"
            if not state.pending_count:
                self._tell_going_on()
            while (taken := await session.next_answer()) is not None:
                await self._acknowledge(taken)

    async def _proofs(self, edge: Edge) -> Proofs | None:
        """Asks the edge for the keys of its receipts, and keeps them."""
        if self._keys is None:
            return None
        receipts = await HubReceipts.ask(edge)
        if receipts.keys:
            await asyncio.to_thread(self._outbox.keep_keys, receipts.keys)
        return Proofs(self._keys, receipts)

    async def _acknowledge(self, taken: Taken) -> None:
        await asyncio.to_thread(self._outbox.acknowledge, self.feed, taken.through_sequence, taken.quarantined, taken.receipt)
        self.counters["receipts"] += bool(taken.receipt)
        self._tell_going_on()
        self._traces.acknowledged(self.feed, taken.through_sequence)
        async with self._progress:
            self._acknowledged, self.position = max(self._acknowledged, taken.through_sequence), taken.position
            self._progress.notify_all()


def _delay_s(failures: int, longest_s: float) -> float:
    # Jitter: adapters that lost one hub together must not come back together.
    spread = min(longest_s, FIRST_BACKOFF_S * 2 ** min(failures, 20))
    return random.SystemRandom().uniform(spread / 2 if spread > LAST_BACKOFF_S else 0, spread)
