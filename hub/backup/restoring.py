"""Restores a backup into an empty database: the journal and the vault in one transaction, then the views by folding, then a check of all.

It refuses before it writes: a backup that is not whole, a database that holds anything or that a hub is connected to, keys other than those
of the backup, a schema this release does not know. A restore that is cut short while it loads leaves the database empty; one that is
cut short later leaves a whole journal, whose views any hub folds.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from hub.audit.fsck import Checked, check
from hub.backup import files, target
from hub.backup.manifest import BackupDamaged, BackupIncomplete, BackupNewer, Erasures, Manifest
from hub.backup.tables import TABLES, identifier
from hub.domain.errors import HubError
from hub.journal.migrate import at_hand, migrate
from hub.journal.sessions import session
from hub.journal.tombstones import bury
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import advance, create_views
from hub.trust.keyring import KeyMismatch, Keyring, open_keyring

Report = Callable[[str, int, int], None]


class KeysMissing(KeyMismatch):
    """There are no keys to restore with; put the keys of the backup into the directory first:"""


class TargetNewer(HubError):
    """The database has a newer schema than the backup; give an empty one, the restore brings it to the newest schema itself."""


class RestoreInterrupted(HubError):
    """The database left or refused while the backup was loaded; it is as empty as before. Mend the cause and restore again."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: up to which position, how many rows of the vault were erased as listed, and what the check found."""

    position: int
    erased: int
    checked: Checked


def restore(
    dsn: str, directory: Path, keys: Path, erasures: Path | None = None, report: Report = lambda _what, _done, _of: None
) -> Restored:
    """Restores the backup in *directory*; *keys* is the folder with the key files, *erasures* the list of a later backup."""
    with _reading(directory, report) as manifest:
        keyring = _matching_keyring(manifest, keys)
        lists = [files.read_json(directory / manifest.erasures.path, Erasures)]
        if erasures is not None:
            lists.append(_matching_list(manifest, erasures))
        try:
            _prepare_schema(dsn, manifest)
            with session(dsn, None, "hub-restore") as connection, connection.transaction():
                target.take(connection)
                target.load(connection, directory, manifest, report)
                erased = sum(target.erase(connection, later) for later in lists) + bury(connection)
                if keyring is not None:
                    target.try_keys(connection, keyring)
        except psycopg.Error as error:
            raise RestoreInterrupted(type(error).__name__) from None
    migrate(dsn)
    _fold(dsn, manifest.position, report)
    return Restored(manifest.position, erased, check(dsn, report))


def read_backup(directory: Path, report: Report = lambda _what, _done, _of: None) -> Manifest:
    """Returns the manifest once every file has been read and is as it says; raises BackupIncomplete, BackupDamaged or BackupNewer."""
    with _reading(directory, report) as manifest:
        return manifest


@contextmanager
def _reading(directory: Path, report: Report) -> Iterator[Manifest]:
    """Keeps writers out of a backup that is whole."""
    if not directory.is_dir():
        raise BackupIncomplete
    with files.holding(directory, to_write=False):
        manifest = files.find_manifest(directory)
        if manifest is None:
            raise BackupIncomplete
        _verify(directory, manifest, report)
        yield manifest


def _verify(directory: Path, manifest: Manifest, report: Report) -> None:
    known = at_hand()
    if any(known.get(name) != checksum for name, checksum in manifest.migrations.items()):
        raise BackupNewer
    total = sum(file.size_bytes for file in manifest.files)
    done = 0
    for file in (manifest.erasures, *manifest.files):
        files.verify(directory, file)
        done += file.size_bytes
        report("verify 校验 (bytes)", done, total + manifest.erasures.size_bytes)


def _matching_keyring(manifest: Manifest, keys: Path) -> Keyring | None:
    """Reads the keys, None for a backup of a hub that had none yet; raises KeyMismatch or KeysMissing, and makes no key."""
    if not manifest.fingerprints:
        return None
    if not (keys / "pseudonym.key").exists():
        raise KeysMissing(str(keys))
    keyring = open_keyring(keys)
    if manifest.fingerprints != {"pseudonym": keyring.fingerprint.hex()}:
        raise KeyMismatch
    return keyring


def _matching_list(manifest: Manifest, path: Path) -> Erasures:
    try:
        erasures = files.read_json(path, Erasures)
    except OSError as error:
        raise BackupDamaged(f"{path.name}: {error.strerror}") from None
    if erasures.fingerprints != manifest.fingerprints:
        raise KeyMismatch
    return erasures


def _prepare_schema(dsn: str, manifest: Manifest) -> None:
    """Brings an empty database to the schema of the backup; raises RestoreOverRunningHub or TargetNewer."""
    with session(dsn, None, "hub-restore") as connection:
        target.refuse_running(connection)
    migrate(dsn, only=manifest.migrations)
    with session(dsn, None, "hub-restore") as connection:
        applied: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM public.hub_migration").fetchall())
    if applied != manifest.migrations:
        raise TargetNewer


def _fold(dsn: str, position: int, report: Report) -> None:
    """Makes the views, over tables of which the planner knows how large they are."""
    with session(dsn, None, "hub-restore") as connection:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.SQL(", ").join(map(identifier, TABLES))))
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
        for projection in PROJECTIONS:
            done = 0
            while moved := advance(connection, projection):
                done += moved
                report(f"fold 折叠 {projection.name}", done, position)
