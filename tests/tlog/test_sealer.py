"""The sealer: every event is a leaf in the order of positions, heads grow from each other, and what does not fit is never signed."""

import threading
import time
from pathlib import Path

import psycopg
import pytest

from hub.tlog import runner, sealer, store, tree
from hub.tlog.cosignatures import SignatureWrong, check_note
from hub.tlog.genesis import Continued, Genesis, GenesisRefused
from hub.tlog.note import Checkpoint, parse
from hub.tlog.runner import SealedElsewhere
from hub.tlog.sealer import KeyUnknown, NotToBeSealed, signers
from hub.trust.keyring import KeysExposed
from hub.trust.log_keys import FILES, open_log_keys
from tests.recording import Recording, about
from tests.tlog.sealing import NAME, leave_fingerprint, leaves_of, plant, seal, sealer_on, settings


def record(journal: Recording, count: int) -> None:
    journal.append(*(about(f"A{number:08d}") for number in range(count)))


def test_the_log_has_the_genesis_and_each_event_in_the_order_of_positions(dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 300)
    head = seal(dsn, tmp_path)
    assert (head.size, head.root) == (301, tree.root_of(leaves_of(dsn)))


def test_a_head_is_signed_by_all_three_keys_under_the_name_of_the_log(dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 3)
    head = seal(dsn, tmp_path)
    note = parse(head.note)
    assert Checkpoint.parse(note.text) == Checkpoint(f"{NAME}/1", 4, head.root)
    signed = [check_note(note, key.verifier) for key in signers(open_log_keys(tmp_path), f"{NAME}/1")]
    assert [one.key.kind.name for one in signed] == ["Ed25519", "ML-DSA-44 cosignature", "SM2 with SM3"]
    assert abs(signed[1].signed_s - time.time()) < 60


