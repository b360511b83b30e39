"""Backs up what the hub cannot make again, while it works: the journal up to a position, and the vault.

The position is the head's, read once, so it is the end of a group. All that belongs to it was committed before: events with their
batches, corrections and answers, and the identifiers and originals they brought, which are written in the same transaction. What is
committed later is left out by position. So nothing needs an old snapshot, which would slow the writers down: everything is read in
short transactions, and only the streams, which must be as at the head, are read together with it.

A run goes on where the one before ended, finished or not. What has a position never changes and is kept; the vault is taken again, because
an erasure must leave the backup too. The manifest is written last: until then the one before counts, and all its files are there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from hub.backup import files, tables
from hub.backup.history import COLUMNS, HistoryCopy
from hub.backup.manifest import BackupUnwritable, Erasures, File, Manifest, Progress, Segment
from hub.domain.errors import HubError
from hub.journal.sessions import session

SEGMENT_POSITIONS = 500_000
# For processes that only back up: the hub comes first where the processor is short.
NICENESS = 10

Report = Callable[[str, int, int], None]


class BackupOfAnotherHub(HubError):
    """The directory holds a backup of another journal, or of one that went on otherwise; take another directory."""


class BackupInterrupted(HubError):
    """The database left during the backup; run it again, it goes on where it ended."""


class NothingToBackUp(HubError):
    """The database holds no hub; see HUB_DSN and HUB_DATA_DIR."""


class BackedUp(NamedTuple):
    """What a run did: the manifest it wrote, how many positions were read again, and how many bytes were written."""

    manifest: Manifest
    new_positions: int
    written_bytes: int


def back_up(dsn: str, directory: Path, report: Report = lambda _what, _done, _of: None) -> BackedUp:
    """Brings the backup in *directory* up to the head of the journal; raises one of the errors of this module or of `backup_manifest`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BackupUnwritable(f"{directory.name}: {error.strerror}") from None
    with files.holding(directory, to_write=True), _reading(dsn) as connection:
        return _Run(connection, directory, report).run()


