"""`hub seal` as an operator uses it: once, with its status, and as files."""

import json
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.domain.errors import NothingSealed
from hub.tlog import runner, tree
from hub.tlog.note import VerifierKey, encode64, parse
from tests.recording import Recording, journey
from tests.tlog.sealing import leave_fingerprint, leaves_of, settings


def run(dsn: str, data_dir: Path, *arguments: str) -> Result:
    environment = {"HUB_DSN": dsn, "HUB_DATA_DIR": str(data_dir), "HUB_LOG_NAME": "exchange.example"}
    return CliRunner().invoke(app, ["seal", *arguments], env=environment)


def test_a_journal_is_sealed_once_said_to_be_and_written_as_files(dsn: str, journal: Recording, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    journal.append(*(journey() for _ in range(300)))
    before = run(dsn, tmp_path, "--status")
    assert (before.exit_code, type(before.exception)) == (1, NothingSealed)
    sealed = run(dsn, tmp_path, "--once", "--to", str(tmp_path / "log"), "--json")
    assert sealed.exit_code == 0, sealed.output
    said = json.loads(sealed.stdout.splitlines()[-1])
    assert (said["origin"], said["size"], said["unsealed_events"]) == ("exchange.example/1", 301, 0)
    assert said["root"] == encode64(tree.root_of(leaves_of(dsn)))
    assert {VerifierKey.parse(line.removeprefix("log ")).name for line in said["policy"]} == {"exchange.example/1"}
    assert parse((tmp_path / "log/checkpoint").read_bytes()).text.splitlines()[:2] == ["exchange.example/1", "301"]
    status = run(dsn, tmp_path, "--status").stdout
    assert "已封存至位置 sealed to position 300" in status
    assert status.count("log exchange.example/1+") == 3


def test_the_keys_are_said_only_where_they_are(dsn: str, journal: Recording, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    journal.append(journey())
    run(dsn, tmp_path, "--once")
    assert json.loads(run(dsn, tmp_path / "elsewhere", "--status", "--json").stdout)["policy"] == []
    assert not (tmp_path / "elsewhere/keys").exists()


def test_a_second_sealer_is_refused_by_name(dsn: str, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    with runner.connect(dsn) as connection:
        runner.sealer(connection, settings(tmp_path / "keys"))
        refused = run(dsn, tmp_path, "--once")
    assert (refused.exit_code, "另一进程正在封存" in str(refused.exception)) == (1, True)


def test_an_edge_may_not_seal(dsn: str, tmp_path: Path) -> None:
    leave_fingerprint(dsn)
    refused = run(make_conninfo(dsn, user="hub_edge"), tmp_path, "--once")
    assert (refused.exit_code, "此登录不能封存" in str(refused.exception)) == (1, True)
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT count(*) FROM tlog.incarnation").fetchone() == (0,)
