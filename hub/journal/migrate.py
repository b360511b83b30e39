"""Brings a database to the newest schema: numbered SQL files, forward-only, each recorded with its checksum.

It refuses a database whose applied files differ from the ones at hand: history that was edited is no history. A file that a newer
release applied is no reason to refuse: during an upgrade both releases run, so a migration leaves the release before it running.
"""

import hashlib
import logging
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path

import psycopg

from hub.domain.errors import HubError
from hub.journal.logins import in_our_encoding
from hub.journal.sessions import session

log = logging.getLogger(__name__)

# A table that is wanted whole makes all writers wait behind this, and they give up after four seconds.
LOCK_TIMEOUT = "2s"
LOCK_TRIES = 30
LOCK_WAIT_S = 1.0
MIGRATIONS = Path(__file__).parent.parent.parent / "migrations"


# The oldest that the hub is developed and tested on. An older one may take the schema and fail later, when it is full.
OLDEST_VERSION = 18


class ServerTooOld(HubError):
    """PostgreSQL is older than the oldest version that the hub is tested on:"""


class NotUtf8(HubError):
    """The database must be in UTF-8; make another with `CREATE DATABASE hub ENCODING 'UTF8' TEMPLATE template0`. This one is in"""


class MigrationNotPermitted(HubError):
    """The schema is not up to date, and this login may not change it; run `hub migrate` with HUB_MIGRATE_DSN (docs/database.md):"""


class SchemaOfPrimary(HubError):
    """The schema is not up to date and the database is a standby: run `hub migrate` at its primary."""


class MigrationMismatch(HubError):
    """The database was migrated with other files than these; use the release it was migrated with, or a newer one."""


class MigrationHeldUp(HubError):
    """A long transaction, such as a backup's, holds what a migration needs; try again when it has ended."""


def migrate(
    dsn: str, directory: Path = MIGRATIONS, report: Callable[[str], None] = lambda _: None, *, only: Collection[str] | None = None
) -> int:
    """Applies what is missing, of *only* these files if given, and returns how many; several processes may call it at once."""
    with session(in_our_encoding(dsn), None, "hub-migrate") as connection:
        return migrate_on(connection, directory, report, only=only)


def migrate_on(
    connection: psycopg.Connection,
    directory: Path = MIGRATIONS,
    report: Callable[[str], None] = lambda _: None,
    *,
    only: Collection[str] | None = None,
) -> int:
    """Does so on a session that is open, in autocommit."""
    files = _files(directory)
    _refuse_unfit(connection)
    if not _pending(connection, files, only):
        return 0
    try:
        return _apply_pending(connection, files, report, only)
    except psycopg.errors.InsufficientPrivilege as refused:
        raise MigrationNotPermitted(str(refused).strip().splitlines()[0]) from None
    except psycopg.errors.ReadOnlySqlTransaction:
        raise SchemaOfPrimary from None


def refuse_unfit(version: int, encoding: str) -> None:
    """Raises ServerTooOld or NotUtf8; *version* is PostgreSQL's server_version_num."""
    if version < OLDEST_VERSION * 10_000:
        raise ServerTooOld(f"{version // 10_000} < {OLDEST_VERSION}")
    if encoding != "UTF8":
        raise NotUtf8(encoding)


def _refuse_unfit(connection: psycopg.Connection) -> None:
    row = connection.execute("SELECT current_setting('server_version_num')::int, current_setting('server_encoding')").fetchone()
    assert row is not None
    refuse_unfit(*row)


def _pending(connection: psycopg.Connection, files: list[Path], only: Collection[str] | None) -> bool:
    """Whether something is missing; a login that may change nothing can see so too."""
    exists = connection.execute("SELECT to_regclass('public.hub_migration')").fetchone()
    if exists is None or exists[0] is None:
        return True
    try:
        applied: dict[str, str] = dict(connection.execute("SELECT name, checksum FROM public.hub_migration").fetchall())
    except psycopg.errors.InsufficientPrivilege:
        # Before it was granted to all.
        return True
    _refuse_mismatch(applied, files)
    return any(file.name not in applied and (only is None or file.name in only) for file in files)


def _apply_pending(connection: psycopg.Connection, files: list[Path], report: Callable[[str], None], only: Collection[str] | None) -> int:
    connection.execute("SELECT pg_advisory_lock(hashtext('hub.migrate'))")
    connection.execute("""
        CREATE TABLE IF NOT EXISTS public.hub_migration (
            name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())""")
    rows: list[tuple[str, str]] = connection.execute("SELECT name, checksum FROM public.hub_migration").fetchall()
    applied = dict(rows)
    _refuse_mismatch(applied, files)
    pending = [file for file in files if file.name not in applied and (only is None or file.name in only)]
    for file in pending:
        report(file.name)
        _apply(connection, file)
    return len(pending)


def _apply(connection: psycopg.Connection, file: Path) -> None:
    """Applies a file beside writers at work: it asks for its locks again and again rather than wait and make all others wait."""
    for _ in range(LOCK_TRIES):
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                connection.execute(file.read_bytes())
                connection.execute("INSERT INTO public.hub_migration (name, checksum) VALUES (%s, %s)", (file.name, _checksum(file)))
        except psycopg.errors.LockNotAvailable:
            time.sleep(LOCK_WAIT_S)
        else:
            return
    raise MigrationHeldUp(file.name)


def at_hand(directory: Path = MIGRATIONS) -> dict[str, str]:
    """Returns the checksums of this release's files by name."""
    return {file.name: _checksum(file) for file in _files(directory)}


def _files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", p.name))


def _checksum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _refuse_mismatch(applied: dict[str, str], files: list[Path]) -> None:
    at_hand = {file.name: _checksum(file) for file in files}
    for name, checksum in applied.items():
        if name > max(at_hand, default=""):
            log.warning("migrate: the database has %s of a newer release; this one goes on beside it", name)
            continue
        if name not in at_hand:
            raise MigrationMismatch(f"the database has migration {name}, which this release does not know")
        if at_hand[name] != checksum:
            raise MigrationMismatch(f"migration {name} was changed after it was applied")
