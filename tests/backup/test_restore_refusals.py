"""What a backup and a restore refuse, and that a refusal or a cut leaves things as they were."""

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2

from hub.backup import files as backup_files
from hub.backup import tables as backup_tables
from hub.backup import target as restore_target
from hub.backup.manifest import (
    BackupDamaged,
    BackupIncomplete,
    BackupNewer,
    BackupUnderWay,
    BackupUnwritable,
    Manifest,
)
from hub.backup.restoring import KeysMissing, RestoreInterrupted, TargetNewer, read_backup, restore
from hub.backup.target import RestoreOverRunningHub, TargetNotEmpty
from hub.backup.writing import BackupInterrupted, BackupOfAnotherHub, NothingToBackUp, Report, back_up
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.journal.migrate import MIGRATIONS, migrate
from hub.journal.reader import head_position
from hub.journal.vault import seal
from hub.trust.keyring import KeyMismatch, open_keyring, verify_fingerprint
from tests.databases import fresh_database
from tests.recording import Recording, correcting, journey, registered

pytestmark = pytest.mark.usefixtures("few_views")

FIRST_MIGRATIONS = ("0001_journal.sql", "0002_vault.sql", "0003_hotlist.sql", "0004_rule_version.sql")
KEY = b"k" * 32
_numbers = itertools.count(1)


NOWHERE = "host=/nowhere"


@dataclass
class Place:
    """A journal of six events with one identifier in its vault, the keys to it, and where its backup is."""

    dsn: str
    keys: Path
    directory: Path

    def back_up(self) -> Manifest:
        return back_up(self.dsn, self.directory).manifest

    def read(self) -> Manifest:
        return read_backup(self.directory)

    def file_of(self, table: str) -> Path:
        [path] = [file.path for file in self.read().files if file.table == table]
        return self.directory / path

    def rewrite(self, **said: Any) -> None:
        """Makes the manifest say something else, as if it had been written so."""
        manifest = self.read().model_copy(update=said)
        backup_files.write_json(self.directory, "manifest.json", manifest.model_copy(update={"sm3": manifest.digest()}))


