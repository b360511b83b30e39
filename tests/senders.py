"""Systems that talk to a hub while it is disturbed, and note what they were answered: two kinds of senders and one that asks.

Each keeps to the rules a province's system keeps to, so each resumes by itself; what must never happen is noted as a problem.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
from chuanyu.exchange.v1 import card_service_pb2, card_service_pb2_grpc, event_pb2, feed_service_pb2, feed_service_pb2_grpc

from adapters.kit import FeedSender, HubConnection, Outbox, mutual_tls
from tests.hub_process import CHONGQING, SICHUAN, RunningHub
from tests.messages import journey, question

# Longer than the hub may take to end a stopped edge that holds the head: who waits for another edge must not give up on its own.
CALL_S, STREAM_S = 12.0, 15.0
WINDOW_BATCHES = 4
KIT_FEED = "cq.card-center"


def event_of(feed: str, sequence: int) -> event_pb2.Event:
    """The event of a number; its message id names feed and number."""
    event = journey(f"A{sequence % 97:08d}")
    event.source.message_id = f"{feed} {sequence}"
    return event


class Sender:
    """A system that asks where its feed is, streams from there, notes what is acknowledged, and begins again when that breaks."""

    def __init__(self, hub: RunningHub, urn: str, feed: str, edge: int, seed: int) -> None:
        self._hub, self._chance = hub, random.Random(seed)
        self._credentials = _credentials(hub, urn)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=feed, daemon=True)
        self.feed, self.pause_s = feed, 0.03
        # The edge to go to next, the one that the session under way goes to, and whether a failure leads to the other edge.
        self.edge, self.edge_in_use, self.is_bound = edge, edge, False
        self.acknowledged: dict[int, int] = {}
        self.acknowledged_at_s: list[float] = []
        self.handed_out = 0
        self.problems: list[str] = []

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Hands out no new number and waits until all that were are acknowledged."""
        self._stopping = True
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self.problems.append("did not come to an end")

    def _run(self) -> None:
        while not self.problems and not (self._stopping and len(self.acknowledged) == self.handed_out):
            try:
                self._session()
            except grpc.RpcError as error:
                note_fault(error, self.problems)
                self.edge = self.edge if self.is_bound else 1 - self.edge
                time.sleep(self._chance.uniform(0.05, 0.3))

    def _session(self) -> None:
        self.edge_in_use = self.edge
        with grpc.secure_channel(self._hub.targets[self.edge_in_use], self._credentials) as channel:
            stub = feed_service_pb2_grpc.FeedServiceStub(channel)
            feed = stub.GetFeed(feed_service_pb2.GetFeedRequest(feed=self.feed), timeout=CALL_S)
            # Answers may have been lost: it begins with the first number whose position it does not know.
            first = len(self.acknowledged) + 1
            if not first <= feed.next_sequence <= self.handed_out + 1:
                self.problems.append(f"the hub expects {feed.next_sequence}, acknowledged {first - 1} of {self.handed_out}")
            elif self._chance.random() < 0.2:
                self._take(stub.AppendEvents(self._batch(first, feed_service_pb2.AppendEventsRequest), timeout=CALL_S))
            else:
                self._stream(stub, first)

    def _stream(self, stub: feed_service_pb2_grpc.FeedServiceStub, sequence: int) -> None:
        window, ended = threading.Semaphore(WINDOW_BATCHES), threading.Event()

        def batches() -> Iterator[feed_service_pb2.StreamEventsRequest]:
            following = sequence
            for _ in range(self._chance.randint(5, 60)):
                while not window.acquire(timeout=0.1):
                    if ended.is_set():
                        return
                if self._stopping and following > self.handed_out:
                    return
                batch = self._batch(following, feed_service_pb2.StreamEventsRequest)
                following += len(batch.events)
                yield batch
                time.sleep(self.pause_s)

        try:
            for answer in stub.StreamEvents(batches(), timeout=STREAM_S):
                if answer.HasField("refused"):
                    if "SEQUENCE_CONFLICT" in str(answer.refused):
                        self.problems.append(f"conflict: {answer.refused}")
                    return
                self._take(answer.appended)
                window.release()
        finally:
            ended.set()

    def _batch(self, sequence: int, request: Callable[..., feed_service_pb2.StreamEventsRequest]) -> feed_service_pb2.StreamEventsRequest:
        size = self._chance.randint(1, 12)
        if self._stopping:
            size = min(size, max(1, self.handed_out - sequence + 1))
        self.handed_out = max(self.handed_out, sequence + size - 1)
        return request(feed=self.feed, first_sequence=sequence, events=[event_of(self.feed, sequence + at) for at in range(size)])

    def _take(self, appended: feed_service_pb2.AppendEventsResponse) -> None:
        if appended.quarantined:
            self.problems.append(f"quarantined: {appended.quarantined}")
        for sequence, position in enumerate(appended.positions, appended.first_sequence):
            before = self.acknowledged.setdefault(sequence, position)
            if before != position:
                self.problems.append(f"number {sequence} was at position {before} and is at {position}")
        self.acknowledged_at_s.append(time.monotonic())


