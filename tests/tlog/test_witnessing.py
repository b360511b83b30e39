"""The hub's side of witnessing: real witness programs over real HTTP, a real log in PostgreSQL."""

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.telemetry import names
from hub.tlog import files, note, policy, runner, store, witness_runner
from hub.tlog.algorithms import ED25519_COSIGNATURE
from hub.tlog.contradictions import HistoryContradicted, refuse_contradicted
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.policy import Policy, PolicyRefused
from hub.tlog.sealer import signers
from hub.tlog.witness_runner import PolicyFile
from hub.tlog.witnessing import Rounds
from hub.trust.log_keys import open_log_keys
from tests.recording import Recording, about
from tests.tlog.sealing import seal, settings
from tests.tlog.witness_pages import ORIGIN, Witness


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def witnesses(tmp_path: Path, keys: Path) -> Iterator[list[Witness]]:
    started = [Witness(tmp_path / name, f"{name}.example", keys) for name in ("sc", "cq")]
    yield started
    for one in started:
        one.stop()


def policy_of(witnesses: list[Witness], extra: str = "", least: int = 2) -> Policy:
    groups = "group sc any sc-0 sc-1\ngroup cq any cq-0 cq-1\n"
    lines = "".join([one.lines(name) for one, name in zip(witnesses, ("sc", "cq"), strict=True)])
    return policy.parse(f"{lines}{groups}{extra}group k {least} sc cq{' other' if extra else ''}\nquorum k\n".encode())


@contextlib.contextmanager
def rounds_on(dsn: str, keys: Path, in_force: Policy) -> Iterator[tuple[Rounds, psycopg.Connection]]:
    with runner.connect(dsn) as connection:
        incarnation = store.newest_incarnation(connection)
        assert incarnation is not None
        own = [key.verifier for key in signers(open_log_keys(keys), ORIGIN)]
        yield Rounds(connection, incarnation, in_force, own), connection


def record(journal: Recording, count: int, prefix: str) -> None:
    journal.append(*(about(f"{prefix}{number:07d}") for number in range(count)))


def cosigned(connection: psycopg.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT witness, max(size) FROM tlog.cosignature GROUP BY witness").fetchall())


def test_what_is_sealed_is_cosigned_and_served_with_it(dsn: str, journal: Recording, keys: Path, witnesses: list[Witness]) -> None:
    record(journal, 300, "A")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, connection):
        rounds.ask()
        assert cosigned(connection) == {"sc-0": 301, "sc-1": 301, "cq-0": 301, "cq-1": 301}
        record(journal, 5, "B")
        seal(dsn, keys)
        rounds.ask()
        rounds.ask()
        sealed = store.newest_checkpoint(connection, 1)
        assert sealed is not None
        served = note.parse(store.cosigned_note(connection, 1, sealed))
        assert set(policy_of(witnesses).cosigned(served)) == {"sc-0", "sc-1", "cq-0", "cq-1"}
        assert [one.size for one in witnesses] == [306, 306]
        # What is shown is what a witness cosigned, as long as that is fresh.
        record(journal, 2, "C")
        newest, log = seal(dsn, keys), files.log_of(connection)
        assert files.content(connection, log, "checkpoint") == served.format()
        with psycopg.connect(dsn) as owner:
            owner.execute("UPDATE tlog.checkpoint SET sealed_at = sealed_at - interval '2 minutes' WHERE size <= 306")
        assert files.content(connection, log, "checkpoint") == newest.note
        assert names.QUORUM_LAG.points() == {(): 0.0}
        assert set(names.WITNESS_LAG.points().values()) == {0.0}


def test_rounds_go_on_after_a_restart_and_after_a_witness_was_ahead(
    dsn: str, journal: Recording, keys: Path, witnesses: list[Witness]
) -> None:
    record(journal, 10, "A")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, _):
        rounds.ask()
    # Another process had it cosigned, and this one does not know.
    with psycopg.connect(dsn) as owner:
        owner.execute("DELETE FROM tlog.cosignature")
    record(journal, 10, "B")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, connection):
        rounds.ask()
        assert set(cosigned(connection).values()) == {21}


def test_a_witness_that_is_away_delays_nobody_and_is_late(dsn: str, journal: Recording, keys: Path, witnesses: list[Witness]) -> None:
    record(journal, 10, "A")
    seal(dsn, keys)
    witnesses[1].stop()
    with rounds_on(dsn, keys, policy_of(witnesses, least=2)) as (rounds, connection):
        before = names.WITNESS_ANSWERS.values.get(("cq-0", "away"), 0)
        rounds.ask()
        assert cosigned(connection) == {"sc-0": 11, "sc-1": 11}
        late = names.WITNESS_LAG.points()
        assert (late["sc-0",], late["cq-0",] > 0, names.QUORUM_LAG.points()[()] > 0) == (0.0, True, True)
        assert names.WITNESS_ANSWERS.values["cq-0", "away"] == before + 1
    with rounds_on(dsn, keys, policy_of(witnesses, least=1)) as (rounds, connection):
        rounds.ask()
        assert names.QUORUM_LAG.points()[()] == 0.0


