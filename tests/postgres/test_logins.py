"""What the hub logs in as can read and append, and has nothing to go back to; a database that does not serve is refused in words."""

import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from hub.audit.fsck import check
from hub.cli import app
from hub.journal.logins import app_login, edge_login
from hub.journal.migrate import MIGRATIONS, OLDEST_VERSION, MigrationNotPermitted, NotUtf8, ServerTooOld, migrate, refuse_unfit
from hub.monitoring.vitals import connect, read_database
from hub.postgres.server import discard, running
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from tests.clients import DEADLINE_S, Province
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, Process, running_hub
from tests.messages import registered as registered_card
from tests.recording import Recording, register_owners, registered

# What an attacker who runs code in an edge would try, each in a session of the edge's login.
REFUSED = [
    "UPDATE journal.event SET data = ''",
    "UPDATE journal.event_000000 SET data = ''",
    "DELETE FROM journal.event",
    "TRUNCATE journal.event",
    "DELETE FROM journal.event_000000",
    "UPDATE journal.batch SET last_sequence = 0",
    "DELETE FROM journal.correction",
    "DELETE FROM journal.request",
    "UPDATE journal.rule_version SET archive = ''",
    "UPDATE journal.stream SET owner = 'urn:chuanyu:participant:another'",
    "DELETE FROM journal.head",
    "DELETE FROM vault.identifier",
    "ALTER TABLE journal.event DISABLE TRIGGER ALL",
    "ALTER TABLE journal.event ADD COLUMN more int",
    "DROP TABLE journal.event_000000",
    "CREATE TABLE journal.another (number int)",
    "CREATE OR REPLACE FUNCTION journal.close_group() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "SET ROLE hub",
    "SET SESSION AUTHORIZATION hub",
    "RESET ROLE; UPDATE journal.event SET data = ''",
    "SET ROLE hub_writer; RESET ROLE; DELETE FROM journal.event",
    "ALTER ROLE hub_app SUPERUSER",
    "CREATE ROLE another SUPERUSER",
    "SET session_replication_role = replica",
    "COPY journal.event TO PROGRAM 'cat'",
    "COPY journal.head FROM PROGRAM 'echo 1'",
    "COPY journal.event TO '/tmp/events'",
    "SELECT pg_read_file('pg_hba.conf')",
    "ALTER SYSTEM SET fsync = off",
    "CREATE EXTENSION file_fdw",
]
# What would change an answer without a word in the journal.
REFUSED_AN_EDGE = [
    "UPDATE views.card_standing SET facts = facts",
    "INSERT INTO views.card_standing SELECT * FROM views.card_standing",
    "DELETE FROM views.card_standing",
    "TRUNCATE views.card_standing",
    "DROP TABLE views.card_standing",
    "ALTER TABLE views.card_standing RENAME TO another",
    "CREATE TABLE views.another (number int)",
    "UPDATE views.checkpoint SET position = 0",
    "DELETE FROM views.parked",
    "UPDATE views.verification SET is_equal = true",
    "SET ROLE hub_projector",
    "SET ROLE hub_app",
    "SET SESSION AUTHORIZATION hub_app",
    "GRANT hub_projector TO hub_edge",
]


@pytest.fixture(scope="module")
def edge(server_dsn: str) -> Iterator[str]:
    """The conninfo of an edge's login to a journal with an event."""
    with fresh_database(server_dsn, f"hub_test_{os.getpid()}_logins") as dsn:
        journal = Recording(dsn)
        journal.append(registered("A00000001"), feed="cq.card-center")
        journal.close()
        register_owners(dsn)
        with runner.connect(dsn) as connection:
            create_views(connection, PROJECTIONS)
        yield edge_login(dsn)


