"""The console's pages of statements and breaks: each number leads to the events behind it."""

import re
from datetime import date

import pytest

from hub.admin.accounts.roles import AUDITOR, PROVINCES, STAFF
from hub.console.workings import Workings
from hub.domain.settlement.statement import Statement
from tests.console.conftest import IN_CHENGDU, IN_MIANYANG, Visitor, visitor


@pytest.fixture(scope="module")
def auditor(workings: Workings) -> Visitor:
    return visitor(workings, AUDITOR, provinces=PROVINCES)


def links(text: str, begin: str) -> list[str]:
    """Returns where a page leads to below an address."""
    return re.findall(rf'href="({begin}[^"?]*)"', text)


def test_a_statement_leads_by_its_lines_to_their_events(auditor: Visitor, settled: tuple[Statement, date]) -> None:
    code = settled[0].code
    assert f"/statements/{code}" in links(auditor.get("/statements"), "/statements/")
    page = auditor.get(f"/statements/{code}")
    assert settled[0].issued.digest.hex() in page
    lines = links(page, f"/statements/{code}/")
    assert len(lines) == len(settled[0].issued.lines)
    number = next(number for number, one in enumerate(settled[0].issued.lines, 1) if one.service_region == "510100")
    events = set(links(auditor.get(f"/statements/{code}/{number}"), "/journal/"))
    assert len(events) == IN_CHENGDU
    assert auditor.get(min(events))


def test_a_break_shows_both_figures_its_evidence_and_its_steps(auditor: Visitor, settled: tuple[Statement, date]) -> None:
    codes = links(auditor.get("/breaks"), "/breaks/")
    assert codes and codes == links(auditor.get("/breaks?open=1"), "/breaks/")
    pages = [auditor.get(f"{code}?lang=zh") for code in codes]
    assert all("长款" in text and "发现对账差错" in text for text in pages)
    assert sorted(len(set(links(text, "/journal/"))) for text in pages) == [IN_MIANYANG, IN_CHENGDU]


@pytest.mark.parametrize(
    "path", ["/statements/ST-QR-999", "/statements/{code}/0", "/statements/{code}/x", "/breaks/BR-51-20250101-1", "/breaks/x"]
)
def test_what_is_not_there_is_a_page_that_says_so(auditor: Visitor, settled: tuple[Statement, date], path: str) -> None:
    assert auditor.client.get(path.format(code=settled[0].code)).status_code == 404


def test_staff_of_a_province_see_statements_and_breaks_in_english_too(workings: Workings, settled: tuple[Statement, date]) -> None:
    staff = visitor(workings, STAFF, provinces=("50",))
    assert "Statements" in staff.get("/statements?lang=en")
    assert "Lines" in staff.get(f"/statements/{settled[0].code}?lang=en")
    assert "The hub&#39;s book" in staff.get("/breaks?lang=en")
