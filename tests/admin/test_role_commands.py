"""`hub participants grant`, `revoke`, `roles`, `grant-as-before`, and who is named for having no role."""

import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hub.admin.participants import find_participant
from hub.admin.registry import register_participant
from hub.admin.roles import RoleScopeMissing, RoleScopeUnknown, RoleScopeUnused, RoleUnknown
from hub.cli import app
from hub.commands.examinations import Scene, examine_all
from hub.config import Config
from hub.domain.errors import HubError, RequestInvalid
from hub.domain.participant import OPERATOR, PREFIX, Participant, RoleNotGranted
from hub.domain.roles import OPERATORS, Grant, Scope, every_role
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import create_views
from tests.clients import journal

Run = Callable[..., Result]
MUSEUM = ("SERVICE_POINT", "--scenario", "CUL.MUS", "--region", "5001")


@pytest.fixture
def run(dsn: str, tmp_path: Path) -> Run:
    """Runs `hub participants …` on a database with two participants that have no role."""
    with contextlib.closing(AggregateStore(dsn)) as store:
        for name in ("cq.museum", "cq.centre"):
            register_participant(store, PREFIX + name, "50", "a title", [name], datetime.now(UTC))
    settings = {"HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path)}
    return lambda *arguments, **more: CliRunner().invoke(app, ["participants", *arguments], env=settings, **more)


def roles_of(dsn: str, name: str) -> dict[str, Scope]:
    with contextlib.closing(AggregateStore(dsn)) as store:
        return find_participant(store, name).roles


def done(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_a_participant_is_registered_with_its_roles(run: Run, dsn: str) -> None:
    added = ("add", "cq.bus", "--province", "50", "--feed", "cq.bus", "--no-certificate", "--role", "SERVICE_POINT", "--role", "READER")
    said = done(run(*added, "--scenario", "TRA.*", "--region", "5001", "--read", "OWN_EVENTS"))
    assert "SERVICE_POINT 用卡场所: 场景 scenarios TRA.*; 区划 regions 5001" in said
    assert roles_of(dsn, "cq.bus") == {"SERVICE_POINT": Scope(("TRA.*",), ("5001",)), "READER": Scope(reads=("OWN_EVENTS",))}


def test_one_registered_without_roles_is_named_so(run: Run) -> None:
    said = done(run("add", "cq.bus", "--province", "50", "--feed", "cq.bus", "--no-certificate"))
    assert "hub participants grant cq.bus ROLE" in said


def test_a_role_granted_again_gets_the_new_scope_and_the_same_again_changes_nothing(run: Run, dsn: str) -> None:
    done(run("grant", "cq.museum", *MUSEUM))
    done(run("grant", "cq.museum", "SERVICE_POINT", "--scenario", "TOU.GATE", "--region", "50"))
    assert roles_of(dsn, "cq.museum") == {"SERVICE_POINT": Scope(("TOU.GATE",), ("50",))}
    assert "无变化" in done(run("grant", "cq.museum", "SERVICE_POINT", "--scenario", "TOU.GATE", "--region", "50"))
    assert [event.kind for event in journal(dsn)].count("participant_role_granted") == 2


def test_a_role_is_taken_back_with_its_reason(run: Run, dsn: str) -> None:
    done(run("grant", "cq.museum", *MUSEUM))
    done(run("revoke", "cq.museum", "SERVICE_POINT", "--reason", "CONTRACT_ENDED"))
    assert roles_of(dsn, "cq.museum") == {}
    *_, last = journal(dsn)
    assert (last.kind, last.event.participant_role_revoked.reason_code) == ("participant_role_revoked", "CONTRACT_ENDED")


REFUSED: list[tuple[tuple[str, ...], type[HubError], str]] = [
    (("grant", "cq.museum", "MUSEUM"), RoleUnknown, "MUSEUM"),
    (("grant", "cq.museum", "SERVICE_POINT", "--region", "50"), RoleScopeMissing, "SERVICE_POINT: scenarios"),
    (("grant", "cq.museum", "SERVICE_POINT", "--scenario", "CUL.MUS"), RoleScopeMissing, "SERVICE_POINT: regions"),
    (("grant", "cq.museum", "READER"), RoleScopeMissing, "READER: reads"),
    (("grant", "cq.museum", "ISSUER", "--scenario", "CUL.MUS"), RoleScopeUnused, "scenarios"),
    (("grant", "cq.museum", *MUSEUM[:-1], "99"), RoleScopeUnknown, "regions: 99"),
    (("grant", "cq.museum", "SERVICE_POINT", "--scenario", "CUL.ZOO", "--region", "50"), RoleScopeUnknown, "scenarios: CUL.ZOO"),
    (("grant", "cq.museum", "READER", "--read", "EVERYTHING"), RoleScopeUnknown, "reads: EVERYTHING"),
    (("grant", "cq.museum", "ISSUER", "--issuer-region", "5199999"), RoleScopeUnknown, "issuer_regions: 5199999"),
    (("grant", "cq.museum", "BANK", "--bank", "张三"), RequestInvalid, "scope.banks"),
    (("revoke", "cq.museum", "ISSUER", "--reason", "ENDED"), RoleNotGranted, ""),
    (("revoke", "cq.museum", "MUSEUM", "--reason", "ENDED"), RoleUnknown, "MUSEUM"),
    (("revoke", "cq.museum", "ISSUER", "--reason", "the holder called"), RequestInvalid, "reason_code"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), REFUSED)
def test_what_is_no_role_or_no_scope_is_refused_and_recorded_nowhere(
    arguments: tuple[str, ...], error: type[HubError], text: str, run: Run, dsn: str
) -> None:
    before = len(list(journal(dsn)))
    result = run(*arguments)
    assert isinstance(result.exception, error)
    assert text in str(result.exception)
    assert len(list(journal(dsn))) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "cq.x", "--province", "50", "--feed", "cq.x", "--every-role", "--role", "ISSUER"),
        ("grant-as-before",),
        ("grant-as-before", "cq.museum", "--all"),
    ],
)
def test_options_that_exclude_each_other_are_refused(arguments: tuple[str, ...], run: Run) -> None:
    assert run(*arguments).exit_code == 2


