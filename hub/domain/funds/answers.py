"""What answers say of fund batches and their rows: their messages; the service and the commands share them."""

from collections.abc import Mapping

from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.funds.batches import Batch
from hub.domain.funds.rows import Attempt, RowFold
from hub.domain.instants import timestamp
from hub.domain.reference.fund_reason_rows import ReturnReason
from hub.domain.reported import Reported

MOST, MOST_FINDINGS = 500, 100
UNPAID_STATES = ("RETURNED", "LATE_RETURNED")
Reasons = Mapping[str, ReturnReason]


def figures(pair: tuple[int, int]) -> protos.FundFigures:
    """Returns rows and fen as answers have them."""
    return protos.FundFigures(rows=pair[0], amount_fen=pair[1])


def state_number(state: str, *, is_closed: bool) -> protos.FundRowState.ValueType:
    """Returns the state of a row: one that came back is finally unpaid once its batch is closed."""
    return protos.FundRowState.Value(f"FUND_ROW_STATE_{'FINAL_UNPAID' if is_closed and state in UNPAID_STATES else state}")


def batch_message(province: str, batch_no: str, batch: Batch, reasons: Reasons) -> protos.FundBatch:
    """Returns a batch as answers have it."""
    message = protos.FundBatch(
        paying_province=province, batch_no=batch_no, state=protos.FundBatchState.Value(f"FUND_BATCH_STATE_{batch.state}"),
        rows_seen=batch.rows, paid_fen=batch.paid_fen, recovered_fen=batch.recovered_fen, net_fen=batch.net_fen,
        findings=[protos.FundBatchFinding(**one._asdict()) for one in batch.findings],
    )  # fmt: skip
    steps: dict[str, Reported | None] = {
        "published_at": batch.published, "approved_at": batch.approved, "sent_at": batch.sent, "closed_at": batch.closed,
    }  # fmt: skip
    for name, step in steps.items():
        if step is not None:
            getattr(message, name).CopyFrom(timestamp(step.occurred_us))
    if batch.published is not None:
        said = batch.published.message
        message.project_code, message.fiscal_year, message.period = said.project_code, said.fiscal_year, said.period
    if batch.sent is not None:
        message.declared.CopyFrom(figures((batch.sent.message.row_count, batch.sent.message.amount_total_fen)))
    for one in batch.rounds:
        message.rounds.add(
            number=one.number, sent=figures(one.sent), paid=figures(one.paid), returned=figures(one.returned),
            unanswered=figures(one.unanswered), differs_fen=one.differs_fen,
        )  # fmt: skip
    is_closed = batch.closed is not None
    states: dict[protos.FundRowState.ValueType, tuple[int, int]] = {}
    for state, (rows, fen) in batch.states.items():
        number = state_number(state, is_closed=is_closed)
        known = states.get(number, (0, 0))
        states[number] = known[0] + rows, known[1] + fen
    for state_no, pair in sorted(states.items()):
        message.states.add(state=state_no, figures=figures(pair))
    for name, pair in sorted(batch.reasons.items(), key=lambda one: reasons[one[0]].code):
        message.reasons.add(reason=reason_number(name), iso_code=reasons[name].iso, detail=reasons[name].detail, figures=figures(pair))
    return message


def reason_number(name: str) -> fund.FundReturnReason.ValueType:
    """Returns the number of a reason by its name."""
    return fund.FundReturnReason.Value(f"FUND_RETURN_REASON_{name}")


def row_message(row_no: int, row: RowFold, reasons: Reasons, *, is_closed: bool) -> protos.FundRow:
    """Returns a row as answers have it."""
    message = protos.FundRow(
        row_no=row_no, state=state_number(row.state, is_closed=is_closed), paid_fen=row.paid_fen, recovered_fen=row.recovered_fen,
        attempts=[_attempt_message(one, reasons) for one in row.attempts],
    )  # fmt: skip
    for finding in row.findings[:MOST_FINDINGS]:
        message.findings.add(**finding._asdict())
    return message


def _attempt_message(one: Attempt, reasons: Reasons) -> protos.FundAttempt:
    message = protos.FundAttempt(
        number=one.number, sent_fen=one.sent_fen, account_key=bytes.fromhex(one.account), answered_fen=one.result_fen,
        outcome=protos.FundAttemptOutcome.Value(f"FUND_ATTEMPT_OUTCOME_{one.outcome}"), bank_serial=one.serial,
    )  # fmt: skip
    if one.sent_us:
        message.sent_at.CopyFrom(timestamp(one.sent_us))
    if one.answered_us:
        message.answered_at.CopyFrom(timestamp(one.answered_us))
    if one.reason:
        reason = reasons[one.reason]
        message.reason, message.iso_code, message.detail = reason_number(one.reason), reason.iso, reason.detail
    return message
