"""What is approved is carried out, one after the other: in order, called off at once, again after a crash, and by name where it fails."""

import contextlib
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
import pytest
from chuanyu.exchange.v1 import audit_question_pb2 as questions
from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit import sealed
from hub.audit.outcome import read
from hub.audit.requests import runner
from hub.audit.requests.desk import Asking, AuditDesk, of_operator
from hub.audit.requests.folder import Folder, drop_old
from hub.config import Config
from hub.domain.audit_errors import AuditPartMissing
from hub.domain.audit_request import AuditRequest
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.trust.keyring import Keyring, open_keyring, verify_fingerprint
from tests.audit.sealing import Logged
from tests.databases import fresh_database
from tests.disks import fill, free, small_disk
from tests.forked import children_called
from tests.recording import Recording, register_owners, registered
from tests.seeds import one_in

LI, HAN = of_operator("li.lei"), of_operator("han.meimei")
WITHIN_S = 60.0
RECORD = questions.AuditQuestion(record=questions.RecordQuestion())
# A runner in a process of its own, for one that is killed.
RUNNER = """
import os, sys, threading
from hub.audit.requests import runner
from hub.config import Config
from hub.lifeline import end_with
end_with(int(sys.argv[1]))
runner.run(os.environ["HUB_DSN"], threading.Event(), Config())
"""


class Place:
    """A sealed journal, its desk, and the data directory of the machine that runs audits."""

    def __init__(self, dsn: str, data_dir: Path) -> None:
        self.dsn, self.data_dir = dsn, data_dir
        self.keyring: Keyring = open_keyring(data_dir / "keys")
        with session(dsn, "hub_writer", "hub-test") as connection:
            verify_fingerprint(connection, self.keyring)
        recording = Recording(dsn)
        recording.append(*(registered(f"A0000000{number}") for number in (1, 2, 3)), feed="cq.card-center")
        recording.close()
        register_owners(dsn)
        self.log = Logged(dsn, data_dir / "keys")
        self.log.seal(cosigns=False)

    @contextlib.contextmanager
    def desk(self) -> Iterator[AuditDesk]:
        with contextlib.closing(AggregateStore(self.dsn)) as store, session(self.dsn, "hub_reader", "hub-test") as connection:
            yield AuditDesk(self.dsn, connection, store)

    def asked(self, *, is_approved: bool = True) -> str:
        with self.desk() as desk:
            code = desk.request(Asking(RECORD, "年度检查", "审计法第三十四条"), LI, self.keyring, datetime.now(UTC)).code
            if is_approved:
                desk.approve(code, HAN, datetime.now(UTC))
        return code

    def found(self, code: str) -> AuditRequest:
        with self.desk() as desk:
            return desk.find(code)

    def reached(self, code: str, *states: str) -> AuditRequest:
        """Waits until a request has one of some states."""
        with self.desk() as desk:
            until(lambda: desk.find(code).state in states)
            return desk.find(code)

    @contextlib.contextmanager
    def running(self, data_dir: Path | None = None) -> Iterator[None]:
        """Has a runner at work meanwhile."""
        stop, config = threading.Event(), Config(dsn=self.dsn, data_dir=data_dir or self.data_dir, keys_apart_dir=self.data_dir / "keys")
        thread = threading.Thread(target=runner.run, args=(self.dsn, stop, config))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    @contextlib.contextmanager
    def kept_waiting(self) -> Iterator[None]:
        """Has every audit of the record wait meanwhile: none of their processes ends by itself, however slow who looks for it is."""
        with psycopg.connect(self.dsn) as holder:
            holder.execute("LOCK TABLE tlog.checkpoint IN ACCESS EXCLUSIVE MODE")
            yield


def until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.05)


def worker(code: str) -> psutil.Process:
    """Waits for the process that carries out a request, and returns it."""
    found: list[psutil.Process] = []
    until(lambda: bool(found.extend(children_called(code)) or found))
    return found[0]


