"""The hub of a sandbox: a database that is thrown away, its template that a reset goes back to, and its edges.

A reset kills the edges, puts a copy of the template in the place of the database and starts the edges at the same addresses, so that
clients find them where they were.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from hub.admin.hotlist import publish
from hub.domain import reference
from hub.domain.errors import HubError
from hub.journal.logins import app_login
from hub.journal.migrate import migrate
from hub.projections import PROJECTIONS
from hub.sandbox.ahead import AHEAD
from hub.stage import ChildDied, Stage, free_port, register, staged
from hub.trust.authority import CertificateFiles, issue_server
from hub.trust.hotlist_key import open_hotlist_key
from hub.trust.keyring import open_keyring

# The next database is a copy of the template that is made beside what goes on, so that a reset has only to name it.
DATABASE, TEMPLATE, NEXT = "hub_sandbox", "hub_sandbox_template", "hub_sandbox_next"
EDGES = ("edge-1", "edge-2")
SETTLE_S = 30.0
# Certificates are good for a year.
MOST_AHEAD_S = 300 * 86_400
# How long a slow database keeps each commit waiting, and how long it then lets others in.
SLOW_S, FREE_S = 0.4, 0.02
# What is measured and traced would be thrown away; a machine that is busy with other things may fold late.
# The hub's clock may be set ahead of the database's.
SETTINGS = {"HUB_METRICS_LISTEN": "", "HUB_TELEMETRY": "0", "HUB_MAX_LAG_S": "60", "HUB_MAX_CLOCK_DRIFT_S": "1000000000"}


class EdgeEnded(HubError):
    """沙箱的枢纽不在运行，请重新启动沙箱 the sandbox's hub does not run; start the sandbox again:"""


class ClockUnfit(HubError):
    """沙箱的时钟只能往前拨，重置后回到现在 the clock of a sandbox goes forward alone, a reset sets it back; seconds ahead of now:"""


class NothingToBeginWith(HubError):
    """没有可供重置的副本，沙箱照旧运行，请再试 there is no copy to begin again with, and the sandbox goes on as it is; try again:"""


