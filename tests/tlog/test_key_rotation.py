"""Keys of the log are rotated by events: both sets sign meanwhile, the last tree of the old one says so, and no checker takes it later."""

import contextlib
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from hub.admin.log_keys import retire_former, take_up
from hub.admin.participants import changing
from hub.audit import checker, verify
from hub.audit.bundle import With, make
from hub.audit.bundle_question import Question
from hub.audit.fsck import check
from hub.audit.own_policy import own_policy
from hub.bench.tampering.bundles import repacked, unpacked
from hub.cli import app
from hub.domain.log_book import LogKeysAlone
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.tlog import runner
from hub.tlog.cosignatures import sign_note
from hub.tlog.key_book import LogKeysAway, known_sets, signers_at, signers_of
from hub.tlog.note import Note, parse
from hub.tlog.policy import LogKeyEnded, LogSignatureMissing
from hub.tlog.policy import parse as parse_policy
from hub.tlog.sealer import catch_up
from hub.trust.log_keys import FILES, LogKeys, open_log_keys
from hub.trust.receipt_keys import ReceiptKeys
from hub.witness import folder
from tests.databases import fresh_database
from tests.recording import CHONGQING, Recording, journey, register_owners
from tests.tlog.sealing import NAME, seal, sealer_on

ORIGIN = f"{NAME}/1"


class Rotated:
    """A log whose keys were rotated; *bundles* are of a time before, while both sets signed, and after the old one had ended."""

    def __init__(self, dsn: str, keys_dir: Path) -> None:
        self.dsn, self.keys_dir, self.bundles = dsn, keys_dir, dict[str, bytes]()
        register_owners(dsn)
        recording = Recording(dsn)
        recording.append(journey(), journey())
        self.sealed("before")
        with contextlib.closing(AggregateStore(dsn)) as store:
            take_up(store, keys_dir, datetime.now(UTC))
            recording.append(journey())
            self.sealed("both")
            recording.append(journey())
            self.ended = retire_former(store, "STOLEN", datetime.now(UTC))
        # What is recorded behind the end of the old keys is not in the last tree that they sign.
        recording.append(journey(), journey())
        self.sealed("after")
        recording.close()
        with contextlib.closing(psycopg.connect(dsn)) as connection:
            self.sets, self.policy = known_sets(connection), own_policy(connection, keys_dir)
            rows = connection.execute("SELECT size, note FROM tlog.checkpoint ORDER BY size").fetchall()
        self.notes = {size: parse(bytes(note)) for size, note in rows}
        self.last = self.sets[0].within.end - 1

    @property
    def keys(self) -> LogKeys:
        return open_log_keys(self.keys_dir)

    def sealed(self, name: str) -> None:
        """Seals all there is, as a process does that is started again, and makes a bundle with the policy of that time."""
        seal(self.dsn, self.keys_dir)
        file = io.BytesIO()
        with contextlib.closing(psycopg.connect(self.dsn)) as connection:
            beside = With(own_policy(connection, self.keys_dir), ReceiptKeys(()))
            make(connection, Question("range", first=1, last=3), beside, file)
        self.bundles[name] = file.getvalue()

    def ids(self, number: int) -> set[bytes]:
        """The ids of the keys of a set."""
        return {key.key_id for key in self.sets[number - 1].verifiers(ORIGIN)}

    def signed_by(self, size: int) -> set[bytes]:
        return {line.key_id for line in self.notes[size].signatures}

    def by_old_keys(self, text: str) -> Note:
        """A note that the old keys sign, as a thief can."""
        return Note(text, tuple(sign_note(key, text, 1_790_000_000) for key in signers_of(self.keys, ORIGIN)))


@pytest.fixture(scope="module")
def log(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rotated]:
    """One log for all tests: none changes it."""
    with fresh_database(server_dsn, "hub_test_rotation") as dsn:
        yield Rotated(dsn, tmp_path_factory.mktemp("keys"))


def refusals(bundle: bytes, policy: bytes) -> tuple[str, str]:
    """By what name each checker refuses a bundle, "" where it takes it."""
    found = []
    for run in (
        lambda: verify.verify(io.BytesIO(bundle), policy, lambda _zh, _en: None),
        lambda: checker.check(io.BytesIO(bundle), policy),
    ):
        try:
            run()
            found.append("")
        except (verify.Refused, checker.BundleRefused) as refused:
            found.append(refused.name)
    return found[0], found[1]


