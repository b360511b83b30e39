"""What is acknowledged is on disk: the real hub in processes, killed, stopped and cut off at random while two provinces write.

Each kind of disturbance has its round here; `hub bench faults` makes hundreds.
"""

import contextlib
import itertools
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2, feed_service_pb2_grpc

from hub.audit.fsck import Checked, check
from hub.journal.migrate import migrate
from hub.journal.reader import head_position, read_page
from hub.postgres.server import EmbeddedPostgres, discard
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import positions
from tests.clients import DEADLINE_S
from tests.databases import fresh_database
from tests.disturbed import Disturbed
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub, running_hub
from tests.messages import journey
from tests.recording import Recording, register_owners
from tests.recording import journey as stored_journey
from tests.senders import KIT_FEED


@pytest.fixture(scope="module")
def seed() -> int:
    """Drawn again in every run; each failure shows it."""
    return random.randrange(1_000_000)


@contextlib.contextmanager
def two_edges(server_dsn: str, seed: int, data_dir: Path) -> Iterator[Disturbed]:
    """Two edges to disturb."""
    with fresh_database(server_dsn, "hub_test_crash") as dsn, running_hub(dsn, data_dir, edges=2) as hub:
        yield Disturbed(hub, seed)


def disturb(disturbed: Disturbed, rounds: list[Callable[[], None]], most_s: float) -> None:
    """Lets it happen in any order while systems send and ask, with at most so long in between; all come to their end."""
    disturbed.chance.shuffle(rounds)
    with disturbed.at_work():
        for happening in rounds:
            disturbed.work(0.1, most_s)
            happening()
        disturbed.work(0.3, most_s)


