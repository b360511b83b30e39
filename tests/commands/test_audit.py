"""`hub audit`: asked in dates, approved by another, waited for, shown and fetched; what is refused says so."""

import json
import re
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub.audit.outcome import read
from hub.audit.requests.folder import Folder
from hub.cli import app
from hub.commands.audit import NoBundle
from hub.commands.audit_desk import acting, desk
from hub.commands.login import login
from hub.commands.options import FileThere
from hub.domain.audit_errors import (
    AuditNotDelivered,
    AuditSameLogin,
    AuditSamePerson,
    AuditUnknown,
    AuditWindowAhead,
    AuditWindowBefore,
    AuditWindowReversed,
)
from hub.domain.errors import RequestInvalid
from hub.domain.instants import LOCAL
from tests.clients import DEADLINE_S, Province
from tests.hub_process import RunningHub
from tests.messages import question, registered

WHY = ("--purpose", "complaint", "--basis", "audit law 34")
AHEAD = (datetime.now(UTC) + timedelta(days=2)).isoformat()
BY_LI, BY_HAN = ("--operator", "li.lei"), ("--operator", "han.meimei")


@pytest.fixture
def run(shared_hub: RunningHub, chongqing: Province, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command on the machine of the hub."""
    monkeypatch.setenv("HUB_DSN", shared_hub.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(shared_hub.data_dir))
    chongqing.tell("cq.card-center", registered("A00005101"))
    return lambda *arguments: CliRunner().invoke(app, ("audit", *arguments))


def said(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, (result.output, result.exception)
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return found


def test_a_card_is_audited_from_the_question_to_the_bundle(run: Callable[..., Result], shared_hub: RunningHub, tmp_path: Path) -> None:
    asked = said(run("request", "card", "A00005101", "--issuer", "50", "--today", *WHY, *BY_LI, "--json"))
    code = asked["code"]
    assert (asked["state"], asked["kind"], asked["asked_by"]) == ("REQUESTED", "card", "li.lei")
    assert "A00005101" not in json.dumps(asked)
    assert isinstance(run("approve", code, *BY_LI).exception, AuditSamePerson)
    assert isinstance(run("show", code, "--outcome").exception, AuditNotDelivered)
    assert isinstance(run("download", code, "--out", str(tmp_path / "x")).exception, AuditNotDelivered)
    # Both names were typed by one login, which is refused unless it is said, and then is in the record.
    assert isinstance(run("approve", code, *BY_HAN).exception, AuditSameLogin)
    approved = said(run("approve", code, *BY_HAN, "--same-login", "--json"))
    assert (approved["state"], approved["is_same_login"]) == ("APPROVED", True)
    assert approved["asked_by_login"] == approved["decided_by_login"] == login()
    assert run("show", code, "--wait").exit_code == 0
    shown = said(run("show", code, "--outcome", *BY_HAN, "--json"))
    target = tmp_path / "outcome.json"
    assert run("download", code, "--out", str(target), *BY_LI).exit_code == 0
    assert isinstance(run("download", code, "--out", str(target), *BY_LI).exception, FileThere)
    assert read(target.read_bytes()).question.zh == shown["outcome"]["question"]["zh"]
    assert target.read_bytes() == Folder(shared_hub.data_dir, code).file(1).read_bytes()  # type: ignore[arg-type]
    steps = said(run("show", code, "--json"))["steps"]
    assert [step["kind"] for step in steps[-3:]] == ["audit_delivered", "audit_shown", "audit_shown"]
    # What can be done next is said.
    assert f"hub audit download {code} --part bundle" in run("show", code).stdout
    assert "the same login asked and approved" in run("show", code).stdout
    assert f"{code}  DELIVERED" in run("list").stdout and "查看审计结果" in run("show", code).stdout


def test_each_question_is_asked_in_dates_and_can_be_refused_or_called_off(run: Callable[..., Result]) -> None:
    window = ("--from", "2020-01-01", "--to")
    now = said(run("request", "record", *WHY, *BY_LI, "--json"))["steps"][0]["at"]
    asked = [
        run("request", "answers", *window, now, *WHY, *BY_LI, "--json"),
        run("request", "what-if", *window, now, "--parameter", "tempLossDays=1", "--without", "ORD-TRANSIT/1", *WHY, *BY_LI, "--json"),
        run("request", "views", "--view", "card_standing", *WHY, *BY_LI, "--json"),
    ]
    codes = [said(one)["code"] for one in asked]
    assert [said(one)["kind"] for one in asked] == ["answers", "what_if", "views"]
    assert said(run("refuse", codes[0], "--reason", "NO_BASIS", *BY_HAN, "--json"))["reason"] == "NO_BASIS"
    assert [said(run("cancel", code, *BY_LI, "--json"))["state"] for code in codes[1:]] == ["CANCELLED"] * 2
    listed = [json.loads(line) for line in run("list", "--state", "REFUSED", "--json").stdout.splitlines()]
    assert codes[0] in [one["code"] for one in listed]
    waited = run("show", codes[0], "--wait")
    assert waited.exit_code == 1


def test_who_waits_for_what_nobody_approved_is_told_who_has_to(run: Callable[..., Result]) -> None:
    code = said(run("request", "card", "A00005101", "--issuer", "50", "--today", *WHY, *BY_LI, "--json"))["code"]

    def call_off() -> None:
        with desk() as found:
            found.cancel(code, acting("li.lei"), datetime.now(UTC))

    later = threading.Timer(0.5, call_off)
    later.start()
    waited = run("show", code, "--wait")
    later.join()
    assert waited.exit_code == 1
    assert f"hub audit approve {code} --operator NAME" in waited.stderr


@pytest.mark.slow
def test_every_question_is_carried_out(run: Callable[..., Result], shared_hub: RunningHub, chongqing: Province) -> None:
    position = chongqing.cards.CheckAcceptance(question("audited", "A00005101", region="500103"), timeout=DEADLINE_S).position
    at = (datetime.now(UTC) - timedelta(milliseconds=1)).isoformat()
    window = ("--from", "2020-01-01", "--to", at)
    asked = {
        "card": ("card", "A00005101", "--issuer", "50"),
        "answers": ("answers", *window),
        "what_if": ("what-if", *window, "--parameter", "tempLossDays=1"),
        "views": ("views", "--view", "card_standing"),
        "record": ("record",),
    }
    codes = {kind: said(run("request", *words, *WHY, *BY_LI, "--json"))["code"] for kind, words in asked.items()}
    for code in codes.values():
        assert run("approve", code, *BY_HAN, "--same-login").exit_code == 0
    progress: list[str] = []
    for kind, code in codes.items():
        waited = run("show", code, "--wait")
        assert waited.exit_code == 0, (kind, waited.output)
        progress.append(waited.stderr)
        outcome = said(run("show", code, "--outcome", *BY_LI, "--json"))["outcome"]
        assert outcome["holds"] in (True, None), (kind, outcome["answer"], outcome["tables"])
        parts = set(Folder(shared_hub.data_dir, code).parts())
        assert parts >= ({1, 2, 3, 4} if kind == "card" else {1, 2, 3}), (kind, parts, outcome["limits"])
    assert position > 0
    # Without a terminal, lines say how far they are.
    assert re.search(rf"^{codes['card']} (APPROVED|RUNNING) ", progress[0], re.MULTILINE), progress
    none = run("download", codes["views"], "--part", "bundle", "--out", str(shared_hub.data_dir / "none"))
    assert isinstance(none.exception, NoBundle) and f"hub prove audit {codes['views']}" in str(none.exception)
    assert "--part bundle" not in run("show", codes["views"]).stdout
    target = Folder(shared_hub.data_dir, codes["card"]).path / "report.pdf"
    assert run("check-report", str(target), "--outcome", str(target.with_name("outcome.json"))).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "refusal"),
    [
        (("request", "record", "--purpose", " ", "--basis", "x"), RequestInvalid),
        (("request", "record", "--since", AHEAD, *WHY), AuditWindowAhead),
        (("request", "record", "--since", "0001-01-01", *WHY), SystemExit),
        (("request", "record", "--since", "1999-01-01", *WHY), AuditWindowBefore),
        (("request", "answers", "--from", "2020-02-01", "--to", AHEAD, *WHY), AuditWindowAhead),
        (("request", "views", "--view", "x;y", *WHY), RequestInvalid),
        (("show", "AU-0"), AuditUnknown),
        (("approve", "AU-99999"), AuditUnknown),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(arguments: tuple[str, ...], refusal: type[Exception], run: Callable[..., Result]) -> None:
    assert isinstance(run(*arguments).exception, refusal)


def test_a_period_without_an_end_is_until_now_and_one_that_ends_later_says_what_time_it_is(run: Callable[..., Result]) -> None:
    asked = run("request", "answers", "--from", "2020-01-01", *WHY, *BY_LI)
    assert asked.exit_code == 0 and "hub audit approve AU-" in asked.stdout
    ahead = run("request", "answers", "--from", "2020-01-01", "--to", AHEAD, *WHY).exception
    assert isinstance(ahead, AuditWindowAhead) and datetime.now(LOCAL).strftime("it is %Y-%m-%d ") in str(ahead)


def test_a_time_before_the_first_event_is_refused_with_when_that_was(run: Callable[..., Result]) -> None:
    before = run("request", "record", "--since", "1999-01-01", *WHY).exception
    assert isinstance(before, AuditWindowBefore) and datetime.now(LOCAL).strftime("the first %Y-") in str(before)


def test_an_empty_window_is_refused(run: Callable[..., Result]) -> None:
    at = said(run("request", "record", *WHY, *BY_LI, "--json"))["steps"][0]["at"]
    assert isinstance(run("request", "answers", "--from", at, "--to", at, *WHY).exception, AuditWindowReversed)
