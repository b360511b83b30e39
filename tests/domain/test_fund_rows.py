"""Rows of fund batches: attempts, late returns, payments again, recoveries, and what does not go together; to the fen and in any order."""

import random
from collections.abc import Callable
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.funds.attempts import PAID, RECOVERED, REPAID, RETURNED, SENT, Said
from hub.domain.funds.batches import cells_of, cells_of_plain
from hub.domain.funds.rows import RowFold, fold_row, fold_row_at_length, reports_at_length, reports_in
from hub.domain.funds.short_way import plain_of, result_of
from hub.domain.indicators.plain_payments import payment_of, steps_of, steps_of_row
from hub.domain.netting_chains import net_rows, net_rows_at_length
from hub.domain.tellings import Telling
from hub.projections.views.fund_row_state import packed, unpacked

HOUR_US = 3_600_000_000
# 2025-12-30 in +08:00.
_DAYS_BEFORE_A_YEAR_S = 1_767_024_000
OLD, NEW = "aa", "bb"
CLOSED, FROZEN = 5, 4


def sent(hour: int, fen: int = 10_000, attempt: int = 1, account: str = OLD) -> Said:
    return Said(SENT, hour * HOUR_US, hour + 1, fen, account, attempt=attempt)


def paid(hour: int, fen: int = 10_000, serial: str = "", account: str = "") -> Said:
    return Said(PAID, hour * HOUR_US, hour + 1, fen, account, serial)


def returned(hour: int, fen: int = 10_000, serial: str = "", account: str = "", reason: int = CLOSED) -> Said:
    return Said(RETURNED, hour * HOUR_US, hour + 1, fen, account, serial, reason)


def recovered(hour: int, fen: int) -> Said:
    return Said(RECOVERED, hour * HOUR_US, hour + 1, fen)


def outcomes(row: RowFold) -> list[str]:
    return [f"{one.number} {one.outcome} {one.reason}".rstrip() for one in row.attempts]


def codes(row: RowFold) -> list[tuple[str, int, int]]:
    return [(one.code, one.position, one.against_position) for one in row.findings]


def test_a_row_that_is_sent_waits_for_the_bank() -> None:
    row = fold_row([sent(1)])
    assert (row.state, row.paid_fen, outcomes(row)) == ("SENT", 0, ["1 UNANSWERED"])


def test_a_row_is_paid() -> None:
    row = fold_row([sent(1), paid(2, serial="B1")])
    assert (row.state, row.paid_fen, row.findings) == ("PAID", 10_000, ())


def test_a_returned_row_is_sent_to_another_account_and_paid() -> None:
    row = fold_row([sent(1), returned(2, serial="B1"), sent(5, attempt=2, account=NEW), paid(6, serial="B2", account=NEW)])
    assert (row.state, row.paid_fen, outcomes(row), row.findings) == ("PAID", 10_000, ["1 RETURNED CLOSED", "2 PAID"], ())


def test_a_returned_row_that_was_sent_again_waits() -> None:
    assert fold_row([sent(1), returned(2), sent(5, attempt=2)]).state == "RESENT"


def test_a_payment_comes_back_late_under_its_serial() -> None:
    row = fold_row([sent(1), paid(2, serial="B1"), returned(90, serial="B1", reason=FROZEN)])
    assert (row.state, row.reason, row.paid_fen) == ("LATE_RETURNED", "FROZEN_OR_STOPPED", 0)


def test_a_late_return_of_the_first_attempt_leaves_the_second_paid() -> None:
    row = fold_row([sent(1), paid(2, serial="B1"), sent(3, attempt=2, account=NEW), paid(4, serial="B2"), returned(9, serial="B1")])
    assert (outcomes(row), row.paid_fen) == (["1 LATE_RETURNED CLOSED", "2 PAID"], 10_000)
    assert [one.code for one in row.findings] == ["PAID_TWICE"]


def test_a_row_is_paid_twice_by_two_acts_of_the_bank() -> None:
    row = fold_row([sent(1), paid(2, serial="B1"), paid(3, serial="B2")])
    assert (row.state, row.paid_fen, codes(row)) == ("PAID_TWICE", 20_000, [("PAID_TWICE", 4, 3)])


def test_one_act_of_the_bank_told_twice_counts_once() -> None:
    row = fold_row([sent(1), paid(2, serial="B1"), paid(3, serial="B1")])
    assert (row.state, row.paid_fen, row.findings) == ("PAID", 10_000, ())


