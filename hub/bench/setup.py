"""What every measurement needs: a fresh database on the configured server, a hub process on it, and its CPU time."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from hub.admin.registry import change_quota, load_agreements, register_participant
from hub.child import Child, python
from hub.config import Config
from hub.domain.participant import PREFIX
from hub.domain.roles import every_role
from hub.journal.migrate import migrate
from hub.journal.recorder import AggregateStore
from hub.postgres.server import discard, running
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.trust.authority import issue_participant

PARTICIPANT = f"{PREFIX}cq.card-center"
ASKER = f"{PREFIX}sc.card-center"
NOISY = f"{PREFIX}sc.noisy"
# More than any machine does: what is measured is the hub, not the quota.
_UNLIMITED = {"calls_per_s": 1_000_000, "events_per_s": 10_000_000, "calls_at_once": 10_000}
STOP_S = 20.0
# Most measure the cost of an answer and of an event, also while more flows in than the views can follow, or nobody folds.
NEVER_LATE_S = 1e6
# Cards of the load, unless a measurement has its own.
CARDS = 20_000


@dataclass(frozen=True, slots=True)
class Ground:
    """A fresh database, and a data directory for keys and certificates."""

    dsn: str
    data_dir: Path

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a hub process on this ground."""
        return {**os.environ, "HUB_DSN": self.dsn, "HUB_DATA_DIR": str(self.data_dir)}


@contextlib.contextmanager
def ground(config: Config, feeds: list[str]) -> Iterator[Ground]:
    """Yields a fresh database on the configured server, or on an embedded one of its own, and removes it afterwards."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        data_dir = Path(directory)
        if config.dsn:
            name = f"hub_bench_{os.getpid()}"
            with psycopg.connect(config.dsn, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}".encode())
            try:
                yield _prepared(make_conninfo(config.dsn, dbname=name), data_dir, feeds)
            finally:
                with psycopg.connect(config.dsn, autocommit=True) as connection:
                    connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
            return
        try:
            with running(data_dir) as dsn:
                yield _prepared(dsn, data_dir, feeds)
        finally:
            discard(data_dir)


def _prepared(dsn: str, data_dir: Path, feeds: list[str]) -> Ground:
    migrate(dsn)
    store = AggregateStore(dsn)
    now = datetime.now(UTC)
    register_participant(store, PARTICIPANT, "50", "bench", feeds, now, every_role())
    register_participant(store, ASKER, "51", "bench", ["sc.bench"], now, every_role())
    for urn in (PARTICIPANT, ASKER):
        change_quota(store, urn, _UNLIMITED, now)
    load_agreements(store, now)
    store.close()
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    for urn in (PARTICIPANT, ASKER):
        issue_participant(data_dir / "certificates", urn)
    return Ground(dsn, data_dir)


@dataclass(frozen=True, slots=True)
class HubProcess:
    """A hub process: its TLS address, the bench's plaintext port (0 if none), and its process."""

    target: str
    plaintext_port: int
    process: psutil.Process

    def cpu_s(self) -> float:
        """CPU seconds it has used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_bytes(self) -> int:
        """Resident memory."""
        return int(self.process.memory_info().rss)


@contextlib.contextmanager
def hub_process(place: Ground, cards: int = CARDS, *, telemetry: bool = True, max_lag_s: float = NEVER_LATE_S) -> Iterator[HubProcess]:
    """Starts an edge with the bench's plaintext loopback listener, which asks about *cards* cards, and stops it at the end."""
    environment = {**place.environment, "HUB_METRICS_LISTEN": "127.0.0.1:0", "HUB_TELEMETRY": str(telemetry)}
    process = Child(python("hub.bench.edge_server", str(cards), str(max_lag_s)), environment)
    try:
        words = process.first_line().split()
        if len(words) != 2:
            raise RuntimeError("the hub process did not start; run `hub serve` to see why")
        yield HubProcess(words[0], int(words[1]), psutil.Process(process.pid))
    finally:
        process.stop(STOP_S)


@contextlib.contextmanager
def projector(place: Ground) -> Iterator[psutil.Process]:
    """Runs the projections in a process of their own."""
    process = Child(python("hub.cli", "project"), place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.stop(STOP_S)


def backend_cpu_s(dsn: str, application_name: str) -> float:
    """CPU seconds of the server's processes for one kind of connection; 0 on a server of another machine."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE application_name = %s", (application_name,)).fetchall()
    total = 0.0
    for (pid,) in rows:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            total += times.user + times.system
    return total


def median(values: list[float]) -> float:
    """Returns the middle of the values."""
    return sorted(values)[len(values) // 2]


def settle() -> None:
    """Lets the machine come to rest between two measurements."""
    time.sleep(0.3)
