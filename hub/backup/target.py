"""The database that a backup is restored into: kept for it alone and empty, loaded, and tried with the keys, in one transaction."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from hub.backup.files import decompressed
from hub.backup.manifest import BackupDamaged, Erasures, File, Manifest
from hub.backup.tables import column_list, columns, identifier
from hub.domain.errors import HubError
from hub.journal.vault import VaultRowDamaged, original_name, unseal
from hub.trust.keyring import KeyMismatch, Keyring

LOCK_PATIENCE = "5s"
ENDING_PATIENCE_S = 2.0

Report = Callable[[str, int, int], None]


class TargetNotEmpty(HubError):
    """The database holds something; restore into an empty one. If a restore was cut short, `hub fsck` says whether this one holds."""


class RestoreOverRunningHub(HubError):
    """A hub is connected to the database; stop every process of it, or restore into another database."""


def refuse_running(connection: psycopg.Connection) -> None:
    """Raises RestoreOverRunningHub while another process of a hub is connected.

    A session outlives its client by a moment, so one that is seen is looked for again until ENDING_PATIENCE_S have passed.
    """
    until = time.monotonic() + ENDING_PATIENCE_S
    while names := _connected_hubs(connection):
        if time.monotonic() >= until:
            raise RestoreOverRunningHub(", ".join(names))
        time.sleep(0.05)


def _connected_hubs(connection: psycopg.Connection) -> list[str]:
    connection.execute("SELECT pg_stat_clear_snapshot()")  # within a transaction the sessions are read once only
    rows = connection.execute(
        """SELECT DISTINCT application_name FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'hub-%'
             AND application_name NOT IN ('hub-restore', 'hub-migrate') ORDER BY 1"""
    ).fetchall()
    return [name for (name,) in rows]


def take(connection: psycopg.Connection) -> None:
    """Keeps every hub out until the end of the transaction, and makes sure that there is none and that nothing is there."""
    connection.execute(f"SET LOCAL lock_timeout = '{LOCK_PATIENCE}'")
    try:
        connection.execute("LOCK TABLE journal.head, journal.stream IN ACCESS EXCLUSIVE MODE")
    except psycopg.errors.LockNotAvailable:
        raise RestoreOverRunningHub from None
    refuse_running(connection)
    for table in columns(connection):
        if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(identifier(table))).fetchone() is not None:
            raise TargetNotEmpty(table)


def load(connection: psycopg.Connection, directory: Path, manifest: Manifest, report: Report) -> None:
    """Makes the partitions and loads every file; the journal then ends where the backup does."""
    _make_partitions(connection, manifest)
    total, done = sum(file.rows for file in manifest.files), 0
    for file in manifest.files:
        _copy(connection, directory, manifest, file)
        done += file.rows
        report("load 载入 (rows)", done, total)
    connection.execute("SELECT setval(pg_get_serial_sequence('journal.stream', 'stream_id'), max(stream_id)) FROM journal.stream")
    for purpose, fingerprint in manifest.fingerprints.items():
        connection.execute(
            "INSERT INTO vault.key_fingerprint (purpose, fingerprint) VALUES (%s, %s)", (purpose, bytes.fromhex(fingerprint))
        )


def _make_partitions(connection: psycopg.Connection, manifest: Manifest) -> None:
    """Makes the partitions of every position again, in the size they had, and leaves the head where the backup ends."""
    partitions = connection.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journal.event'::regclass"
    ).fetchall()
    for (partition,) in partitions:
        connection.execute(sql.SQL("DROP TABLE {}").format(identifier(partition)))
    for position in (*range(0, manifest.position, manifest.partition_size), manifest.position):
        connection.execute(
            "UPDATE journal.head SET position = %s, recorded_at = %s, partition_size = %s",
            (position, manifest.recorded_at, manifest.partition_size),
        )
        connection.execute("SELECT journal.ensure_partitions()")


def _copy(connection: psycopg.Connection, directory: Path, manifest: Manifest, file: File) -> None:
    names = column_list(manifest.columns[file.table])
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(identifier(file.table), names)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in decompressed(directory / file.path):
                copy.write(block)
        if cursor.rowcount != file.rows:
            raise BackupDamaged(f"{file.path}: {cursor.rowcount} rows instead of {file.rows}")


def erase(connection: psycopg.Connection, erasures: Erasures) -> int:
    """Erases what a list names and returns how many rows of the vault that emptied.

    An identifier that is not here leaves its tombstone all the same, so that a resend does not bring it back. An original that is not
    here comes again with its event.
    """
    keys, versions, times = zip(*erasures.identifiers, strict=True) if erasures.identifiers else ((), (), ())
    cursor = connection.execute(
        """INSERT INTO vault.identifier (key, key_version, erased_at)
           SELECT decode(key, 'hex'), version, erased_at FROM unnest(%s::text[], %s::int[], %s::timestamptz[]) e (key, version, erased_at)
           ON CONFLICT (key) DO UPDATE SET sealed = NULL, erased_at = EXCLUDED.erased_at WHERE identifier.sealed IS NOT NULL""",
        (list(keys), list(versions), list(times)),
    )
    erased = cursor.rowcount
    feeds, sequences, times = zip(*erasures.originals, strict=True) if erasures.originals else ((), (), ())
    cursor = connection.execute(
        """UPDATE vault.original o SET sealed = NULL, erased_at = e.erased_at
           FROM unnest(%s::text[], %s::bigint[], %s::timestamptz[]) e (feed, sequence, erased_at) JOIN journal.stream s ON s.name = e.feed
           WHERE o.stream_id = s.stream_id AND o.sequence = e.sequence AND o.sealed IS NOT NULL""",
        (list(feeds), list(sequences), list(times)),
    )
    return erased + cursor.rowcount


def try_keys(connection: psycopg.Connection, keyring: Keyring) -> None:
    """Opens a row of each version that the vault was sealed with; raises KeyMismatch."""
    for table, name in (("vault.identifier", "key"), ("vault.original", "stream_id, sequence")):
        versions = f"SELECT DISTINCT key_version FROM {table} WHERE sealed IS NOT NULL"  # noqa: S608 (our own tables)
        for (version,) in connection.execute(versions.encode()).fetchall():
            sample = f"SELECT sealed, {name} FROM {table} WHERE sealed IS NOT NULL AND key_version = %s LIMIT 1"  # noqa: S608
            [(sealed, *row)] = connection.execute(sample.encode(), (version,)).fetchall()
            try:
                unseal(keyring, bytes(row[0]) if name == "key" else original_name(*row), version, bytes(sealed))
            except VaultRowDamaged:
                raise KeyMismatch(f"vault-{version:04d}.key is missing or another one") from None