def gone(process: psutil.Process) -> None:
    """Waits until a process has ended."""

    def has_ended() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
        return True

    until(has_ended)


@pytest.fixture(scope="module")
def place(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data_dir = tmp_path_factory.mktemp("audits")
    with pytest.MonkeyPatch.context() as patch, fresh_database(server_dsn, "hub_test_audit_runs") as dsn:
        patch.setenv("HUB_KEYS_DIR", str(data_dir / "keys"))
        yield Place(dsn, data_dir)


def test_what_is_approved_is_delivered_in_the_order_of_its_approval_with_files_for_the_owner_alone(place: Place) -> None:
    waiting, second, first = place.asked(is_approved=False), place.asked(is_approved=False), place.asked()
    with place.desk() as desk:
        desk.approve(second, HAN, datetime.now(UTC))
    with place.running():
        done = [place.reached(code, "DELIVERED", "FAILED") for code in (first, second)]
    assert [audit.state for audit in done] == ["DELIVERED", "DELIVERED"], [audit.detail for audit in done]
    begun = [next(step.at for step in audit.steps if step.kind == "audit_begun") for audit in done]
    assert begun[0] < begun[1]
    assert place.found(waiting).state == "REQUESTED"
    folder = Folder(place.data_dir, first)
    data = folder.file(protos.AUDIT_PART_OUTCOME).read_bytes()
    outcome = read(data)
    delivered = done[0].delivered
    assert delivered is not None
    assert (outcome.holds, outcome.facts["codes"], delivered.tree_size) == (True, {}, 6)
    assert delivered.recorded_as_of == outcome.recorded_as_of
    checkpoint = sealed.at_size(place.log.connection, 6)
    signed = place.log.connection.execute("SELECT note FROM tlog.checkpoint WHERE size = 6").fetchone()
    assert signed is not None
    root, digest = checkpoint.head.root, hashlib.sha256(signed[0]).digest()
    assert (delivered.tree_origin, delivered.tree_root, delivered.checkpoint_digest) == ("test.chuanyu/1", root, digest)
    assert outcome.answer.en.endswith("no witnesses stand for it as a policy asks.")
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (folder.path, folder.path.parent)}
    assert (modes, {stat.S_IMODE(one.stat().st_mode) for one in folder.path.iterdir()}) == ({0o700}, {0o600})
    assert folder.progress().done == folder.progress().of > 0
    with pytest.raises(AuditPartMissing):
        folder.file(protos.AUDIT_PART_BUNDLE)


def test_the_next_audit_of_the_record_goes_on_from_the_last_one_and_two_runners_never_run_one_request(place: Place) -> None:
    with place.running(), place.running():
        first = place.reached(place.asked(), "DELIVERED")
        place.log.seal(cosigns=False)
        second = place.reached(place.asked(), "DELIVERED")
    assert [sum(step.kind == "audit_begun" for step in audit.steps) for audit in (first, second)] == [1, 1]
    assert first.delivered is not None
    outcome = read(Folder(place.data_dir, second.code).file(protos.AUDIT_PART_OUTCOME).read_bytes())
    assert (outcome.facts["last_audit"], outcome.facts["since"]) == (first.code, first.delivered.recorded_as_of)
    assert f"({first.delivered.tree_size:,} leaves, root " in " ".join(text.en for text in outcome.verified)
    assert outcome.facts["last_root"] == first.delivered.tree_root.hex()


@pytest.mark.parametrize("moves", one_in(2, [False, True]))
def test_a_run_that_is_called_off_ends_soon_whether_its_process_moves_or_not(moves: bool, place: Place) -> None:
    with place.running():
        code = place.asked()
        process = worker(code)
        if not moves:
            process.send_signal(signal.SIGSTOP)
        with place.desk() as desk:
            desk.cancel(code, LI, datetime.now(UTC))
        called_off_s = time.monotonic()
        gone(process)
        took_s = time.monotonic() - called_off_s
        until(lambda: not Folder(place.data_dir, code).path.exists())
        assert place.reached(place.asked(), "DELIVERED")
    assert place.found(code).state == "CANCELLED"
    # A quarter of a second to see it and half a second to end, on a machine that has nothing else to do.
    assert took_s < 10


