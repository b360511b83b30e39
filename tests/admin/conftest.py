"""A journal that partitions are archived of: made once, and copied for each test."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.export import writing
from hub.tlog.note import SignerKey
from tests.admin.test_archiving import Archive, small_partitions
from tests.databases import fresh_database
from tests.recording import register_owners


@dataclass(frozen=True, slots=True)
class Made:
    """The name of a database, the files that belong to it, and who witnesses its log."""

    name: str
    directory: Path
    witnesses: list[SignerKey]


@pytest.fixture(scope="session")
def made(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """What each archive of a test is a copy of."""
    name, directory = f"hub_archive_{os.getpid()}", tmp_path_factory.mktemp("archive")
    with fresh_database(server_dsn, name) as dsn:
        small_partitions(dsn)
        register_owners(dsn)
        archive = Archive(dsn, directory)
        # Not while others of the session are tested.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing, "SEGMENT_POSITIONS", 32)
            archive.fill()
        archive.close()
        yield Made(name, directory, archive.logged.witnesses)


@pytest.fixture
def archive(made: Made, server_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """A sealed, cosigned, folded and exported journal of a test's own."""
    monkeypatch.setattr(writing, "SEGMENT_POSITIONS", 32)
    shutil.copytree(made.directory, tmp_path, dirs_exist_ok=True)
    with fresh_database(server_dsn, f"{made.name}_copy", made.name) as dsn:
        archive = Archive(dsn, tmp_path, made.witnesses)
        yield archive
        archive.close()
