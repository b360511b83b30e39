"""Questions about fund batches in scenarios: what a batch comes to, and what became of each of its rows."""

from collections.abc import Mapping
from typing import Any

from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import fund_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.admin.funds import get_batch, list_rows
from hub.domain import reference
from hub.domain.funds.answers import batch_message, row_message
from hub.domain.funds.batches import SERIAL_SHARED, Batch, Cell, batch_at, cells_of, rewound
from hub.domain.funds.rows import fold_row
from hub.intake.request_rules import now_us
from hub.projections.views.fund_row_state import FundRow
from hub.projections.views.fund_serials import FUND_SERIALS, Serial
from hub.projections.views.funds import FUND_BATCHES, FUND_ROWS, batch_name
from hub.scenarios.filling import Names
from hub.scenarios.ledgers import InMemory, OnDatabase, OnEdge, asked_of, findings_in, further_text
from hub.scenarios.scenario import Ask


def _rows(stand: InMemory, province: str, batch_no: str) -> list[FundRow]:
    rows: list[FundRow] = [row for row in stand.rows[FUND_ROWS.name].values() if row is not None and row.reports]
    return sorted((one for one in rows if (one.province, one.batch_no) == (province, batch_no)), key=lambda one: one.row_no)


def _batch(stand: InMemory, province: str, batch_no: str, rows: list[FundRow]) -> Batch:
    """Returns a batch from rows in memory, as `hub.admin.funds` does from the views."""
    sums: dict[Cell, tuple[int, int]] = {}
    for row in rows:
        for cell, (count, fen) in cells_of(fold_row(row.reports)).items():
            known = sums.get(cell, (0, 0))
            sums[cell] = known[0] + count, known[1] + fen
    named = [one for one in stand.told(FUND_BATCHES).reports if batch_name(one.province, one.message.batch_no) == f"{province}/{batch_no}"]
    tables = reference.load()
    batch = batch_at(named, sums, now_us(), tables.working_days)
    declared = batch.sent.message.row_count if batch.sent is not None else max((row.row_no for row in rows), default=0)
    beyond = sum(row.row_no > declared for row in rows)
    at_close = None
    if batch.closed is not None:
        closed_us = batch.closed.occurred_us
        at_close = rewound(sums, ((fold_row(row.reports), fold_row(row.reports, closed_us)) for row in rows))
    shared = len(_shared(stand, province, batch_no))
    return batch_at(named, sums, now_us(), tables.working_days, beyond_rows=beyond, at_close=at_close, shared_rows=shared)


def _shared(stand: InMemory, province: str, batch_no: str) -> dict[int, tuple[int, int]]:
    serials: list[Serial] = [one for one in stand.rows[FUND_SERIALS.name].values() if one is not None and one.province == province]
    rows = (row for serial in serials for row in serial.shared)
    return {row_no: (position, against) for of_batch, row_no, position, against in rows if of_batch == batch_no}