@pytest.mark.slow
def test_a_runner_that_is_killed_in_the_middle_takes_its_process_with_it_and_the_next_one_begins_again(place: Place) -> None:
    lifeline, held = os.pipe()
    code = place.asked()
    environment = {**os.environ, "HUB_DSN": place.dsn, "HUB_DATA_DIR": str(place.data_dir)}
    killed = subprocess.Popen([sys.executable, "-c", RUNNER, str(lifeline)], env=environment, pass_fds=[lifeline])
    os.close(lifeline)
    try:
        with place.kept_waiting():
            process = worker(code)
            process.send_signal(signal.SIGSTOP)
        until(lambda: place.found(code).state == "RUNNING")
    finally:
        killed.kill()
        killed.wait()
        os.close(held)
    gone(process)
    assert place.found(code).state == "RUNNING"
    with place.running():
        audit = place.reached(code, "DELIVERED", "FAILED")
    assert [step.kind for step in audit.steps][-3:] == ["audit_begun", "audit_begun", "audit_delivered"]
    assert audit.steps[-2].message.process != audit.steps[-3].message.process


def test_a_request_whose_process_dies_again_and_again_fails_by_name(place: Place) -> None:
    code = place.asked()
    with place.kept_waiting(), place.running():
        for _ in range(runner.MOST_BEGUN):
            process = worker(code)
            process.kill()
            gone(process)
        audit = place.reached(code, "FAILED", "DELIVERED")
    assert (audit.state, audit.reason_code) == ("FAILED", "PROCESS_ENDED")


def test_a_full_disk_fails_the_request_by_name_and_the_next_one_is_delivered(place: Place) -> None:
    with small_disk(1) as disk, place.running(disk):
        fill(disk)
        audit = place.reached(place.asked(), "FAILED", "DELIVERED")
        assert (audit.state, audit.reason_code) == ("FAILED", "DISK_FULL")
        until(lambda: not Folder(disk, audit.code).path.exists())
        free(disk)
        assert place.reached(place.asked(), "FAILED", "DELIVERED").state == "DELIVERED"


@pytest.mark.slow
def test_two_runners_share_two_requests_and_never_run_one_twice(place: Place) -> None:
    with place.running(), place.running():
        audits = [place.reached(code, "DELIVERED") for code in (place.asked(), place.asked())]
    assert [sum(step.kind == "audit_begun" for step in audit.steps) for audit in audits] == [1, 1]


def test_old_files_go_and_new_ones_stay(place: Place, tmp_path: Path) -> None:
    old, new = Folder(tmp_path, "AU-1"), Folder(tmp_path, "AU-2")
    for one in (old, new):
        one.make()
        one.write(protos.AUDIT_PART_OUTCOME, b"{}")
    os.utime(old.path, (0, 0))
    drop_old(tmp_path, 184)
    assert (old.path.exists(), new.path.exists()) == (False, True)
    drop_old(tmp_path / "none", 1)


def test_a_byte_that_was_altered_is_found_and_the_outcome_says_so(place: Place) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE journal.event DISABLE TRIGGER USER")
        connection.execute("UPDATE journal.event SET data = data || '\\x00'::bytea WHERE position = 2")
    with place.running():
        audit = place.reached(place.asked(), "DELIVERED", "FAILED")
    outcome = read(Folder(place.data_dir, audit.code).file(protos.AUDIT_PART_OUTCOME).read_bytes())
    assert outcome.holds is False
    assert 2 in {row[1] for row in outcome.tables[0].rows}
    assert json.dumps(outcome.answer.zh, ensure_ascii=False).startswith('"有')
