"""The console's pages of indicators: all twenty beside their targets, one with its trend and cells, and a frozen report beside now."""

import pytest

from tests.console.conftest import Scene, Visitor

REPORT = "/indicators/reports/IR-K10-1"


def test_all_twenty_are_listed_with_their_targets_and_lead_to_one(auditor: Visitor) -> None:
    listed = auditor.get("/indicators")
    assert all(f"/indicators/K{number}?on=" in listed for number in range(1, 21))
    assert "6 months" in listed and '<svg class="sparkline"' in listed
    assert "target 85 % 2027-12-31" in listed
    assert "# END rows=20" in auditor.get("/indicators.csv?table=indicators")


def test_one_has_its_definition_traps_trend_cells_and_reports(auditor: Visitor, met: str) -> None:
    assert met
    page = auditor.get("/indicators/K10?by=outcome,scenario")
    assert all(
        words in page
        for words in ("Answers that accept", "All answers", "Uses at gates that were offline", REPORT, 'class="drawn columns"')
    )
    # Three answers: fewer than five are nobody's to see, neither in the table nor in the picture of the months.
    assert "fewer than 5" in page and "※" in page and 'class="fill-cq"' not in page
    assert "# END rows=12" in auditor.get("/indicators/K10.csv?table=trend")


def test_a_frozen_report_is_beside_now(auditor: Visitor, met: str) -> None:
    assert met
    page = auditor.get(REPORT)
    assert "the same bytes" in page and "K10" in page and "li.lei" in page


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/indicators/K21", 404), ("/indicators/reports/IR-K1-999", 404), ("/indicators/K4?by=city", 400),
        ("/indicators/K4?on=2026-13-01", 400), ("/indicators/K10?on=2019-01-01", 400), ("/indicators/K10?by=scenario,scenario", 400),
        ("/indicators/K3?on=0001-01-01", 400), ("/indicators/K1?on=9999-12-31", 400), ("/indicators/K4?by=%00", 400),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused_in_words(auditor: Visitor, scene: Scene, path: str, code: int) -> None:
    assert scene
    assert auditor.client.get(path).status_code == code
