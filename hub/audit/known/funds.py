"""Fund batches and their rows as of both times: what was sent, what the bank answered, what a batch came to, to the fen."""

from collections.abc import Iterable, Iterator
from typing import LiteralString

import psycopg
from chuanyu.exchange.v1 import audit_question_pb2 as protos

from hub.audit.known.asking import AsOf
from hub.audit.known.thing import Folded, Line, Lines, is_live, line
from hub.audit.outcome import Text
from hub.audit.replay import said
from hub.audit.replay.own import Own, events_of, joined
from hub.domain import reference
from hub.domain.funds.batches import Batch, Cell, Sums, batch_at, rewound
from hub.domain.funds.rows import RowFold, fold_row
from hub.domain.reported import LedgerFinding
from hub.domain.settlement_errors import FundBatchNotFound
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.projection import Key
from hub.projections.views.fund_row_state import FundRow, positions_in
from hub.projections.views.funds import FUND_BATCHES, FUND_ROWS, ROW_KINDS, batch_name, row_key
from hub.projections.views.reports import Report, positions_named, reported
from hub.words.funds import BATCH_STATES, OUTCOMES, ROW_STATES
from hub.words.names import PROVINCES

BatchKey = tuple[str, str]
_ROUND = "送出＝已发＋退票＋未回盘＋差额（分）", "sent = paid + returned + unanswered + differs (fen)"
FUND_VIEWS = (FUND_ROWS, FUND_BATCHES)