class World:
    """One hub and what can be done to it; its methods wait, and are called from one thread at a time."""

    def __init__(self, stage: Stage, server_dsn: str, data_dir: Path, certificates: dict[str, CertificateFiles]) -> None:
        """Takes the stage whose processes it starts; nothing runs yet."""
        self._stage, self._server_dsn, self.data_dir, self.certificates = stage, server_dsn, data_dir, certificates
        self.edges = [f"127.0.0.1:{free_port()}" for _ in EDGES]
        self.has_second_edge, self.ahead_s = False, 0.0
        self._slow: threading.Thread | None = None
        self._copying = ThreadPoolExecutor(1, "next-database")
        self._next: Future[None] | None = None

    def close(self) -> None:
        """Waits for a copy that is being made."""
        self._copying.shutdown()

    @property
    def dsn(self) -> str:
        """The login that commands have."""
        return app_login(make_conninfo(self._server_dsn, dbname=DATABASE))

    def start(self) -> None:
        """Starts the first edge, which folds the views too."""
        self._launch(0)
        self._stage.first_line(EDGES[0])

    def _launch(self, number: int) -> None:
        """Starts an edge with the clock that is set; the first one folds the views too."""
        projects = () if number else ("--project",)
        clock = {AHEAD: f"{self.ahead_s:.0f}"}
        self._stage.start(EDGES[number], "hub.sandbox.ahead", "serve", *projects, "--listen", self.edges[number], **clock)

    def set_clock(self, ahead_s: float) -> None:
        """Has the hub see a time so many seconds ahead, from now on; raises ClockUnfit."""
        if not self.ahead_s <= ahead_s <= MOST_AHEAD_S:
            raise ClockUnfit(f"{self.ahead_s:.0f}–{MOST_AHEAD_S}")
        self.ahead_s = ahead_s
        self._restart(signal.SIGTERM, range(1 + self.has_second_edge))

    def _restart(self, number: signal.Signals, edges: Iterable[int]) -> None:
        for edge in edges:
            self._stage.end(EDGES[edge], number)
            self._launch(edge)
            self._stage.first_line(EDGES[edge])

    def become_template(self) -> None:
        """Keeps the hub as it is now as what a reset goes back to."""
        self._settle()
        self._stage.end(EDGES[0], signal.SIGTERM)
        self._copy(DATABASE, TEMPLATE)
        self.start()

    def copy_ahead(self) -> None:
        """Begins to make the database of the next reset."""
        self._next = self._copying.submit(self._copy, TEMPLATE, NEXT)

    def reset(self) -> float:
        """Begins again, at the real time; returns how many seconds it took. Raises NothingToBeginWith."""
        began_s, edges = time.monotonic(), range(1 + self.has_second_edge)
        self._make_next()
        for edge in edges:
            self._stage.end(EDGES[edge], signal.SIGKILL)
        self._begin_with_next()
        self.ahead_s = 0.0
        for edge in edges:
            self._launch(edge)
        for edge in edges:
            self._stage.first_line(EDGES[edge])
        took_s = time.monotonic() - began_s
        self.copy_ahead()
        return took_s

    def _make_next(self) -> None:
        """Waits for the database of the next reset, or makes it now; raises NothingToBeginWith."""
        copying, self._next = self._next or self._copying.submit(self._copy, TEMPLATE, NEXT), None
        try:
            copying.result()
        except psycopg.Error as error:
            raise NothingToBeginWith(str(error).strip()) from None

    def _begin_with_next(self) -> None:
        """Puts the next database in the place of this one."""
        with psycopg.connect(self._server_dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
            connection.execute(f"ALTER DATABASE {NEXT} RENAME TO {DATABASE}".encode())

    def _copy(self, source: str, copy: str) -> None:
        """Makes a database the copy of another, also one in use."""
        with psycopg.connect(self._server_dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {copy} WITH (FORCE)".encode())
            # Nobody is at work on the source, but what has just been may take a moment to leave.
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", (source,)
            )
            connection.execute(f"CREATE DATABASE {copy} TEMPLATE {source} STRATEGY FILE_COPY".encode())

    def add_second_edge(self) -> None:
        """Starts a second edge, unless it runs."""
        if not self.has_second_edge:
            self._launch(1)
            self._stage.first_line(EDGES[1])
            self.has_second_edge = True

    def restart_edge(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Has the first edge end, in order or not, and starts it again at its address."""
        self._restart(number, [0])

    def slow_down(self, seconds: float) -> None:
        """Has each commit wait for so many seconds from now on; the database does the waiting."""
        self._slow = threading.Thread(target=self._hold_the_head, args=(seconds,), name="slow-database", daemon=True)
        self._slow.start()

    def _hold_the_head(self, seconds: float) -> None:
        give_up_at = time.monotonic() + seconds
        with contextlib.suppress(psycopg.Error), psycopg.connect(self.dsn, autocommit=True) as connection:
            while time.monotonic() < give_up_at:
                with connection.transaction():
                    connection.execute("SELECT FROM journal.head FOR UPDATE")
                    time.sleep(SLOW_S)
                time.sleep(FREE_S)

    def _settle(self) -> None:
        """Waits until the views have all that is recorded."""
        give_up_at = time.monotonic() + SETTLE_S
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            names = [projection.name for projection in PROJECTIONS]
            while time.monotonic() < give_up_at:
                row = connection.execute(_BEHIND, (names,)).fetchone()
                if row is not None and not row[0]:
                    return
                time.sleep(0.05)


def publish_hotlist(dsn: str, data_dir: Path) -> str:
    """Publishes the hotlist as a snapshot, and returns the key that it is verified by, in hexadecimal."""
    key = open_hotlist_key(data_dir / "keys")
    publish(dsn, open_keyring(data_dir / "keys"), key, reference.load(), time.time_ns() // 1_000, as_snapshot=True)
    return key.public.hex()


_BEHIND = (
    """SELECT (SELECT position FROM journal.head) > coalesce((SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s)), -1)"""
)


@contextlib.contextmanager
def world(server_dsn: str, data_dir: Path, seed: Callable[[World], None]) -> Iterator[World]:
    """Begins a hub in an empty folder, with what *seed* puts into it, and stops it in the end; raises EdgeEnded.

    The database server is the caller's.
    """
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            # It is thrown away: only a crash of the machine would lose anything.
            connection.execute(f"ALTER SYSTEM SET {setting} = off".encode())
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    owner = make_conninfo(server_dsn, dbname=DATABASE)
    migrate(owner)
    issue_server(data_dir / "certificates")
    with staged(data_dir, app_login(owner), SETTINGS) as stage:
        made = World(stage, server_dsn, data_dir, register(app_login(owner), data_dir))
        with contextlib.closing(made):
            try:
                made.start()
                seed(made)
                made.become_template()
            except ChildDied as death:
                raise EdgeEnded(str(death)) from None
            yield made
