"""The console's pages of funds: batches to the fen, one with its rows and attempts, accounts that gave way; no identifier of a payee."""

import re

import pytest

from hub.admin.accounts.roles import POLICY, STAFF
from hub.console.workings import Workings
from tests.console.conftest import FUNDED, PAYEES_CARD, Visitor, visitor

ADDRESS = f"/funds/50/{FUNDED}"


def test_a_batch_is_listed_by_round_and_leads_to_its_rows(auditor: Visitor) -> None:
    listed = auditor.get("/funds")
    assert f'href="{ADDRESS}"' in listed and "AC06" in listed
    [change] = set(re.findall(r'href="(/journal/[0-9]+)"', listed))
    assert "fund_account_repointed" in auditor.get(change)
    page = auditor.get(ADDRESS)
    assert all(words in page for words in ("paid twice", "sent again", "two payments of one row", "300.00", "S9"))
    assert PAYEES_CARD not in listed + page


def test_rows_are_kept_by_state_and_come_as_a_file(auditor: Visitor) -> None:
    # As a cell: a page's tokens are drawn by chance, and have any two letters now and then.
    assert ">S9<" in auditor.get(f"{ADDRESS}?state=PAID_TWICE") and ">S9<" not in auditor.get(f"{ADDRESS}?state=PAID")
    assert "# END rows=5" in auditor.get(f"{ADDRESS}.csv?table=rows")


@pytest.mark.parametrize(("path", "code"), [("/funds/50/NONE", 404), (f"{ADDRESS}?state=GONE", 400), (f"/funds/5/{FUNDED}", 400)])
def test_what_is_not_there_is_refused_in_words(auditor: Visitor, path: str, code: int) -> None:
    assert auditor.client.get(path).status_code == code


def test_staff_see_batches_of_their_province_and_policy_staff_no_rows(workings: Workings) -> None:
    chongqing, sichuan = (visitor(workings, STAFF, provinces=(side,)) for side in ("50", "51"))
    assert ADDRESS in chongqing.get("/funds") and ADDRESS not in sichuan.get("/funds")
    assert "of the other province are its own to see" in sichuan.client.get(ADDRESS).text
    policy = visitor(workings, POLICY)
    assert "Batches" in policy.get("/funds") and policy.client.get(ADDRESS).status_code == 403