def test_a_log_that_was_put_back_signs_nothing_more_and_both_notes_are_kept(
    dsn: str, journal: Recording, keys: Path, witnesses: list[Witness]
) -> None:
    record(journal, 20, "A")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, connection):
        rounds.ask()
    _put_back(dsn, journal, 10)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, connection):
        seal(dsn, keys)
        rounds.ask()
        rows = connection.execute("SELECT witness, size, ours, theirs FROM tlog.contradiction ORDER BY witness").fetchall()
        assert [(witness, size) for witness, size, *_ in rows] == [("cq-0", 21), ("sc-0", 21)]
        heads = [Checkpoint.parse(note.parse(bytes(one)).text).size for one in rows[0][2:]]
        assert heads == [11, 21]
        assert names.LOG_CONTRADICTIONS.points() == {(): 2.0}
        with pytest.raises(HistoryContradicted, match="21"):
            refuse_contradicted(connection, 1)
    record(journal, 3, "B")
    with pytest.raises(HistoryContradicted):
        seal(dsn, keys)
    # What is reported goes on.
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT position FROM journal.head").fetchone() == (13,)


def _put_back(dsn: str, journal: Recording, position: int) -> None:
    """What a restore of an older copy leaves: fewer events, and a log that ends there."""
    journal._next["cq.usage"] = position + 1
    with psycopg.connect(dsn) as owner:
        for statement in (
            f"DELETE FROM journal.event WHERE position > {position}",
            f"DELETE FROM journal.batch WHERE first_position > {position}",
            f"UPDATE journal.head SET position = {position}",
            "UPDATE journal.stream s SET next_sequence = 1 + (SELECT count(*) FROM journal.event e WHERE e.stream_id = s.stream_id)",
            "DELETE FROM tlog.tile",
            "DELETE FROM tlog.checkpoint",
            "DELETE FROM tlog.cosignature",
        ):
            owner.execute(statement.encode())


def test_another_history_of_the_same_length_stops_it_too(dsn: str, journal: Recording, keys: Path, witnesses: list[Witness]) -> None:
    record(journal, 20, "A")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, _):
        rounds.ask()
    _put_back(dsn, journal, 10)
    record(journal, 15, "B")
    seal(dsn, keys)
    with rounds_on(dsn, keys, policy_of(witnesses)) as (rounds, connection):
        rounds.ask()
        assert {row[0] for row in connection.execute("SELECT size FROM tlog.contradiction").fetchall()} == {21}
        assert cosigned(connection) == {}


class _Liar(http.server.BaseHTTPRequestHandler):
    """A witness that claims a larger size, and shows a checkpoint that the log never signed."""

    note = b""

    def do_POST(self) -> None:
        self._answer(409, b"99\n", "text/x.tlog.size")

    def do_GET(self) -> None:
        self._answer(200, self.note, "text/plain")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_witness_that_only_claims_a_larger_size_does_not_stop_the_log(dsn: str, journal: Recording, keys: Path) -> None:
    record(journal, 10, "A")
    seal(dsn, keys)
    key = SignerKey.make("liar.example", ED25519_COSIGNATURE)
    text = Checkpoint(ORIGIN, 99, bytes(32)).text
    _Liar.note = Note(text, (sign_note(key, text, 1),)).format()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Liar)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    in_force = policy.parse(f"witness liar {key.verifier.text} http://127.0.0.1:{server.server_address[1]}\nquorum liar\n".encode())
    with rounds_on(dsn, keys, in_force) as (rounds, connection):
        rounds.ask()
        refuse_contradicted(connection, 1)
    assert names.WITNESS_ANSWERS.values["liar", "refused"] >= 1
    server.shutdown()


def test_the_policy_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = PolicyFile(tmp_path / "policy")
    with pytest.raises(FileNotFoundError):
        file.changed()
    (tmp_path / "policy").write_text("quorum none\n")
    assert file.changed() == policy.parse(b"quorum none\n")
    assert file.changed() is None
    (tmp_path / "policy").write_text("quorum other\n")
    with pytest.raises(PolicyRefused):
        file.changed()


def test_rounds_are_made_by_one_process_until_it_is_stopped(
    dsn: str, journal: Recording, keys: Path, witnesses: list[Witness], tmp_path: Path
) -> None:
    record(journal, 10, "A")
    seal(dsn, keys)
    lines = "".join([one.lines(name) for one, name in zip(witnesses, ("sc", "cq"), strict=True)])
    (tmp_path / "policy").write_text(f"{lines}quorum none\n")
    stop = threading.Event()
    threads = [threading.Thread(target=witness_runner.run, args=(dsn, stop, settings(keys), tmp_path / "policy")) for _ in range(2)]
    for thread in threads:
        thread.start()
    give_up_at = time.monotonic() + 30
    while [one.size for one in witnesses] != [11, 11] and time.monotonic() < give_up_at:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert [one.size for one in witnesses] == [11, 11]
    assert names.WITNESS_LAG.points() == {}
