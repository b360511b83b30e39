"""Starts and stops the embedded PostgreSQL, which holds the hub's state unless a DSN names a real server.

One data directory has one server, however many processes ask for it at once; it runs as long as one of them uses it, whichever
started it. What runs is asked of the kernel, never of a file: a connection shows whether the server answers, a lock on the
cluster directory, inherited by every server process, whether any of them lives, and a lock of each user whether it is used.
So a crash leaves nothing behind: no server without a user, and no file that the next start would believe.

PostgreSQL restarts its own processes after a crash; if it cannot, such as on a full disk, it ends, and a process that is `running` it
starts it again until it stays.
"""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from psycopg.pq import Ping

from hub.file_lock import locks
from hub.postgres.cluster import (
    ENVIRONMENT,
    Cluster,
    EmbeddedPostgresError,
    alone,
    delete_cluster,
    lock_file,
    log_tail,
    open_cluster,
    open_sockets,
    path_of,
    socket_path,
    was_shut_down,
)
from hub.postgres.processes import conninfo_of, end_orphans, has_ended, kill_all, ping, postmaster_of, processes_of, shut_down
from hub.postgres.users import Users

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "attached", "discard", "last_words", "running", "stop_any"]

log = logging.getLogger(__name__)

SILENCE_PATIENCE_S = 30
# Replaying max_wal_size after a crash takes minutes on a slow disk, and the server says so while it does.
RECOVERY_PATIENCE_S = 600
KEEP_EVERY_S = 1.0
# A process of its own starts the server again: to become another user, it forks, and a fork of a process with gRPC at work may abort.
_START = "import sys, pathlib; from hub.postgres.server import EmbeddedPostgres; EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()"


