"""A journal of the simulator's mix for measurements: through the hub's own intake and group commit, without the network."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Sequence

import psycopg
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsRequest
from psycopg import pq

from adapters.simulator.events import events as simulated
from hub.bench.setup import PARTICIPANT, Ground
from hub.domain.event_rules import Context
from hub.domain.reference import load
from hub.domain.roles import every_role, rights_of
from hub.intake.batch import Intake
from hub.intake.batches import BATCH_EVENTS, Prepared, batch_reader
from hub.journal.batch import Appended, Batch
from hub.journal.group import commit_group
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION
from hub.trust.keyring import open_keyring

FEEDS = ("sc.card-center", "sc.usage", "cq.card-center", "cq.usage")
SEED = 20250101
PORTION_EVENTS = 2_000

Report = Callable[[str], None]


class Filling:
    """What appends events to the four feeds of a fresh database, each feed from where it ends."""

    def __init__(self, place: Ground) -> None:
        """Opens a connection of its own."""
        self._connection = pq.PGconn.connect(place.dsn.encode())
        run(self._connection, SESSION.encode())
        self._connection.nonblocking = 1
        self._intake, self._read = Intake(open_keyring(place.data_dir / "keys")), batch_reader(AppendEventsRequest)
        self._streams, self._next = _streams(place)
        now, rights = int(time.time()), {province: rights_of(province, every_role()) for province in ("50", "51")}
        self._contexts = {province: Context(rights[province], now, load(), lambda _: True) for province in rights}

    def append(self, portion: Sequence[tuple[str, event_pb2.Event]]) -> None:
        """Appends (feed, event) pairs in one group, in batches as provinces send them."""
        self.commit(self.prepared(portion))

    def prepared(self, portion: Sequence[tuple[str, event_pb2.Event]]) -> list[Batch]:
        """Prepares a group: the numbers of its feeds are taken, so that groups are committed in the order they were prepared in."""
        found = [
            self._prepared(feed, mine[at : at + BATCH_EVENTS])
            for feed in FEEDS
            if (mine := [event for name, event in portion if name == feed])
            for at in range(0, len(mine), BATCH_EVENTS)
        ]
        for one in found:
            self._intake.identifiers.remember(one.new_identifiers)
        return [one.batch for one in found]

    def commit(self, group: Sequence[Batch]) -> None:
        """Commits a group that was prepared; raises RuntimeError if a batch of it is refused."""
        if refused := [outcome for outcome in commit_group(self._connection, group) if not isinstance(outcome, Appended)]:
            raise RuntimeError(f"not appended: {refused[0]!r}")

    def _prepared(self, feed: str, events: Sequence[event_pb2.Event]) -> Prepared:
        request = AppendEventsRequest(feed=feed, first_sequence=self._next[feed], events=events)
        self._next[feed] += len(events)
        context = self._contexts["51" if feed.startswith("sc") else "50"]
        received = self._read(request.SerializeToString())
        return asyncio.run(self._intake.prepare(self._streams[feed], PARTICIPANT, received, context, self._streams.get))

    def close(self) -> None:
        """Closes the connection."""
        self._connection.finish()


def fill(place: Ground, events: int, report: Report) -> None:
    """Appends so many of the simulator's events."""
    filling, done = Filling(place), 0
    for portion in portions(events):
        filling.append(portion)
        done += len(portion)
        if done % 100_000 == 0:
            report(f"filling 填充: {done:,} / {events:,}")
    filling.close()


def portions(events: int) -> Iterator[list[tuple[str, event_pb2.Event]]]:
    """Yields the simulator's events in portions of a group."""
    source = simulated(SEED, events)
    while portion := list(itertools.islice(source, PORTION_EVENTS)):
        yield portion


def _streams(place: Ground) -> tuple[dict[str, int], dict[str, int]]:
    """Returns the numbers of the feeds, and what their next events get."""
    with psycopg.connect(place.dsn) as connection:
        rows = connection.execute(
            "SELECT name, stream_id, next_sequence FROM journal.stream WHERE name = ANY (%s)", (list(FEEDS),)
        ).fetchall()
    return {name: stream for name, stream, _ in rows}, {name: following for name, _, following in rows}