@contextmanager
def _reading(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with session(dsn, None, "hub-backup", {"default_transaction_read_only": "on"}) as connection:
            yield connection
    except (psycopg.errors.InvalidSchemaName, psycopg.errors.UndefinedTable):
        raise NothingToBackUp from None
    except psycopg.OperationalError:
        raise BackupInterrupted from None


class _Run:
    """One run: what it reads from, where it writes to, and how much it has written."""

    def __init__(self, connection: psycopg.Connection, directory: Path, report: Report) -> None:
        self._connection, self._directory, self._report = connection, directory, report
        self._columns = tables.columns(connection)
        # A release before knew of no archive.
        [(archived,)] = self._execute("SELECT to_regclass('journal.archived')")
        if archived is not None:
            self._columns[tables.EVENTS] = COLUMNS
        self._written = 0

    def run(self) -> BackedUp:
        """Writes what is new, then the manifest, and removes what the run before took."""
        finished = files.find_manifest(self._directory)
        with self._connection.transaction():
            self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            progress = self._begin(finished)
            [(position, recorded_at, partition_size)] = self._execute("SELECT position, recorded_at, partition_size FROM journal.head")
            feeds = self._execute("SELECT stream_id, next_sequence FROM journal.stream WHERE is_feed")
            streams = self._write(progress.run, tables.STREAMS, self._copy([tables.of_streams(self._columns[tables.STREAMS])]))
        before = progress.reached
        progress = self._segments(progress, position)
        bounds = tables.Bounds([stream_id for stream_id, _ in feeds], [sequence for _, sequence in feeds])
        manifest = Manifest(
            **dict(progress),
            created_at=datetime.now(UTC),
            position=position,
            recorded_at=recorded_at,
            partition_size=partition_size,
            state=(streams, *self._state(progress.run, bounds)),
            erasures=self._erasures(progress, position),
        )
        manifest = manifest.model_copy(update={"sm3": manifest.digest()})
        self._written += files.write_json(self._directory, files.MANIFEST, manifest)[0]
        files.clean(self._directory, manifest)
        return BackedUp(manifest, position - before, self._written)

    def _begin(self, finished: Manifest | None) -> Progress:
        """Returns what can be kept of the run before; raises BackupOfAnotherHub."""
        fresh = Progress(
            run=finished.run + 1 if finished else 1,
            migrations=dict(self._execute("SELECT name, checksum FROM public.hub_migration")),
            fingerprints={p: bytes(f).hex() for p, f in self._execute("SELECT purpose, fingerprint FROM vault.key_fingerprint")},
            columns=self._columns,
        )
        earlier = files.find_progress(self._directory, fresh.run) or finished
        if earlier is None:
            return fresh
        self._refuse_another(earlier, fresh)
        if (earlier.migrations, earlier.columns) != (fresh.migrations, fresh.columns):
            # A migration may have changed rows that are in segments already, and the rows of all are written alike.
            return fresh
        kept = takewhile(lambda segment: all(files.has_size(self._directory, file) for file in segment.files), earlier.segments)
        return fresh.model_copy(update={"segments": tuple(kept)})

    def _refuse_another(self, earlier: Progress, fresh: Progress) -> None:
        """Compares the keys' fingerprints, and when the last event that is in the backup was recorded."""
        if any(fresh.fingerprints.get(purpose) != said for purpose, said in earlier.fingerprints.items()):
            raise BackupOfAnotherHub
        if earlier.segments and self._recorded_at(earlier.reached) != earlier.segments[-1].recorded_at:
            raise BackupOfAnotherHub

    def _recorded_at(self, position: int) -> datetime | None:
        # By its batch, which stays where the event is archived.
        rows = self._execute(
            "SELECT recorded_at FROM journal.batch WHERE first_position <= %s ORDER BY first_position DESC LIMIT 1", (position,)
        )
        return rows[0][0] if rows else None

    def _segments(self, progress: Progress, position: int) -> Progress:
        """Writes the new segments, and notes each that is finished."""
        while (after := progress.reached) < position:
            last = min(after + SEGMENT_POSITIONS, position)
            name = f"{after + 1:012d}-{last:012d}"
            written = [
                self._write(progress.run, table, self._rows(table, after, last), f"{name}.")
                for table in tables.BY_POSITION
                if table in self._columns
            ]
            kept = tuple(file for file in written if file.rows)
            segment = Segment(first=after + 1, last=last, recorded_at=self._recorded_at(last), files=kept)
            progress = progress.model_copy(update={"segments": (*progress.segments, segment)})
            self._written += files.write_json(self._directory, files.PROGRESS, progress)[0]
            self._report("journal 日志", last, position)
        return progress

    def _rows(self, table: str, after: int, last: int) -> tables.TableCopy:
        columns = self._columns[table]
        if columns == COLUMNS:
            return HistoryCopy(self._connection, after, last)
        return self._copy(tables.of_positions(table, columns, after, last))

    def _state(self, run: int, bounds: tables.Bounds) -> Iterator[File]:
        there = [table for table in tables.BY_KEY if table in self._columns]
        for number, table in enumerate(there, 1):
            selects = tables.of_keys(self._connection, table, self._columns[table], tables.BY_KEY[table], bounds)
            yield self._write(run, table, self._copy(selects))
            self._report("vault 保险库", number, len(there))

    def _erasures(self, progress: Progress, position: int) -> File:
        """Writes the list of tombstones; read last, it also has what was erased while the vault was read."""
        identifiers = self._execute("SELECT encode(key, 'hex'), key_version, erased_at FROM vault.identifier WHERE erased_at IS NOT NULL")
        originals = self._execute(
            """SELECT s.name, o.sequence, o.erased_at FROM vault.original o JOIN journal.stream s USING (stream_id)
               WHERE o.erased_at IS NOT NULL"""
        )
        erasures = Erasures(
            position=position, fingerprints=progress.fingerprints, identifiers=tuple(identifiers), originals=tuple(originals)
        )
        path = f"{files.folder(progress.run)}/erasures.json"
        size, digest = files.write_json(self._directory, path, erasures)
        self._written += size
        return File(path=path, table="", rows=len(identifiers) + len(originals), size_bytes=size, sm3=digest)

    def _copy(self, selects: Iterable[sql.Composable]) -> tables.TableCopy:
        return tables.TableCopy(self._connection, selects)

    def _write(self, run: int, table: str, rows: tables.TableCopy, prefix: str = "") -> File:
        path = f"{files.folder(run)}/{prefix}{table}.gz"
        size, digest = files.write(self._directory, path, files.compressed(rows))
        self._written += size
        return File(path=path, table=table, rows=rows.rows, size_bytes=size, sm3=digest)

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        cursor = self._connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []
