"""The report says which level is reached and what to change; names and commands that are none are refused in words."""

import json
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hub.commands.conformance import _last_words
from hub.conformance.checks import CHECKS
from hub.conformance.clients import Command, TargetUnfit
from hub.conformance.kit import Verdict
from hub.conformance.report import as_json, write_reports
from hub.conformance.running import judge_all, prepared
from hub.conformance.trials import TrialUnknown, all_trials, chosen, level_of
from hub.sandbox.faults import KINDS

KIT = f"{sys.executable} -c 'from adapters.cli import main; main()' conformance"


def verdicts(*failed: str) -> list[Verdict]:
    """Every trial, of which some failed."""
    words = ["编号 1 <script>\x00\x1b[31m Number 1"]
    return [Verdict(trial, words if trial.id in failed else [], ["→ 1 | ← recorded 1"], 0.1) for trial in all_trials()]


@pytest.mark.parametrize(("failed", "level"), [((), "gold"), (("G04",), "silver"), (("S01", "G01"), "bronze"), (("B05",), "")])
def test_a_level_is_reached_by_all_its_trials_and_those_below(failed: tuple[str, ...], level: str) -> None:
    assert as_json(verdicts(*failed), "client")["level"] == level


def test_a_part_gives_the_level_that_it_has_whole_and_a_trial_that_failed_once_failed() -> None:
    part, bronze = as_json(verdicts()[:3], "client"), as_json(verdicts()[:9], "client")
    assert [(one["level"], one["is_whole"]) for one in (part, bronze)] == [("", False), ("bronze", False)]
    twice = as_json([*verdicts(), *verdicts("B02")], "client")
    assert twice["level"] == ""


def test_a_level_that_passed_without_those_below_says_what_to_try_with_it() -> None:
    silver = [one for one in verdicts() if one.trial.level == "silver"]
    said = _last_words(as_json(silver, "client"), [])
    assert "level: 未达级 none" in said and "all of silver passed; its level takes, in one run: bronze silver）" in said
    for reached in (verdicts()[:9], verdicts()):
        assert "in one run" not in _last_words(as_json(reached, "client"), [])


def test_the_reports_show_the_expected_exchange_beside_the_seen_one(tmp_path: Path) -> None:
    found = verdicts("B02")
    html, xml, outcome = (
        path.read_text(encoding="utf-8") for path in _in_order(write_reports(found, as_json(found, "<b>x</b>"), tmp_path))
    )
    assert "&lt;script&gt;" in html and "<script>" not in html and "&lt;b&gt;x" in html and "→ 1–7 | ← recorded 7" in html
    suites = ElementTree.fromstring(xml.split("?>", 1)[1])  # noqa: S314 (it was written here)
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("bronze", "1"), ("silver", "0"), ("gold", "0")]
    assert json.loads(outcome)["trials"][1]["problems"] == found[1].problems


def _in_order(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: [".html", ".xml", ".json"].index(path.suffix))


def test_a_name_that_is_no_trial_and_a_command_that_is_none_are_refused(tmp_path: Path) -> None:
    assert level_of(set()) == "" and [trial.id for trial in chosen(["S02", "bronze"])][-1] == "S02"
    with pytest.raises(TrialUnknown, match="not B99"):
        chosen(["B99"])
    for line in ("", "'open", "/nowhere/client"):
        with pytest.raises(TargetUnfit):
            Command(line, tmp_path / "log")


def test_what_a_client_prints_is_below_the_name_of_its_trial(tmp_path: Path) -> None:
    client = Command("echo said", tmp_path / "log")
    for trial in ("B01", "B02"):
        running, give_up_at = client.start({"CONFORMANCE_TRIAL": trial}), time.monotonic() + 30
        while running.poll() is None and time.monotonic() < give_up_at:
            time.sleep(0.01)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "── B01\nsaid\n── B02\nsaid\n"


def test_trials_name_checks_and_faults_that_there_are() -> None:
    for trial in all_trials():
        assert {check["name"] for check in trial.checks} <= CHECKS.keys() and trial.expected
        assert {fault.kind for fault in trial.armed} <= KINDS.keys()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_kit_as_a_process_passes_again_and_again(tmp_path: Path) -> None:
    # `hub conformance run --repeat 50` does it fifty times.
    failed = []
    with prepared(tmp_path / "data") as kit:
        client = Command(KIT, tmp_path / "client.log")
        for _ in range(2):
            failed += [
                (one.trial.id, one.problems, one.lines) for one in judge_all(kit, all_trials(), client, lambda _: None) if not one.passed
            ]
    assert failed == []
