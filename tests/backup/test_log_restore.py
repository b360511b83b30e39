"""What becomes of the log in a restore: it never signs two histories, and says from what it goes on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hub.backup.manifest import BackupDamaged
from hub.backup.restoring import KeysMissing, NoLogYet, restore
from hub.backup.writing import back_up
from hub.tlog import runner, store, tree
from hub.tlog.add_checkpoint import Request
from hub.tlog.cosignatures import SignatureMissing, sign_note
from hub.tlog.genesis import Genesis
from hub.tlog.note import Checkpoint, Note, NoteRefused, parse
from hub.tlog.resuming import CheckpointForeign, Resumed
from hub.tlog.sealer import signers
from hub.trust.keyring import open_keyring, verify_fingerprint
from hub.trust.log_keys import open_log_keys
from tests.databases import fresh_database
from tests.recording import Recording, journey
from tests.tlog.sealing import NAME, leaves_of, plant, seal, settings
from tests.tlog.witness_pages import Witness

pytestmark = pytest.mark.usefixtures("few_views")

FIRST, SECOND = f"{NAME}/1", f"{NAME}/2"


class Hub:
    """A hub whose log was sealed to 7, backed up there, and sealed to 10 afterwards; heads are in files."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.keys, self.backup = dsn, folder / "keys", folder / "to"
        with psycopg.connect(dsn) as connection:
            verify_fingerprint(connection, open_keyring(self.keys))
        journal = Recording(dsn)
        journal.append(*(journey(f"A{number:08d}") for number in range(7)))
        self.at_7 = seal(dsn, self.keys)
        back_up(dsn, self.backup)
        journal.append(*(journey(f"B{number:08d}") for number in range(3)))
        journal.close()
        self.at_10 = seal(dsn, self.keys)
        for name, head in (("at-7", self.at_7), ("at-10", self.at_10)):
            (folder / name).write_bytes(head.note)
        self.folder = folder


