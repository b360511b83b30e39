"""Sees that a session is with the primary of today, where several servers are named, and that what it reads is not on one disk alone.

A former primary may not know of its end: its machine hangs, or was cut off. Its sessions stay open, answer from the past, or never. Each
promotion begins a new timeline, so the first session on a newer one cuts those of the older, and none is opened to that again.
"""

import contextlib
import os
import socket
import threading
import time
import weakref
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.journal.statements import ConnectionLost, GroupFailed, run

# A standby that is away holds up what answers rest on for as long; then the journal is away.
STANDBY_WITHIN_S = 5.0
# All sessions of a process may wait for a server that hangs: one of their own looks whether there is another primary.
LOOK_EVERY_S, LOOK_WITHIN_S = 1.0, 2


class FormerPrimary(psycopg.OperationalError):
    """The server was the primary once; another is now."""


@dataclass(slots=True)
class _Cluster:
    """The servers of a conninfo: the primary that was met last, its timeline, and the sessions with theirs; *silent* gave no answer."""

    primary: tuple[str, str] = ("", "")
    silent: tuple[str, str] = ("", "")
    timeline: int = 0
    sessions: "weakref.WeakKeyDictionary[pq.abc.PGconn, int]" = field(default_factory=weakref.WeakKeyDictionary)
    is_watched: bool = False


_clusters: dict[tuple[tuple[str, str], ...], _Cluster] = {}
_lock = threading.Lock()


def towards(dsn: str) -> str:
    """Returns the conninfo with the primary that was met last before the other servers, and behind them one that hangs."""
    if "," not in dsn or (cluster := _clusters.get(tuple(sorted(servers := _servers(dsn))))) is None or cluster.primary not in servers:
        return dsn
    servers.sort(key=lambda server: (server == cluster.silent, server != cluster.primary))
    return make_conninfo(dsn, host=",".join(host for host, _ in servers), port=",".join(port for _, port in servers))


def arrive(connection: pq.abc.PGconn, dsn: str, *, confirms: bool) -> None:
    """Begins a session of *dsn* that has been set up; raises FormerPrimary, ConnectionLost or GroupFailed.

    With *confirms* it returns once all that can be read is on the synchronous standby too, if there is to be one: after a fall a server
    shows what it had on its own disk, and what was answered by that could be lost with it.
    """
    timeline = int(run(connection, _CONFIRM if confirms else _LOOK, STANDBY_WITHIN_S).get_value(0, 0) or 0)
    if not timeline or len(servers := _servers(dsn)) < 2:
        return
    with _lock:
        cluster = _clusters.setdefault(tuple(sorted(servers)), _Cluster())
    _meet(cluster, connection, timeline)
    with _lock:
        cluster.sessions[connection] = timeline
        begins, cluster.is_watched = not cluster.is_watched, True
    if begins:
        threading.Thread(target=_watch, args=(dsn, cluster), name="primary-watch", daemon=True).start()


def _servers(dsn: str) -> list[tuple[str, str]]:
    named = conninfo_to_dict(dsn)
    hosts, ports = (str(named.get(name) or "").split(",") for name in ("host", "port"))
    return list(zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=False))


def _meet(cluster: _Cluster, connection: pq.abc.PGconn, timeline: int) -> None:
    """Takes note of a server that takes writes, and cuts the sessions of former ones; raises FormerPrimary if it is one."""
    with _lock:
        if timeline < cluster.timeline:
            raise FormerPrimary(f"the server is on timeline {timeline}, the primary on {cluster.timeline}")
        former = [other for other, its in cluster.sessions.items() if its < timeline]
        cluster.timeline, cluster.primary = timeline, (connection.host.decode(), connection.port.decode())
        cluster.silent = cluster.silent if cluster.silent != cluster.primary else ("", "")
    for other in former:
        _cut(other)


def _cut(connection: pq.abc.PGconn) -> None:
    """Ends a session that another thread may be waiting on: it finds its connection lost."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.socket)) as shared:
        shared.shutdown(socket.SHUT_RDWR)


def _watch(dsn: str, cluster: _Cluster) -> None:
    """Looks which server is the primary as long as there are sessions."""
    conninfo = make_conninfo(dsn, application_name="hub-primary", connect_timeout=LOOK_WITHIN_S)
    connection: pq.abc.PGconn | None = None
    while True:
        time.sleep(LOOK_EVERY_S)
        with _lock:
            cluster.is_watched = len(cluster.sessions) > 0
            if not cluster.is_watched:
                break
        try:
            if connection is None:
                connection = pq.PGconn.connect(towards(conninfo).encode())
                connection.nonblocking = 1
            _meet(cluster, connection, int(run(connection, _LOOK, LOOK_WITHIN_S).get_value(0, 0) or 0))
        except (ConnectionLost, GroupFailed, psycopg.Error):
            cluster.silent = cluster.primary
            if connection is not None:
                connection.finish()
            connection = None
    if connection is not None:
        connection.finish()


# On a standby there is no timeline to write on: what it shows is somewhere else, too.
_LOOK = b"""
    SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END"""
# The commit of the empty message waits for the standby, and with it for all that was written before.
_CONFIRM = (
    _LOOK
    + b""", CASE WHEN NOT pg_is_in_recovery() AND current_setting('synchronous_standby_names') <> ''
                 THEN pg_logical_emit_message(true, 'hub', '') END"""
)
