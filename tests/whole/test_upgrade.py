"""Two releases side by side on one database, under load: the newer one takes over and nothing that was acknowledged or answered is lost."""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import hub
from hub.journal import migrate as migrating
from hub.journal.migrate import MigrationHeldUp, MigrationMismatch, migrate
from tests.clients import journal, of_feed
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, SICHUAN, START_S, Process, RunningHub, environment
from tests.senders import KIT_FEED, Asker, KitSender, Sender, slow_down

ROOT = Path(hub.__file__).parent.parent
MIGRATION = "9999_next_release.sql"
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
OLD_TITLE, NEW_TITLE = "社保功能正常", "社保功能正常（下一版）"


def next_release(directory: Path) -> dict[str, str]:
    """Makes a release with another rule text, one more view and one more migration; returns the environment that runs it."""
    for name in ("hub", "migrations"):
        shutil.copytree(ROOT / name, directory / name)
    rules = directory / "hub/domain/rules/any_use.py"
    assert rules.read_text().count(OLD_TITLE) == 1
    rules.write_text(rules.read_text().replace(OLD_TITLE, NEW_TITLE))
    views = directory / "hub/projections/__init__.py"
    views.write_text(
        f"{views.read_text()}\nfrom dataclasses import replace\nPROJECTIONS += (replace(FEED_PROGRESS, name='feed_progress_next'),)\n"
    )
    (directory / "migrations" / MIGRATION).write_text(
        "ALTER TABLE journal.stream ADD COLUMN next_release text; CREATE TABLE journal.next_release (name text PRIMARY KEY)"
    )
    # Neither the working directory nor the installation may come before it.
    return {"PYTHONPATH": str(directory), "PYTHONSAFEPATH": "1"}


def until(is_so: Callable[[], bool]) -> None:
    """Waits until a condition holds, 20 seconds at most."""
    deadline_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


class Upgrade:
    """A hub of this release that is upgraded while both provinces write to it and a service point asks it."""

    def __init__(self, dsn: str, data_dir: Path, release: dict[str, str]) -> None:
        self.release = release
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.hub = RunningHub(dsn, data_dir, apart=True)
        self.old, self.old_projector = self.hub.edges[0], self.hub.projector
        self.new = Process(["serve", "--listen", address], dsn, data_dir, release)
        self.new_projector = Process(["project"], dsn, data_dir, release)
        self.late = Process(["serve", "--listen", "127.0.0.1:0"], dsn, data_dir)
        self.hub.start()
        self.hub.targets.append(address)
        self.senders = [Sender(self.hub, SICHUAN, "sc.usage", 0, 1), Sender(self.hub, CHONGQING, "cq.usage", 0, 2)]
        self.kit = KitSender(self.hub, data_dir / "outbox.sqlite")
        self.askers = [Asker(self.hub, 3), Asker(self.hub, 4)]
        slow_down(*self.senders, self.kit, *self.askers)
        self.health: list[int] = []
        self.exit_codes: list[int] = []
        self.stopped_at_s = self.drained_in_s = 0.0

    def run(self) -> None:
        """Migrates, puts the new projector and the new edge beside the old ones, and stops those; an old edge is started late, too."""
        for system in (*self.senders, self.kit, self.askers[0]):
            system.start()
        self.command("migrate")
        self.new_projector.start()
        until(lambda: b"waits to take over" in self.new_projector.log.read_bytes())
        self.exit_codes.append(self.old_projector.stop())
        self.new.start()
        self.late.start()
        self.askers[1].edge = 1
        self.askers[1].start()
        watching = threading.Thread(target=self._watch_old)
        watching.start()
        until(lambda: SERVING in self.health and len(self.askers[1].answered) > 10)
        self.stopped_at_s = time.monotonic()
        self.exit_codes.append(self.old.stop())
        self.drained_in_s = time.monotonic() - self.stopped_at_s
        watching.join()
        self.exit_codes.append(self.late.stop())
        time.sleep(0.5)
        for system in (*self.senders, self.kit, *self.askers):
            system.finish(20.0)

    def command(self, *arguments: str) -> str:
        """Runs a command of the next release and returns what it says."""
        command = [sys.executable, "-c", "from hub.cli import main; main()", *arguments]
        environ = {**environment(self.hub.dsn, self.hub.data_dir), **self.release}
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True, timeout=60)
        return done.stdout

    def explain(self, position: int) -> dict[str, Any]:
        """What the next release says of a recorded answer."""
        said = self.command("explain", "--decision", str(position), "--rules-of-then", "--json", "--target", self.hub.targets[1])
        explained: dict[str, Any] = json.loads(said)
        return explained

    def _watch_old(self) -> None:
        with self.hub.channel(SICHUAN, 0) as channel:
            try:
                for change in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=START_S):
                    self.health.append(change.status)
            except grpc.RpcError:
                return

    def stop(self) -> None:
        """Ends what still runs."""
        for process in (self.new, self.new_projector, self.late):
            if process.process is not None:
                process.stop()
            process.kill()
        self.hub.stop()


@pytest.fixture(scope="module")
def upgraded(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Upgrade]:
    with fresh_database(server_dsn, "hub_test_upgrade") as dsn:
        upgrade = Upgrade(dsn, tmp_path_factory.mktemp("hub"), next_release(tmp_path_factory.mktemp("release")))
        try:
            upgrade.run()
            yield upgrade
        finally:
            upgrade.stop()


