"""The server processes of a cluster: which there are, which rules the others, and how they are ended."""

import signal
import time
from contextlib import suppress
from os.path import samestat
from pathlib import Path

import psutil
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from hub.postgres.cluster import (
    SETTINGS,
)

FAST_STOP_PATIENCE_S = 60
# An immediate stop saves nothing first; the next start recovers.
IMMEDIATE_STOP_PATIENCE_S = 15


def conninfo_of(sockets: Path) -> str:
    """Returns the conninfo of database `hub` as superuser `hub`."""
    return make_conninfo(host=str(sockets), port=SETTINGS["port"], user="hub", dbname="hub", connect_timeout=5)


def ping(conninfo: str) -> Ping:
    """Returns OK from a server that serves, REJECT from one that recovers or stops, else NO_RESPONSE."""
    return Ping(PGconn.ping(conninfo.encode()))


def processes_of(cluster: Path) -> list[psutil.Process]:
    """Returns the server processes that live on a cluster."""
    found: list[psutil.Process] = []
    with suppress(OSError):
        here = cluster.stat()
        for pid in psutil.pids():
            with suppress(OSError, psutil.Error):
                # Where it is comes first: of all that runs on a machine, next to nothing is here.
                if samestat(here, Path(f"/proc/{pid}/cwd").stat()) and (process := psutil.Process(pid)).name() == "postgres":
                    found.append(process)
    return found


def postmaster_of(processes: list[psutil.Process]) -> psutil.Process | None:
    """Returns the one that rules the others: PostgreSQL titles those `postgres: …`, but only once they have begun, so parents count."""
    pids = {process.pid for process in processes}
    for process in processes:
        with suppress(psutil.Error, IndexError):
            if process.ppid() not in pids and not process.cmdline()[0].startswith("postgres:"):
                return process
    return None


def end_orphans(cluster: Path) -> None:
    """Kills what a killed postmaster left: it keeps a new one out, and recovery undoes what it was at."""
    processes = processes_of(cluster)
    if postmaster_of(processes) is None:
        kill_all(processes)


def shut_down(postmaster: psutil.Process, sockets: Path, *, saves: bool = True) -> None:
    """Ends the server and all its processes, in order if it lets itself be ended so and is to save first."""
    steps = [(signal.SIGINT, FAST_STOP_PATIENCE_S), (signal.SIGQUIT, IMMEDIATE_STOP_PATIENCE_S)]
    # A fast stop that meets the recovery of PostgreSQL 18.6 was seen to hang.
    if not saves or ping(conninfo_of(sockets)) != Ping.OK:
        del steps[0]
    with suppress(psutil.NoSuchProcess):
        family = [postmaster, *postmaster.children()]
        for step, patience_s in steps:
            postmaster.send_signal(step)
            give_up_s = time.monotonic() + patience_s
            while not all(map(has_ended, family)) and time.monotonic() < give_up_s:
                time.sleep(0.02)
        kill_all(family)
    with suppress(OSError):
        sockets.rmdir()


def has_ended(process: psutil.Process) -> bool:
    """Whether a process has ended: a zombie has, though a busy hub or a slow init may not have taken note."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def kill_all(processes: list[psutil.Process]) -> None:
    """Kills those that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