class KitSender:
    """The kit's outbox and sender in a thread of their own."""

    def __init__(self, hub: RunningHub, outbox: Path) -> None:
        self._hub, self._path = hub, outbox
        self._credentials = _credentials(hub, CHONGQING)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="kit", daemon=True)
        self.status: dict[str, object] = {}
        self.handed_out, self.pause_s = 0, 0.02

    def start(self) -> None:
        """Begins to put and to send."""
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Puts nothing more and waits until the hub has all."""
        self._stopping.set()
        self._thread.join(timeout_s)

    async def _run(self) -> None:
        outbox, connection = Outbox(self._path), HubConnection(self._hub.targets, self._credentials)
        sender = FeedSender(outbox, connection, KIT_FEED)
        sending = asyncio.create_task(sender.run())
        while not self._stopping.is_set():
            numbers = range(self.handed_out + 1, self.handed_out + 6)
            await sender.put([(f"{number}", event_of(KIT_FEED, number).SerializeToString(deterministic=True)) for number in numbers])
            self.handed_out = numbers[-1]
            await asyncio.sleep(self.pause_s)
        try:
            async with asyncio.timeout(25):
                await sender.wait_acknowledged(self.handed_out)
        finally:
            self.status = sender.status()
            sending.cancel()
            await connection.close()


class Asker:
    """A service point that asks question after question, each until it is answered, and one in ten of the earlier ones again."""

    def __init__(self, hub: RunningHub, seed: int) -> None:
        self._hub, self._chance = hub, random.Random(seed)
        self._credentials = _credentials(hub, SICHUAN)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)
        self.edge, self.pause_s = 0, 0.01
        self.answered: dict[str, card_service_pb2.CheckAcceptanceResponse] = {}
        self.problems: list[str] = []

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def finish(self, timeout_s: float) -> None:
        """Asks nothing more."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self.problems and not self._stopping.is_set():
            try:
                with grpc.secure_channel(self._hub.targets[self.edge], self._credentials) as channel:
                    self._ask_on(card_service_pb2_grpc.CardServiceStub(channel))
            except grpc.RpcError as error:
                note_fault(error, self.problems)
                self.edge = 1 - self.edge
                time.sleep(self._chance.uniform(0.05, 0.3))

    def _ask_on(self, cards: card_service_pb2_grpc.CardServiceStub) -> None:
        while not self._stopping.is_set():
            number = len(self.answered) if self._chance.random() > 0.1 else self._chance.randint(0, len(self.answered))
            request = question(f"q{number}", f"A{number % 97:08d}")
            answer = cards.CheckAcceptance(request, timeout=CALL_S)
            if self.answered.setdefault(request.request_id, answer) != answer:
                self.problems.append(f"{request.request_id} was answered {self.answered[request.request_id]}, then {answer}")
            time.sleep(self.pause_s)


def slow_down(*systems: Sender | KitSender | Asker) -> None:
    """Has systems do a fifth of what they could: they are there to be disturbed, not to keep the machine from what disturbs them."""
    for system in systems:
        system.pause_s = 0.1


def note_fault(error: grpc.RpcError, problems: list[str]) -> None:
    """Notes what the hub calls a fault of its own: a disturbed hub is unavailable, not at fault."""
    assert isinstance(error, grpc.Call)
    if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        problems.append(f"{error.code()}: {error.details()}")


def _credentials(hub: RunningHub, urn: str) -> grpc.ChannelCredentials:
    files = hub.certificate(urn)
    return mutual_tls(files.authority, files.certificate, files.key)