@pytest.mark.slow
def test_senders_resume_by_themselves_and_all_that_was_acknowledged_is_there_once(upgraded: Upgrade) -> None:
    for sender in upgraded.senders:
        assert sender.problems == []
        found = [(event.sequence, event.position) for event in of_feed(upgraded.hub.dsn, sender.feed)]
        assert found == sorted(sender.acknowledged.items())
        assert len(found) == sender.handed_out


@pytest.mark.slow
def test_the_kit_brings_all_that_was_put_into_its_outbox(upgraded: Upgrade) -> None:
    sent = [event.sequence for event in of_feed(upgraded.hub.dsn, KIT_FEED)]
    assert (sent, upgraded.kit.status["pending"]) == (list(range(1, upgraded.kit.handed_out + 1)), 0)


@pytest.mark.slow
def test_each_answer_is_in_the_journal_at_its_position_and_never_contradicted(upgraded: Upgrade) -> None:
    recorded = {
        event.event.decision_made.request_id: event.position for event in journal(upgraded.hub.dsn) if event.kind == "decision_made"
    }
    for asker in upgraded.askers:
        assert asker.problems == []
        assert {request_id: recorded[request_id] for request_id in asker.answered} == {
            request_id: answer.position for request_id, answer in asker.answered.items()
        }


@pytest.mark.slow
def test_both_releases_answered_and_an_old_answer_is_explained_by_the_rules_of_then(upgraded: Upgrade) -> None:
    answers = [answer for asker in upgraded.askers for answer in asker.answered.values()]
    assert len({answer.rules_digest for answer in answers}) == 2
    first = min(answers, key=lambda answer: answer.position)
    why = upgraded.explain(first.position)
    assert why["same_as_recorded"] is True
    assert {rule["title_zh"] for rule in why["rules"]} & {OLD_TITLE, NEW_TITLE} == {OLD_TITLE}


@pytest.mark.slow
def test_the_journal_and_all_views_hold_for_the_next_release(upgraded: Upgrade) -> None:
    found = json.loads(upgraded.command("fsck", "--json").splitlines()[-1])
    assert found["problems"] == []
    assert found["views"]["feed_progress_next"] is True


@pytest.mark.slow
def test_the_old_release_goes_on_beside_a_migration_it_does_not_know_and_says_so(upgraded: Upgrade) -> None:
    assert f"the database has {MIGRATION} of a newer release" in upgraded.late.log.read_text()
    assert upgraded.exit_codes == [0, 0, 0]


@pytest.mark.slow
def test_an_edge_that_is_stopped_says_so_first_and_does_not_wait_for_clients_that_stream_for_ever(upgraded: Upgrade) -> None:
    assert upgraded.health == [SERVING, NOT_SERVING]
    assert upgraded.drained_in_s < 6


@pytest.mark.slow
def test_clients_of_a_stopped_edge_go_on_at_the_other_at_once(upgraded: Upgrade) -> None:
    for sender in upgraded.senders:
        assert (
            min(at_s for at_s in sender.acknowledged_at_s if at_s > upgraded.stopped_at_s + upgraded.drained_in_s)
            < upgraded.stopped_at_s + 6
        )


# Migrations


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A copy of the migrations, to be changed by a test."""
    return shutil.copytree(migrating.MIGRATIONS, tmp_path / "migrations")


def test_a_migration_that_was_taken_out_is_refused(dsn: str, files: Path) -> None:
    (files / "0002_vault.sql").unlink()
    with pytest.raises(MigrationMismatch, match=r"0002_vault\.sql, which this release does not know"):
        migrate(dsn, files)


def test_a_migration_that_was_changed_after_it_was_applied_is_refused(dsn: str, files: Path) -> None:
    with (files / "0002_vault.sql").open("a") as file:
        file.write("-- changed")
    with pytest.raises(MigrationMismatch, match="was changed"):
        migrate(dsn, files)


def test_a_migration_waits_for_a_long_transaction_without_making_writers_wait(
    dsn: str, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(migrating, "LOCK_WAIT_S", 0.1)
    (files / MIGRATION).write_text("ALTER TABLE journal.stream ADD COLUMN next_release text")
    with psycopg.connect(dsn) as backup:
        backup.execute("SELECT FROM journal.stream")
        with ThreadPoolExecutor() as pool, psycopg.connect(dsn, options="-c lock_timeout=1s", autocommit=True) as writer:
            migrated = pool.submit(migrate, dsn, files)
            for _ in range(10):
                writer.execute("UPDATE journal.stream SET next_sequence = next_sequence")
                time.sleep(0.05)
            assert not migrated.done()
            backup.rollback()
            assert migrated.result(60) == 1


def test_a_migration_that_is_held_up_for_too_long_says_why(dsn: str, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrating, "LOCK_TIMEOUT", "10ms")
    monkeypatch.setattr(migrating, "LOCK_WAIT_S", 0.01)
    (files / MIGRATION).write_text("ALTER TABLE journal.stream ADD COLUMN next_release text")
    with psycopg.connect(dsn) as backup:
        backup.execute("SELECT FROM journal.stream")
        with pytest.raises(MigrationHeldUp, match="A long transaction"):
            migrate(dsn, files)
