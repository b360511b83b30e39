"""A second copy of the embedded database, on another disk of the machine: PostgreSQL's own standby, with each commit before its answer.

The standby is the embedded server of a directory of its own. The primary keeps for it what it has not received yet (a replication slot),
and waits for it with each commit from `require` to `release`. Its own file says whether it was waited for when it last ran: only then
does it have all that was acknowledged.
"""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hub.durable import whole
from hub.postgres.cluster import Cluster, EmbeddedPostgresError, alone, initialise_as, lock_file, open_cluster, path_of
from hub.postgres.server import attached, running

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# What a standby must have at least as much of as its primary.
_AS_MUCH = ("max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction")
CATCH_UP_S, LOOK_EVERY_S = 60.0, 0.1


class StandbyNameUnfit(EmbeddedPostgresError):
    """备库名须为小写字母开头的字母、数字、下划线 a standby's name is lower-case letters, digits and _, and begins with a letter"""


class StandbyExists(EmbeddedPostgresError):
    """目录中已有数据库，请另选目录 there is a database in the directory already; take another, or `hub standby run`:"""


class NoStandby(EmbeddedPostgresError):
    """目录中没有备库，先执行 hub standby add；there is no standby in the directory, `hub standby add` makes one:"""


class StandbyUnknown(EmbeddedPostgresError):
    """主库没有这个备库 the primary has no such standby; see `hub standby status`:"""


class StandbyBehind(EmbeddedPostgresError):
    """备库落后，不能用它 the standby is behind and cannot be used so:"""


class StandbyLost(StandbyBehind):
    """主库已不再保留备库所缺的日志；请 remove 后重新 add。The primary no longer keeps what it lacks: remove it, and add it again:"""


class StandbyConnected(EmbeddedPostgresError):
    """备库仍在连接，先停止 hub standby run；the standby is still connected, end `hub standby run` first:"""


class PrimaryAnswers(EmbeddedPostgresError):
    """主库仍在应答，不能另立主库；先停止它 the primary still answers, and there must not be two; end it first:"""


class OwnServer(EmbeddedPostgresError):
    """HUB_DSN 指向自己的服务器，其备库由 Patroni 管理 HUB_DSN names a server of your own, whose standbys Patroni makes: docs/standby.md"""


class Made(NamedTuple):
    """What a standby's own file says: its name, the data directory of its primary, whether that waited for it when it last ran."""

    name: str
    primary: str
    was_required: bool


def add(primary_dir: Path, primary_dsn: str, standby_dir: Path, name: str) -> None:
    """Copies the running primary; one that is interrupted leaves nothing that would be taken for a standby, and is begun again.

    Raises StandbyNameUnfit or StandbyExists.
    """
    if not NAME.fullmatch(name):
        raise StandbyNameUnfit(f"{StandbyNameUnfit.__doc__}: {name}")
    if path_of(standby_dir).exists():
        raise StandbyExists(f"{StandbyExists.__doc__} {standby_dir}")
    with psycopg.connect(primary_dsn, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_create_physical_replication_slot(%s, true) WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s)",
            (name, name),
        )
        needs = [f"{setting} = {_setting(connection, setting)}\n" for setting in _AS_MUCH]

    def copy(cluster: Cluster, lock: int) -> None:
        conninfo = make_conninfo(primary_dsn, application_name=name, connect_timeout=None)
        command = ("pg_basebackup", "-D", "{new}", "-d", conninfo, "-R", "-X", "stream", "-S", name, "-c", "fast", "-w")
        initialise_as(cluster, lock, [command], lambda new: _prepare(new, needs))

    standby_dir.mkdir(parents=True, exist_ok=True)
    with alone(lock_file(standby_dir)) as lock:
        open_cluster(standby_dir, lock, copy)
    write(standby_dir, Made(name, str(primary_dir.resolve()), was_required=False))