class Rows:
    """Rows of a batch, one or all, with the steps of the batch where all are asked about."""

    def __init__(self, connection: psycopg.Connection, own: Own, name: Text, batch: BatchKey, row_no: int, valid_us: int) -> None:
        """*batch* is the paying province and the number, *row_no* 0 for all rows; *connection* finds what a return names by its number."""
        self.own, self.name, self._batch, self._valid_us = own, name, batch, valid_us
        self._folded = Folded(*FUND_VIEWS, connection=connection)
        # A correction may move a report to another row or batch; that one is not asked about.
        self._keys = {row_key(*batch, number) for number in ({row_no} if row_no else _row_numbers(own, batch))}

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""
        self._folded.fold(event, change)

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live views have these rows."""
        rows = {key: state for key, state in self._folded.states(FUND_ROWS).items() if key in self._keys}
        return is_live(connection, FUND_ROWS, rows)

    @property
    def rows(self) -> list[FundRow]:
        """The rows of which a report is in force."""
        states = ((key, row) for key, row in self._folded.states(FUND_ROWS).items() if key in self._keys)
        return [row for _, row in states if row is not None and row.reports]

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""
        return tuple(line for row in self.rows for line in _say_row(fold_row(row.reports, self._valid_us)))


class WholeBatch(Rows):
    """A batch with all its rows."""

    def is_same(self, connection: psycopg.Connection) -> bool:
        """Whether the live views have its rows and its steps."""
        return super().is_same(connection) and is_live(connection, FUND_BATCHES, self._steps)

    @property
    def _steps(self) -> dict[Key, Report | None]:
        name = batch_name(*self._batch)
        return {key: state for key, state in self._folded.states(FUND_BATCHES).items() if key[0] == name}

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""
        states = {key[1]: state for key, state in self._steps.items() if state is not None}
        steps = [reported(at, row) for at, row in sorted(states.items()) if row.was_in_force(0)]
        sums = self._sums()
        if not (steps or sums):
            return ()
        return tuple(_say_batch(batch_at(steps, sums, self._valid_us, reference.load().working_days)))

    def _sums(self) -> Sums:
        """Returns the sums of the rows by what had happened by the instant."""
        every = self._folded.sums(FUND_ROWS).items()
        sums = {Cell(*key[2:]): (rows, fen) for key, (rows, fen) in every if key[:2] == self._batch and (rows, fen) != (0, 0)}
        if all(event.occurred_us <= self._valid_us for event in self.own.events):
            return sums
        later = [row.reports for row in self.rows if max(one.occurred_us for one in row.reports) > self._valid_us]
        known = rewound(sums, ((fold_row(told), fold_row(told, self._valid_us)) for told in later))
        return {cell: figures for cell, figures in known.items() if figures != (0, 0)}


def _row_numbers(own: Own, batch: BatchKey) -> set[int]:
    """Returns the numbers of the rows of a batch that events are about."""
    told = ((event.event.service_region[:2], getattr(event.event, event.kind)) for event in own.events if event.kind in ROW_KINDS)
    return {message.row_no for province, message in told if (province, message.batch_no) == batch}


def find_row(connection: psycopg.Connection, asked: protos.FundRowQuestion, at: AsOf) -> Rows:
    """Finds a row of a batch; raises FundBatchNotFound."""
    batch, row_no = (asked.paying_province, asked.batch_no), asked.row_no
    own = _row_events(connection, at, "province = %s AND batch_no = %s AND row_no = %s", *batch, row_no)
    if not own.events:
        raise FundBatchNotFound
    zh, en = PROVINCES[asked.paying_province]
    name = Text(f"{zh}发放批次 {asked.batch_no} 第 {row_no} 行", f"row {row_no} of batch {asked.batch_no} of {en}")
    return Rows(connection, own, name, batch, row_no, at.valid_us)


def find_batch(connection: psycopg.Connection, asked: protos.FundBatchQuestion, at: AsOf) -> WholeBatch:
    """Finds a batch with all its rows; raises FundBatchNotFound."""
    batch = asked.paying_province, asked.batch_no
    named = positions_named(connection, FUND_BATCHES, [batch_name(*batch)])
    own = joined(events_of(connection, named, at.reached), _row_events(connection, at, "province = %s AND batch_no = %s", *batch))
    if not own.events:
        raise FundBatchNotFound
    zh, en = PROVINCES[asked.paying_province]
    name = Text(f"{zh}发放批次 {asked.batch_no}", f"batch {asked.batch_no} of {en}")
    return WholeBatch(connection, own, name, batch, 0, at.valid_us)


def _row_events(connection: psycopg.Connection, at: AsOf, which: LiteralString, *values: object) -> Own:
    found = connection.execute(f"SELECT reports FROM views.fund_row_facts WHERE {which}", values).fetchall()  # noqa: S608 (own text)
    return events_of(connection, (position for (text,) in found for position in positions_in(text)), at.reached)


def _say_row(row: RowFold) -> Iterator[Line]:
    if not row.attempts:
        return
    yield line("state", ("状态", "state"), row.state, ROW_STATES[row.state])
    yield line("left", ("实得（分）", "what is left (fen)"), row.left_fen)
    for one in row.attempts:
        zh, en = OUTCOMES[one.outcome]
        value = f"{one.outcome} {one.sent_fen} {one.result_fen} {one.reason} {one.serial}".rstrip()
        when = said.at(one.answered_us or one.sent_us)
        words = Text(f"{zh}，{one.result_fen or one.sent_fen} 分，{when}", f"{en}, {one.result_fen or one.sent_fen} fen, {when}")
        yield line(f"attempt {one.number}", (f"第 {one.number} 次送出", f"attempt {one.number}"), value, words)
    if row.recovered_fen:
        yield line("recovered", ("追回（分）", "recovered (fen)"), row.recovered_fen)
    yield from _unfit(row.findings)


def _say_batch(batch: Batch) -> Iterator[Line]:
    yield line("state", ("状态", "state"), batch.state, BATCH_STATES[batch.state])
    yield line("net", ("净额（分）", "net (fen)"), batch.net_fen)
    for one in batch.rounds:
        figures = f"{one.sent[1]} = {one.paid[1]} + {one.returned[1]} + {one.unanswered[1]} + {one.differs_fen}"
        zh, en = f"第 {one.number} 轮 {_ROUND[0]}", f"round {one.number}: {_ROUND[1]}"
        yield line(f"round {one.number}", (zh, en), figures)
    for state, (rows, fen) in sorted(batch.states.items()):
        yield line(f"rows {state}", (f"{ROW_STATES[state][0]}（行）", f"rows {ROW_STATES[state][1]}"), f"{rows}", f"{rows} · {fen}")
    found = [f"{one.code} {one.rows} {one.ours} {one.theirs}" for one in batch.findings]
    if found:
        yield line("findings", ("不符之处", "what does not go together"), "; ".join(found))


def _unfit(found: Iterable[LedgerFinding]) -> Iterator[Line]:
    codes = [f"{one.code} {one.position}" for one in found]
    if codes:
        yield line("findings", ("不符之处", "what does not go together"), " ".join(codes))
