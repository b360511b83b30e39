"""A standby of the embedded database: nothing is acknowledged without it, what is wrong with it is named, and it takes over."""

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner, Result

from hub.api.edge.readiness import FEEDS
from hub.bench.disturbances import postmaster_pid
from hub.cli import app
from hub.commands.examinations import Scene
from hub.commands.examinations.database import standbys
from hub.commands.probe import ask
from hub.config import Config
from hub.journal import statements
from hub.journal.batch import Appended, Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.primary import STANDBY_WITHIN_S, FormerPrimary, arrive, towards
from hub.journal.sessions import CONNECT_WITHIN_S, raw_session, session
from hub.journal.statements import ConnectionLost
from hub.journal.writer_connection import SESSION
from hub.postgres import standby
from hub.postgres.server import discard, stop_any
from tests.clients import Province, refused
from tests.forked import Forked
from tests.hub_process import SICHUAN, RunningHub, running_hub
from tests.messages import journey, question
from tests.pair import WAIT_S, Pair, a_pair, await_that

pytestmark = pytest.mark.slow
FEED = "sc.usage"


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """One for the tests that leave it as it is."""
    with a_pair() as pair:
        yield pair


@pytest.fixture
def own_pair() -> Iterator[Pair]:
    """One that a test may spoil."""
    with a_pair() as pair:
        yield pair


class Append:
    """A batch on its way, in a thread of its own."""

    def __init__(self, dsn: str, first_sequence: int, tails: tuple[bytes, ...] = (b"a", b"b")) -> None:
        self._connection = raw_session(dsn, SESSION, confirms=False)
        self._batch = Batch(1, "owner", first_sequence, [pack_tail(1, b"k", bytes(32), tail) for tail in tails], [bytes(32) for _ in tails])
        self.outcome: Any = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            [self.outcome] = commit_group(self._connection, [self._batch])
        except Exception as failure:
            self.outcome = failure

    def ended(self, within_s: float = WAIT_S) -> Any:
        """Its outcome, None while there is none."""
        self._thread.join(within_s)
        return self.outcome


def next_sequence(pair: Pair) -> int:
    return int(pair.one("SELECT next_sequence FROM journal.stream WHERE stream_id = 1"))