# After an upgrade


def test_grant_as_before_shows_what_it_grants_and_asks(run: Run, dsn: str) -> None:
    result = run("grant-as-before", "--all", input="n\n")
    assert result.exit_code == 1
    assert all(name in result.output for name in ("cq.museum", "cq.centre", "ISSUER 发卡机构", "identifiers in clear"))
    assert (roles_of(dsn, "cq.museum"), roles_of(dsn, "cq.centre")) == ({}, {})
    done(run("grant-as-before", "cq.centre", input="y\n"))
    assert (roles_of(dsn, "cq.museum"), roles_of(dsn, "cq.centre")) == ({}, dict(every_role()))


def test_grant_as_before_leaves_who_has_a_role_as_it_is(run: Run, dsn: str) -> None:
    done(run("grant", "cq.museum", *MUSEUM))
    done(run("grant-as-before", "--all", "--yes"))
    assert roles_of(dsn, "cq.museum") == {"SERVICE_POINT": Scope(("CUL.MUS",), ("5001",))}
    assert roles_of(dsn, "cq.centre") == dict(every_role())
    assert "No participant" in done(run("grant-as-before", "--all", "--yes"))


# Who has what


def test_roles_are_listed_for_people_and_for_machines(run: Run) -> None:
    done(run("grant", "cq.museum", *MUSEUM))
    shown = done(run("roles"))
    assert "SERVICE_POINT 用卡场所: 场景 scenarios CUL.MUS" in shown
    assert "无角色" in shown
    assert "TRANSIT_OPERATOR" in shown
    [one] = json.loads(done(run("roles", "cq.museum", "--json")))
    assert one["roles"]["SERVICE_POINT"]["regions"] == ["5001"]


def test_who_has_no_role_is_named_by_doctor_and_status(run: Run, dsn: str, tmp_path: Path) -> None:
    done(run("grant", "cq.museum", *MUSEUM))
    with contextlib.closing(Scene(Config(dsn=dsn, data_dir=tmp_path), dsn)) as scene:
        [found] = [one.examined for one in examine_all(scene) if one.name == "participant_roles"]
    assert (found.level, "cq.centre" in found.text, "cq.museum" in found.text) == ("warning", True, False)
    with runner.connect(dsn) as connection:
        create_views(connection, PROJECTIONS)
    settings = {"HUB_DSN": dsn, "HUB_DATA_DIR": str(tmp_path)}
    told = CliRunner().invoke(app, ["status", "--json", "--target", "127.0.0.1:1"], env=settings)
    assert json.loads(told.stdout)["participants_without_roles"] == ["cq.centre"]
    assert "without roles: cq.centre" in CliRunner().invoke(app, ["status", "--target", "127.0.0.1:1"], env=settings).stdout
    done(run("grant-as-before", "--all", "--yes"))
    with contextlib.closing(Scene(Config(dsn=dsn, data_dir=tmp_path), dsn)) as scene:
        [found] = [one.examined for one in examine_all(scene) if one.name == "participant_roles"]
    assert found.level == "ok"


def test_operators_tools_have_rights_of_their_own_and_no_role_of_a_participant() -> None:
    tools = Participant.operators(datetime.now(UTC))
    assert (tools.roles, tools.rights) == ({}, OPERATORS)
    assert tools.urn == OPERATOR
    tools.grant(Grant("READER", Scope(reads=("CARDS",))), datetime.now(UTC))
    assert tools.rights is OPERATORS