class Batches:
    """`ask = "fund_batch"`: what a batch of the asker's province comes to, to the fen."""

    needed = frozenset({"batch_no"})
    further = frozenset[str]()
    answers = frozenset({"state", "rounds", "rows", "reasons", "paid_fen", "recovered_fen", "net_fen", "unfit"})
    words: Mapping[str, str] = {
        "state": "批次状态 state",
        "rounds": "各轮 送出＝已发＋退票＋未回盘＋差额（分）rounds: sent = paid + returned + unanswered + differs, in fen",
        "rows": "各状态行数 rows by state",
        "reasons": "退票原因 reasons",
        "paid_fen": "已发（分）paid in fen",
        "recovered_fen": "追回（分）recovered in fen",
        "net_fen": "净额（分）net in fen",
        "unfit": "不符 what does not fit",
    }

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        batch_no = names.run + ask.says["batch_no"]
        batch = _batch(stand, ask.asker, batch_no, _rows(stand, ask.asker, batch_no))
        return protos.GetBatchResponse(batch=batch_message(ask.asker, batch_no, batch, reference.load().return_reasons))

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        return get_batch(stand.connection, reference.load(), self._request(ask, names), asked_of(ask), now_us())

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, names)
        request.min_position = stand.min_position
        return stubs.FundServiceStub(stand.channel).GetBatch(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, names: Names) -> protos.GetBatchRequest:
        return protos.GetBatchRequest(batch_no=names.run + ask.says["batch_no"])

    def answer_of(self, answer: protos.GetBatchResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        batch = answer.batch
        return {
            "state": protos.FundBatchState.Name(batch.state).removeprefix("FUND_BATCH_STATE_"),
            "rounds": [_round(one) for one in batch.rounds],
            "rows": [f"{protos.FundRowState.Name(one.state).removeprefix('FUND_ROW_STATE_')} {one.figures.rows}" for one in batch.states],
            "reasons": [
                " ".join(filter(None, (_reason(one.reason), one.iso_code, one.detail, str(one.figures.rows)))) for one in batch.reasons
            ],
            "paid_fen": batch.paid_fen,
            "recovered_fen": batch.recovered_fen,
            "net_fen": batch.net_fen,
            "unfit": [_unfit(one) for one in batch.findings],
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"批次 batch `{ask.says['batch_no']}`{further_text(ask)}"


class Rows:
    """`ask = "fund_rows"`: the rows of a batch, with each time that they were sent."""

    needed = frozenset({"batch_no"})
    further = frozenset[str]()
    answers = frozenset({"rows", "attempts", "findings"})
    words: Mapping[str, str] = {"rows": "行 rows", "attempts": "各次送出（行.次 分 结果）attempts (row.number fen outcome)"}

    def in_memory(self, stand: InMemory, ask: Ask, names: Names) -> Any:
        """Returns the answer from rows in memory."""
        batch_no = names.run + ask.says["batch_no"]
        rows = _rows(stand, ask.asker, batch_no)
        is_closed = _batch(stand, ask.asker, batch_no, rows).closed is not None
        reasons = reference.load().return_reasons
        messages = [row_message(row.row_no, fold_row(row.reports), reasons, is_closed=is_closed) for row in rows]
        shared = _shared(stand, ask.asker, batch_no)
        for message in messages:
            if message.row_no in shared:
                position, against = shared[message.row_no]
                message.findings.add(code=SERIAL_SHARED, position=position, against_position=against)
        return protos.ListRowsResponse(rows=messages)

    def on_database(self, stand: OnDatabase, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer from the views."""
        return list_rows(stand.connection, reference.load(), self._request(ask, names), asked_of(ask), now_us())

    def on_edge(self, stand: OnEdge, ask: Ask, names: Names, position: int) -> Any:
        """Returns the answer of the service."""
        request = self._request(ask, names)
        request.min_position = stand.min_position
        return stubs.FundServiceStub(stand.channel).ListRows(request, timeout=stand.deadline_s)

    def _request(self, ask: Ask, names: Names) -> protos.ListRowsRequest:
        return protos.ListRowsRequest(batch_no=names.run + ask.says["batch_no"])

    def answer_of(self, answer: protos.ListRowsResponse, names: Mapping[int, str], run: str) -> dict[str, Any]:
        """Returns an answer by the names of *then*."""
        return {
            "rows": [f"{one.row_no} {protos.FundRowState.Name(one.state).removeprefix('FUND_ROW_STATE_')}" for one in answer.rows],
            "attempts": [
                f"{row.row_no}.{one.number} {one.sent_fen} "
                f"{protos.FundAttemptOutcome.Name(one.outcome).removeprefix('FUND_ATTEMPT_OUTCOME_')} {_reason(one.reason)}".rstrip()
                for row in answer.rows
                for one in row.attempts
            ],
            "findings": findings_in((one for row in answer.rows for one in row.findings), names),
        }

    def ask_text(self, ask: Ask) -> str:
        """Says what is asked."""
        return f"批次的行 the rows of batch `{ask.says['batch_no']}`{further_text(ask)}"


def _round(one: protos.FundRound) -> str:
    parts = (one.paid.amount_fen, one.returned.amount_fen, one.unanswered.amount_fen, one.differs_fen)
    return f"{one.sent.amount_fen} = {' + '.join(map(str, parts))}"


def _reason(number: fund.FundReturnReason.ValueType) -> str:
    return fund.FundReturnReason.Name(number).removeprefix("FUND_RETURN_REASON_") if number else ""


def _unfit(one: protos.FundBatchFinding) -> str:
    figures = f" {one.ours} ≠ {one.theirs}" if one.ours or one.theirs else ""
    return f"{one.code} {one.rows}{figures}" if one.rows else f"{one.code}{figures}"