def waits_for_the_standby(pair: Pair) -> bool:
    return bool(pair.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'hub-writer'"))


def test_the_standby_has_what_is_acknowledged(pair: Pair) -> None:
    first = next_sequence(pair)
    assert isinstance(Append(pair.dsn, first).ended(), Appended)
    await_that(lambda: pair.one("SELECT next_sequence FROM journal.stream WHERE stream_id = 1", pair.standby_dsn) == first + 2)


def test_nothing_is_acknowledged_while_the_standby_does_not_move(pair: Pair) -> None:
    with pair.stopped(pair.standby_dir):
        append = Append(pair.dsn, next_sequence(pair))
        await_that(lambda: waits_for_the_standby(pair))
        assert append.ended(0.3) is None
    assert isinstance(append.ended(), Appended)


def test_a_resend_is_not_acknowledged_by_what_only_a_primary_that_fell_has(pair: Pair) -> None:
    first = next_sequence(pair)
    with pair.stopped(pair.standby_dir):
        append = Append(pair.dsn, first)
        await_that(lambda: waits_for_the_standby(pair))
        fallen = postmaster_pid(pair.data_dir)
        os.kill(fallen, signal.SIGKILL)
        assert isinstance(append.ended(), ConnectionLost)
        await_that(lambda: is_up(pair.dsn) and postmaster_pid(pair.data_dir) != fallen)
        # It is on the primary's disk, and can be read there; it is not on the standby's.
        assert next_sequence(pair) == first + 2
        again = Append(pair.dsn, first)
        await_that(lambda: waits_for_the_standby(pair))
        assert again.ended(0.3) is None
        with pytest.raises(psycopg.OperationalError, match="standby"):
            session(pair.dsn, "hub_reader", "hub-test")
    outcome = again.ended()
    assert (outcome.duplicates, outcome.first_sequence) == (2, first)
    session(pair.dsn, "hub_reader", "hub-test").close()


def is_up(dsn: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(dsn, connect_timeout=2).close()
        return True
    return False


def test_a_wait_for_the_standby_that_is_cancelled_is_no_acknowledgement(pair: Pair) -> None:
    with pair.stopped(pair.standby_dir):
        append = Append(pair.dsn, next_sequence(pair))
        await_that(lambda: waits_for_the_standby(pair))
        pair.one("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'hub-writer'")
        assert isinstance(append.ended(), ConnectionLost)


def test_a_server_that_does_not_answer_is_given_up(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = raw_session(pair.dsn, SESSION, confirms=False)
    with pair.stopped(pair.data_dir), pytest.raises(ConnectionLost):
        statements.run(connection, b"SELECT 1", within_s=0.3)


def test_a_session_of_a_former_primary_is_cut_and_none_is_opened_to_it_again(own_pair: Pair) -> None:
    pair = own_pair
    before = session(pair.both, "hub_reader", "hub-test")
    first, second = (str(conninfo_to_dict(dsn)["host"]) for dsn in (pair.dsn, pair.standby_dsn))
    assert before.info.host == first
    found: list[BaseException] = []

    def ask() -> None:
        try:
            before.execute("SELECT pg_sleep(600)")
        except psycopg.OperationalError as lost:
            found.append(lost)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    await_that(lambda: pair.one("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"))
    with pair.stopped(pair.data_dir):
        pair.one("SELECT pg_promote(true, 20)", pair.standby_dsn)
        # Nobody opens a session: the watch finds the other one.
        asking.join(WAIT_S)
        assert found
        began = time.monotonic()
        with session(pair.both, "hub_reader", "hub-test") as now:
            assert now.info.host == second
        # The one that does not move is not tried first.
        assert time.monotonic() - began < CONNECT_WITHIN_S
    # It moves again and does not know: it takes writes, and comes first.
    assert pq.PGconn.connect(pair.both.encode()).host == first.encode()
    with psycopg.connect(pair.both, autocommit=True) as former, pytest.raises(FormerPrimary):
        arrive(former.pgconn, pair.both, confirms=False)
    with pytest.raises(ConnectionLost):
        statements.run(before.pgconn, b"SELECT 1")
    assert str(conninfo_to_dict(towards(pair.both))["host"]).startswith(second)


@pytest.fixture
def hub(pair: Pair, tmp_path: Path) -> Iterator[RunningHub]:
    """A hub on the pair."""
    with running_hub(make_conninfo(pair.dsn, user="hub_app"), tmp_path) as hub:
        yield hub


def why_not_ready(hub: RunningHub) -> str:
    """What the edge says why feeds are not ready, "" if they are."""
    answer = ask(Config(data_dir=hub.data_dir), hub.targets[0], (FEEDS,))
    return "" if answer.is_ready else answer.problem or answer.reasons.get(FEEDS, "")


def test_an_edge_refuses_while_the_standby_is_away_and_goes_on_by_itself(pair: Pair, hub: RunningHub) -> None:
    province = Province(hub, SICHUAN)
    province.append(FEED, 1, journey("A1"))
    with pair.without_standby():
        assert "standby" in await_that(lambda: why_not_ready(hub))
        began = time.monotonic()
        refusal = refused(lambda: province.append(FEED, 2, journey("A2")))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
        assert "standby" in refusal.text
        # It does not wait for the standby.
        assert time.monotonic() - began < STANDBY_WITHIN_S
        asked = refused(lambda: province.cards.CheckAcceptance(question("r1", "A00000001"), timeout=WAIT_S))
        assert (asked.code, asked.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_RECORDED")
        assert invoke(pair, "status").exit_code == 1
        assert doctor_says(pair) == "fault"
    await_that(lambda: why_not_ready(hub) == "")
    assert doctor_says(pair) == "ok"
    assert province.append(FEED, 2, journey("A2")).positions


# What an operator sees, and what is refused


def doctor_says(pair: Pair) -> str:
    """What `hub doctor` finds of standbys."""
    with contextlib.closing(Scene(Config(dsn=pair.dsn), pair.dsn)) as scene:
        return str(standbys(scene).level)


def invoke(pair: Pair, *arguments: str, **settings: str) -> Result:
    environment = {"HUB_DATA_DIR": str(pair.data_dir), "HUB_DSN": "", **settings}
    return CliRunner().invoke(app, ["standby", *arguments], env=environment)


def test_the_status_of_a_primary_names_its_standby_and_that_of_a_standby_itself(pair: Pair) -> None:
    on_primary = await_that(lambda: (found := invoke(pair, "status")).exit_code == 0 and found)
    assert "second: 正在接收 streaming，同步 synchronous" in on_primary.output
    found = json.loads(invoke(pair, "status", "--json").output)
    assert [(one["name"], one["waits"], one["is_lost"]) for one in found["standbys"]] == [("second", "sync", False)]
    assert (found["lacks_standby"], found["follows_s"]) == (False, None)
    on_standby = await_that(lambda: (found := invoke(pair, "status", HUB_DSN=pair.standby_dsn)).exit_code == 0 and found)
    assert "a standby that only reads" in on_standby.output


def test_the_status_names_a_standby_that_is_away(pair: Pair) -> None:
    with pair.without_standby():
        found = invoke(pair, "status")
    assert found.exit_code == 1
    assert "second: 不在 away" in found.output
    assert "commits wait for a synchronous standby and none is there" in found.output


def test_a_standby_that_is_behind_is_not_required(pair: Pair) -> None:
    with pair.without_standby(), pytest.raises(standby.StandbyBehind, match="not connected"):
        standby.require(pair.standby_dir, within_s=0.2)
    await_that(lambda: standby.require(pair.standby_dir))


def test_the_directory_of_a_standby_is_taken_once(pair: Pair) -> None:
    assert "`hub standby run`" in str(invoke(pair, "add", str(pair.standby_dir)).exception)
    with pytest.raises(standby.StandbyExists):
        standby.add(pair.data_dir, pair.dsn, pair.standby_dir, "third")


def test_a_name_that_no_standby_can_have_is_refused_and_nothing_is_made(pair: Pair, tmp_path: Path) -> None:
    for name in ("Second", "2nd", "", "a;b", "a" * 41):
        with pytest.raises(standby.StandbyNameUnfit):
            standby.add(pair.data_dir, pair.dsn, tmp_path / "standby", name)
    assert not (tmp_path / "standby").exists()


def test_a_copy_that_was_interrupted_is_made_again(pair: Pair, tmp_path: Path) -> None:
    directory = tmp_path / "standby"
    environment = {**os.environ, "HUB_DATA_DIR": str(pair.data_dir), "HUB_DSN": ""}
    adding = Forked(["standby", "add", str(directory), "--name", "again"], environment, tmp_path / "log")
    await_that(lambda: pair.one("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'again'"))
    adding.kill()
    adding.wait()
    with pytest.raises(standby.NoStandby):
        standby.made(directory)
    standby.add(pair.data_dir, pair.dsn, directory, "again")
    try:
        assert standby.made(directory) == ("again", str(pair.data_dir), False)
        with standby.following(directory) as dsn:
            await_that(lambda: pair.one("SELECT position FROM journal.head", dsn) == pair.one("SELECT position FROM journal.head"))
    finally:
        await_that(lambda: not pair.one("SELECT active FROM pg_replication_slots WHERE slot_name = 'again'"))
        standby.remove(pair.dsn, "again")
        discard(directory)
    with pytest.raises(standby.StandbyUnknown):
        standby.remove(pair.dsn, "again")


def test_a_standby_that_is_connected_is_not_removed(pair: Pair) -> None:
    with pytest.raises(standby.StandbyConnected):
        standby.remove(pair.dsn, "second")


def test_a_standby_does_not_take_over_while_its_primary_answers(pair: Pair) -> None:
    with pytest.raises(standby.PrimaryAnswers):
        standby.promote(pair.standby_dir, even_if_behind=True)


def test_a_server_of_ones_own_has_its_standbys_from_patroni(pair: Pair) -> None:
    for arguments in (("add", "x"), ("run", "x"), ("release", "x"), ("remove",), ("promote", "x")):
        assert isinstance(invoke(pair, *arguments, HUB_DSN=pair.dsn).exception, standby.OwnServer)


def test_a_standby_takes_over_with_all_that_was_acknowledged_unless_it_may_lack_some(own_pair: Pair) -> None:
    pair = own_pair
    assert isinstance(Append(pair.dsn, 1).ended(), Appended)
    made = standby.made(pair.standby_dir)
    assert made.was_required
    stop_any(pair.data_dir)
    standby.release(pair.standby_dir)
    with pytest.raises(standby.StandbyBehind, match="even-if-behind"):
        standby.promote(pair.standby_dir, even_if_behind=False)
    standby.write(pair.standby_dir, made)
    standby.promote(pair.standby_dir, even_if_behind=False)
    assert pair.one("SELECT position FROM journal.head", pair.standby_dsn) == 2
    # It waits for nobody, and is no standby any more.
    assert isinstance(Append(pair.standby_dsn, 3).ended(), Appended)
    with pytest.raises(standby.NoStandby):
        standby.made(pair.standby_dir)


# Comes last: nobody uses the pair afterwards.
def test_what_the_primary_no_longer_keeps_for_a_standby_is_named(pair: Pair) -> None:
    pair.one("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    standby.release(pair.standby_dir)
    with pair.without_standby():
        pair.one("SELECT pg_reload_conf()")
        for _ in range(3):
            pair.one("SELECT pg_switch_wal(), pg_logical_emit_message(true, 'x', repeat('x', 1000000))")
            pair.one("CHECKPOINT")
        await_that(lambda: pair.one("SELECT wal_status = 'lost' FROM pg_replication_slots"))
        with pytest.raises(standby.StandbyLost, match="add it again"):
            standby.require(pair.standby_dir, within_s=1.0)
        assert "no longer keeps what it lacks" in invoke(pair, "status").output