@pytest.fixture(scope="module")
def with_a_killed_edge(server_dsn: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    """Two edges, of which one was killed, and both were cut off."""
    with two_edges(server_dsn, seed, tmp_path_factory.mktemp("edges")) as disturbed:
        disturb(disturbed, [disturbed.kill_an_edge, disturbed.cut_the_writers], 0.4)
        yield disturbed


@pytest.fixture(scope="module")
def with_disturbed_edges(server_dsn: str, seed: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    """Two edges, killed, cut off again and again, and stopped in mid-transaction."""
    with two_edges(server_dsn, seed, tmp_path_factory.mktemp("edges")) as disturbed:
        rounds = [disturbed.kill_an_edge, *[disturbed.cut_the_writers] * 3, disturbed.stop_an_edge_in_mid_transaction]
        disturb(disturbed, rounds, 0.8)
        yield disturbed


@pytest.fixture(scope="module")
def with_disturbed_database(seed: int) -> Iterator[Disturbed]:
    """Two edges over a database of their own, killed and stopped while systems send and ask; all have come to their end."""
    data_dir = Path(tempfile.mkdtemp(prefix="hub-test-"))
    data_dir.chmod(0o755)
    try:
        dsn = EmbeddedPostgres(data_dir).start()
        migrate(dsn)
        with running_hub(dsn, data_dir, edges=2) as hub:
            disturbed = Disturbed(hub, seed)
            rounds = [disturbed.kill_the_database, disturbed.stop_the_database]
            disturbed.chance.shuffle(rounds)
            with disturbed.at_work():
                for happening in rounds:
                    disturbed.work(0.5, 1.5)
                    happening(data_dir)
                disturbed.work(0.5, 1.0)
            yield disturbed
    finally:
        discard(data_dir)
        shutil.rmtree(data_dir)


@pytest.fixture(
    params=["with_a_killed_edge", *(pytest.param(f"with_disturbed_{what}", marks=pytest.mark.slow) for what in ("edges", "database"))]
)
def disturbed(request: pytest.FixtureRequest) -> Disturbed:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Disturbed)
    return found


def recorded(dsn: str, feed: str) -> list[tuple[int, int, str]]:
    """(sequence, position, message id) of a feed's events in the order of the journal."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (feed,)).fetchone()
        assert row is not None
        events = read_page(connection, 0, head_position(connection))
    return [(event.sequence, event.position, event.event.source.message_id) for event in events if event.stream_id == row[0]]


def test_senders_resume_by_themselves_and_are_never_contradicted(disturbed: Disturbed, seed: int) -> None:
    assert [sender.problems for sender in disturbed.senders] == [[], []], f"seed {seed}"


def test_all_that_was_handed_out_is_acknowledged_in_the_end(disturbed: Disturbed, seed: int) -> None:
    for sender in disturbed.senders:
        assert sorted(sender.acknowledged) == list(range(1, sender.handed_out + 1)), f"seed {seed}"


def test_each_acknowledged_event_is_in_the_journal_once_in_order_at_its_position(disturbed: Disturbed, seed: int) -> None:
    for sender in disturbed.senders:
        found = [(sequence, position) for sequence, position, _ in recorded(disturbed.hub.dsn, sender.feed)]
        assert found == sorted(sender.acknowledged.items()), f"seed {seed}"


def test_each_number_holds_the_event_that_was_sent_under_it(disturbed: Disturbed, seed: int) -> None:
    for feed in ("sc.usage", "cq.usage", KIT_FEED):
        found = [(sequence, message_id) for sequence, _, message_id in recorded(disturbed.hub.dsn, feed)]
        assert found == [(sequence, f"{feed} {sequence}") for sequence in range(1, len(found) + 1)], f"seed {seed}"


def test_the_kit_brings_all_that_was_put_into_its_outbox(disturbed: Disturbed, seed: int) -> None:
    sent = [sequence for sequence, *_ in recorded(disturbed.hub.dsn, KIT_FEED)]
    assert (sent, disturbed.kit.status["pending"]) == (list(range(1, disturbed.kit.handed_out + 1)), 0), f"seed {seed}"


def test_each_answer_is_in_the_journal_once_at_its_position(disturbed: Disturbed, seed: int) -> None:
    with psycopg.connect(disturbed.hub.dsn, autocommit=True) as connection:
        decisions = read_page(connection, 0, head_position(connection), ["decision_made"])
    found = {decision.event.decision_made.request_id: decision.position for decision in decisions}
    told = {request_id: answer.position for request_id, answer in disturbed.asker.answered.items()}
    assert told and len(found) == len(decisions), f"seed {seed}"
    assert {request_id: found.get(request_id) for request_id in told} == told, f"seed {seed}"


def test_an_answer_is_never_contradicted(disturbed: Disturbed, seed: int) -> None:
    assert disturbed.asker.problems == [], f"seed {seed}"


def test_the_hub_is_sound_afterwards(disturbed: Disturbed, seed: int) -> None:
    findings = check(disturbed.hub.dsn, with_identifiers=True)
    assert (findings.problems, findings.views) == ([], {view.name: True for view in PROJECTIONS}), f"seed {seed}"


@pytest.mark.slow
def test_the_other_edge_goes_on_while_one_is_stopped_with_the_head_in_its_hands(with_disturbed_edges: Disturbed, seed: int) -> None:
    assert min(with_disturbed_edges.went_on_after_s, default=8.0) < 7, f"seed {seed}"


@pytest.mark.slow
def test_views_folded_by_a_projector_that_is_killed_again_and_again_equal_their_rebuild(dsn: str, tmp_path: Path, seed: int) -> None:
    chance, head = random.Random(seed), 4_000
    recording = Recording(dsn)
    for first in range(0, head, 2_000):
        recording.append(*(stored_journey(f"A{number % 997:08d}") for number in range(first, first + 2_000)))
    recording.close()
    register_owners(dsn)
    head += 2
    kills_in_mid_fold = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(3):
            projector = Process(["project"], dsn, tmp_path)
            before = _positions(connection)
            projector.start()
            give_up_at = time.monotonic() + 20
            while _positions(connection) == before != [head] * len(PROJECTIONS) and time.monotonic() < give_up_at:
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
            projector.kill()
            kills_in_mid_fold += 0 < sum(_positions(connection)) < head * len(PROJECTIONS)
    with runner.connect(dsn) as connection:
        runner.catch_up(connection)
    assert kills_in_mid_fold > 0, f"seed {seed}"
    assert check(dsn) == Checked(head=head, events=head, views={view.name: True for view in PROJECTIONS}), f"seed {seed}"


def _positions(connection: psycopg.Connection) -> list[int]:
    """How far each view is; nothing before there are views."""
    exists = connection.execute("SELECT to_regclass('views.checkpoint') IS NOT NULL").fetchone()
    return sorted(positions(connection, PROJECTIONS).values()) if exists == (True,) else []


@pytest.fixture(scope="module")
def hub_with_a_deaf_client(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub to which six streams have sent for three seconds as fast as it let them, without ever reading an answer."""
    with fresh_database(server_dsn, "hub_test_deaf") as dsn, running_hub(dsn, tmp_path_factory.mktemp("deaf")) as hub:
        channels = [hub.channel(SICHUAN) for _ in range(6)]
        for channel in channels:
            feed_service_pb2_grpc.FeedServiceStub(channel).StreamEvents(_endless_batches())
        time.sleep(3)
        yield hub
        hub.edges[0].kill()
        for channel in channels:
            channel.close()


def _endless_batches() -> Iterator[feed_service_pb2.StreamEventsRequest]:
    for first_sequence in itertools.count(1, 500):
        yield feed_service_pb2.StreamEventsRequest(feed="sc.usage", first_sequence=first_sequence, events=[_large_event()] * 500)


def _large_event() -> event_pb2.Event:
    event = journey("A00000001")
    event.source.file_name = "f" * 128
    event.source.message_id = event.source.native_code = event.venue_code = "m" * 64
    return event


@pytest.mark.slow
def test_a_client_that_never_reads_its_answers_does_not_fill_the_memory_of_an_edge(hub_with_a_deaf_client: RunningHub) -> None:
    process = hub_with_a_deaf_client.edges[0].process
    assert process is not None
    [peak_kib] = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert int(peak_kib) < 400 * 1024


@pytest.mark.slow
def test_a_client_that_never_reads_its_answers_slows_only_itself(hub_with_a_deaf_client: RunningHub) -> None:
    feeds = feed_service_pb2_grpc.FeedServiceStub(hub_with_a_deaf_client.channel(CHONGQING))
    request = feed_service_pb2.AppendEventsRequest(feed="cq.usage", first_sequence=1, events=[journey("A00000001")])
    try:
        answer = feeds.AppendEvents(request, timeout=DEADLINE_S)
    except grpc.RpcError as error:
        raise AssertionError(f"not answered in time: {error}") from None
    assert len(answer.positions) == 1