@pytest.fixture(scope="module")
def source(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One journal for all tests of the module, which only read it, backed up once."""
    path = tmp_path_factory.mktemp("source")
    with database(server_dsn, "hub_template") as dsn:
        keyring = open_keyring(path / "keys")
        with psycopg.connect(dsn) as connection:
            verify_fingerprint(connection, keyring)
            connection.execute(
                "INSERT INTO vault.identifier (key, key_version, sealed) VALUES (%s, %s, %s)", (KEY, *seal(keyring, KEY, b"x"))
            )
        recording = Recording(dsn)
        recording.append(registered("A00000001"), registered("A00000002"), feed="cq.card-center")
        recording.append(journey(), journey(), correcting(journey(), 1), journey())
        recording.close()
        source = Place(dsn, path / "keys", path / "to")
        source.back_up()
        yield source


@pytest.fixture
def place(source: Place, tmp_path: Path) -> Place:
    """The journal of the module with a backup and keys of the test's own."""
    shutil.copytree(source.directory, tmp_path / "to")
    shutil.copytree(source.keys, tmp_path / "keys")
    return Place(source.dsn, tmp_path / "keys", tmp_path / "to")


@contextmanager
def database(server_dsn: str, template: str) -> Iterator[str]:
    name = f"hub_test_restore_{os.getpid()}_{next(_numbers)}"
    with fresh_database(server_dsn, name, template) as dsn:
        yield dsn


@pytest.fixture
def target(server_dsn: str) -> Iterator[str]:
    """A database as PostgreSQL makes it."""
    with database(server_dsn, "template1") as dsn:
        yield dsn


def head(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return head_position(connection)


def plant(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.encode())


def restores(place: Place, target: str) -> bool:
    restored = restore(target, place.directory, place.keys)
    # The feeds of a recording are made without a participant that was registered for them.
    return restored.checked.codes.keys() <= {"feed-unregistered"} and head(target) == restored.position == 6


def test_every_table_of_the_hub_is_in_the_backup_or_told_apart(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        found = connection.execute("""
            SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname NOT IN ('views', 'console', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
              AND c.relkind IN ('r', 'p') AND NOT c.relispartition""").fetchall()
    in_the_manifest = {"journal.head", "vault.key_fingerprint", "public.hub_migration"}
    made_again = {"tlog.tile", "tlog.index_epoch", "tlog.index_group"}
    # What is archived is in the backup as events.
    archived = {"journal.archived", "journal.archived_kinds"}
    assert {name for (name,) in found} - in_the_manifest - made_again - archived == set(backup_tables.TABLES)


def test_an_empty_journal_is_backed_up_and_restored(dsn: str, target: str, tmp_path: Path) -> None:
    assert back_up(dsn, tmp_path / "to").manifest.position == 0
    assert restore(target, tmp_path / "to", tmp_path / "keys").checked.problems == []


def test_a_run_without_news_reads_nothing_of_the_journal(place: Place) -> None:
    again = back_up(place.dsn, place.directory)
    assert (again.new_positions, len(again.manifest.segments)) == (0, 1)


# A backup that is not whole is refused before any database is asked.


def test_a_directory_without_a_finished_backup_is_refused(place: Place, tmp_path: Path) -> None:
    (place.directory / "manifest.json").unlink()
    for directory in (place.directory, tmp_path / "none"):
        with pytest.raises(BackupIncomplete):
            restore(NOWHERE, directory, place.keys)


@pytest.mark.parametrize("table", ["journal.event", "journal.stream", "vault.identifier"])
def test_a_damaged_byte_is_found_and_the_file_named(place: Place, table: str) -> None:
    path = place.file_of(table)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupDamaged, match=f"{table}.gz: its content was changed"):
        restore(NOWHERE, place.directory, place.keys)


@pytest.mark.parametrize("table", ["journal.event", "vault.identifier"])
def test_a_missing_or_shorter_file_is_found(place: Place, table: str) -> None:
    path = place.file_of(table)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BackupDamaged, match=f"{table}.gz: missing or of another length"):
        restore(NOWHERE, place.directory, place.keys)
    path.unlink()
    with pytest.raises(BackupDamaged, match=f"{table}.gz: missing or of another length"):
        restore(NOWHERE, place.directory, place.keys)


@pytest.mark.parametrize(("said", "instead"), [('"position": 6', '"position": 5'), ('"run": 1', '"run": 2'), ("{", "")])
def test_a_manifest_that_was_changed_is_refused(place: Place, said: str, instead: str) -> None:
    manifest = place.directory / "manifest.json"
    manifest.write_text(manifest.read_text().replace(said, instead, 1))
    with pytest.raises(BackupDamaged, match=r"manifest\.json"):
        restore(NOWHERE, place.directory, place.keys)


def test_a_later_format_is_refused(place: Place) -> None:
    manifest = place.directory / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "format": 2, "unheard_of": 1}))
    with pytest.raises(BackupNewer):
        restore(NOWHERE, place.directory, place.keys)


@pytest.mark.parametrize("later", [{"9999_later.sql": "x"}, {"0001_journal.sql": "x"}])
def test_a_migration_that_this_release_does_not_know_is_refused(place: Place, later: dict[str, str]) -> None:
    place.rewrite(migrations={**place.read().migrations, **later})
    with pytest.raises(BackupNewer):
        restore(NOWHERE, place.directory, place.keys)


def test_a_segment_that_was_lost_is_taken_again(place: Place) -> None:
    place.file_of("journal.event").unlink()
    assert back_up(place.dsn, place.directory).new_positions == 6
    assert place.read().position == 6


# A run that is cut short.


