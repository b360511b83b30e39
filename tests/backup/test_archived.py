"""A backup has every event, whatever was archived when it was made: it is restored without the segments, and the log goes on."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hub.backup.restoring import restore
from hub.backup.writing import back_up
from hub.journal.archived import SegmentAway
from hub.journal.reader import head_position
from hub.tlog import sealer as sealers
from hub.trust.log_keys import open_log_keys
from tests.admin.conftest import archive, made
from tests.admin.test_archiving import Archive
from tests.databases import fresh_database

__all__ = ["archive", "made"]
pytestmark = pytest.mark.usefixtures("few_views")


@pytest.fixture
def restored(server_dsn: str, tmp_path: Path) -> Iterator[Callable[[Path], dict[int, tuple[Any, ...]]]]:
    """Restores a backup into a database of its own, has the log go on there, and returns the events by position."""
    numbers = count(1)
    with ExitStack() as databases:

        def work(backup: Path) -> dict[int, tuple[Any, ...]]:
            name = f"hub_test_{os.getpid()}_archived_{next(numbers)}"
            dsn = databases.enter_context(fresh_database(server_dsn, name, "template1"))
            assert restore(dsn, backup, tmp_path / "keys").log_problem == ""
            with psycopg.connect(dsn, autocommit=True) as connection:
                log = sealers.begin(connection, "test.chuanyu")
                done = sealers.catch_up(sealers.Sealer(connection, open_log_keys(tmp_path / "keys"), log))
                assert done.size == head_position(connection) + 1
            return events(dsn)

        yield work


def events(dsn: str) -> dict[int, tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT position, recorded_at, stream_id, sequence, kind, data, occurred_at, digest FROM journal.event")
        return {row[0]: row for row in rows.fetchall()}


@pytest.mark.slow
def test_a_backup_of_archived_partitions_has_their_events(
    archive: Archive, restored: Callable[[Path], dict[int, tuple[Any, ...]]], tmp_path: Path
) -> None:
    with psycopg.connect(archive.dsn) as connection:
        connection.execute("DELETE FROM vault.key_fingerprint")
    before, early, late = events(archive.dsn), tmp_path / "early", tmp_path / "late"
    back_up(archive.dsn, early)
    archive.archive(0)
    archive.archive(1)
    back_up(archive.dsn, late)
    # What was backed up before is not read again, and what comes back afterwards is not missed.
    away = archive.directory.rename(tmp_path / "elsewhere")
    back_up(archive.dsn, early)
    with pytest.raises(SegmentAway):
        back_up(archive.dsn, tmp_path / "fresh")
    for backup in (early, late):
        found = restored(backup)
        assert {at: found[at] for at in before} == before
    away.rename(archive.directory)
    archive.restore()
    back_up(archive.dsn, late)
    found = restored(late)
    assert {at: found[at] for at in before} == before