@pytest.mark.parametrize("statement", REFUSED)
@pytest.mark.parametrize("login", [app_login, edge_login])
def test_no_process_can_change_what_is_recorded_or_become_who_can(edge: str, login: Callable[[str], str], statement: str) -> None:
    with psycopg.connect(login(edge), autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize("statement", REFUSED_AN_EDGE)
def test_an_edge_can_change_no_view_that_answers_rest_on(edge: str, statement: str) -> None:
    with psycopg.connect(edge, autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_an_edge_that_is_to_fold_says_which_login_may(edge: str) -> None:
    with pytest.raises(runner.MayNotFold, match="hub_app"):
        runner.connect(edge)


def test_a_projector_folds_what_an_edge_appends_and_the_edge_reads_it(edge: str) -> None:
    with runner.connect(app_login(edge)) as connection:
        create_views(connection, PROJECTIONS)
        runner.catch_up(connection)
    with psycopg.connect(edge) as connection:
        assert connection.execute("SELECT count(*) FROM views.card_standing").fetchone() == (1,)
    assert check(app_login(edge)).is_clean


def test_an_edge_with_its_own_login_answers_and_records(edge: str, tmp_path: Path) -> None:
    with running_hub(app_login(edge), tmp_path, apart=True) as hub:
        hub.edges[0].stop()
        own = Process(["serve", "--listen", "127.0.0.1:0"], edge, tmp_path)
        try:
            hub.targets = [own.start().split()[-1]]
            province = Province(hub, CHONGQING)
            seen = province.tell("cq.card-center", registered_card("A00000002"))
            answer = province.cards.GetCard(GetCardRequest(card=registered_card("A00000002").card, min_position=seen), timeout=DEADLINE_S)
            province.channel.close()
        finally:
            own.kill()
    assert answer.as_of_position >= seen


def test_an_edge_may_end_a_writer_that_stands_still(edge: str) -> None:
    with psycopg.connect(edge, autocommit=True) as connection:
        connection.execute("SET ROLE hub_writer")
        assert connection.execute("SELECT journal.terminate_stalled_writers('3s')").fetchone() == (0,)


def test_an_edge_sees_how_old_the_transactions_of_other_logins_are(edge: str, server_dsn: str) -> None:
    with psycopg.connect(make_conninfo(edge, user=psycopg.conninfo.conninfo_to_dict(server_dsn)["user"])) as other:
        other.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT 1")
        with connect(edge) as connection:
            age_s = read_database(connection).oldest_snapshot_s
            assert age_s is not None
            assert age_s > 0


def test_what_a_login_cannot_see_is_not_zero(edge: str, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET ROLE hub_reader")
        assert read_database(connection).oldest_snapshot_s is None


def test_an_edge_need_not_migrate_what_is_up_to_date(edge: str) -> None:
    assert migrate(edge) == 0


def test_an_edge_that_finds_an_older_schema_says_who_must_migrate(edge: str, tmp_path: Path) -> None:
    (tmp_path / "9999_more.sql").write_text("CREATE TABLE journal.more (number int)")
    with psycopg.connect(edge) as connection:
        applied = dict(connection.execute("SELECT name, checksum FROM public.hub_migration").fetchall())
    for name in applied:
        (tmp_path / name).write_bytes((Path("migrations") / name).read_bytes())
    with pytest.raises(MigrationNotPermitted):
        migrate(edge, tmp_path)


# A database that does not serve


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1", "EUC_CN"])
def test_a_database_in_another_encoding_is_refused_in_words(server_dsn: str, encoding: str) -> None:
    name = f"hub_test_{os.getpid()}_{encoding.lower()}"
    with psycopg.connect(server_dsn, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0".encode())
        try:
            with pytest.raises(NotUtf8, match=encoding):
                migrate(make_conninfo(server_dsn, dbname=name))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.parametrize("readme", ["README.md", "README.zh-CN.md"])
def test_the_readme_names_the_oldest_server(readme: str) -> None:
    assert f"PostgreSQL {OLDEST_VERSION} " in (MIGRATIONS.parent / readme).read_text(encoding="utf-8")


def test_a_server_older_than_what_is_tested_is_refused() -> None:
    with pytest.raises(ServerTooOld, match="15 < 18"):
        refuse_unfit(150_008, "UTF8")


def test_the_client_encoding_of_the_environment_changes_nothing(dsn: str, tmp_path: Path) -> None:
    environment = {**os.environ, "HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path), "PGCLIENTENCODING": "GB18030"}
    command = [sys.executable, "-c", "from hub.cli import main; main()", "participants", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


# SQL by hand


def asked(dsn: str, tmp_path: Path, statement: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["sql", statement], env={"HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path)})
    return done.exit_code, done.output


def test_the_runbooks_sql_can_be_run_as_it_is_written(dsn: str, tmp_path: Path) -> None:
    code, output = asked(dsn, tmp_path, "SELECT application_name, state, count(*) FROM pg_stat_activity GROUP BY 1, 2 ORDER BY 3 DESC")
    assert (code, "hub-sql" in output) == (0, True)


@pytest.mark.parametrize("statement", ["DELETE FROM journal.event", "SET transaction_read_only = off; DELETE FROM journal.event"])
def test_sql_by_hand_changes_nothing(dsn: str, tmp_path: Path, statement: str) -> None:
    assert asked(dsn, tmp_path, statement)[0] == 1


# A server of its own, since logins belong to a server and not to a database


@pytest.fixture(scope="module")
def own_server() -> Iterator[Path]:
    data_dir = Path(tempfile.mkdtemp(prefix="hub-test-"))
    data_dir.chmod(0o755)
    yield data_dir
    discard(data_dir)
    shutil.rmtree(data_dir)


def test_the_logins_of_the_documentation_are_enough(own_server: Path) -> None:
    block = re.search(r"```sql\n(.*?);\n```", Path("docs/database.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    with running(own_server) as superuser:
        with psycopg.connect(superuser, autocommit=True) as connection:
            for statement in block[1].split(";\n"):
                connection.execute(statement.replace("DATABASE hub ", "DATABASE documented ").encode())
        owner, app, edge = (make_conninfo(superuser, dbname="documented", user=user) for user in ("hub_owner", "hub_app", "hub_edge"))
        assert migrate(owner) > 0
        with runner.connect(app) as connection:
            create_views(connection, PROJECTIONS)
            runner.catch_up(connection)
        stalled = psycopg.connect(edge, application_name="hub-writer")
        stalled.execute("SELECT 1")
        with connect(edge) as ending:
            assert read_database(ending).oldest_snapshot_s is not None
            assert ending.execute("SELECT journal.terminate_stalled_writers('0s')").fetchone() == (1,)
        with pytest.raises(psycopg.errors.AdminShutdown):
            stalled.execute("SELECT 1")


def test_processes_wait_for_a_database_that_is_away_when_they_start(own_server: Path, tmp_path: Path) -> None:
    with running(own_server) as dsn:
        migrate(dsn)
    process = Process(["project"], dsn, tmp_path)
    with concurrent.futures.ThreadPoolExecutor() as starting:
        line = starting.submit(process.start)
        deadline_s = time.monotonic() + 20
        while "database: away" not in "".join(file.read_text() for file in tmp_path.glob("*.log")):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
        with running(own_server):
            assert line.result() == "projecting"
            assert process.stop() == 0