def test_a_run_cut_short_goes_on_with_the_segments_it_finished(place: Place, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.backup.writing.SEGMENT_POSITIONS", 2)
    place.directory = place.directory / "new"
    with pytest.raises(KeyboardInterrupt):
        back_up(place.dsn, place.directory, cut_after("journal 日志", 4))
    with pytest.raises(BackupIncomplete):
        place.read()
    assert [back_up(place.dsn, place.directory).new_positions, restores(place, target)] == [2, True]


def test_a_run_cut_short_leaves_the_backup_before_as_it_was(place: Place) -> None:
    before = place.read()
    with pytest.raises(KeyboardInterrupt):
        back_up(place.dsn, place.directory, cut_after("vault 保险库", 3))
    assert place.read() == before
    assert place.back_up().run == 2


def cut_after(what: str, done: int) -> Report:
    def report(now: str, reached: int, _: int) -> None:
        if (now, reached) == (what, done):
            raise KeyboardInterrupt

    return report


def test_a_database_without_a_hub_is_said_so(target: str, tmp_path: Path) -> None:
    with pytest.raises(NothingToBackUp):
        back_up(target, tmp_path / "to")


def test_a_database_that_leaves_is_said_so(place: Place) -> None:
    with pytest.raises(BackupInterrupted):
        back_up(NOWHERE, place.directory)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    directory = tmp_path / "small"
    directory.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=200k", "hub-test", directory], check=False).returncode:
        pytest.skip("a small file system can be mounted by root only")
    yield directory
    subprocess.run(["umount", directory], check=True)


def test_a_full_disk_stops_the_run_and_leaves_the_backup_before(place: Place, full_disk: Path) -> None:
    place.directory = full_disk / "to"
    before = place.back_up()
    with pytest.raises(OSError, match="No space left"), (full_disk / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(4096))
    with pytest.raises(BackupUnwritable, match=r"stream\.gz: No space left on device"):
        place.back_up()
    assert place.read() == before
    assert not list(place.directory.rglob("*.part"))


def test_a_file_in_the_place_of_the_directory_is_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupUnwritable):
        back_up(place.dsn, tmp_path / "file")


def test_two_at_once_are_refused(place: Place) -> None:
    with backup_files.holding(place.directory, to_write=True):
        for second in (place.back_up, place.read):
            with pytest.raises(BackupUnderWay):
                second()


# Another hub, another key, another database.


def test_a_directory_with_the_backup_of_another_journal_is_refused(place: Place) -> None:
    [segment] = place.read().segments
    place.rewrite(segments=(segment.model_copy(update={"recorded_at": datetime(2026, 1, 1, tzinfo=UTC)}),))
    with pytest.raises(BackupOfAnotherHub):
        place.back_up()


def test_a_directory_with_the_backup_of_a_hub_with_another_key_is_refused(place: Place) -> None:
    place.rewrite(fingerprints={"pseudonym": "00"})
    with pytest.raises(BackupOfAnotherHub):
        place.back_up()


def test_other_keys_are_refused_and_none_are_made(place: Place, tmp_path: Path) -> None:
    with pytest.raises(KeysMissing, match="put the keys of the backup"):
        restore(NOWHERE, place.directory, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    open_keyring(tmp_path / "other")
    with pytest.raises(KeyMismatch):
        restore(NOWHERE, place.directory, tmp_path / "other")


@pytest.mark.parametrize("path", ["vault-0001.key", "vault-0002.key"])
def test_a_vault_key_that_is_missing_or_another_is_refused(place: Place, target: str, path: str) -> None:
    (place.keys / "vault-0001.key").rename(place.keys / "vault-0002.key")
    (place.keys / path).write_bytes(b"another key 1234")
    (place.keys / path).chmod(0o600)
    with pytest.raises(KeyMismatch, match=r"vault-0001.key"):
        restore(target, place.directory, place.keys)
    assert head(target) == 0


def test_a_list_of_erasures_of_another_hub_is_refused(place: Place, tmp_path: Path) -> None:
    manifest = place.read()
    erasures = tmp_path / "erasures.json"
    erasures.write_text((place.directory / manifest.erasures.path).read_text().replace(manifest.fingerprints["pseudonym"], "00"))
    with pytest.raises(KeyMismatch):
        restore(NOWHERE, place.directory, place.keys, erasures)
    for wrong in (tmp_path / "none.json", place.directory / "manifest.json"):
        with pytest.raises(BackupDamaged, match=wrong.name):
            restore(NOWHERE, place.directory, place.keys, wrong)


def test_a_tombstone_keeps_an_identifier_out_that_the_backup_has_not(place: Place, target: str, tmp_path: Path) -> None:
    listed = json.loads((place.directory / place.read().erasures.path).read_text())
    listed["identifiers"] = [["ff" * 32, 1, "2026-01-01T00:00:00Z"]]
    (tmp_path / "later.json").write_text(json.dumps(listed))
    restore(target, place.directory, place.keys, tmp_path / "later.json")
    with psycopg.connect(target) as connection:
        connection.execute("INSERT INTO vault.identifier VALUES (%s, 1, 'x') ON CONFLICT (key) DO NOTHING", (b"\xff" * 32,))
        assert connection.execute("SELECT sealed FROM vault.identifier WHERE key = %s", (b"\xff" * 32,)).fetchone() == (None,)


@pytest.mark.parametrize(
    "planted",
    [
        "INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES ('a', 'a', true, 1)",
        "INSERT INTO vault.identifier (key, key_version, erased_at) VALUES ('k', 1, now())",
    ],
)
def test_a_database_that_holds_anything_is_refused(place: Place, target: str, planted: str) -> None:
    migrate(target)
    plant(target, planted)
    with pytest.raises(TargetNotEmpty):
        restore(target, place.directory, place.keys)


def test_a_database_with_a_newer_schema_than_the_backup_is_refused(place: Place, target: str) -> None:
    place.rewrite(migrations={name: checksum for name, checksum in place.read().migrations.items() if name in FIRST_MIGRATIONS})
    migrate(target)
    with pytest.raises(TargetNewer):
        restore(target, place.directory, place.keys)


def _answered_by_its_release(dsn: str) -> None:
    """Records an answer by the function that the first releases called."""
    event = event_pb2.Event()
    event.decision_made.request_id = "q1"
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES (%s, %s, true, 1)", (DECISIONS_FEED, HUB)
        )
        connection.execute(
            """SELECT journal.append_decisions(stream_id, ARRAY['key'::bytea], ARRAY[0::bigint], ARRAY[%s::bytea], ARRAY[''])
            FROM journal.stream""",
            (event.SerializeToString(),),
        )