def _prepare(new: Path, needs: list[str]) -> None:
    with (new / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
        # Whom the primary waits for is no business of a standby's, also once it has been promoted.
        settings.writelines([*needs, "synchronous_standby_names = ''\n"])


def made(standby_dir: Path) -> Made:
    """Returns what the standby of a directory is; raises NoStandby."""
    with suppress(OSError, ValueError, TypeError):
        if path_of(standby_dir).exists():
            return Made(**json.loads(_file(standby_dir).read_text(encoding="utf-8")))
    raise NoStandby(f"{NoStandby.__doc__} {standby_dir}")


def _file(standby_dir: Path) -> Path:
    return standby_dir / "standby.json"


def write(standby_dir: Path, found: Made) -> None:
    """Keeps what a standby is."""
    with whole(_file(standby_dir)) as file:
        file.write(json.dumps(found._asdict()).encode())


@contextmanager
def following(standby_dir: Path) -> Iterator[str]:
    """Keeps a standby running meanwhile and gives its conninfo; raises NoStandby."""
    made(standby_dir)
    with running(standby_dir) as dsn:
        yield dsn


def require(standby_dir: Path, *, within_s: float = CATCH_UP_S) -> bool:
    """Has the primary wait for the standby with each commit, once that has caught up; False while the primary does not run.

    Raises StandbyBehind, which names what is wrong.
    """
    found = made(standby_dir)
    primary_dsn = attached(Path(found.primary))
    if primary_dsn is None:
        return False
    with psycopg.connect(primary_dsn, autocommit=True) as connection:
        _await_caught_up(connection, found.name, within_s)
        _wait_for(connection, found.name)
        _await_required(connection, found.name, within_s)
    write(standby_dir, found._replace(was_required=True))
    return True


def release(standby_dir: Path) -> None:
    """Has the primary, if it runs, wait for the standby no more: from now on that may lack what is acknowledged. Raises NoStandby."""
    found = made(standby_dir)
    # The file first: whatever comes between, it claims no more than is so.
    write(standby_dir, found._replace(was_required=False))
    if (primary_dsn := attached(Path(found.primary))) is not None:
        with psycopg.connect(primary_dsn, autocommit=True) as connection:
            _release(connection, found.name)


def _release(connection: psycopg.Connection, name: str) -> None:
    if _setting(connection, "synchronous_standby_names") == f'"{name}"':
        _wait_for(connection, "")


def remove(primary_dsn: str, name: str) -> None:
    """Releases a standby and drops what the primary keeps for it; raises StandbyUnknown or StandbyConnected."""
    with psycopg.connect(primary_dsn, autocommit=True) as connection:
        row = connection.execute("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (name,)).fetchone()
        if row is None:
            raise StandbyUnknown(f"{StandbyUnknown.__doc__} {name}")
        if row[0]:
            raise StandbyConnected(f"{StandbyConnected.__doc__} {name}")
        _release(connection, name)
        connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def promote(standby_dir: Path, *, even_if_behind: bool) -> None:
    """Makes the standby a primary of its own; raises NoStandby, PrimaryAnswers, or StandbyBehind if it may lack what was acknowledged."""
    found = made(standby_dir)
    if attached(Path(found.primary)) is not None:
        raise PrimaryAnswers(f"{PrimaryAnswers.__doc__} {found.primary}")
    if not found.was_required and not even_if_behind:
        raise StandbyBehind(
            f"{StandbyBehind.__doc__} 主库最后并未等待它，可能缺少已确认的事件（--even-if-behind）"
            " its primary did not wait for it at last, so it may lack what was acknowledged"
        )
    with running(standby_dir) as dsn, psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_promote(true, 60) WHERE pg_is_in_recovery()")
        connection.execute("ALTER SYSTEM RESET primary_conninfo")
        connection.execute("ALTER SYSTEM RESET primary_slot_name")
    _file(standby_dir).unlink()


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


def _wait_for(connection: psycopg.Connection, name: str) -> None:
    quoted = f'"{name}"' if name else ""
    connection.execute(sql.SQL("ALTER SYSTEM SET synchronous_standby_names = {}").format(sql.Literal(quoted)))
    connection.execute("SELECT pg_reload_conf()")


def _await_caught_up(connection: psycopg.Connection, name: str, within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    assert row is not None
    while True:
        found = connection.execute(_HOW_FAR, {"name": name, "target": row[0]}).fetchone()
        if found is None:
            raise StandbyUnknown(f"{StandbyUnknown.__doc__} {name}")
        is_there, is_lost, behind_bytes = found
        if is_lost:
            raise StandbyLost(f"{StandbyLost.__doc__} {name}")
        if is_there and behind_bytes <= 0:
            return
        if time.monotonic() > give_up_at:
            where = "未连接 it is not connected" if not is_there else f"落后 it lacks {behind_bytes:,} bytes"
            raise StandbyBehind(f"{StandbyBehind.__doc__} {name} {where}")
        time.sleep(LOOK_EVERY_S)


def _await_required(connection: psycopg.Connection, name: str, within_s: float) -> None:
    give_up_at = time.monotonic() + within_s
    look = "SELECT FROM pg_stat_replication WHERE application_name = %s AND sync_state = 'sync'"
    while connection.execute(look, (name,)).fetchone() is None:
        if time.monotonic() > give_up_at:
            _wait_for(connection, "")
            raise StandbyBehind(f"{StandbyBehind.__doc__} {name} 未成为同步备库 has not become synchronous")
        time.sleep(LOOK_EVERY_S)


_HOW_FAR = """
    SELECT r.pid IS NOT NULL AND r.state = 'streaming', s.wal_status = 'lost', pg_wal_lsn_diff(%(target)s, r.flush_lsn)
    FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.slot_name = %(name)s"""


def edge_dsn(dsn: str) -> str:
    """Returns the conninfo of a standby for the login of an edge."""
    named = conninfo_to_dict(dsn)
    return f"host={named['host']} port={named['port']} dbname=hub user=hub_edge"