@pytest.fixture(scope="module")
def hub(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with fresh_database(server_dsn, f"hub_test_{os.getpid()}_log_source") as dsn:
        yield Hub(dsn, tmp_path_factory.mktemp("log"))


@pytest.fixture
def target(server_dsn: str) -> Iterator[str]:
    with fresh_database(server_dsn, f"hub_test_{os.getpid()}_log_target", "hub_template") as dsn:
        yield dsn


def genesis_of(dsn: str, number: int) -> Genesis:
    with psycopg.connect(dsn) as connection:
        log = store.find_incarnation(connection, number)
    assert log is not None
    return Genesis.parse(log.genesis)


def heads_of(dsn: str) -> list[tuple[int, int]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT incarnation, size FROM tlog.checkpoint ORDER BY 1, 2").fetchall()


def test_with_the_backup_alone_the_log_begins_again_and_says_from_what(hub: Hub, target: str) -> None:
    restored = restore(target, hub.backup, hub.keys)
    assert (restored.log, restored.log_problem) == (Resumed(SECOND, is_new=True, lost=0), "")
    before, begun = genesis_of(hub.dsn, 1), genesis_of(target, 2)
    assert (begun.origin, begun.hub, begun.pseudonym_key) == (SECOND, before.hub, before.pseudonym_key)
    assert begun.continued is not None
    assert begun.continued.previous == Checkpoint(FIRST, 8, hub.at_7.root)
    assert (begun.continued.common_size, begun.continued.common_root) == (8, hub.at_7.root)
    assert {name: number for number, name in begun.continued.feeds}["cq.usage"] == 8
    assert heads_of(target) == [(1, 8)]


def test_the_new_log_has_every_restored_event_and_the_old_one_can_still_be_proved(hub: Hub, target: str) -> None:
    restore(target, hub.backup, hub.keys)
    journal = Recording(target)
    journal.append(journey("C00000001"))
    journal.close()
    with runner.connect(target) as connection:
        assert runner.sealer(connection, settings(hub.keys)).seal().size == 9
        head, old = store.newest_checkpoint(connection, 2), store.reader(connection, 1)
    assert head is not None
    assert head.root == tree.root_of(leaves_of(target))
    with psycopg.connect(target) as connection:
        old = store.reader(connection, 1)
        old_leaves = leaves_of(hub.dsn)
        tree.check_inclusion(old_leaves[3], 3, 8, tree.inclusion(3, 8, old), hub.at_7.root)
    assert Checkpoint.parse(parse(head.note).text).origin == SECOND


def test_the_newest_head_that_is_known_says_how_much_is_lost(hub: Hub, target: str) -> None:
    restored = restore(target, hub.backup, hub.keys, checkpoints=[hub.folder / "at-7", hub.folder / "at-10"])
    assert restored.log == Resumed(SECOND, is_new=True, lost=3)
    continued = genesis_of(target, 2).continued
    assert continued is not None
    assert (continued.previous, continued.common_size) == (Checkpoint(FIRST, 11, hub.at_10.root), 8)


def test_with_the_newest_head_in_hand_and_nothing_missing_the_log_goes_on(hub: Hub, target: str) -> None:
    restored = restore(target, hub.backup, hub.keys, checkpoints=[hub.folder / "at-7"])
    assert restored.log == Resumed(FIRST, is_new=False, lost=0)
    journal = Recording(target)
    journal.append(journey("C00000001"))
    journal.close()
    assert seal(target, hub.keys).root == tree.root_of(leaves_of(target))
    assert heads_of(target) == [(1, 8), (1, 9)]


def test_a_restored_journal_that_is_not_what_was_signed_is_named_and_no_log_begins(hub: Hub, target: str, tmp_path: Path) -> None:
    with psycopg.connect(hub.dsn) as connection:
        row = connection.execute("SELECT leaf FROM journal.event WHERE position = 3").fetchone()
    assert row is not None
    plant(hub.dsn, "UPDATE journal.event SET leaf = sha256(leaf) WHERE position = 3")
    try:
        back_up(hub.dsn, tmp_path / "altered")
    finally:
        plant(hub.dsn, f"UPDATE journal.event SET leaf = decode('{bytes(row[0]).hex()}', 'hex') WHERE position = 3")
    restored = restore(target, tmp_path / "altered", hub.keys)
    assert (restored.log, restored.is_clean) == (None, False)
    assert "checkpoint 11" in restored.log_problem
    assert heads_of(target) == [(1, 8), (1, 11)]


def _another_root(hub: Hub) -> bytes:
    text = Checkpoint(FIRST, 5, bytes(32)).text
    return Note(text, (sign_note(signers(open_log_keys(hub.keys), FIRST)[0], text),)).format()


def test_a_head_that_was_signed_over_another_history_is_named(hub: Hub, target: str, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(_another_root(hub))
    restored = restore(target, hub.backup, hub.keys, checkpoints=[tmp_path / "other"])
    assert (restored.log, "checkpoint 5" in restored.log_problem) == (None, True)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (lambda note: note.replace(b"example/1", b"example/3"), CheckpointForeign),
        (lambda note: note.partition(b"\n\n")[0] + "\n\n— other AAAAAAA=\n".encode(), SignatureMissing),
        (lambda _: b"no note", NoteRefused),
        (lambda _: None, BackupDamaged),
    ],
)
def test_a_checkpoint_that_is_none_of_this_log_is_refused_and_nothing_is_restored(
    change: object, refusal: type[Exception], hub: Hub, target: str, tmp_path: Path
) -> None:
    if (changed := change(hub.at_7.note)) is not None:  # type: ignore[operator]
        (tmp_path / "head").write_bytes(changed)
    with pytest.raises(refusal):
        restore(target, hub.backup, hub.keys, checkpoints=[tmp_path / "head"])
    with psycopg.connect(target) as connection:
        exists = connection.execute("SELECT to_regclass('journal.head')").fetchone()
        assert exists is not None
        assert not exists[0] or connection.execute("SELECT position FROM journal.head").fetchone() == (0,)


def test_a_checkpoint_without_the_keys_of_the_log_is_refused(hub: Hub, target: str, tmp_path: Path) -> None:
    shutil.copytree(hub.keys, tmp_path / "keys")
    (tmp_path / "keys/log-ed25519.key").unlink()
    with pytest.raises(KeysMissing):
        restore(target, hub.backup, tmp_path / "keys", checkpoints=[hub.folder / "at-7"])


def test_a_backup_of_a_hub_without_a_log_has_none_afterwards(dsn: str, hub: Hub, target: str, tmp_path: Path) -> None:
    with psycopg.connect(dsn) as connection:
        verify_fingerprint(connection, open_keyring(hub.keys))
    back_up(dsn, tmp_path / "to")
    with pytest.raises(NoLogYet):
        restore(target, tmp_path / "to", hub.keys, checkpoints=[hub.folder / "at-7"])
    assert restore(target, tmp_path / "to", hub.keys).log is None


def test_witnesses_are_asked_and_show_what_is_lost(hub: Hub, target: str, tmp_path: Path) -> None:
    one, away = (Witness(tmp_path / name, f"{name}.example", hub.keys) for name in ("sc", "cq"))
    away.stop()
    cosigned = one.cosigner.add(Request(0, (), parse(hub.at_10.note)).format())
    (tmp_path / "policy").write_text(f"{one.lines('sc')}{away.lines('cq')}quorum none\n")
    restored = restore(target, hub.backup, hub.keys, policy=tmp_path / "policy")
    one.stop()
    assert (cosigned.status, restored.log, restored.log_problem) == (200, Resumed(SECOND, is_new=True, lost=3), "")
    answers = {answered.url: answered for answered in restored.witnesses}
    assert (answers[away.url].seen, "cannot be reached" in answers[away.url].problem) == (None, True)
    seen = answers[one.url].seen
    assert seen is not None and seen.checkpoint.size == 11
    begun = genesis_of(target, 2)
    assert begun.continued is not None and begun.continued.previous == Checkpoint(FIRST, 11, hub.at_10.root)


def test_a_witness_that_saw_no_more_does_not_show_that_nothing_is_lost(hub: Hub, target: str, tmp_path: Path) -> None:
    one = Witness(tmp_path / "sc", "sc.example", hub.keys)
    assert one.cosigner.add(Request(0, (), parse(hub.at_7.note)).format()).status == 200
    (tmp_path / "policy").write_text(f"{one.lines('sc')}quorum none\n")
    assert restore(target, hub.backup, hub.keys, policy=tmp_path / "policy").log == Resumed(SECOND, is_new=True, lost=0)
    one.stop()