def test_a_backup_of_an_older_schema_is_restored_and_brought_to_the_newest(target: str, server_dsn: str, tmp_path: Path) -> None:
    with database(server_dsn, "template1") as older:
        migrate(older, only=FIRST_MIGRATIONS)
        _answered_by_its_release(older)
        back_up(older, tmp_path / "to")
    restored = restore(target, tmp_path / "to", tmp_path / "keys")
    with psycopg.connect(target) as connection:
        applied = connection.execute("SELECT name FROM public.hub_migration ORDER BY 1").fetchall()
    assert (restored.checked.problems, [name for (name,) in applied]) == ([], sorted(file.name for file in MIGRATIONS.glob("*.sql")))


def test_after_a_migration_everything_is_taken_again(place: Place) -> None:
    place.rewrite(migrations={name: checksum for name, checksum in place.read().migrations.items() if name in FIRST_MIGRATIONS})
    assert back_up(place.dsn, place.directory).new_positions == 6


def test_a_database_with_a_hub_on_it_is_refused(place: Place, target: str) -> None:
    with psycopg.connect(target, application_name="hub-projector"), pytest.raises(RestoreOverRunningHub, match="hub-projector"):
        restore(target, place.directory, place.keys)


def test_a_hub_that_holds_the_head_is_not_waited_for(place: Place, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_target, "LOCK_PATIENCE", "50ms")
    migrate(target)
    with psycopg.connect(target) as connection:
        connection.execute("SELECT position FROM journal.head FOR NO KEY UPDATE")
        with pytest.raises(RestoreOverRunningHub):
            restore(target, place.directory, place.keys)


def test_a_restore_that_loses_its_database_leaves_it_empty_and_can_be_run_again(place: Place, target: str) -> None:
    def cut(what: str, done: int, _: int) -> None:
        if what.startswith("load") and done >= 6:
            with psycopg.connect(target) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-restore' AND state <> 'idle'"
                )

    with pytest.raises(RestoreInterrupted):
        restore(target, place.directory, place.keys, report=cut)
    assert head(target) == 0
    assert restores(place, target)


def test_a_restore_that_was_stopped_after_loading_says_so(place: Place, target: str) -> None:
    def cut(what: str, _: int, __: int) -> None:
        if what.startswith("fold"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(target, place.directory, place.keys, report=cut)
    with pytest.raises(TargetNotEmpty, match="hub fsck"):
        restore(target, place.directory, place.keys)