def test_both_sets_sign_between_the_events_and_the_last_tree_of_the_old_one_says_so(log: Rotated) -> None:
    old, new = log.ids(1), log.ids(2)
    sizes = sorted(log.notes)
    assert log.ended == [1]
    assert [log.signed_by(size) for size in sizes] == [old, old | new, old | new, new]
    # The tree of the last head of the old keys ends with the event that ends them.
    assert (sizes[2], sizes[3]) == (log.last, log.last + 2)
    with psycopg.connect(log.dsn) as connection:
        assert connection.execute("SELECT kind FROM journal.event WHERE position = %s", (log.last - 1,)).fetchone() == ("log_keys_retired",)


def test_the_policy_follows_from_the_events(log: Rotated) -> None:
    read = parse_policy(log.policy)
    assert [read.within.get(party.key.public, (0, 1 << 63))[0] for party in read.logs] == [0] * 3 + [log.sets[1].within.first] * 3
    assert [read.within[party.key.public].end for party in read.logs[:3]] == [log.last + 1] * 3
    assert json.loads(CliRunner().invoke(app, ["seal", "--status", "--json"], env=settings(log)).output)["policy"] == [
        line for line in log.policy.decode().splitlines() if not line.startswith("quorum")
    ]


def settings(log: Rotated) -> dict[str, str]:
    return {"HUB_DSN": log.dsn, "HUB_KEYS_DIR": str(log.keys_dir)}


@pytest.mark.parametrize("name", ["before", "both", "after"])
def test_both_checkers_take_bundles_from_before_and_after_under_the_policy_of_today(log: Rotated, name: str) -> None:
    assert refusals(log.bundles[name], log.policy) == ("", "")


def test_who_knows_the_old_keys_alone_takes_what_both_signed_and_not_what_came_after(log: Rotated) -> None:
    old = unpacked(log.bundles["before"])["policy"]
    assert (refusals(log.bundles["both"], old), refusals(log.bundles["after"], old)) == (("", ""), ("LOG_SIGNATURE_MISSING",) * 2)


def test_a_checkpoint_that_only_an_ended_key_signed_is_refused_by_name(log: Rotated) -> None:
    members = unpacked(log.bundles["after"])
    stolen = log.by_old_keys(parse(members["checkpoint"]).text)
    assert refusals(repacked({**members, "checkpoint": stolen.format()}), log.policy) == ("LOG_KEY_ENDED", "LOG_KEY_ENDED")
    with pytest.raises(LogKeyEnded):
        parse_policy(log.policy).judge(stolen)
    # A line of an ended key beside one that counts changes nothing.
    both = parse(members["checkpoint"]).with_lines(stolen.signatures)
    assert refusals(repacked({**members, "checkpoint": both.format()}), log.policy) == ("", "")


def test_new_keys_do_not_count_under_trees_from_before_they_were_taken_up(log: Rotated) -> None:
    members = unpacked(log.bundles["before"])
    text = parse(members["checkpoint"]).text
    note = Note(text, tuple(sign_note(key, text, 1_790_000_000) for key in signers_of(log.keys.further[0], ORIGIN)))
    assert refusals(repacked({**members, "checkpoint": note.format()}), log.policy) == ("LOG_KEY_ENDED", "LOG_KEY_ENDED")


def test_a_check_of_the_record_is_clean_and_names_a_head_that_ended_keys_signed(log: Rotated) -> None:
    found = check(log.dsn, with_views=False, with_log=True, log_keys=log.keys)
    assert (found.codes, found.sealed) == ({}, max(log.notes))
    size = max(log.notes)
    with psycopg.connect(log.dsn) as connection:
        forged = log.by_old_keys(log.notes[size].text).format()
        connection.execute("UPDATE tlog.checkpoint SET note = %s WHERE size = %s", (forged, size))
    try:
        assert check(log.dsn, with_views=False, with_log=True, log_keys=log.keys).codes == {"checkpoint-key-ended": 1}
    finally:
        with psycopg.connect(log.dsn) as connection:
            connection.execute("UPDATE tlog.checkpoint SET note = %s WHERE size = %s", (log.notes[size].format(), size))


def test_without_the_files_of_the_keys_in_force_nothing_is_signed(log: Rotated) -> None:
    first = LogKeys(log.keys.ed25519, log.keys.ml_dsa_44, log.keys.sm2)
    assert len(signers_at(first, log.sets, ORIGIN, log.sets[1].within.first - 1)) == 3
    with pytest.raises(LogKeysAway, match="2"):
        signers_at(first, log.sets, ORIGIN, log.last)


