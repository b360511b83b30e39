"""One fold for the money of rows: whatever is reported of them, and in whatever order, the count of uses is what the rows come to."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.domain.funds.rows import fold_row
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.projections.views.funds import FUND_ROWS
from hub.scenarios.pure import PureRun
from hub.scenarios.scenario import Card, Scenario, Step

HOUR_US, FIRST_US = 3_600_000_000, 1_756_684_800_000_000
KINDS = ("sent", "paid", "returned", "repaid", "recovered")


def step(number: int, kind: str, hour: int, row_no: int, fen: int, serial: str, change: tuple[str, int] | None, feed: str) -> Step:
    """A report of a row; *change* says how it changes an earlier step, by number."""
    says: dict[str, Any] = {"batch_no": "B1", "row_no": row_no, "amount_fen": fen}
    if kind == "sent":
        says["attempt"] = 1 + hour % 2
    if kind in ("paid", "returned", "repaid") and serial:
        says["bank_serial"] = serial
    if kind == "returned":
        says["reason"] = ("CLOSED", "FROZEN_OR_STOPPED")[hour % 2]
    envelope = {"service_region": "500103", "scenario": "FND.PAY"}
    if change is not None and change[1] < number:
        envelope[change[0]] = f"s{change[1]}"
    at_us = FIRST_US + hour * HOUR_US
    return Step(number, f"s{number}", feed, f"fund_row_{kind}", "card", at_us, at_us, "", says, envelope)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.integers(0, 30), st.integers(1, 2), st.sampled_from([4_000, 10_000]), st.sampled_from(["", "S1", "S2"]),
        st.none() | st.tuples(st.sampled_from(["corrects", "reverses"]), st.integers(1, 8)),
        st.sampled_from(["cq.usage", "cq.card-center"]),
    ),
    min_size=1, max_size=9,
).map(lambda rows: tuple(step(number, *row) for number, row in enumerate(rows, 1)))  # fmt: skip


def counted(run: PureRun) -> int:
    """The money that the count of uses has, in fen."""
    return sum(fen for _, fen in run._rows[DAILY_USAGE.name].sums.values())


def left(run: PureRun) -> int:
    """What the rows come to, in fen."""
    return sum(fold_row(row.reports).left_fen for row in run._rows[FUND_ROWS.name].states.values() if row is not None)


def told(steps: Sequence[Step]) -> PureRun:
    """The views after some reports."""
    card = {"card": Card("50", "A00000001")}
    return PureRun(Scenario("money", "MONEY", "钱", "money", (), card, given=tuple(steps)))


@settings(max_examples=60, deadline=None)
@given(STEPS, st.data())
def test_the_sum_of_the_counts_is_the_sum_of_the_rows_whatever_is_reported_in_whatever_order(
    steps: tuple[Step, ...], data: st.DataObject
) -> None:
    run = told(steps)
    assert counted(run) == left(run)
    other = told(data.draw(st.permutations(steps)))
    assert counted(other) == left(other)
