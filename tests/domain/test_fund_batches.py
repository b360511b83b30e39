"""Fund batches: their steps, what their rows come to by round and at close, and each figure that does not fit."""

from collections.abc import Iterable
from typing import Any

import pytest

from hub.domain import reference
from hub.domain.funds.attempts import Said
from hub.domain.funds.batches import Batch, Cell, batch_at, cells_of, rewound, unfit_of
from hub.domain.funds.rows import fold_row
from hub.domain.reported import Reported
from tests.domain.test_fund_rows import HOUR_US, NEW, paid, recovered, returned, sent
from tests.recording import fund_batch

DAYS_US = 24 * HOUR_US
CLOSED_US = 100 * HOUR_US
WORKING = reference.load().working_days


def step(name: str, hour: int, **says: Any) -> Reported:
    event = fund_batch(name, at_s=hour * 3_600, **says)
    return Reported(f"fund_batch_{name}", event, hour * HOUR_US, 1_000 + hour)


def batch(steps: Iterable[Reported], *rows: list[Said], at_us: int = 10 * DAYS_US, beyond_rows: int = 0) -> Batch:
    sums: dict[Cell, tuple[int, int]] = {}
    for row in rows:
        for cell, (count, fen) in cells_of(fold_row(row)).items():
            known = sums.get(cell, (0, 0))
            sums[cell] = known[0] + count, known[1] + fen
    was = rewound(sums, ((fold_row(row), fold_row(row, CLOSED_US)) for row in rows))
    return batch_at(steps, sums, at_us, WORKING, beyond_rows=beyond_rows, at_close=was)


PUBLISHED = step("published", 0, row_count=2, amount_total_fen=20_000)
STEPS = [PUBLISHED, step("approved", 0), step("sent", 1, row_count=2, amount_total_fen=20_000)]
TWO_SENT = [[sent(1)], [sent(1)]]


def closed(paid_fen: int, returned_fen: int) -> Reported:
    return step("closed", 100, paid_total_fen=paid_fen, returned_total_fen=returned_fen)


def codes(found: Batch) -> list[tuple[str, int, int, int]]:
    return [tuple(one) for one in found.findings]


def test_a_batch_goes_from_published_to_closed() -> None:
    whole = [STEPS[:1], STEPS[:2], STEPS]
    assert [batch(steps).state for steps in ([], *whole)] == ["NOT_REPORTED", "PUBLISHED", "APPROVED", "SENT"]
    answered = [[sent(1), paid(2)], [sent(1), returned(2)]]
    assert batch(STEPS, *answered).state == "ANSWERED"
    assert batch([*STEPS, closed(10_000, 10_000)], *answered).state == "CLOSED"


def test_each_round_says_what_was_sent_paid_returned_and_not_answered() -> None:
    found = batch(STEPS, [sent(1), paid(2)], [sent(1), returned(2), sent(5, attempt=2, account=NEW)])
    assert [tuple(one) for one in found.rounds] == [
        (1, (2, 20_000), (1, 10_000), (1, 10_000), (0, 0), 0),
        (2, (1, 10_000), (0, 0), (0, 0), (1, 10_000), 0),
    ]
    assert (found.states, found.reasons) == ({"PAID": (1, 10_000), "RESENT": (1, 10_000)}, {"CLOSED": (1, 10_000)})


def test_rows_that_were_sent_as_a_whole_are_unanswered_until_the_bank_says() -> None:
    found = batch(STEPS, [paid(2)])
    assert [tuple(one) for one in found.rounds] == [(1, (2, 20_000), (1, 10_000), (0, 0), (1, 10_000), 0)]
    assert found.findings == ()


def test_a_closed_batch_fits_to_the_fen() -> None:
    rows = [[sent(1), paid(2), recovered(9, 500)], [sent(1), returned(2), sent(5, attempt=2), paid(6)]]
    found = batch([*STEPS, closed(20_000, 0)], *rows)
    assert (found.findings, found.paid_fen, found.recovered_fen, found.net_fen) == ((), 20_000, 500, 19_500)


def test_a_close_that_is_off_by_a_fen_says_both_figures() -> None:
    found = batch([*STEPS, closed(10_001, 9_999)], [sent(1), paid(2)], [sent(1), returned(2)])
    assert codes(found) == [("CLOSED_PAID_DIFFERS", 0, 10_000, 10_001), ("CLOSED_RETURNED_DIFFERS", 0, 10_000, 9_999)]


def test_what_comes_back_after_the_close_is_no_difference_of_the_close() -> None:
    rows = [[sent(1), paid(2), returned(150)], [sent(1), paid(2)]]
    found = batch([*STEPS, closed(20_000, 0)], *rows)
    assert (found.findings, found.paid_fen) == ((), 10_000)


def test_a_close_with_rows_that_the_bank_has_not_answered_is_a_finding() -> None:
    found = batch([*STEPS, closed(10_000, 0)], [sent(1), paid(2)], [sent(1)])
    assert codes(found) == [("CLOSED_UNANSWERED", 1, 10_000, 0)]


LATE_ANSWERS: list[list[Said]] = [
    [sent(1), returned(150)],
    [sent(1), paid(150)],
    [sent(1), paid(150), recovered(160, 10_000)],
]


@pytest.mark.parametrize("row", LATE_ANSWERS)
def test_a_row_that_is_answered_after_the_close_was_not_answered_then(row: list[Said]) -> None:
    found = batch([*STEPS, closed(10_000, 0)], [sent(1), paid(2)], row)
    assert codes(found) == [("CLOSED_UNANSWERED", 1, 10_000, 0)]