def test_the_only_keys_cannot_end_and_keys_that_were_made_and_not_recorded_are_taken_up(dsn: str, tmp_path: Path) -> None:
    with contextlib.closing(AggregateStore(dsn)) as store:
        with pytest.raises(LogKeysAlone):
            retire_former(store, "ROTATED", datetime.now(UTC))
        first = take_up(store, tmp_path, datetime.now(UTC))
        for name in FILES:
            # A crash between the files and the event.
            (tmp_path / name.replace(".key", "-0003.key")).write_bytes((tmp_path / name.replace(".key", "-0002.key")).read_bytes())
            (tmp_path / name.replace(".key", "-0003.key")).chmod(0o600)
        assert (first.number, take_up(store, tmp_path, datetime.now(UTC)).number) == (2, 3)
        assert (retire_former(store, "ROTATED", datetime.now(UTC)), len(open_log_keys(tmp_path).sets)) == ([1, 2], 3)
        with pytest.raises(LogKeysAlone):
            retire_former(store, "ROTATED", datetime.now(UTC))
    with contextlib.closing(session(dsn, "hub_reader", "hub-test")) as connection:
        assert [one.within.end == 1 << 63 for one in known_sets(connection)] == [False, False, True]


def test_a_sealer_that_runs_refuses_keys_it_has_not_and_stops_at_the_last_tree_of_ended_ones(dsn: str, tmp_path: Path) -> None:
    register_owners(dsn)
    seal(dsn, tmp_path)
    with runner.connect(dsn) as connection, contextlib.closing(AggregateStore(dsn)) as store:
        running = sealer_on(connection, tmp_path)
        take_up(store, tmp_path, datetime.now(UTC))
        with pytest.raises(LogKeysAway):
            running.seal()
        # What keeps it running begins again with the keys that are on file.
        running = sealer_on(connection, tmp_path)
        size = catch_up(running).size
        retire_former(store, "ROTATED", datetime.now(UTC))
        with changing(store, CHONGQING) as participant:
            participant.add_feed("cq.further", datetime.now(UTC))
        rounds = [running.seal(), running.seal()]
        rows = connection.execute("SELECT note FROM tlog.checkpoint WHERE size > %s ORDER BY size", (size,)).fetchall()
    assert [(one.size, one.unsealed) for one in rounds] == [(size + 1, 1), (size + 2, 0)]
    assert [len(parse(bytes(note)).signatures) for (note,) in rows] == [6, 3]


def test_the_commands_rotate(dsn: str, tmp_path: Path) -> None:
    seal(dsn, tmp_path)
    environment = {"HUB_DSN": dsn, "HUB_KEYS_DIR": str(tmp_path)}
    assert isinstance(CliRunner().invoke(app, ["seal", "--retire-keys", "ROTATED"], env=environment).exception, LogKeysAlone)
    taken = CliRunner().invoke(app, ["seal", "--take-up-keys"], env=environment)
    assert (taken.exit_code, "taken up: 2" in taken.output, taken.output.count("\n#!from ")) == (0, True, 3), taken.output
    ended = CliRunner().invoke(app, ["seal", "--retire-keys", "ROTATED"], env=environment)
    assert (ended.exit_code, "ended: 1 (ROTATED)" in ended.output, ended.output.count("\n#!until ")) == (0, True, 3), ended.output


def test_a_witness_takes_other_keys_of_a_log_where_one_of_them_signed_what_it_cosigned_last(log: Rotated, tmp_path: Path) -> None:
    witness = folder.make(tmp_path, "witness.test")
    old, new = ([key.text for key in one.verifiers(ORIGIN)] for one in log.sets)
    watched = witness.add_log(old, "https://log.test/")
    sizes = sorted(log.notes)
    head = log.notes[sizes[0]]
    witness.store(watched, head.with_lines([sign_note(key, head.text, 1_790_000_000) for key in witness.keys]))
    with pytest.raises(LogSignatureMissing):
        witness.change_log_keys(new)
    assert len(witness.log(ORIGIN).parties) == 3
    head = log.notes[sizes[1]]
    witness.store(watched, head.with_lines([sign_note(key, head.text, 1_790_000_000) for key in witness.keys]))
    changed = witness.change_log_keys(new)
    assert (witness.log(ORIGIN).parties, changed.url, witness.high(changed).size) == (changed.parties, "https://log.test/", sizes[1])
    assert changed.check_signed(log.notes[sizes[3]])
    result = CliRunner().invoke(app, ["witness", "log-keys", str(tmp_path), *[part for line in new for part in ("--log", line)]])
    assert (result.exit_code, "3 个公钥" in result.output) == (0, True)
