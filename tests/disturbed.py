"""A hub that is written to while it is killed, stopped and cut off; what was acknowledged meanwhile is noted for the tests to check.

Two systems send by the kit's rule in a few lines of their own, each to a feed of its own and first to an edge of its own; a third
sends with the kit itself. The rounds are drawn from a seed, which is printed.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psutil
import psycopg
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, feed_service_pb2_grpc

from adapters.kit import FeedSender, HubConnection, Outbox, mutual_tls
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub
from tests.messages import journey

CALL_S, STREAM_S = 5.0, 6.0
WINDOW_BATCHES = 4
STOP_S = 5.0
KIT_FEED = "cq.card-center"


def event_of(feed: str, sequence: int) -> event_pb2.Event:
    """The event of a number; its message id tells feed and number."""
    event = journey(f"A{sequence % 97:08d}")
    event.source.message_id = f"{feed} {sequence}"
    return event


class Sender:
    """A system that asks where its feed stands, streams from there, notes what is acknowledged, and begins again when that breaks."""

    def __init__(self, hub: RunningHub, urn: str, feed: str, edge: int, seed: int) -> None:
        self._hub, self._chance = hub, random.Random(seed)
        self._credentials = _credentials(hub, urn)
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=feed, daemon=True)
        self.feed, self.edge, self.pause_s = feed, edge, 0.03
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
                assert isinstance(error, grpc.Call)
                if error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
                    self.problems.append(f"{error.code()}: {error.details()}")
                self.edge = 1 - self.edge
                time.sleep(self._chance.uniform(0.05, 0.3))

    def _session(self) -> None:
        with grpc.secure_channel(self._hub.targets[self.edge], self._credentials) as channel:
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
        size = self._chance.randint(1, 30)
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
        self.handed_out = 0

    def start(self) -> None:
        """Begins to put and to send."""
        self._thread.start()

    def finish(self) -> None:
        """Puts nothing more and waits until the hub has all."""
        self._stopping.set()
        self._thread.join(40)

    async def _run(self) -> None:
        outbox, connection = Outbox(self._path), HubConnection(self._hub.targets, self._credentials)
        sender = FeedSender(outbox, connection, KIT_FEED)
        sending = asyncio.create_task(sender.run())
        while not self._stopping.is_set():
            numbers = range(self.handed_out + 1, self.handed_out + 6)
            await sender.put([(f"{number}", event_of(KIT_FEED, number).SerializeToString(deterministic=True)) for number in numbers])
            self.handed_out = numbers[-1]
            await asyncio.sleep(0.02)
        try:
            async with asyncio.timeout(30):
                await sender.wait_acknowledged(self.handed_out)
        finally:
            self.status = sender.status()
            sending.cancel()
            await connection.close()


class Disturbed:
    """A hub with two edges and three senders at work; the methods are what may happen to it."""

    def __init__(self, hub: RunningHub, seed: int) -> None:
        self.hub = hub
        self.chance = random.Random(seed)
        self.senders = [Sender(hub, SICHUAN, "sc.usage", 0, seed + 1), Sender(hub, CHONGQING, "cq.usage", 1, seed + 2)]
        self.kit = KitSender(hub, hub.data_dir / "outbox.sqlite")
        self.stopped_in_mid_transaction = False

    def start(self) -> None:
        """Lets the senders begin."""
        for sender in (*self.senders, self.kit):
            sender.start()

    def finish(self) -> None:
        """Lets the senders come to their end."""
        for sender in self.senders:
            sender.finish(timeout_s=30)
        self.kit.finish()

    def work(self, least_s: float, most_s: float) -> None:
        """Leaves the hub alone for a while."""
        time.sleep(self.chance.uniform(least_s, most_s))

    def kill_an_edge(self) -> None:
        """Kills an edge and starts it again at the same address."""
        edge = self.chance.randrange(2)
        self.hub.edges[edge].kill()
        self.hub.edges[edge] = Process(["serve", "--listen", self.hub.targets[edge]], self.hub.dsn, self.hub.data_dir)
        self.hub.edges[edge].start()

    def cut_the_writers(self) -> None:
        """Has the server end the writers' connections."""
        with psycopg.connect(self.hub.dsn) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {_WRITERS}")

    def stop_an_edge_in_mid_transaction(self) -> None:
        """Stops an edge for STOP_S while it holds the head; tries at random moments until it does."""
        number = self.chance.randrange(2)
        busy, other = self.senders
        busy.edge, busy.pause_s, other.edge = number, 0.0, 1 - number
        edge = self.hub.edges[number]
        with psycopg.connect(self.hub.dsn, autocommit=True) as connection:
            for _ in range(300):
                time.sleep(self.chance.uniform(0.005, 0.03))
                edge.signal(signal.SIGSTOP)
                time.sleep(0.01)
                if connection.execute(_HOLDS_THE_HEAD).fetchone():
                    self.stopped_in_mid_transaction = True
                    break
                edge.signal(signal.SIGCONT)
        busy.pause_s = 0.03
        time.sleep(STOP_S)
        edge.signal(signal.SIGCONT)

    def stop_the_database(self, data_dir: Path) -> None:
        """Stops every process of the database for a while."""
        postmaster = psutil.Process(_postmaster_pid(data_dir))
        family = [postmaster, *postmaster.children()]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(self.chance.uniform(0.5, 2.0))
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def kill_the_database(self, data_dir: Path) -> None:
        """Kills the postmaster and starts the database again."""
        os.kill(_postmaster_pid(data_dir), signal.SIGKILL)
        # Not from here: to become another user a process forks, and a fork of a process with gRPC at work may abort.
        start = f"from pathlib import Path; from hub.embedded import EmbeddedPostgres; EmbeddedPostgres(Path({str(data_dir)!r})).start()"
        subprocess.run([sys.executable, "-c", start], check=True, timeout=60)

    @property
    def longest_silence_s(self) -> float:
        """How long nothing of either sender was acknowledged."""
        at_s = sorted(at_s for sender in self.senders for at_s in sender.acknowledged_at_s)
        return max(after - before for before, after in itertools.pairwise(at_s))


_WRITERS = "application_name = 'hub-writer' AND datname = current_database()"
_HOLDS_THE_HEAD = f"SELECT pid FROM pg_stat_activity WHERE {_WRITERS} AND xact_start IS NOT NULL AND wait_event = 'ClientRead'"


def _postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().splitlines()[0])


def _credentials(hub: RunningHub, urn: str) -> grpc.ChannelCredentials:
    files = hub.certificate(urn)
    return mutual_tls(files.authority, files.certificate, files.key)
