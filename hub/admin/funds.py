"""Where fund batches are read: a batch to the fen, its rows, accounts that gave way. Service, command and console ask here."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import LiteralString, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.admin.snapshots import Asked, position_in, snapshot, told_under
from hub.domain.errors import NotPermitted, RequestInvalid
from hub.domain.funds.answers import MOST, UNPAID_STATES, batch_message, row_message
from hub.domain.funds.batches import SERIAL_SHARED, Batch, Cell, Sums, batch_at, rewound, unfit_of
from hub.domain.funds.rows import RowFold, fold_row
from hub.domain.instants import timestamp
from hub.domain.reference import Reference
from hub.domain.reported import LedgerFinding
from hub.domain.settlement_errors import FundBatchNotFound
from hub.projections.views.fund_row_state import reports_in
from hub.projections.views.fund_serials import FUND_SERIALS
from hub.projections.views.funds import FUND_ACCOUNTS, FUND_BATCHES, FUND_ROWS, batch_name


class Named(NamedTuple):
    """A batch with the province that pays and its number."""

    province: str
    batch_no: str
    batch: Batch


_NEWEST = """
    SELECT split_part(name, '/', 1), substr(name, strpos(name, '/') + 1) FROM (
        SELECT name, max(occurred_us) AS at_us FROM views.fund_batch WHERE right(spans, 1) = '-' GROUP BY name
        UNION ALL
        SELECT b.province || '/' || b.batch_no, newest.last_us
        FROM (SELECT DISTINCT province, batch_no FROM views.fund_batch_sums) b, LATERAL (
            SELECT last_us FROM views.fund_row_facts r
            WHERE (r.province, r.batch_no) = (b.province, b.batch_no) AND state <> '' ORDER BY last_us DESC LIMIT 1) newest) told
    WHERE %(province)s = '' OR name LIKE %(province)s || '/%%'
    GROUP BY name ORDER BY max(at_us) DESC, name LIMIT %(most)s"""


def get_batch(
    connection: psycopg.Connection, reference: Reference, request: protos.GetBatchRequest, asked: Asked, at_us: int
) -> protos.GetBatchResponse:
    """Returns a batch as it is at an instant by now; raises FundBatchNotFound, NotPermitted, RequestInvalid or ViewBehind."""
    province = _payer(request.paying_province, asked)
    with _reading(connection, request.min_position) as position:
        batch = _batch(connection, reference, province, request.batch_no, at_us)
    return protos.GetBatchResponse(
        batch=batch_message(province, request.batch_no, batch, reference.return_reasons), as_of_position=position
    )


def list_rows(
    connection: psycopg.Connection, reference: Reference, request: protos.ListRowsRequest, asked: Asked, at_us: int
) -> protos.ListRowsResponse:
    """Returns a page of rows in order of number; raises FundBatchNotFound, NotPermitted, RequestInvalid or ViewBehind."""
    province = _payer(request.paying_province, asked)
    most = request.page_size or MOST
    with _reading(connection, request.min_position) as position:
        batch = _batch(connection, reference, province, request.batch_no, at_us)
        found = list(islice(_rows(connection, request, province, batch), most + 1))
    is_closed = batch.closed is not None
    rows = [row_message(row_no, row, reference.return_reasons, is_closed=is_closed) for row_no, row in found[:most]]
    following = rows[-1].row_no if len(found) > most else 0
    return protos.ListRowsResponse(rows=rows, next_after_row=following, as_of_position=position)


def _rows(connection: psycopg.Connection, request: protos.ListRowsRequest, province: str, batch: Batch) -> Iterator[tuple[int, RowFold]]:
    """Yields the rows that are wanted, in order of number, each with what does not fit in itself and in its batch."""
    shared = _shared(connection, province, request.batch_no)
    wanted, values = _wanted(request, batch, list(shared))
    after, most = request.after_row, request.page_size or MOST
    while page := connection.execute(
        f"""SELECT row_no, reports FROM views.fund_row_facts
            WHERE province = %s AND batch_no = %s AND row_no > %s AND {wanted} ORDER BY row_no LIMIT %s""",  # noqa: S608 (own text)
        (province, request.batch_no, after, *values, most + 1),
    ).fetchall():
        for row_no, text in page:
            reports = reports_in(text)
            row = fold_row(reports)
            if code := unfit_of(batch, row_no, row):
                row = row._replace(findings=(*row.findings, LedgerFinding(code, min(one.position for one in reports))))
            if row_no in shared:
                row = row._replace(findings=(*row.findings, LedgerFinding(SERIAL_SHARED, *shared[row_no])))
            if row.findings or not request.with_findings:
                yield row_no, row
        after = page[-1][0]


def newest_batches(connection: psycopg.Connection, reference: Reference, province: str, most: int, at_us: int) -> list[Named]:
    """Returns the batches that were reported last, of one paying province or of both (""); raises ViewBehind."""
    with _reading(connection, 0):
        names = connection.execute(_NEWEST, {"province": province, "most": most}).fetchall()
        return [Named(side, batch_no, _batch(connection, reference, side, batch_no, at_us)) for side, batch_no in names]


def list_account_changes(
    connection: psycopg.Connection, request: protos.ListAccountChangesRequest, keys: Sequence[str], *, newest: bool = False
) -> protos.ListAccountChangesResponse:
    """Returns the accounts that gave way after a position; of those with *keys* in hex if any are given; raises ViewBehind.

    They are in the order of the journal; *newest* begins with the last one.
    """
    most = request.page_size or MOST
    order: LiteralString = "DESC" if newest else "ASC"
    with snapshot(connection, FUND_ACCOUNTS, request.min_position) as position:
        found = connection.execute(
            f"""SELECT position, data, occurred_us FROM views.fund_account
                WHERE position > %s AND right(spans, 1) = '-' AND (%s OR name = ANY (%s))
                ORDER BY position {order} LIMIT %s""",  # noqa: S608 (own text)
            (request.since_position, not keys, list(keys), most + 1),
        ).fetchall()
    answer = protos.ListAccountChangesResponse(as_of_position=position)
    for at, data, occurred_us in found[:most]:
        event = event_pb2.Event.FromString(data)
        said = event.fund_account_repointed
        old = said.from_account.key.hex()
        answer.changes.add(
            position=at, changed_at=timestamp(occurred_us), from_account_key=said.from_account.key, to_account_key=said.to_account.key,
            province=event.service_region[:2], asked_number=keys.index(old) + 1 if keys else 0,
        )  # fmt: skip
    answer.next_since_position = answer.changes[-1].position if len(found) > most else 0
    return answer


def _payer(named: str, asked: Asked) -> str:
    """Returns the paying province that is asked about; raises NotPermitted for another than the caller's, RequestInvalid for none."""
    if asked.province and named not in ("", asked.province):
        raise NotPermitted("Batches of the other province are its own to see.")
    if not (named or asked.province):
        raise RequestInvalid([("paying_province", "required")])
    return named or asked.province


@contextmanager
def _reading(connection: psycopg.Connection, min_position: int) -> Iterator[int]:
    """Reads in one snapshot in which all views of funds are at a position; gives the lowest of theirs, and raises ViewBehind."""
    with snapshot(connection, FUND_ROWS, min_position) as rows_at:
        yield min(rows_at, *(position_in(connection, view, min_position) for view in (FUND_BATCHES, FUND_SERIALS)))


def _batch(connection: psycopg.Connection, reference: Reference, province: str, batch_no: str, at_us: int) -> Batch:
    """Reads a batch; raises FundBatchNotFound where nothing was reported of it."""
    told = told_under(connection, FUND_BATCHES, [batch_name(province, batch_no)], 0)
    sums = {
        Cell(*cell): (rows, fen)
        for *cell, rows, fen in connection.execute(
            "SELECT round, what, detail, rows, amount_fen FROM views.fund_batch_sums WHERE province = %s AND batch_no = %s",
            (province, batch_no),
        )
        if (rows, fen) != (0, 0)
    }
    if not (told.reports or sums):
        raise FundBatchNotFound
    batch = batch_at(told.reports, sums, at_us, reference.working_days)
    beyond = _beyond(connection, province, batch_no, batch)
    at_close, shared = _at_close(connection, province, batch_no, batch, sums), len(_shared(connection, province, batch_no))
    return batch_at(told.reports, sums, at_us, reference.working_days, beyond_rows=beyond, at_close=at_close, shared_rows=shared)


def _beyond(connection: psycopg.Connection, province: str, batch_no: str, batch: Batch) -> int:
    """Counts the rows with a number above those that the batch was sent with."""
    if batch.sent is None:
        return 0
    row = connection.execute(
        "SELECT count(*) FROM views.fund_row_facts WHERE province = %s AND batch_no = %s AND row_no > %s AND state <> ''",
        (province, batch_no, batch.sent.message.row_count),
    ).fetchone()
    assert row is not None, "a count is a row"
    return int(row[0])


def _at_close(connection: psycopg.Connection, province: str, batch_no: str, batch: Batch, sums: Sums) -> Sums:
    """Returns the sums of a batch as they were at its close: few rows change after it, and only they are read."""
    if batch.closed is None:
        return sums
    closed_us = batch.closed.occurred_us
    rows = connection.execute(
        "SELECT reports FROM views.fund_row_facts WHERE province = %s AND batch_no = %s AND last_us > %s", (province, batch_no, closed_us)
    )
    return rewound(sums, ((fold_row(told), fold_row(told, closed_us)) for told in (reports_in(text) for (text,) in rows)))


def _shared(connection: psycopg.Connection, province: str, batch_no: str) -> dict[int, tuple[int, int]]:
    """Returns the rows of a batch with a bank's serial that another row has too: where it is reported of each of the two."""
    found = connection.execute(f"SELECT shared FROM views.{FUND_SERIALS.name} WHERE province = %s AND shared <> ''", (province,))  # noqa: S608
    rows = (row for (text,) in found for row in json.loads(text))
    return {row_no: (position, against) for of_batch, row_no, position, against in rows if of_batch == batch_no}


def _wanted(request: protos.ListRowsRequest, batch: Batch, shared: list[int]) -> tuple[LiteralString, list[object]]:
    """Returns the condition of SQL for the rows that may be wanted, with its values."""
    is_closed = batch.closed is not None
    conditions: list[LiteralString] = ["state <> ''"]
    values: list[object] = []
    if request.state:
        state = protos.FundRowState.Name(request.state).removeprefix("FUND_ROW_STATE_")
        is_final = state == "FINAL_UNPAID"
        # What came back is finally unpaid exactly where the batch is closed.
        names = list(UNPAID_STATES) if is_final and is_closed else [] if is_closed and state in UNPAID_STATES else [state]
        conditions.append("state = ANY (%s)")
        values.append(names)
    if request.reason:
        conditions.append("reason = %s")
        values.append(fund.FundReturnReason.Name(request.reason).removeprefix("FUND_RETURN_REASON_"))
    # The view knows what does not fit in a row, and not what does not fit its batch.
    if request.with_findings and not {"RETURN_WITHOUT_SEND", "ROW_UNKNOWN"} & {one.code for one in batch.findings}:
        conditions.append("(findings <> '' OR row_no = ANY (%s))")
        values.append(shared)
    return " AND ".join(conditions), values
