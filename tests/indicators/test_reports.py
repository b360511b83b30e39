"""A frozen report never changes: the record of then gives its bytes again; beside the report before it nothing of a few is shown."""

import json
from datetime import UTC, date, datetime

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.domain.indicators.definition import Words, definition
from hub.domain.indicators.errors import IndicatorNotRecorded, ReportDefinitionChanged, ReportUnknown
from hub.indicators import asking, desk, report
from hub.indicators.asking import Question
from hub.indicators.report import FrozenReport
from hub.journal.recorder import AggregateStore
from hub.projections.rebuild import rebuild
from hub.projections.views.daily_usage import DAILY_USAGE
from tests.indicators.conftest import Recorded

DAY = date(2025, 12, 31)
AT = datetime(2026, 1, 5, tzinfo=UTC)
BY = desk.Officer("operator", "li.lei")


def freeze(year: Recorded, indicator: str, position: int, by: str = "") -> FrozenReport:
    with desk.opened(year.dsn, year.connection) as opened:
        return opened.freeze(Question(indicator, DAY, position, by), BY, AT)


@pytest.mark.parametrize(("indicator", "by"), [("K1", "province"), ("K3", "direction"), ("K4", "mode"), ("K11", ""), ("K19", "reason")])
def test_a_report_is_the_same_bytes_after_late_events_and_a_rebuild(year: Recorded, indicator: str, by: str) -> None:
    made = freeze(year, indicator, year.report, by)
    later = freeze(year, indicator, year.late, by)
    assert later.frozen.before_code == made.frozen.report_code
    rebuild(year.connection, DAILY_USAGE)
    for one in (made, later):
        found = report.find(year.connection, one.frozen.report_code)
        assert found.frozen == one.frozen
        assert desk.counted_again(year.connection, found) == one.frozen.content


def test_a_report_beside_now_says_what_came_late(year: Recorded) -> None:
    made = freeze(year, "K4", year.report)
    found = desk.compare(year.connection, made.frozen.report_code, year.late)
    assert found.is_same
    assert found.causes == (desk.Cause("case_decided", "LATE", None), desk.Cause("case_submitted", "LATE", None))
    # Three cases more: a reader of both would know what those three were.
    assert found.now.figures[0].is_hidden
    assert not made.content["figures"][0]["is_hidden"]


def test_what_the_record_has_no_source_for_is_not_frozen(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = definition("K12")._replace(missing=Words("尚无来源", "nothing is reported yet"))
    monkeypatch.setattr(asking, "definition", lambda _: lacking)
    with pytest.raises(IndicatorNotRecorded):
        freeze(year, "K12", year.report)


@pytest.mark.parametrize("code", ["IR-K1-999", "IR-K1-", "K1", "IR-K99-1", "IR-K1-٣"])
def test_a_report_that_there_is_not_is_refused(year: Recorded, code: str) -> None:
    with pytest.raises(ReportUnknown):
        report.find(year.connection, code)


def test_a_report_by_another_definition_stays_and_is_not_compared(year: Recorded) -> None:
    made = freeze(year, "K2", year.report)
    old = made.frozen
    old.report_code, old.definition_digest = f"IR-K2-{report.reports_of('K2').count(year.connection) + 1}", "0" * 64
    store = AggregateStore(year.dsn)
    store.save(FrozenReport.begin(report.KIND, old, FrozenReport.create_id(old.report_code), AT))
    store.close()
    assert report.find(year.connection, old.report_code).content == json.loads(old.content)
    with pytest.raises(ReportDefinitionChanged):
        desk.compare(year.connection, old.report_code, year.late)
    # The next report goes on beside the last one that has the definition of now.
    assert freeze(year, "K2", year.late).frozen.before_code.startswith("IR-K2-")


def run(year: Recorded, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setenv("HUB_DSN", year.dsn)
    result = CliRunner().invoke(app, ["kpi", *arguments])
    return result.exit_code, f"{result.output}{result.exception or ''}"


def test_the_command_answers_all_twenty_and_one_by_its_cells(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    known = ["--as-of", DAY.isoformat(), "--as-known", str(year.report), "--json"]
    code, said = run(year, monkeypatch, *known)
    assert code == 0
    listed = json.loads(said.splitlines()[-1])
    assert [one["indicator"] for one in listed] == [f"K{number}" for number in range(1, 21)]
    assert all(one["is_recorded"] for one in listed)
    code, said = run(year, monkeypatch, "K1", "--by", "province", *known)
    assert {one["cell"] for one in json.loads(said.splitlines()[-1])["figures"]} == {"", "50", "51"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["K1", "--as-of", "2019-01-01"], "首个事件"),
        (["K1", "--as-of", "2019-01-01"], "（20"),
        (["K1", "--as-of", "2025-13-01"], "2025-13-01"),
        (["K21"], "没有这个指标"),
        (["K1", "--by", "mode"], "不这样分列"),
        (["K1", "--population", "VOTERS"], "没有这种人口"),
        (["IR-K1-999"], "没有这份指标报告"),
        (["K1", "--as-known", "yesterday"], "ISO 8601"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused_in_words(
    year: Recorded, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    code, said = run(year, monkeypatch, *arguments)
    assert code != 0
    assert says in said


def test_the_command_freezes_lists_and_compares_reports(year: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    known = ["--as-of", DAY.isoformat(), "--as-known", str(year.report)]
    code, said = run(year, monkeypatch, "K20", "--freeze", "--operator", "li.lei", *known)
    assert (code, said.strip().splitlines()[-1]) == (0, "IR-K20-1")
    assert "IR-K20-1" in run(year, monkeypatch, "K20", "--reports")[1]
    assert run(year, monkeypatch, "K99", "--reports")[0] == 1
    code, said = run(year, monkeypatch, "IR-K20-1", "--as-known", str(year.late))
    assert code == 0
    assert "the same bytes" in said
    for shown in (run(year, monkeypatch, "K20", *known), run(year, monkeypatch, *known)):
        assert shown[0] == 0
        assert "K20" in shown[1]


def test_definitions_name_what_a_report_was_counted_by(year: Recorded) -> None:
    assert freeze(year, "K16", year.report).frozen.definition_digest == definition("K16").digest
