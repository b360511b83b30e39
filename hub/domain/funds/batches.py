"""A batch 发放批次: what was published, approved, sent and closed, and what its rows come to in each round and at close, to the fen.

In each round k: sent = paid + returned + not answered + what the bank answered for another amount. A batch whose rows were not reported
one by one when they were sent is sent as a whole: what its rows do not answer for is not answered. What does not go together is a finding
with both figures; nothing is refused for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from typing import NamedTuple

from hub.domain.funds.rows import RowFold
from hub.domain.reference.working_day_rows import WorkingDays
from hub.domain.reported import Reported, has_waited, in_order

PUBLISHED, APPROVED, SENT, CLOSED = "fund_batch_published", "fund_batch_approved", "fund_batch_sent", "fund_batch_closed"
BATCH_KINDS = frozenset({PUBLISHED, APPROVED, SENT, CLOSED})
# 公示 for seven working days (domain practice of 惠民惠农 "一卡通" [S42]).
NOTICE_DAYS = 7
SERIAL_SHARED = "SERIAL_OF_ANOTHER_ROW"


class Cell(NamedTuple):
    """What rows are summed by: the round (0 for the row as a whole), what of it, and in detail."""

    round: int
    what: str
    detail: str


Sums = Mapping[Cell, tuple[int, int]]


class Round(NamedTuple):
    """The k-th time that rows of a batch were sent: rows and fen of each outcome, and by how much answers are for another amount."""

    number: int
    sent: tuple[int, int]
    paid: tuple[int, int]
    returned: tuple[int, int]
    unanswered: tuple[int, int]
    differs_fen: int


class BatchFinding(NamedTuple):
    """What does not go together: how many rows, and in fen or rows what the record comes to and what was reported."""

    code: str
    rows: int = 0
    ours: int = 0
    theirs: int = 0


class Batch(NamedTuple):
    """A batch at an instant; each step is the last report of it, None while there is none."""

    published: Reported | None
    approved: Reported | None
    sent: Reported | None
    closed: Reported | None
    rounds: tuple[Round, ...]
    rows: int
    states: Mapping[str, tuple[int, int]]
    reasons: Mapping[str, tuple[int, int]]
    paid_fen: int
    recovered_fen: int
    findings: tuple[BatchFinding, ...]
    is_by_row: bool

    @property
    def net_fen(self) -> int:
        """What was disbursed: paid, less what was recovered."""
        return self.paid_fen - self.recovered_fen

    @property
    def unanswered(self) -> tuple[int, int]:
        """Rows and fen that the bank has not answered, of all rounds."""
        return sum(one.unanswered[0] for one in self.rounds), sum(one.unanswered[1] for one in self.rounds)

    @property
    def state(self) -> str:
        """How far it is."""
        if self.closed is not None:
            return "CLOSED"
        if self.sent is not None:
            return "ANSWERED" if self.unanswered[0] <= 0 else "SENT"
        if self.approved is not None:
            return "APPROVED"
        return "PUBLISHED" if self.published is not None else "NOT_REPORTED"


def cells_of(row: RowFold) -> dict[Cell, tuple[int, int]]:
    """Returns what a row adds to the sums of its batch."""
    found: dict[Cell, tuple[int, int]] = {}

    def add(cell: Cell, rows: int, fen: int) -> None:
        known = found.get(cell, (0, 0))
        found[cell] = known[0] + rows, known[1] + fen

    for one in row.attempts:
        add(Cell(one.number, "SENT", ""), 1, one.sent_fen)
        outcome = one.outcome.removeprefix("LATE_")
        add(Cell(one.number, outcome, one.reason), 1, one.result_fen if outcome != "UNANSWERED" else one.sent_fen)
        if one.differs_fen:
            add(Cell(one.number, "DIFFERS", ""), 1, one.differs_fen)
    add(Cell(0, "STATE", row.state), 1, row.attempts[-1].sent_fen if row.attempts else 0)
    if row.recovered_fen:
        add(Cell(0, "RECOVERED", ""), 1, row.recovered_fen)
    if not row.is_sent_by_row:
        add(Cell(0, "UNREPORTED", ""), 1, sum(one.sent_fen for one in row.attempts if one.number == 1))
    for code in {one.code for one in row.findings}:
        add(Cell(0, "FINDING", code), 1, 0)
    return found


@cache
def cells_of_plain(state: str, reason: str) -> tuple[Cell, ...]:
    """Names what a row that was sent once, and answered for the same money or not at all, adds one row and its money to."""
    return Cell(1, "SENT", ""), Cell(1, "UNANSWERED" if state == "SENT" else state, reason), Cell(0, "STATE", state)


def batch_at(
    reports: Iterable[Reported],
    sums: Sums,
    at_us: int,
    working: WorkingDays,
    *,
    beyond_rows: int = 0,
    at_close: Sums | None = None,
    shared_rows: int = 0,
) -> Batch:
    """Returns a batch from the reports of it and the sums of its rows.

    *beyond_rows* are rows that the batch, as it was declared, does not have, *shared_rows* those with a serial that another row has too;
    *at_close* are the sums of its rows as they were at its close, where they are others now.
    """
    told = in_order(reports, at_us)
    steps = {kind: [one for one in told if one.kind == kind] for kind in (PUBLISHED, APPROVED, SENT, CLOSED)}
    published, approved, sent, closed = (said[-1] if said else None for said in steps.values())
    states = {cell.detail: figures for cell, figures in sums.items() if cell.what == "STATE" and figures[0]}
    rows = sum(figures[0] for figures in states.values())
    rounds = _rounds(sums, sent)
    batch = Batch(
        published, approved, sent, closed, rounds, rows, states, _reasons(sums),
        sum(one.paid[1] for one in rounds), _sum(sums, "RECOVERED")[1], (), _is_by_row(sums),
    )  # fmt: skip
    found = [BatchFinding(cell.detail, figures[0]) for cell, figures in sorted(sums.items()) if cell.what == "FINDING" and figures[0]]
    found += [BatchFinding(SERIAL_SHARED, shared_rows)] if shared_rows else []
    found += [BatchFinding("BATCH_DIFFERS", ours=len(said)) for said in steps.values() if _differ(said)]
    found += _steps(batch, at_us, working)
    found += _figures(batch, sums, at_us, beyond_rows)
    found += _close(batch, rounds if at_close is None else _rounds(at_close, sent))
    return batch._replace(findings=tuple(found))


def unfit_of(batch: Batch, row_no: int, row: RowFold) -> str:
    """Returns what of a row does not fit its batch, "" if all does: its answer to what nobody reported as sent."""
    codes = {one.code for one in batch.findings}
    if "RETURN_WITHOUT_SEND" in codes:
        return "RETURN_WITHOUT_SEND"
    # Where no row was reported as sent the batch went as a whole, and says how many rows it has.
    is_beyond = batch.sent is not None and not batch.is_by_row and row_no > batch.sent.message.row_count
    is_unknown = is_beyond or (batch.is_by_row and not row.is_sent_by_row)
    return "ROW_UNKNOWN" if is_unknown and "ROW_UNKNOWN" in codes else ""


def _differ(said: Iterable[Reported]) -> bool:
    """Whether a step was reported twice with different contents."""
    return len({one.message.SerializeToString(deterministic=True) for one in said}) > 1


def _sum(sums: Sums, what: str, number: int | None = None) -> tuple[int, int]:
    found = [figures for cell, figures in sums.items() if cell.what == what and number in (None, cell.round)]
    return sum(rows for rows, _ in found), sum(fen for _, fen in found)


def _is_by_row(sums: Sums) -> bool:
    """Whether anybody reported a row as sent with its batch; else the batch went as a whole."""
    return _sum(sums, "STATE")[0] > _sum(sums, "UNREPORTED")[0]


def _reasons(sums: Sums) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for cell, (rows, fen) in sums.items():
        # A payment that came back without a report has no reason.
        if cell.what == "RETURNED" and cell.detail and rows:
            known = found.get(cell.detail, (0, 0))
            found[cell.detail] = known[0] + rows, known[1] + fen
    return found


def rewound(sums: Sums, rows: Iterable[tuple[RowFold, RowFold]]) -> Sums:
    """Returns sums of a batch with some of its rows as they were: each as it is in *sums*, and as it was."""
    found = dict(sums)
    for now, was in rows:
        for row, sign in ((now, -1), (was, 1)):
            for cell, (count, fen) in cells_of(row).items():
                known = found.get(cell, (0, 0))
                found[cell] = known[0] + sign * count, known[1] + sign * fen
    return found


def _rounds(sums: Sums, sent: Reported | None) -> tuple[Round, ...]:
    by_row = _is_by_row(sums)
    found: list[Round] = []
    numbers = {cell.round for cell, figures in sums.items() if cell.round and figures != (0, 0)} | ({1} if sent is not None else set())
    for number in sorted(numbers):
        given, paid, back, waits = (_sum(sums, what, number) for what in ("SENT", "PAID", "RETURNED", "UNANSWERED"))
        differs = _sum(sums, "DIFFERS", number)[1]
        if number == 1 and sent is not None and not by_row:
            whole = sent.message.row_count, sent.message.amount_total_fen
            waits = whole[0] - paid[0] - back[0], whole[1] - paid[1] - back[1] - differs
            given = whole
        found.append(Round(number, given, paid, back, waits, differs))
    return tuple(found)


def _steps(batch: Batch, at_us: int, working: WorkingDays) -> Iterable[BatchFinding]:
    """Compares the steps with what must be before them."""
    if batch.published is not None and batch.published.message.notice_from and batch.published.message.notice_to:
        notice = batch.published.message
        first, last = date.fromisoformat(notice.notice_from), date.fromisoformat(notice.notice_to)
        days = sum(working.is_working(first + timedelta(days=one)) for one in range((last - first).days + 1))
        if days < NOTICE_DAYS:
            yield BatchFinding("NOTICE_TOO_SHORT", ours=days, theirs=NOTICE_DAYS)
    for step, before, code in (
        (batch.approved, batch.published, "APPROVED_BEFORE_PUBLISHED"),
        (batch.sent, batch.approved, "SENT_BEFORE_APPROVED"),
        (batch.closed, batch.sent, "CLOSED_BEFORE_SENT"),
    ):
        is_early = step is not None and before is not None and step.occurred_us < before.occurred_us
        if is_early or (step is not None and before is None and has_waited(step, at_us)):
            yield BatchFinding(code)


def _figures(batch: Batch, sums: Sums, at_us: int, beyond_rows: int) -> Iterable[BatchFinding]:
    """Compares rows and money of the batch as it was declared with those of its rows."""
    unreported, unreported_fen = _sum(sums, "UNREPORTED")
    by_row = batch.is_by_row
    if by_row and unreported:
        yield BatchFinding("ROW_UNKNOWN", unreported)
    elif beyond_rows:
        yield BatchFinding("ROW_UNKNOWN", beyond_rows)
    if batch.sent is None and batch.rows and not by_row:
        yield BatchFinding("RETURN_WITHOUT_SEND", batch.rows)
    if batch.sent is None:
        return
    declared = batch.sent.message
    if by_row:
        rows, fen = batch.rows - unreported, _sum(sums, "SENT", 1)[1] - unreported_fen
        if rows != declared.row_count and (rows > declared.row_count or has_waited(batch.sent, at_us)):
            yield BatchFinding("ROWS_DIFFER", ours=rows, theirs=declared.row_count)
        if rows == declared.row_count and fen != declared.amount_total_fen:
            yield BatchFinding("TOTAL_DIFFERS", ours=fen, theirs=declared.amount_total_fen)
    elif batch.rounds and batch.rounds[0].unanswered[0] <= 0 and batch.rounds[0].unanswered[1]:
        answered = declared.amount_total_fen - batch.rounds[0].unanswered[1]
        yield BatchFinding("TOTAL_DIFFERS", ours=answered, theirs=declared.amount_total_fen)
    if batch.published is not None and batch.published.message.amount_total_fen != declared.amount_total_fen:
        yield BatchFinding("PUBLISHED_DIFFERS", ours=declared.amount_total_fen, theirs=batch.published.message.amount_total_fen)


def _close(batch: Batch, rounds: Sequence[Round]) -> Iterable[BatchFinding]:
    """Compares what the close says with what the rounds came to then: what is answered or sent again later is no difference."""
    if batch.closed is None:
        return
    rows, fen = sum(one.unanswered[0] for one in rounds), sum(one.unanswered[1] for one in rounds)
    if rows > 0 or fen:
        yield BatchFinding("CLOSED_UNANSWERED", rows, fen)
    said, paid = batch.closed.message, sum(one.paid[1] for one in rounds)
    if paid != said.paid_total_fen:
        yield BatchFinding("CLOSED_PAID_DIFFERS", ours=paid, theirs=said.paid_total_fen)
    whole = rounds[0].sent[1] if rounds else 0
    if whole - paid - fen != said.returned_total_fen:
        yield BatchFinding("CLOSED_RETURNED_DIFFERS", ours=whole - paid - fen, theirs=said.returned_total_fen)