def test_an_answer_off_by_a_fen_is_a_finding_and_is_counted_as_the_bank_says() -> None:
    row = fold_row([sent(1), paid(2, fen=9_999)])
    assert (row.paid_fen, codes(row), row.attempts[0].differs_fen) == (9_999, [("AMOUNT_DIFFERS", 3, 2)], 1)


def test_an_answer_for_another_account_of_the_same_amount_is_a_finding() -> None:
    row = fold_row([sent(1), paid(2, account=NEW)])
    assert (row.state, codes(row)) == ("PAID", [("ACCOUNT_DIFFERS", 3, 2)])


def test_a_return_without_a_send_is_an_attempt_that_nobody_reported_as_sent() -> None:
    row = fold_row([returned(2)])
    assert (row.state, row.is_sent_by_row, outcomes(row)) == ("RETURNED", False, ["1 RETURNED CLOSED"])


def test_a_return_under_a_serial_that_paid_nothing_changes_no_money() -> None:
    row = fold_row([sent(1), paid(2, serial="B1"), returned(9, serial="B7")])
    assert (row.state, row.paid_fen, codes(row)) == ("PAID", 10_000, [("RETURN_OF_NO_PAYMENT", 10, 0)])


def test_a_bank_that_first_returns_and_then_pays_under_one_serial_contradicts_itself() -> None:
    row = fold_row([sent(1), returned(2, serial="B1"), paid(3, serial="B1")])
    assert (row.state, codes(row)) == ("RETURNED", [("RESULT_DIFFERS", 4, 3)])


def test_a_return_told_again_for_another_reason_keeps_the_first() -> None:
    row = fold_row([sent(1), returned(2, serial="B1"), returned(3, serial="B1", reason=FROZEN)])
    assert (row.reason, codes(row)) == ("CLOSED", [("REASON_DIFFERS", 4, 3)])


def test_what_is_recovered_in_parts_is_taken_off() -> None:
    rows = [sent(1), paid(2), recovered(5, 3_000)]
    assert [fold_row([*rows, *more]).state for more in ([], [recovered(6, 7_000)])] == ["PARTLY_RECOVERED", "RECOVERED"]
    assert codes(fold_row([*rows, recovered(6, 7_001)])) == [("RECOVERED_BEYOND", 7, 0)]


def test_a_row_sent_again_while_it_is_paid_is_a_finding_before_the_bank_answers() -> None:
    row = fold_row([sent(1), paid(2), sent(3, attempt=2)])
    assert codes(row) == [("SENT_WHILE_PAID", 4, 3)]


def test_an_attempt_sent_with_two_amounts_is_as_it_was_sent_first() -> None:
    row = fold_row([sent(1), sent(2, fen=10_001)])
    assert (row.attempts[0].sent_fen, codes(row)) == (10_000, [("SENT_DIFFERS", 3, 2)])


def test_an_act_that_payer_and_bank_report_answers_no_attempt_that_was_sent_later() -> None:
    back = [sent(1), returned(2), returned(3, serial="B1"), sent(5, attempt=2)]
    assert (outcomes(fold_row(back)), fold_row(back).findings) == (["1 RETURNED CLOSED", "2 UNANSWERED"], ())
    again = fold_row([*back, paid(6, serial="B2")])
    assert (outcomes(again), again.paid_fen, again.findings) == (["1 RETURNED CLOSED", "2 PAID"], 10_000, ())
    late = fold_row([sent(1), paid(2), paid(3, serial="B1"), returned(9, serial="B1"), sent(12, attempt=2)])
    assert (late.state, late.paid_fen, late.findings) == ("RESENT", 0, ())


def test_an_answer_that_is_of_nothing_before_it_is_of_the_attempt_that_a_slow_clock_sent_later() -> None:
    row = fold_row([sent(1), returned(2, serial="B1"), paid(4, serial="B2"), sent(5, attempt=2)])
    assert (outcomes(row), row.paid_fen, row.findings) == (["1 RETURNED CLOSED", "2 PAID"], 10_000, ())


def test_what_was_answered_before_a_row_was_sent_again_is_of_the_time_before() -> None:
    row = fold_row([returned(2), sent(5, attempt=2)])
    assert (outcomes(row), row.is_sent_by_row) == (["1 RETURNED CLOSED", "2 UNANSWERED"], False)


