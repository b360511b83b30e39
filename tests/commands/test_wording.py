"""How commands say things."""

from datetime import date
from pathlib import Path

import pytest
from rich.cells import cell_len

from hub.commands.failures import lines_of
from hub.commands.settle_screen import schemes
from hub.commands.wording import in_two_lines, local, screen, table, views_in_words, whole
from hub.domain import reference
from hub.domain.card_machines import BACK, LIVES, SAME
from hub.domain.looks import Shown as ShownRecord
from hub.domain.rules import RULES
from hub.findings import process as findings
from hub.processes import losses
from hub.projections import PROJECTIONS
from hub.words.names import SHOWN, VIEWS
from hub.words.seen import SEEN, STATES


def test_views_that_differ_are_named_and_equal_ones_counted() -> None:
    assert views_in_words({"card_standing": True, "quarantine": True}) == "全部一致 all 2 equal"
    assert views_in_words({"card_standing": True, "quarantine": False, "usage": False}) == "不同 differ: quarantine, usage"
    assert views_in_words({}) == "未比对 not compared"


def test_instants_are_told_in_the_time_of_both_provinces() -> None:
    assert local(1_767_225_600_000_000) == "2026-01-01T08:00:00+08:00"
    assert in_two_lines(1_767_225_600_000_000) == "2026-01-01\n08:00:00"


def test_all_that_rules_look_at_and_every_view_has_a_name_in_both_languages() -> None:
    assert {path for rule in RULES for path in rule.sees} - SEEN.keys() == set()
    assert {*(view.name for view in PROJECTIONS), losses.CHECKPOINT, findings.CHECKPOINT} == VIEWS.keys()
    states = {state for life in LIVES for step in life.steps.values() for state in (*step.sources, step.target)} - {BACK, SAME}
    assert states - STATES.keys() == set()


@pytest.mark.parametrize("width", [220, 60])
def test_a_table_cuts_nothing_off_where_it_does_not_fit(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    screen().print(schemes(reference.load().schemes.in_force(date(2026, 3, 2))))
    shown = capsys.readouterr().out
    assert max(map(cell_len, shown.splitlines())) <= width
    if width == 220:
        assert all(code in shown for code in ("TRANSIT", "MEDICAL", "TRA.BUS TRA.MET TRA.ELD", "illustrative"))
    listed = table(whole("编号 Code"), whole("摘要 Digest"))
    listed.add_row("ST-TRANSIT-1", "a" * 70)
    screen().print(listed)
    assert capsys.readouterr().out.count("a") == 70


def test_every_kind_of_look_has_a_name() -> None:
    assert {name.removeprefix("SHOWN_RECORD_") for name, number in ShownRecord.items() if number} == SHOWN.keys()


def test_a_file_that_cannot_be_written_is_named_in_one_line(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "proof"
    with pytest.raises(OSError) as refused:
        target.write_bytes(b"")
    (line,) = lines_of(refused.value)
    assert str(target) in line
    assert lines_of(OSError("a fault without a file")) == []