def test_a_row_that_is_sent_again_after_the_close_is_no_difference_of_the_close() -> None:
    found = batch([*STEPS, closed(10_000, 10_000)], [sent(1), paid(2)], [sent(1), returned(2), sent(150, attempt=2)])
    assert (found.findings, found.unanswered) == ((), (1, 10_000))


def test_a_row_that_is_sent_again_leaves_a_batch_that_was_sent_as_a_whole_as_it_was() -> None:
    first = (1, (2, 20_000), (1, 10_000), (1, 10_000), (0, 0), 0)
    back = [returned(2), sent(5, attempt=2, account=NEW)]
    waits, again = batch(STEPS, [paid(2)], back), batch(STEPS, [paid(2)], [*back, paid(6, account=NEW)])
    assert [tuple(one) for one in waits.rounds] == [first, (2, (1, 10_000), (0, 0), (0, 0), (1, 10_000), 0)]
    assert [tuple(one) for one in again.rounds] == [first, (2, (1, 10_000), (1, 10_000), (0, 0), (0, 0), 0)]
    assert (waits.findings, again.findings, again.paid_fen) == ((), (), 20_000)


def test_what_a_batch_as_a_whole_does_not_answer_for_waits_though_a_row_was_sent_again() -> None:
    found = batch(STEPS, [returned(2), sent(5, attempt=2, account=NEW)])
    assert (found.rounds[0].unanswered, found.findings) == ((1, 10_000), ())


def test_a_row_that_was_never_sent_is_unknown_to_a_batch_that_was_sent_by_row() -> None:
    assert codes(batch(STEPS, *TWO_SENT, [returned(2)])) == [("ROW_UNKNOWN", 1, 0, 0)]


def test_a_row_beyond_those_declared_is_unknown() -> None:
    assert codes(batch(STEPS, [paid(2)], beyond_rows=1)) == [("ROW_UNKNOWN", 1, 0, 0)]


def test_a_return_of_a_batch_that_was_never_sent_is_a_finding() -> None:
    assert codes(batch([PUBLISHED], [returned(2)])) == [("RETURN_WITHOUT_SEND", 1, 0, 0)]


@pytest.mark.parametrize(
    ("steps", "rows", "beyond", "unfit"),
    [
        ([], [[returned(2)]], 0, ["RETURN_WITHOUT_SEND"]),
        ([PUBLISHED], [[returned(2)], [returned(2)]], 0, ["RETURN_WITHOUT_SEND", "RETURN_WITHOUT_SEND"]),
        (STEPS, [[sent(1)], [sent(1)], [returned(2)]], 0, ["", "", "ROW_UNKNOWN"]),
        (STEPS, [[paid(2)], [paid(2)], [paid(2)]], 1, ["", "", "ROW_UNKNOWN"]),
        (STEPS, [[paid(2)], [paid(2)]], 0, ["", ""]),
    ],
)
def test_a_row_says_what_of_it_does_not_fit_its_batch(steps: list[Any], rows: list[list[Any]], beyond: int, unfit: list[str]) -> None:
    found = batch(steps, *rows, beyond_rows=beyond)
    assert [unfit_of(found, number, fold_row(said)) for number, said in enumerate(rows, 1)] == unfit


def test_rows_that_do_not_make_the_total_are_a_finding() -> None:
    assert codes(batch(STEPS, [sent(1)], [sent(1, fen=10_001)])) == [("TOTAL_DIFFERS", 0, 20_001, 20_000)]


def test_rows_that_were_not_sent_are_missed_only_after_their_grace() -> None:
    waits = [batch(STEPS, [sent(1)], at_us=at_us).findings for at_us in (2 * DAYS_US, 4 * DAYS_US)]
    assert [[one.code for one in findings] for findings in waits] == [[], ["ROWS_DIFFER"]]


def test_a_notice_of_less_than_seven_working_days_is_too_short() -> None:
    notices = (("2025-09-01", "2025-09-09"), ("2025-09-01", "2025-09-08"), ("2025-09-26", "2025-10-10"))
    found = [batch([step("published", 0, amount_total_fen=20_000, notice_from=first, notice_to=last)]).findings for first, last in notices]
    # Fifteen days over the National Day holidays have six working ones, a Sunday among them that makes up for a day off.
    assert [[(one.code, one.ours) for one in findings] for findings in found] == [[], [("NOTICE_TOO_SHORT", 6)], [("NOTICE_TOO_SHORT", 6)]]


def test_a_batch_that_is_sent_before_it_is_approved_is_a_finding() -> None:
    late = [PUBLISHED, step("approved", 5), step("sent", 1, row_count=0, amount_total_fen=20_000)]
    assert "SENT_BEFORE_APPROVED" in [one.code for one in batch(late).findings]
    never = [PUBLISHED, step("sent", 1, row_count=2, amount_total_fen=20_000)]
    assert codes(batch(never, *TWO_SENT)) == [("SENT_BEFORE_APPROVED", 0, 0, 0)]


def test_a_step_that_is_reported_twice_differently_is_a_finding() -> None:
    again = step("sent", 2, row_count=2, amount_total_fen=20_001)
    assert "BATCH_DIFFERS" in [one.code for one in batch([*STEPS, again], *TWO_SENT).findings]
