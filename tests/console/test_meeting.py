"""The console's pages of reports for the joint meeting: a list, one report, its files."""

import io

import pyarrow.parquet as pq
import pytest

from hub.admin.accounts.roles import POLICY
from hub.audit.outcome import read
from hub.console.workings import Workings
from tests.console.conftest import Visitor, visitor
from tests.console.test_statements import links


@pytest.fixture(scope="module")
def policy(workings: Workings) -> Visitor:
    return visitor(workings, POLICY)


def test_a_report_is_listed_shown_and_taken_away(policy: Visitor, met: str) -> None:
    assert f"/meeting/{met}" in links(policy.get("/meeting"), "/meeting/")
    page = policy.get(f"/meeting/{met}?lang=en")
    assert "Targets of the reform" in page and "Annex 1: definitions" in page and "K20" in page
    files = {one.rpartition("/")[2]: policy.client.get(one).content for one in links(page, f"/meeting/{met}/")}
    assert read(files["outcome-json"]).facts["code"] == met
    assert files["report-pdf"].startswith(b"%PDF-1.7") and b"/ByteRange" in files["report-pdf"]
    assert "联席会议报告".encode() in files["report-html"]
    assert pq.read_table(io.BytesIO(files["figures-parquet"])).num_rows == files["figures-csv"].count(b"\n") - 1


@pytest.mark.parametrize("path", ["/meeting/MR-999", "/meeting/x", "/meeting/{met}/journal-parquet"])
def test_what_is_not_there_is_refused(policy: Visitor, met: str, path: str) -> None:
    assert policy.client.get(path.format(met=met)).status_code == 404
