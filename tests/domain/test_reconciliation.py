"""Breaks explain the whole difference of two books, whatever figures come after one another and whatever a side leaves."""

from datetime import UTC, date, datetime

import pytest
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from chuanyu.exchange.v1 import settlements_pb2 as parties
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.reconciliation.books import NOTHING, WHOLE_DAY, Cell, Figure, compared, hash_total
from hub.domain.reconciliation.day_book import DayBook, day_of_code, recorded
from hub.domain.reconciliation.differences import differences, silence
from hub.domain.reconciliation.moving import reconciled
from hub.domain.reconciliation_errors import BreakUnknown

DAY, AT = date(2025, 9, 1), datetime(2025, 9, 2, 4, tzinfo=UTC)
CELLS = [Cell("50", "510100", "TRA.QR"), Cell("50", "510300", "TRA.MET"), Cell("51", "500103", "TRA.QR"), Cell("51", "510100", "TRA.QR")]
FIGURES = st.builds(Figure, st.integers(0, 3), st.integers(-2, 3))
BOOKS = st.dictionaries(st.sampled_from(CELLS), FIGURES)
PARTY = parties.StatementParty(province="51", participant="hub", name="li.lei")


@given(st.lists(st.tuples(BOOKS, BOOKS, BOOKS, st.integers(0, 5), st.booleans()), min_size=1, max_size=6))
def test_what_breaks_explain_is_the_difference(
    rounds: list[tuple[dict[Cell, Figure], dict[Cell, Figure], dict[Cell, Figure], int, bool]],
) -> None:
    book: DayBook | None = None
    for number, (now, then, theirs, closed, is_silent) in enumerate(rounds, 1):
        totals = protos.ReconTotalsRecorded(by=PARTY, business_day="2025-09-01", version=number)
        book = recorded(book, "51", DAY, "recon_totals_recorded", totals, AT)
        cells = compared("51", now, then, theirs)
        whole = NOTHING
        for one in cells:
            whole = whole.plus(one.difference)
        found = [silence(whole, "FEED_BEHIND")] if is_silent else differences(cells, {})
        before_silence = [one for one in book.breaks.values() if not one.is_silence]
        book = reconciled(book, "51", DAY, found, lambda _: "2025-09-05", AT)
        assert book is not None and book.explained == whole
        assert not is_silent or [one for one in book.breaks.values() if not one.is_silence] == before_silence
        before = book.version
        reconciled(book, "51", DAY, found, lambda _: "2025-09-05", AT)
        assert book.version == before
        for code in [one.code for one in book.breaks.values() if one.is_open][:closed]:
            book.leave(PARTY, code, protos.BREAK_CAUSE_ACCEPTED, (), AT)
        assert book.explained == whole


@given(st.lists(st.tuples(st.sampled_from(["sc.usage", "cq.usage"]), st.integers(1, 2**62), st.integers(-(10**12), 10**12)), max_size=8))
def test_a_hash_total_is_of_the_uses_in_any_order_and_in_sixty_four_bits(uses: list[tuple[str, int, int]]) -> None:
    assert hash_total(uses) == hash_total(uses[::-1]) == (hash_total(uses[:3]) + hash_total(uses[3:])) % 2**64


def test_a_hash_total_is_the_one_that_the_page_describes() -> None:
    # printf 'sc.usage 7 200' | sha256sum: the first sixteen digits.
    assert hash_total([("sc.usage", 7, 200)]) == 0x5B44AB2A9A347D2B


def test_a_silent_side_is_one_break_of_the_whole_day() -> None:
    book = reconciled(None, "50", DAY, [silence(Figure(2, 500), "NO_TOTALS")], lambda _: "2025-09-03", AT)
    assert book is not None
    (one,) = book.breaks.values()
    assert (one.code, one.cell, one.amount, one.due_on) == ("BR-50-20250901-1", WHOLE_DAY, Figure(2, 500), "2025-09-03")


@pytest.mark.parametrize("code", ["BR-51-20250931-1", "BR-52-20250901-1", "BR-51-20250901-0", "BR-51-20250901", "", "BR-51-20250901-1\n"])
def test_a_code_of_no_break_is_unknown(code: str) -> None:
    with pytest.raises(BreakUnknown):
        day_of_code(code)
