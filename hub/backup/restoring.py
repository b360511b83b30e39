"""Restores a backup into an empty database: the journal and the vault in one transaction, then the views by folding, then a check of all.

It refuses before it writes: a backup that is not whole, a database that holds anything or that a hub is connected to, keys other than those
of the backup, a schema this release does not know. A restore that is cut short while it loads leaves the database empty; one that is
cut short later leaves a whole journal, whose views any hub folds.
"""

from collections.abc import Callable, Iterator, Sequence
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
from hub.tlog import resuming, store
from hub.tlog import runner as sealing
from hub.tlog.note import Checkpoint
from hub.tlog.policy import Policy, parse
from hub.tlog.resuming import Resumed
from hub.tlog.sealer import NotToBeSealed, signers
from hub.tlog.witnessing import Answered, all_seen
from hub.trust.keyring import KeyMismatch, Keyring, open_keyring
from hub.trust.log_keys import FILES, open_log_keys

Report = Callable[[str, int, int], None]


class KeysMissing(KeyMismatch):
    """There are no keys to restore with; put the keys of the backup into the directory first:"""


class TargetNewer(HubError):
    """The database has a newer schema than the backup; give an empty one, the restore brings it to the newest schema itself."""


class NoLogYet(HubError):
    """备份中尚无可验证日志，无从对照所给检查点 the backup is of a hub without a log, so no checkpoint can be compared with it"""


class RestoreInterrupted(HubError):
    """The database left or refused while the backup was loaded; it is as empty as before. Mend the cause and restore again."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored: up to which position, how many rows of the vault were erased as listed, and what the check found.

    *log* is how the log goes on, None where there was none, or where the journal is not what was signed: *log_problem* says so.
    *witnesses* are their answers, where they were asked.
    """

    position: int
    erased: int
    checked: Checked
    log: Resumed | None = None
    log_problem: str = ""
    witnesses: tuple[Answered, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether everything holds."""
        return self.checked.is_clean and not self.log_problem


def restore(
    dsn: str,
    directory: Path,
    keys: Path,
    erasures: Path | None = None,
    report: Report = lambda _what, _done, _of: None,
    *,
    checkpoints: Sequence[Path] = (),
    policy: Path | None = None,
) -> Restored:
    """Restores the backup in *directory*; *keys* is the folder with the key files, *erasures* the list of a later backup.

    *checkpoints* are signed heads of the log that are known from elsewhere; the witnesses of a *policy* are asked for theirs.
    """
    notes = [_note(path) for path in checkpoints]
    in_force = None if policy is None else parse(_note(policy))
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
                heads = _known_heads(connection, keys, notes)
        except psycopg.Error as error:
            raise RestoreInterrupted(type(error).__name__) from None
    migrate(dsn)
    witnesses = [] if in_force is None else _asked(dsn, keys, in_force)
    resumed, problem = _resume(dsn, heads, witnesses, report)
    _fold(dsn, manifest.position, report)
    return Restored(manifest.position, erased, check(dsn, report), resumed, problem, tuple(witnesses))


def _note(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BackupDamaged(f"{path.name}: {error.strerror}") from None


def _known_heads(connection: psycopg.Connection, keys: Path, notes: Sequence[bytes]) -> list[Checkpoint]:
    """Reads the heads that were given, before anything is committed; raises what `resuming.known_heads` does, or KeysMissing."""
    if not notes:
        return []
    log = store.newest_incarnation(connection)
    if log is None:
        raise NoLogYet
    if missing := [name for name in FILES if not (keys / name).exists()]:
        raise KeysMissing(", ".join(missing))
    return resuming.known_heads(log, open_log_keys(keys), notes)


def _asked(dsn: str, keys: Path, policy: Policy) -> list[Answered]:
    """Asks the witnesses what they saw of the log; without its keys nobody can say what it signed."""
    with sealing.connect(dsn) as connection:
        log = store.newest_incarnation(connection)
    if log is None or any(not (keys / name).exists() for name in FILES):
        return []
    return all_seen(policy, log.origin, [key.verifier for key in signers(open_log_keys(keys), log.origin)])


def _resume(dsn: str, heads: Sequence[Checkpoint], witnesses: Sequence[Answered], report: Report) -> tuple[Resumed | None, str]:
    seen = [answered.seen.checkpoint for answered in witnesses if answered.seen is not None]
    with sealing.connect(dsn) as connection:
        try:
            return resuming.resume(connection, heads, lambda done, of: report("log 可验证日志", done, of), seen=seen), ""
        except NotToBeSealed as refusal:
            return None, str(refusal)


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
