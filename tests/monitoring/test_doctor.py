"""`hub doctor` and `hub status` on a real PostgreSQL: each fault that is planted is found and named, and a sound hub has none."""

import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.commands.examinations import Diagnosis, Examined, Scene, examine_all
from hub.config import Config
from hub.journal.logins import app_login, edge_login
from hub.monitoring import vitals
from hub.postgres.server import attached
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from hub.tlog import store
from hub.tlog.add_checkpoint import Request
from hub.tlog.note import parse
from hub.trust.authority import issue_server
from hub.trust.keyring import open_keyring, verify_fingerprint
from tests.databases import durable, fresh_database, wait_for_the_disk
from tests.recording import Recording, journey
from tests.seeds import one_in
from tests.tlog.sealing import seal
from tests.tlog.witness_pages import Witness


@pytest.fixture(scope="module")
def sound(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """A hub that is stopped and sound: its keys, its certificate, eight events, views that have caught up."""
    with fresh_database(server_dsn, f"hub_test_{os.getpid()}_doctor") as dsn:
        config = Config(dsn=dsn, data_dir=tmp_path_factory.mktemp("sound"))
        issue_server(config.certificates_dir)
        with psycopg.connect(config.dsn) as connection:
            verify_fingerprint(connection, open_keyring(config.keys_dir))
        recording = Recording(config.dsn)
        recording.append(*[journey() for _ in range(8)])
        recording.close()
        with runner.connect(config.dsn) as connection:
            create_views(connection, PROJECTIONS)
            runner.catch_up(connection)
        seal(config.dsn, config.keys_dir)
        with durable(server_dsn):
            yield config


@pytest.fixture
def settings(sound: Config, tmp_path: Path) -> Config:
    """The settings of that hub, with a copy of its files to spoil."""
    data_dir = shutil.copytree(sound.data_dir, tmp_path / "data")
    authority = data_dir / "certificates/ca.key"
    authority.rename(tmp_path / "ca.key").chmod(0o600)
    authority.symlink_to(tmp_path / "ca.key")
    return Config(dsn=app_login(sound.dsn), data_dir=data_dir, listen=f"127.0.0.1:{free_port()}", metrics_listen="")


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def examined(config: Config, *planted: str) -> list[Diagnosis]:
    """Examines after statements that only a superuser may make, and takes them back."""
    with closing(Scene(config, make_conninfo(config.dsn, user="hub"))) as scene, scene.connection.transaction(force_rollback=True):
        scene.connection.execute("SET TRANSACTION READ WRITE")
        for statement in planted:
            scene.connection.execute(statement.encode())
        return examine_all(scene)


def found(config: Config, name: str, *planted: str) -> Examined:
    return next(one.examined for one in examined(config, *planted) if one.name == name)


def not_well(config: Config, *planted: str) -> dict[str, str]:
    return {one.name: one.examined.level for one in examined(config, *planted) if one.examined.level != "ok"}


def run(config: Config, *arguments: str) -> Result:
    environment = {"HUB_DSN": config.dsn, "HUB_DATA_DIR": str(config.data_dir), "HUB_LISTEN": config.listen, "HUB_METRICS_LISTEN": ""}
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_a_sound_hub_is_well(settings: Config) -> None:
    assert not_well(settings) == {}


def test_what_is_not_well_says_what_to_do(settings: Config) -> None:
    (settings.keys_dir / "pseudonym.key").chmod(0o644)
    assert found(settings, "key_modes").advice == f"chmod 600 {settings.keys_dir / 'pseudonym.key'}"


# Keys and certificates


@pytest.mark.parametrize("key", ["keys/vault-0001.key", "certificates/server.key", "certificates/ca.key"])
def test_a_key_that_others_can_read_is_a_fault(settings: Config, key: str) -> None:
    (settings.data_dir / key).chmod(0o640)
    assert not_well(settings) == {"key_modes": "fault"}


def test_the_key_of_another_journal_is_a_fault(settings: Config) -> None:
    (settings.keys_dir / "pseudonym.key").write_bytes(bytes(32))
    assert not_well(settings) == {"pseudonym_key": "fault"}


def test_a_missing_key_is_a_fault_and_stays_missing(settings: Config) -> None:
    (settings.keys_dir / "pseudonym.key").unlink()
    assert not_well(settings) == {"pseudonym_key": "fault"}
    assert not (settings.keys_dir / "pseudonym.key").exists()


def test_a_certificate_whose_key_is_another_is_a_fault(settings: Config) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (settings.certificates_dir / "server.key").write_bytes(pem)
    assert not_well(settings) == {"server_certificate": "fault"}


def test_a_certificate_of_another_authority_is_a_fault(settings: Config, tmp_path: Path) -> None:
    other = issue_server(tmp_path / "other")
    (settings.certificates_dir / "ca.crt").write_bytes(other.authority.read_bytes())
    assert not_well(settings) == {"server_certificate": "fault"}


def test_a_certificate_file_that_is_none_is_a_fault_and_no_crash(settings: Config) -> None:
    (settings.certificates_dir / "server.crt").write_text("not a certificate")
    assert not_well(settings)["server_certificate"] == "fault"


def test_an_authority_beside_a_hub_with_a_database_of_its_own_is_a_warning(settings: Config, tmp_path: Path) -> None:
    (settings.certificates_dir / "ca.key").unlink()
    (tmp_path / "ca.key").rename(settings.certificates_dir / "ca.key")
    assert not_well(settings) == {"keys_apart": "warning"}


def test_an_authority_whose_key_is_elsewhere_and_not_at_hand_is_well(settings: Config, tmp_path: Path) -> None:
    (tmp_path / "ca.key").unlink()
    assert not_well(settings) == {}


def test_keys_lie_where_the_setting_says(settings: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_KEYS_DIR", str(tmp_path / "apart"))
    assert Config(data_dir=tmp_path).keys_dir == tmp_path / "apart"


# The database


def test_a_login_that_is_a_superuser_is_a_warning(settings: Config, server_dsn: str) -> None:
    settings.dsn = make_conninfo(settings.dsn, user="hub")
    assert not_well(settings) == {"login": "warning"}


def test_the_login_of_an_edge_is_well_without_the_right_to_fold(settings: Config) -> None:
    edge = replace(settings, dsn=edge_login(settings.dsn))
    with closing(Scene(edge, edge.dsn)) as scene:
        found = {one.name: one.examined for one in examine_all(scene)}
    assert (found["login"].level, found["grants"].level, found["old_snapshots"].level) == ("ok", "ok", "ok")
    assert found["login"].text.startswith("hub_edge ")


@pytest.mark.parametrize("grant", one_in(2, ["GRANT UPDATE ON journal.event TO hub_app", "ALTER TABLE journal.event OWNER TO hub_writer"]))
def test_a_login_that_may_change_what_is_recorded_is_a_warning(settings: Config, grant: str) -> None:
    assert not_well(settings, grant)["login"] == "warning"


def test_a_login_that_cannot_see_old_transactions_is_a_warning(settings: Config) -> None:
    assert not_well(settings, "REVOKE pg_monitor FROM hub_app") == {"old_snapshots": "warning"}


def test_a_migration_that_was_changed_after_it_was_applied_is_a_fault(settings: Config) -> None:
    assert not_well(settings, "UPDATE public.hub_migration SET checksum = 'other' WHERE name = '0001_journal.sql'") == {
        "migrations": "fault"
    }


def test_a_migration_of_a_newer_release_is_a_fault(settings: Config) -> None:
    assert not_well(settings, "INSERT INTO public.hub_migration (name, checksum) VALUES ('9999_later.sql', '')") == {"migrations": "fault"}


def test_a_migration_that_was_not_applied_is_a_warning(settings: Config) -> None:
    assert not_well(settings, "DELETE FROM public.hub_migration WHERE name = '0004_rule_version.sql'") == {"migrations": "warning"}


@pytest.mark.parametrize(
    "grant",
    [
        "GRANT DELETE ON journal.event TO hub_writer",
        "GRANT UPDATE (data) ON journal.event TO hub_writer",
        "GRANT UPDATE ON journal.event_000000 TO hub_projector",
        "GRANT TRUNCATE ON journal.request TO hub_writer",
    ],
)
def test_a_role_that_may_change_what_is_written_is_a_fault(settings: Config, grant: str) -> None:
    assert not_well(settings, grant)["grants"] == "fault"


def test_a_transaction_that_is_held_open_is_a_warning(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.commands.examinations.database.OLD_SNAPSHOT_S", 0.1)
    with psycopg.connect(settings.dsn) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT 1")
        time.sleep(0.2)
        assert not_well(settings) == {"old_snapshots": "warning"}


def test_a_server_that_does_not_wait_for_the_disk_is_a_fault(settings: Config, server_dsn: str) -> None:
    if "HUB_TEST_DSN" in os.environ:
        pytest.skip("the server is not the tests' own")
    wait_for_the_disk(server_dsn, "off")
    try:
        assert not_well(settings) == {"durability": "fault"}
    finally:
        wait_for_the_disk(server_dsn, "on")


def test_commits_that_are_not_durable_are_a_warning(settings: Config) -> None:
    assert not_well(settings, "SET LOCAL synchronous_commit = off") == {"durability": "warning"}


def test_a_journal_that_is_a_little_ahead_of_the_clock_is_a_warning(settings: Config) -> None:
    assert not_well(settings, "UPDATE journal.head SET recorded_at = now() + interval '50 seconds'") == {"clocks": "warning"}


def test_a_journal_that_is_far_ahead_of_the_clock_is_a_fault_until_that_is_accepted(settings: Config) -> None:
    assert not_well(settings, "UPDATE journal.head SET recorded_at = now() + interval '1 hour'") == {"clocks": "fault"}


def test_a_database_that_cannot_be_reached_is_a_fault_and_the_rest_is_examined(settings: Config) -> None:
    settings.dsn = "host=127.0.0.1 port=1 dbname=hub"
    result = run(settings, "doctor", "--json")
    told = {one["name"]: one["level"] for one in json.loads(result.stdout)["examinations"]}
    assert result.exit_code == 1
    assert [name for name, level in told.items() if level == "fault"] == ["database"]
    assert (told["key_modes"], told["holes"]) == ("ok", "skipped")


def test_a_database_that_was_never_migrated_is_a_fault_and_no_crash(settings: Config, server_dsn: str) -> None:
    settings.dsn = server_dsn
    told = json.loads(run(settings, "doctor", "--json").stdout)["examinations"]
    assert {one["level"] for one in told if one["name"] in ("migrations", "head", "holes", "view_lag", "certificate_expiry")} == {"fault"}


# The journal and its views


def test_a_hole_near_the_head_is_a_fault(settings: Config) -> None:
    assert not_well(settings, "DELETE FROM journal.event WHERE position = 7") == {"holes": "fault"}


def test_a_head_that_is_not_the_last_event_is_a_fault(settings: Config) -> None:
    assert not_well(settings, "UPDATE journal.head SET position = 7") == {"head": "fault"}


def test_missing_partitions_ahead_are_a_warning(settings: Config) -> None:
    assert not_well(settings, "UPDATE journal.head SET partition_size = 4") == {"partitions": "warning"}


@pytest.mark.parametrize(("late", "level"), [("card_standing", "fault"), ("daily_usage", "warning")])
def test_a_late_view_is_a_fault_if_answers_rest_on_it(settings: Config, late: str, level: str) -> None:
    assert not_well(
        settings,
        f"UPDATE views.checkpoint SET position = 3 WHERE view = '{late}'",
        "UPDATE journal.event SET recorded_at = recorded_at - interval '1 minute'",
    ) == {"view_lag": level}


@pytest.mark.parametrize(("age", "level"), [("1 minute", "warning"), ("1 hour", "fault")])
def test_a_log_that_is_not_sealed_is_a_warning_and_after_long_a_fault(settings: Config, age: str, level: str) -> None:
    late = f"UPDATE journal.event SET recorded_at = recorded_at - interval '{age}'"
    assert not_well(settings, "DELETE FROM tlog.checkpoint", late) == {"sealing": level}


def test_a_log_that_lacks_one_of_its_keys_is_a_fault(settings: Config) -> None:
    (settings.keys_dir / "log-sm2.key").unlink()
    assert not_well(settings) == {"log_keys": "fault"}


def test_witnesses_are_examined_as_the_policy_names_them(settings: Config, tmp_path: Path) -> None:
    assert "HUB_LOG_POLICY" in found(settings, "witnesses").text
    # Another process has a policy: its witnesses' lines are in the database.
    asked = "INSERT INTO tlog.cosignature (incarnation, size, witness, line) SELECT incarnation, size, 'w', '' FROM tlog.checkpoint"
    assert "另一进程" in found(settings, "witnesses", asked).text
    settings.log_policy = tmp_path / "policy"
    assert found(settings, "witnesses").level == "fault"
    witness = Witness(tmp_path / "witness", "sc.example", settings.keys_dir)
    settings.log_policy.write_text(f"{witness.lines('sc')}quorum sc-0\n")
    assert (found(settings, "witnesses").level, "never saw this log" in found(settings, "witnesses").text) == ("warning", True)
    with vitals.connect(settings.dsn) as connection:
        head = store.newest_checkpoint(connection, 1)
    assert head is not None and witness.cosigner.add(Request(0, (), parse(head.note)).format()).status == 200
    assert found(settings, "witnesses") == Examined("ok", f"{witness.url} {head.size:,}")
    witness.stop()
    assert found(settings, "witnesses").level == "warning"
    settings.log_policy.write_text("quorum sc\n")
    assert found(settings, "witnesses").level == "fault"


def test_a_checkpoint_that_contradicts_the_log_is_a_fault(settings: Config) -> None:
    planted = "INSERT INTO tlog.contradiction VALUES (1, 'sc', 99, '', '')"
    assert found(settings, "witnesses", planted).level == "fault"


def test_parked_events_are_a_warning(settings: Config) -> None:
    assert not_well(settings, "INSERT INTO views.parked VALUES ('daily_usage', 'key', 8, 'OverflowError')") == {"parked": "warning"}


def test_a_view_that_differs_from_its_rebuild_is_a_fault(settings: Config) -> None:
    assert not_well(settings, "INSERT INTO views.verification VALUES ('daily_usage', 8, false, now())") == {"verification": "fault"}


# Surroundings


def test_a_port_that_a_stranger_holds_is_a_fault(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.commands.probe.WITHIN_S", 0.3)
    host, _, port = settings.listen.rpartition(":")
    with closing(socket.create_server((host, int(port)))):
        assert not_well(settings) == {"listen_port": "fault"}


def test_a_collector_that_does_not_answer_is_a_warning(settings: Config) -> None:
    settings.otlp_endpoint = f"http://127.0.0.1:{free_port()}"
    assert not_well(settings) == {"otlp_collector": "warning"}


def test_scarce_disk_is_told(settings: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.commands.examinations.surroundings.SCARCE_GIB", 10**9)
    assert not_well(settings) == {"free_disk": "warning"}


def test_packages_other_than_the_pinned_ones_are_a_warning(settings: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pins = tmp_path / "pyproject.toml"
    pins.write_text('[tool.uv]\nconstraint-dependencies = ["grpcio==1.0.0", "psycopg==0.1", "not-installed==3"]')
    monkeypatch.setattr("hub.commands.examinations.surroundings._PINS", pins)
    text = found(settings, "package_versions").text
    assert "grpcio 1." in text and "≠ 1.0.0" in text and "not-installed" not in text


# The commands


def test_doctor_of_a_sound_hub_succeeds(settings: Config) -> None:
    result = run(settings, "doctor")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("正常 well ")
    assert "✗" not in result.stdout and "\x1b" not in result.stdout


def test_doctor_and_status_start_no_database(tmp_path: Path) -> None:
    config = Config(dsn="", data_dir=tmp_path, listen=f"127.0.0.1:{free_port()}")
    assert run(config, "doctor").exit_code == 0
    assert "The embedded database does not run" in run(config, "status").stdout
    assert attached(tmp_path) is None
    assert not (tmp_path / "postgres").exists()


def test_a_cluster_of_another_postgresql_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("15\n")
    config = Config(dsn="", data_dir=tmp_path, listen=f"127.0.0.1:{free_port()}")
    told = json.loads(run(config, "doctor", "--json").stdout)["examinations"]
    assert [one["name"] for one in told if one["level"] == "fault"] == ["database"]


def test_status_of_a_stopped_hub_tells_where_it_stood(settings: Config) -> None:
    told = json.loads(run(settings, "status", "--json").stdout)
    assert (told["ready"], told["vitals"]["position"]) == (False, 8)
    assert "UNAVAILABLE" in told["hub"]["problem"]


def test_status_is_readable_without_a_terminal(settings: Config) -> None:
    text = run(settings, "status").stdout
    assert "位置 position: 8" in text
    assert "cq.usage" in text
    assert "\x1b" not in text and "✗" not in text
