"""A primary and its standby, both embedded: the primary waits for the standby with each commit."""

import atexit
import contextlib
import functools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.bench.disturbances import postmaster_pid
from hub.journal.migrate import migrate
from hub.postgres import standby
from hub.postgres.server import discard, running

WAIT_S = 30.0


def await_that(condition: Callable[[], Any]) -> Any:
    """Waits until something is so, and returns what it is."""
    give_up_at = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < give_up_at, "it did not come to it"
        time.sleep(0.02)
    return found


class Pair:
    """A primary and its standby, which the primary waits for."""

    def __init__(self, home: Path, dsn: str, standby_dsn: str) -> None:
        self.data_dir, self.standby_dir = home / "data", home / "standby"
        self.dsn, self.standby_dsn = dsn, standby_dsn

    @property
    def both(self) -> str:
        """The conninfo of whichever of them takes writes."""
        hosts = [str(conninfo_to_dict(dsn)["host"]) for dsn in (self.dsn, self.standby_dsn)]
        return make_conninfo(self.dsn, host=",".join(hosts), target_session_attrs="read-write", connect_timeout="2")

    def processes(self, data_dir: Path) -> list[psutil.Process]:
        """Every process of one of the servers."""
        postmaster = psutil.Process(postmaster_pid(data_dir))
        return [postmaster, *postmaster.children()]

    @contextlib.contextmanager
    def stopped(self, data_dir: Path) -> Iterator[None]:
        """Has one of the servers not move meanwhile."""
        family = self.processes(data_dir)
        for process in family:
            process.suspend()
        try:
            yield
        finally:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()

    @contextlib.contextmanager
    def without_standby(self) -> Iterator[None]:
        """Has the standby out of reach meanwhile: it does not move, and the primary has given its connection up."""
        with self.stopped(self.standby_dir), psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
            await_that(lambda: not connection.execute("SELECT FROM pg_stat_replication").fetchall())
            yield

    def one(self, statement: str, dsn: str = "") -> Any:
        """The one value that a statement gives."""
        with psycopg.connect(dsn or self.dsn, autocommit=True) as connection:
            done = connection.execute(statement.encode())
            row = done.fetchone() if done.description else None
        return row and row[0]


@functools.cache
def _made() -> Path:
    """A data directory that every pair begins as a copy of: migrated, with a stream that is no feed of a province."""
    made = Path(tempfile.mkdtemp(prefix="hub-pair-"))
    made.chmod(0o711)
    atexit.register(shutil.rmtree, made)
    with running(made) as dsn:
        migrate(dsn)
        with psycopg.connect(dsn) as connection:
            connection.execute("INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES ('f', 'owner', true, 1)")
    return made


@contextlib.contextmanager
def a_pair() -> Iterator[Pair]:
    """A pair in a directory of its own that every user can reach, as pytest's is not; it is gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="hub-pair-"))
    home.chmod(0o711)
    data_dir, standby_dir = home / "data", home / "standby"
    subprocess.run(["cp", "-a", _made(), data_dir], check=True)
    try:
        with running(data_dir) as dsn:
            standby.add(data_dir, dsn, standby_dir, "second")
            with standby.following(standby_dir) as standby_dsn:
                assert standby.require(standby_dir)
                yield Pair(home, dsn, standby_dsn)
    finally:
        discard(standby_dir)
        discard(data_dir)
        shutil.rmtree(home)