def test_a_clock_that_is_set_back_makes_no_head_older_than_the_one_before(
    dsn: str, journal: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_fingerprint(dsn)
    now_s = int(time.time())
    with runner.connect(dsn) as connection:
        mine, times = sealer_on(connection, tmp_path), []
        ml_dsa = signers(open_log_keys(tmp_path), f"{NAME}/1")[1].verifier
        for clock_s, is_restarted in ((now_s, False), (now_s - 50, False), (now_s - 90, True), (now_s + 9, False)):
            record(journal, 2)
            monkeypatch.setattr(sealer.time, "time", lambda clock_s=clock_s: float(clock_s))
            mine = sealer_on(connection, tmp_path) if is_restarted else mine
            mine.seal()
            head = store.newest_checkpoint(connection, 1)
            assert head is not None
            times.append(check_note(parse(head.note), ml_dsa).signed_s - now_s)
    assert times == [0, 0, 0, 9]


def test_without_anything_new_nothing_is_signed(dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 3)
    assert seal(dsn, tmp_path) == seal(dsn, tmp_path)


def test_heads_of_many_sizes_are_those_of_one_tree_however_it_was_cut(
    dsn: str, journal: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_fingerprint(dsn)
    monkeypatch.setattr(sealer, "PAGE_LEAVES", 100)
    with runner.connect(dsn) as connection:
        mine = sealer_on(connection, tmp_path)
        for count in (1, 2, 250, 255, 256, 3):
            record(journal, count)
            if count == 255:
                # From here on one that begins with what is stored.
                mine = sealer_on(connection, tmp_path)
            while mine.seal().unsealed:
                pass
        sizes = [row[0] for row in connection.execute("SELECT size FROM tlog.checkpoint ORDER BY size").fetchall()]
        leaves, read = leaves_of(dsn), store.reader(connection, 1)
        assert (sizes[-1], len(sizes)) == (768, 12)
        for size in sizes:
            head = store.find_checkpoint(connection, 1, size)
            assert head is not None
            assert head.root == tree.root_of(leaves[:size]) == tree.root(size, read)
        for index in (0, 1, 255, 256, 511, 767):
            tree.check_inclusion(leaves[index], index, 768, tree.inclusion(index, 768, read), tree.root_of(leaves))


def test_rows_of_the_release_before_are_sealed_as_those_of_this_one(dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 20)
    plant(dsn, "UPDATE journal.event SET leaf = NULL WHERE position IN (1, 7, 20)")
    assert seal(dsn, tmp_path).root == tree.root_of(leaves_of(dsn))


@pytest.mark.parametrize(
    "fault",
    [
        "DELETE FROM journal.event WHERE position = 7",
        "UPDATE journal.event SET leaf = leaf || '\\x00' WHERE position = 7",
        "UPDATE journal.head SET position = 2",
        "UPDATE tlog.tile SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40)) WHERE level = 0",
        "UPDATE tlog.tile SET hashes = substr(hashes, 33) WHERE level = 0",
        "UPDATE tlog.checkpoint SET root = sha256(root)",
        "UPDATE tlog.checkpoint SET note = overlay(note PLACING convert_to('9', 'UTF8') FROM 20)",
    ],
)
def test_what_does_not_fit_the_sealed_tree_is_not_signed(fault: str, dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 5)
    head = seal(dsn, tmp_path)
    record(journal, 5)
    plant(dsn, fault)
    with pytest.raises((NotToBeSealed, SignatureWrong, tree.TileRefused)):
        seal(dsn, tmp_path)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT max(size) FROM tlog.checkpoint").fetchone() == (head.size,)


def test_a_head_that_another_process_stored_meanwhile_is_noticed_and_gone_on_from(dsn: str, journal: Recording, tmp_path: Path) -> None:
    record(journal, 5)
    leave_fingerprint(dsn)
    with runner.connect(dsn) as first, runner.connect(dsn) as second:
        one, other = sealer_on(first, tmp_path), sealer_on(second, tmp_path)
        assert one.seal().size == 6
        record(journal, 5)
        assert other.seal().size == 11
        record(journal, 5)
        assert one.seal().size == 16
        found = store.newest_checkpoint(first, 1)
    assert found is not None
    assert found.root == tree.root_of(leaves_of(dsn))


def test_one_process_seals_at_a_time(dsn: str, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    with runner.connect(dsn) as first, runner.connect(dsn) as second:
        runner.sealer(first, settings(tmp_path))
        with pytest.raises(SealedElsewhere):
            runner.sealer(second, settings(tmp_path))
    with runner.connect(dsn) as third:
        runner.sealer(third, settings(tmp_path))


def test_before_the_first_start_of_a_hub_there_is_no_log(dsn: str, tmp_path: Path) -> None:
    with runner.connect(dsn) as connection, pytest.raises(KeyUnknown):
        runner.sealer(connection, settings(tmp_path))


def test_it_goes_on_after_its_session_was_ended(dsn: str, journal: Recording, tmp_path: Path) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(dsn, stop, settings(tmp_path)))
    thread.start()
    try:
        leave_fingerprint(dsn)
        _await_size(dsn, 1)
        plant(dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-sealer'")
        record(journal, 7)
        _await_size(dsn, 8)
    finally:
        stop.set()
        thread.join()


def _await_size(dsn: str, size: int) -> None:
    deadline_s = time.monotonic() + 20
    with psycopg.connect(dsn, autocommit=True) as connection:
        while connection.execute("SELECT max(size) FROM tlog.checkpoint").fetchone() != (size,):
            assert time.monotonic() < deadline_s
            time.sleep(0.02)


def test_of_old_heads_the_last_of_each_minute_and_those_that_were_cosigned_are_kept(dsn: str, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    minute = "date_trunc('minute', clock_timestamp())"
    heads = {1: "2 days", 10: "2 hours", 11: "2 hours", 12: "2 hours", 13: "119 minutes", 14: "5 minutes", 15: "5 minutes"}
    with psycopg.connect(dsn) as connection:
        for size, age in heads.items():
            connection.execute(f"INSERT INTO tlog.checkpoint VALUES (1, {size}, '', '', {minute} - interval '{age}' + interval '{size} s')")
        connection.execute("INSERT INTO tlog.cosignature VALUES (1, 10, 'witness', 'line')")
    with runner.connect(dsn) as connection:
        store.thin(connection, 1)
        kept = [row[0] for row in connection.execute("SELECT size FROM tlog.checkpoint ORDER BY size").fetchall()]
    assert kept == [1, 10, 12, 13, 14, 15]


def test_the_keys_of_the_log_are_made_once_and_readable_by_their_owner_alone(tmp_path: Path) -> None:
    made = open_log_keys(tmp_path / "keys")
    assert open_log_keys(tmp_path / "keys") == made
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()} == dict.fromkeys(FILES, 0o600)
    (tmp_path / "keys" / FILES[2]).chmod(0o640)
    with pytest.raises(KeysExposed):
        open_log_keys(tmp_path / "keys")


HUB, FINGERPRINT, ROOT = bytes(16), b"\7" * 32, b"\1" * 32
GENESES = [
    Genesis(f"{NAME}/1", HUB, FINGERPRINT),
    Genesis(
        f"{NAME}/2", HUB, FINGERPRINT, Continued(Checkpoint(f"{NAME}/1", 90, ROOT), 50, ROOT, ((1, "sc.usage"), (7, "cq.card-center")))
    ),
]


@pytest.mark.parametrize("genesis", GENESES)
def test_a_first_entry_is_read_as_it_was_written(genesis: Genesis) -> None:
    assert Genesis.parse(genesis.entry) == genesis


@pytest.mark.parametrize(
    "other",
    [
        lambda text: text.replace(b"log/1\n", b"log/2\n", 1),
        lambda text: text[:-1],
        lambda text: text + b"\n",
        lambda text: text.replace(b"origin", b"orign"),
        lambda text: text.replace(b" 50 ", b" 050 "),
        lambda text: text.replace(b"07", b"0z", 1),
        lambda text: text.replace(b"feed 7 ", b"feed -7 "),
        lambda text: text.replace(b"common", b"feed"),
        lambda text: text.replace(b"=", b""),
        lambda text: text.replace(b"sc.usage", b"sc.\xff"),
    ],
)
def test_a_first_entry_that_is_written_otherwise_is_refused(other: object) -> None:
    with pytest.raises(GenesisRefused):
        Genesis.parse(other(GENESES[1].entry))  # type: ignore[operator]