class EmbeddedPostgres:
    """The server of one data directory, as one process sees it."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.resolve()
        self._users = Users(self._data_dir)
        self._postmaster: psutil.Process | None = None
        self._launched: psutil.Popen | None = None
        self._sockets = Path()
        self._stopping = threading.Event()

    def start(self) -> str:
        """Returns the conninfo of database `hub` as superuser `hub`, once the server answers.

        Starts the server or attaches to the one that runs; from now on it runs until `stop`, or the end of this process. After a
        failure `stop` ends what was started.
        """
        try:
            self._users.join()
            with alone(lock_file(self._data_dir)) as lock:
                cluster = open_cluster(self._data_dir, lock)
                self._sockets = open_sockets(cluster.path)
                self._users.have_it_watched(cluster.path, self._sockets)
                conninfo = self._await_answer(cluster)
                self._postmaster = postmaster_of(processes_of(cluster.path))
                return conninfo
        except OSError as error:
            raise EmbeddedPostgresError(f"PostgreSQL in {self._data_dir} cannot be started: {error}") from error

    def stop(self, *, saves: bool = True) -> None:
        """Use it no longer, and shut it down if nobody else uses it; if not *saves*, the next start has to recover."""
        if self._users.is_last():
            with alone(lock_file(self._data_dir)):
                # What was started here, what was found, and what another user has started since are mostly one.
                for server in {self._launched, self._postmaster, postmaster_of(processes_of(path_of(self._data_dir)))}:
                    if server is not None:
                        shut_down(server, self._sockets, saves=saves)
        if self._launched is not None and has_ended(self._launched):
            self._launched.wait()
        self._launched = self._postmaster = None
        self._users.leave()

    def keep(self) -> None:
        """Starts the server again whenever it has ended by itself, until `finish`."""
        is_away = False
        while self._postmaster is not None and not self._stopping.wait(KEEP_EVERY_S):
            if not has_ended(self._postmaster):
                is_away = False
                continue
            if self._launched is not None:
                self._launched.poll()
            # Who ended it in order wants it so.
            if was_shut_down(path_of(self._data_dir)):
                return
            said = self._start_again()
            if not is_away:
                log.error("postgres: the server has ended by itself and %s", f"does not start: {said}" if said else "was started again")
            is_away = said != ""

    def finish(self) -> None:
        """Lets `keep` come to its end."""
        self._stopping.set()

    def _start_again(self) -> str:
        """Returns why the server does not start, "" if it does."""
        with subprocess.Popen([sys.executable, "-c", _START, self._data_dir], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as starter:
            while starter.poll() is None:
                if self._stopping.wait(0.1):
                    starter.terminate()
                    break
            _, said = starter.communicate()
        self._postmaster = postmaster_of(processes_of(path_of(self._data_dir))) or self._postmaster
        lines = said.decode(errors="replace").splitlines() or [""]
        return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), lines[-1]) if starter.returncode else ""

    def _await_answer(self, cluster: Cluster) -> str:
        conninfo, launched = conninfo_of(self._sockets), None
        began_s = time.monotonic()
        while (answer := ping(conninfo)) != Ping.OK:
            patience_s = RECOVERY_PATIENCE_S if answer == Ping.REJECT else SILENCE_PATIENCE_S
            if launched is None and (claim := _claim(cluster.path)) is not None:
                launched = self._launched = _launch(cluster, self._sockets, claim)
            elif launched is not None and launched.poll() is not None:
                raise EmbeddedPostgresError(f"PostgreSQL ended while starting:\n{log_tail(cluster.path)}")
            elif time.monotonic() - began_s > patience_s:
                pids = [process.pid for process in processes_of(cluster.path)]
                raise EmbeddedPostgresError(
                    f"PostgreSQL on {cluster.path} (processes {pids}) does not answer; stop it or start again:\n{log_tail(cluster.path)}"
                )
            elif launched is None and answer == Ping.NO_RESPONSE:
                end_orphans(cluster.path)
            time.sleep(0.02)
        return conninfo


@contextmanager
def running(data_dir: Path, *, discards: bool = False) -> Iterator[str]:
    """Gives the conninfo of a server that is kept running, and stops it afterwards unless another process uses it.

    With *discards* the caller deletes the cluster afterwards, so nothing is saved first.
    """
    server = EmbeddedPostgres(data_dir)
    keeper = threading.Thread(target=server.keep, name="postgres-keeper", daemon=True)
    try:
        conninfo = server.start()
        keeper.start()
        yield conninfo
    finally:
        server.finish()
        if keeper.ident is not None:
            keeper.join()
        server.stop(saves=not discards)


def attached(data_dir: Path) -> str | None:
    """Returns the conninfo of the server of a data directory if it runs, whichever process started it; starts and makes nothing."""
    cluster = path_of(data_dir)
    if not cluster.exists() or not socket_path(cluster).exists():
        return None
    conninfo = conninfo_of(open_sockets(cluster))
    return conninfo if ping(conninfo) == Ping.OK else None


def last_words(data_dir: Path) -> str:
    """Returns what the server of a data directory said last when it ended by itself, "" if it was shut down or never ran."""
    cluster = path_of(data_dir)
    if not cluster.exists() or was_shut_down(cluster):
        return ""
    lines = log_tail(cluster).splitlines()
    return next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), "")


def stop_any(data_dir: Path) -> bool:
    """Stops the server of a data directory, whichever process started it; False if none runs."""
    cluster = path_of(data_dir)
    if not cluster.exists():
        return False
    with alone(lock_file(data_dir)):
        processes = processes_of(cluster)
        if (postmaster := postmaster_of(processes)) is not None:
            shut_down(postmaster, socket_path(cluster))
        else:
            kill_all(processes)
        return processes != []


def discard(data_dir: Path) -> None:
    """Stops the server of a data directory and deletes its cluster, wherever that lies."""
    stop_any(data_dir)
    if (path_of(data_dir) / "postmaster.pid").exists():
        # A killed server leaves shared memory and a socket, which only its successor clears away.
        with suppress(EmbeddedPostgresError), running(data_dir):
            stop_any(data_dir)
    delete_cluster(data_dir)


def _claim(cluster: Path) -> int | None:
    """Lock the cluster directory; None while any server process lives, orphans included."""
    directory = os.open(cluster, os.O_RDONLY)
    if locks(directory):
        return directory
    os.close(directory)
    return None


def _launch(cluster: Cluster, sockets: Path, claim: int) -> psutil.Popen:
    """Starts the server and hands it the claim."""
    try:
        if strangers := processes_of(cluster.path):
            pids = [process.pid for process in strangers]
            raise EmbeddedPostgresError(f"processes {pids} serve {cluster.path} but are not the hub's: stop them")
        # Each names a process that is gone, whose number another may have by now.
        for stale in (cluster.path / "postmaster.pid", *sockets.iterdir()):
            stale.unlink(missing_ok=True)
        settings = cluster.write_settings(sockets)
        with cluster.start_log.open("wb") as log:
            return psutil.Popen(
                [cluster.programs / "postgres", "-D", cluster.path, "-c", f"config_file={settings}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                pass_fds=[claim],
                # A Ctrl-C meant for the hub must not reach the server before the hub has ended its work.
                start_new_session=True,
                **cluster.user,
            )
    finally:
        os.close(claim)
