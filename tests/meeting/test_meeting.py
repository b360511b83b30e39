"""Reports for the joint meeting: the same bytes after late events, then and now beside each other, and a few are in none of them."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.audit.outcome import as_json
from hub.audit.report import pages
from hub.cli import app
from hub.domain.indicators.definition import definitions
from hub.indicators import desk as indicator_desk
from hub.meeting import desk, handing, report, wording
from hub.meeting.composing import beside_target
from hub.meeting.errors import KnownBeforeTheLast, MeetingReportUnknown, PeriodNotBegun, PeriodUnfit, ReportOfAnotherRelease
from hub.meeting.facts import facts_by_indicator, seen_in
from hub.meeting.files import tables
from hub.meeting.guard import Seen, computed, gives_away
from hub.meeting.periods import period
from hub.trust.report_keys import open_report_signer
from tests.meeting.conftest import AT, BY, Reports


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-h2", "2026-07-01", "2026-12-31"),
        (" 2026-Q1", "2026-01-01", "2026-03-31"),
        ("2024-02", "2024-02-01", "2024-02-29"),
    ],
)
def test_a_period_has_its_days(text: str, first: str, last: str) -> None:
    assert [str(day) for day in period(text)[1:]] == [first, last]


@pytest.mark.parametrize("text", ["", "2026-Q5", "2026-13", "2026-1", "26-Q1", "2026-03-01", "0000", "二〇二六", "２０２６"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(PeriodUnfit):
        period(text)


def test_a_report_names_all_indicators_and_what_each_is(reports: Reports) -> None:
    facts = facts_by_indicator(reports.then)
    assert list(facts) == list(definitions())
    assert "REPORTED" in {one["state"] for one in facts.values()}
    assert all(one["missing"] is None for one in facts.values())
    assert reports.then.frozen.as_of == "2025-12-31" and reports.november.frozen.as_of == "2025-11-30"
    assert reports.now.frozen.before_code == reports.then.code


def test_a_report_is_the_same_bytes_by_the_record_of_then(reports: Reports) -> None:
    """Late events came after the first two, and a report that restates them."""
    for one in (reports.then, reports.now):
        found = report.find(reports.year.connection, one.code)
        assert found.frozen == one.frozen
        assert desk.made_again(reports.year.connection, found) == one.frozen.content
        assert as_json(found.outcome) == one.frozen.content


def test_what_came_late_is_beside_what_was_reported_with_its_causes(reports: Reports) -> None:
    k2 = facts_by_indicator(reports.now)["K2"]
    assert k2["then"]["report"] == facts_by_indicator(reports.then)["K2"]["report"]
    assert k2["now"]["figures"] == k2["figures"]
    assert {"kind": "ecard_signed", "how": "LATE", "events": 6} in k2["causes"]
    page = pages.page(reports.now.outcome).decode()
    assert f"上次报告 {reports.then.code} 与现在" in page and "（迟到）6" in page


def test_targets_are_beside_the_figure_of_their_province_and_never_in_it(reports: Reports) -> None:
    k2 = facts_by_indicator(reports.then)["K2"]
    (aim,) = (one for one in k2["targets"] if one["on"] == "2027-12-31")
    beside = beside_target(k2, aim)
    assert aim["count"] == 18_500_000 and beside is not None
    assert beside["cell"] == "50" and beside["numerator"] == next(one for one in k2["figures"] if one["cell"] == "50")["numerator"]


def test_an_indicator_is_drawn_over_the_periods_by_one_definition(reports: Reports) -> None:
    k2 = next(one for one in reports.now.outcome.trends if one.title.zh.startswith("K2 "))
    assert [label.zh for label, _ in k2.points] == ["2025-11", "2025-Q4"]
    assert [count for _, count in k2.goals] == [14_500_000, 15_467_000, 18_500_000]
    assert "K2 第三代社保卡累计换发" in pages.page(reports.now.outcome).decode()


def test_nobody_can_compute_what_the_reports_do_not_show(reports: Reports) -> None:
    seen = [one for each in (reports.november, reports.then, reports.now) for one in seen_in(each)]
    assert computed(seen) == set()
    assert any(count is None for one in seen for count in one.shown.values())


def of(indicator: str, code: str, shown: dict[tuple[str, str], int | None], additivity: str = "RATIO") -> Seen:
    return Seen(indicator, code, "province", additivity, is_of_people=True, shown=shown)


CARDS: dict[tuple[str, str], int | None] = {("", "all"): 100, ("50", "all"): 60, ("51", "all"): 40}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A hidden cell is what is left of the total.
        (of("K2", "A", {("", "all"): 100, ("50", "all"): 97, ("51", "all"): None}), None),
        # Two persons have a card of each province.
        (of("K1", "A", {("", "all"): 98, ("50", "all"): 60, ("51", "all"): 40}, "DISTINCT"), None),
        # Three cards were cancelled.
        (of("K15", "A", CARDS), of("K2", "B", CARDS | {("", "all"): 103, ("51", "all"): 43})),
        # Three more since a report before.
        (of("K2", "A", CARDS), of("K2", "B", CARDS | {("", "all"): 103, ("51", "all"): 43})),
    ],
)
def test_a_few_that_follow_from_several_figures_are_found(one: Seen, other: Seen | None) -> None:
    assert gives_away(one, [] if other is None else [other])
    assert computed([one] if other is None else [one, other])


def test_what_gives_nobody_away_is_shown() -> None:
    assert not gives_away(of("K2", "A", CARDS), [of("K2", "B", CARDS | {("", "all"): 105, ("51", "all"): 45}), of("K15", "C", CARDS)])
    assert not gives_away(of("K2", "A", CARDS)._replace(is_of_people=False, shown={("", "all"): None}), [])


def test_files_are_written_once_and_are_the_same_again(reports: Reports, tmp_path: Path) -> None:
    first = dict(handing.write(reports.now, tmp_path, None))
    assert all(first.values()) and {path.name for path in first} == {
        "report.pdf",
        "report.html",
        "outcome.json",
        *tables(reports.now.outcome),
    }
    content = {path: path.read_bytes() for path in first}
    (tmp_path / "figures.csv").write_text("altered")
    assert [path.name for path, is_written in handing.write(reports.now, tmp_path, None) if is_written] == ["figures.csv"]
    assert {path: path.read_bytes() for path in first} == content
    with (tmp_path / "report.pdf").open("ab") as file:
        file.write(b"signed")
    signed = (tmp_path / "report.pdf").read_bytes()
    assert not any(is_written for _, is_written in handing.write(reports.now, tmp_path, open_report_signer(tmp_path.parent / "keys")))
    assert (tmp_path / "report.pdf").read_bytes() == signed


def test_a_figure_that_may_not_be_shown_is_empty_in_each_table(reports: Reports) -> None:
    rows = [line.split(",") for line in tables(reports.now.outcome)["figures.csv"].decode().splitlines()[1:]]
    hidden = [row for row in rows if row[10] == "true"]
    assert hidden and not any(row[8] and row[9] for row in hidden if row[4] != "K1")
    assert wording.figure({"is_hidden": True, "numerator": None, "denominator": 8}) == wording.HIDDEN


def test_a_definition_that_changed_is_not_composed_again(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(definitions())
    known["K2"] = known["K2"]._replace(digest="0" * 64)
    monkeypatch.setattr(desk, "definitions", lambda: known)
    with pytest.raises(ReportOfAnotherRelease):
        desk.made_again(reports.year.connection, reports.then)


def test_a_period_to_come_and_a_report_that_is_not_there_are_refused(reports: Reports) -> None:
    with desk.opened(reports.year.dsn, reports.year.connection) as opened, pytest.raises(PeriodNotBegun):
        opened.freeze("2199-Q1", reports.year.late, BY, AT)
    with desk.opened(reports.year.dsn, reports.year.connection) as opened, pytest.raises(KnownBeforeTheLast):
        opened.freeze("2025-Q4", reports.year.report, BY, AT)
    for code in ("MR-999", "MR-", "MR-1x", "IR-K1-1", "MR-1999999999"):
        with pytest.raises(MeetingReportUnknown):
            report.find(reports.year.connection, code)


def test_the_command_freezes_writes_and_checks(reports: Reports, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HUB_DSN", reports.year.dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str) -> tuple[int, str]:
        found = CliRunner().invoke(app, ["meeting", *arguments])
        return found.exit_code, found.output

    listed = json.loads(run("list", "--json")[1].splitlines()[-1])
    assert [one["code"] for one in listed][-3:] == [one.code for one in (reports.now, reports.then, reports.november)]
    to = tmp_path / "meeting"
    code, said = run("write", reports.then.code, "--to", str(to), "--json")
    assert code == 0 and len(json.loads(said.splitlines()[-1])["files"]) == 7
    assert run("check", reports.then.code) == (0, f"✓ {reports.then.code}: 逐字节相同 the same bytes\n")
    assert CliRunner().invoke(app, ["audit", "check-report", str(to / "report.pdf")]).exit_code == 0
    for refused in (("report", "--period", "2026-Q9"), ("write", "MR-999", "--to", str(to)), ("check", "x")):
        code, said = run(*refused)
        assert code == 1 and said.startswith("✗")
    # What is frozen stays, so a folder that cannot be is found out before, and what fails after is named.
    (to / "report.html").unlink()
    (to / "report.html").mkdir()
    count, again = len(listed), ("report", "--period", "2025-Q4", "--as-known", str(reports.year.late))
    (tmp_path / "file").write_text("")
    assert run(*again, "--to", str(tmp_path / "file" / "below"))[0] == 1
    assert len(json.loads(run("list", "--json")[1].splitlines()[-1])) == count
    code, said = run(*again, "--to", str(to))
    assert code == 1 and f"hub meeting write MR-{count + 1} --to {to}" in said


def test_reports_of_indicators_in_one_are_beside_each_other(reports: Reports) -> None:
    """The report before is restated first, so that the new one is beside what is known of it now."""
    for before, after in pairwise((reports.november, reports.then, reports.now)):
        then, now = facts_by_indicator(before), facts_by_indicator(after)
        for indicator, one in now.items():
            if one["now"] is not None:
                assert one["then"]["report"] == then[indicator]["report"]
                found = indicator_desk.report.find(reports.year.connection, one["now"]["report"])
                assert date.fromisoformat(found.frozen.as_of) == date.fromisoformat(before.frozen.as_of)