def test_of_two_payments_one_is_recovered_and_the_row_is_paid_once() -> None:
    twice = [sent(1), paid(2, serial="B1"), paid(3, serial="B2")]
    states = [fold_row([*twice, recovered(5, fen)]).state for fen in (9_999, 10_000, 10_001, 20_000)]
    assert states == ["PAID_TWICE", "PAID", "PARTLY_RECOVERED", "RECOVERED"]


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Said], int, int]:
    """The reports of a row that was sent up to three times, each act by one witness or two, with what is paid and how often it was sent."""
    reports: list[Said] = []
    hour, attempts = 1, draw(st.integers(1, 3))

    def tell(act: Callable[..., Said], serial: str, account: str) -> None:
        nonlocal hour
        reports.append(act(hour, serial=serial, account=account))
        if draw(st.booleans()):
            again = act(hour, serial=draw(st.sampled_from(["", serial])), account=draw(st.sampled_from(["", account])))
            reports.append(again._replace(occurred_us=again.occurred_us + draw(st.sampled_from([-60, 60])) * 1_000_000))
        hour += draw(st.integers(1, 3))

    is_paid = False
    for number in range(1, attempts + 1):
        account = draw(st.sampled_from([OLD, NEW]))
        reports.append(sent(hour, attempt=number, account=account))
        hour += 1
        is_paid = draw(st.booleans())
        if is_paid:
            tell(paid, f"B{number}", account)
        if not is_paid or number < attempts:
            tell(returned, f"B{number}", account)
            is_paid = False
    order = draw(st.permutations(range(len(reports))))
    return [one._replace(position=number + 1) for one, number in zip(reports, order, strict=True)], 10_000 * is_paid, attempts


@given(lives())
def test_each_act_counts_once_whether_one_or_two_report_it(life: tuple[list[Said], int, int]) -> None:
    reports, paid_fen, attempts = life
    row = fold_row(reports)
    assert (row.paid_fen, len(row.attempts), row.findings) == (paid_fen, attempts, ())


def test_only_what_had_happened_by_an_instant_counts() -> None:
    told = [sent(1), paid(2, serial="B1"), returned(90, serial="B1")]
    assert [fold_row(told, at_us=hour * HOUR_US).state for hour in (1, 2, 90)] == ["SENT", "PAID", "LATE_RETURNED"]


REPORTS = st.lists(
    st.one_of(
        st.builds(sent, st.integers(0, 40), st.sampled_from([9_999, 10_000]), st.integers(1, 3), st.sampled_from([OLD, NEW])),
        st.builds(
            paid, st.integers(0, 40), st.sampled_from([9_999, 10_000]), st.sampled_from(["", "B1", "B2"]), st.sampled_from(["", OLD])
        ),
        st.builds(returned, st.integers(0, 40), st.just(10_000), st.sampled_from(["", "B1", "B2"]), st.sampled_from(["", OLD, NEW])),
        st.builds(recovered, st.integers(0, 40), st.integers(1, 5_000)),
        st.builds(lambda one: one._replace(kind=REPAID), st.builds(paid, st.integers(0, 40))),
    ),
    max_size=9,
).map(lambda reports: [one._replace(position=number) for number, one in enumerate(reports, 1)])


@given(REPORTS, st.randoms(use_true_random=False))
def test_any_order_gives_the_same_row_and_twice_is_once(reports: list[Said], order: random.Random) -> None:
    shuffled = [*reports, *reports]
    order.shuffle(shuffled)
    assert fold_row(shuffled) == fold_row(reports)


@given(REPORTS, st.randoms(use_true_random=False))
def test_which_report_came_first_to_the_hub_changes_no_money(reports: list[Said], order: random.Random) -> None:
    numbers = list(range(1, len(reports) + 1))
    order.shuffle(numbers)
    first, other = fold_row(reports), fold_row([one._replace(position=number) for one, number in zip(reports, numbers, strict=True)])
    assert (other.state, other.attempts, other.recovered_fen) == (first.state, first.attempts, first.recovered_fen)
    assert sorted(one.code for one in other.findings) == sorted(one.code for one in first.findings)


