"""A full disk under PostgreSQL: what is acknowledged is on disk, all else is refused, and the hub recovers by itself."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import feed_service_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from typer.testing import CliRunner

from hub.audit.fsck import check
from hub.cli import app
from hub.domain.errors import JournalUnavailable
from hub.journal.batch import Batch, pack_tail
from hub.journal.migrate import migrate
from hub.journal.recorder import AggregateStore
from hub.journal.writer import PROBE_EVERY_S, JournalWriter
from hub.postgres.server import discard, running
from hub.telemetry import names
from hub.telemetry.daily_log import DailyLog
from tests.clients import DEADLINE_S, Province, Refusal, of_feed, refused
from tests.disks import fill, free, give_back, small_disk
from tests.hub_process import CHONGQING, Process, RunningHub
from tests.messages import journey

pytestmark = pytest.mark.slow
FEED = "cq.usage"


def until(is_so: Callable[[], bool], within_s: float = 100) -> None:
    """Waits until a condition holds."""
    deadline_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


class Story:
    """A hub that owns its embedded database on a small disk, and a province that sends to it; what happened, for the tests to look at."""

    def __init__(self, hub: RunningHub) -> None:
        self.hub, self.disk = hub, hub.data_dir
        self._province = Province(hub, CHONGQING)
        self._health = health_pb2_grpc.HealthStub(self._province.channel)
        self.acknowledged: dict[int, int] = {}
        self.refused_in_s = 0.0
        self.refusal: Refusal | None = None
        self.away: Refusal | None = None
        self.away_in_s = 0.0
        self.screen = ""
        self.health = [self.status()]

    def status(self) -> str:
        """What the health service says of the feeds."""
        request = health_pb2.HealthCheckRequest(service="chuanyu.exchange.v1.FeedService")
        status = self._health.Check(request, timeout=DEADLINE_S).status
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(status))

    def begin(self) -> grpc.Future:
        """Begins to append a batch where the acknowledged ones end."""
        first = len(self.acknowledged) + 1
        events = [journey(f"A{first + at:08d}") for at in range(400)]
        request = feed_service_pb2.AppendEventsRequest(feed=FEED, first_sequence=first, events=events)
        return self._province.feeds.AppendEvents.future(request, timeout=DEADLINE_S)

    def take(self, under_way: grpc.Future) -> None:
        """Notes what is acknowledged."""
        answer = under_way.result()
        self.acknowledged.update(enumerate(answer.positions, answer.first_sequence))

    def the_tables_have_no_room(self) -> None:
        """Fills the disk until an append is refused, sees the health service say so, and makes room again."""
        fill(self.disk)
        for _ in range(100):
            began_s = time.monotonic()
            under_way = self.begin()
            if under_way.exception() is not None:
                self.refused_in_s = time.monotonic() - began_s
                self.refusal = refused(under_way.result)
                break
            self.take(under_way)
        until(lambda: self.status() == "NOT_SERVING")
        free(self.disk)
        # Nobody appends: the hub finds out by itself.
        until(lambda: self.status() == "SERVING")
        self.take(self.begin())

    def the_log_of_the_database_has_no_room(self) -> None:
        """Fills the disk until PostgreSQL gives up and cannot start either, looks who says what, and makes room again."""
        until(self._has_broken_down, 120)
        began_s = time.monotonic()
        self.away = refused(self.begin().result)
        self.away_in_s = time.monotonic() - began_s
        until(lambda: self.status() == "NOT_SERVING")
        self.screen = self._hub_status()
        free(self.disk)
        until(lambda: self.status() == "SERVING")
        self.take(self.begin())

    def _hub_status(self) -> str:
        environment = {"HUB_DSN": "", "HUB_DATA_DIR": str(self.disk), "HUB_LISTEN": self.hub.targets[0], "HUB_METRICS_LISTEN": ""}
        return CliRunner().invoke(app, ["status"], env=environment).output

    def _has_broken_down(self) -> bool:
        # A session begins where there is a little room; what a checkpoint or a recovery has made free is taken, too.
        give_back(self.disk, 4 << 20)
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.hub.dsn, autocommit=True) as connection:
            fill(self.disk)
            # More than the log has files for: what cannot be written of it is a PANIC, and leaves no file over to start with.
            connection.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 160 * 1024 * 1024))")
        fill(self.disk)
        return b"does not start" in self.hub.edges[0].log.read_bytes()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with small_disk(200) as disk:
        with running(disk) as dsn:
            migrate(dsn)
            hub = RunningHub(dsn, disk, edges=0)
        edge = Process(["serve", "--project", "--listen", "127.0.0.1:0"], "", disk)
        edge.log = tmp_path_factory.mktemp("log") / "serve.log"
        hub.edges = [edge]
        try:
            hub.targets = [edge.start().split()[-1]]
            story = Story(hub)
            story.take(story.begin())
            story.the_tables_have_no_room()
            story.the_log_of_the_database_has_no_room()
            yield story
        finally:
            edge.stop()
            edge.kill()
            discard(disk)


def test_an_append_is_refused_soon_and_with_a_reason_while_the_disk_is_full(story: Story) -> None:
    assert story.refusal is not None
    assert (story.refusal.code, story.refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
    assert "takes no writes" in story.refusal.text
    assert story.refused_in_s < DEADLINE_S / 2


def test_an_append_is_refused_well_before_its_deadline_while_the_database_cannot_start(story: Story) -> None:
    assert story.away is not None
    assert (story.away.code, story.away.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
    assert story.away_in_s < DEADLINE_S / 2


def test_status_says_that_the_disk_is_full_where_the_database_cannot_start(story: Story) -> None:
    assert "The disk is full" in story.screen
    assert "`hub serve` starts it" not in story.screen


def test_all_that_was_acknowledged_is_there_once_and_the_feed_went_on_after_each_full_disk(story: Story) -> None:
    found = [(event.sequence, event.position) for event in of_feed(story.hub.dsn, FEED)]
    assert found == sorted(story.acknowledged.items())
    assert len(found) >= 1200


def test_the_hub_is_sound_after_its_disk_was_full(story: Story) -> None:
    assert check(story.hub.dsn, with_identifiers=True).problems == []


def test_the_hub_itself_lived_through_it_all(story: Story) -> None:
    process = story.hub.edges[0].process
    assert process is not None and process.poll() is None


def test_a_database_that_only_reads_is_no_fault_of_a_batch_and_is_found_out_when_it_writes_again(dsn: str) -> None:
    store = AggregateStore(dsn)
    store.ensure_feeds([(FEED, CHONGQING)])
    store.close()
    batch = Batch(1, CHONGQING, 1, [pack_tail(0, b"identity_presented", bytes(32), b"")], [bytes(32)])
    reading = psycopg.connect(dsn, autocommit=True)
    name = reading.info.dbname
    reading.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    async def scenario() -> tuple[str, str]:
        writer = JournalWriter(dsn)
        writer.start()
        with pytest.raises(JournalUnavailable, match="takes no writes"):
            await writer.append(batch)
        trouble = writer.trouble
        reading.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await asyncio.sleep(PROBE_EVERY_S + 0.5)
        found_out = writer.trouble
        await writer.append(batch)
        await writer.stop()
        return trouble, found_out

    assert asyncio.run(scenario()) == ("SQLSTATE 25006", "")
    reading.close()


def test_a_full_disk_costs_the_logs_lines_that_are_counted_and_no_more() -> None:
    with small_disk(1) as disk:
        kept = DailyLog("access", disk / "logs", 184, 1 << 30, str)
        kept.add('{"number": 1}')
        kept.write()
        fill(disk)
        dropped = names.LOG_LINES_DROPPED.values.get(("access",), 0)
        kept.add(f'{{"number": 2, "padding": "{"x" * 9_000}"}}')
        kept.write()
        kept.add('{"number": 3}')
        kept.write()
        free(disk)
        kept.add('{"number": 4}')
        kept.write()
        [(_, file)] = kept.files()
        lines = file.read_text().splitlines()
    assert names.LOG_LINES_DROPPED.values[("access",)] == dropped + 2
    assert (lines[0], lines[-1]) == ('{"number": 1}', '{"number": 4}')