@given(REPORTS)
def test_each_attempt_is_sent_paid_returned_and_unanswered_to_the_fen(reports: list[Said]) -> None:
    row = fold_row(reports)
    sums = cells_of(row)
    for number in {one.number for one in row.attempts}:
        fen = {what: sum(figures[1] for cell, figures in sums.items() if cell[:2] == (number, what)) for what in WHATS}
        assert fen["SENT"] == fen["PAID"] + fen["RETURNED"] + fen["UNANSWERED"] + fen["DIFFERS"]


def test_reports_of_one_instant_make_one_row_in_whatever_order_they_came() -> None:
    reports = [sent(1), returned(2, serial="B1"), returned(2, serial="B3"), paid(3, serial="B3")]
    orders = [[one._replace(position=number) for one, number in zip(reports, order, strict=True)] for order in permutations((1, 2, 3, 4))]
    assert len({fold_row(one).attempts for one in orders}) == 1


WHATS = ("SENT", "PAID", "RETURNED", "UNANSWERED", "DIFFERS")


_ANY = st.builds(
    Said,
    kind=st.sampled_from([SENT, SENT, PAID, PAID, RETURNED, REPAID, RECOVERED]),
    occurred_us=st.integers(1, 3),
    position=st.just(0),
    fen=st.integers(0, 2),
    account=st.sampled_from(["", OLD, NEW]),
    serial=st.sampled_from(["", "B1"]),
    reason=st.integers(1, 3),
    attempt=st.integers(1, 2),
    undone_at=st.sampled_from([0, 0, 0, 9]),
    reverses=st.sampled_from(["", "", "", "1#7"]),
)


@given(st.lists(_ANY, min_size=1, max_size=3), st.none() | st.integers(0, 3))
def test_the_short_way_and_the_long_one_agree(reports: list[Said], at_us: int | None) -> None:
    numbered = [one._replace(position=position) for position, one in enumerate(reports, 1)]
    assert fold_row(numbered, at_us) == fold_row_at_length(numbered, at_us)
    assert reports_in(numbered) == reports_at_length(numbered)


@given(st.lists(_ANY, min_size=1, max_size=2))
def test_what_a_plain_row_has_come_to_is_what_its_attempts_say(reports: list[Said]) -> None:
    numbered = [one._replace(position=position) for position, one in enumerate(reports, 1)]
    plain = plain_of(numbered)
    if plain is not None:
        row = fold_row_at_length(numbered)
        assert (row.state, row.reason, row.findings) == (*result_of(plain), ())
        assert cells_of(row) == dict.fromkeys(cells_of_plain(row.state, row.reason), (1, plain[0].fen))


@given(st.integers(0, 4 * 24), st.none() | st.integers(0, 4 * 24), st.booleans(), st.integers(1, 3))
def test_a_plain_row_has_the_steps_that_its_two_days_say(sent_h: int, later_h: int | None, is_paid: bool, reason: int) -> None:
    at_us = _DAYS_BEFORE_A_YEAR_S * 1_000_000 + sent_h * HOUR_US
    reports = [Said(SENT, at_us, 1, 100, attempt=1)]
    if later_h is not None:
        reports.append(Said(PAID if is_paid else RETURNED, at_us + later_h * HOUR_US, 2, 100, reason=0 if is_paid else reason))
    plain = plain_of(reports)
    assert plain is not None
    payment = payment_of("50", plain)
    assert payment is not None
    assert steps_of(payment) == steps_of_row("50", tuple(reports))


@given(st.lists(_ANY, min_size=2, max_size=2), st.sampled_from(["50", ""]))
def test_a_row_counts_the_same_the_short_way_and_at_length(reports: list[Said], issuer: str) -> None:
    tellings = [
        Telling(
            number, one.kind, one.occurred_us, one.occurred_us, (1, number), "2026-03-01", issuer * (2 - number), "500103", "FND.PAY",
            one.fen, 0, 0, "50", one.serial, one.account, undone_at=one.undone_at, reverses=one.reverses, step=one.attempt,
        )
        for number, one in enumerate(reports, 1)
    ]  # fmt: skip
    assert net_rows(tellings) == net_rows_at_length(tellings)


@given(st.lists(_ANY, max_size=3), st.sampled_from(["B1", '流水号"1\\', ""]), st.sampled_from([(), (3, 9)]))
def test_the_column_of_a_row_has_its_reports(reports: list[Said], serial: str, gone: tuple[int, ...]) -> None:
    told = tuple(one._replace(serial=serial) for one in reports)
    assert unpacked(packed(told, gone)) == (told, gone)
