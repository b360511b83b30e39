"""Funds: rows of a batch through the hub while checks are answered, and how long the batch takes to be closed after its last row.

Each row is two events, at a steady rate: all rows are sent, then the bank answers all of them, so that each row is looked up where it was
put down. What the batch comes to is compared with what was sent, to the fen.
"""

import shutil
import time
from typing import Any

import psycopg
from chuanyu.exchange.v1 import fund_service_pb2 as protos

from hub.admin.funds import get_batch
from hub.admin.snapshots import Asked
from hub.bench.check import LoadGeneratorMissing, MeasurementVoid, Report, paced_calls, register_cards
from hub.bench.load import BATCH_EVENTS, FUND_BATCH, ROW_FEN, Load, Order
from hub.bench.setup import Ground, ground, hub_process, projector
from hub.config import Config
from hub.domain import reference
from hub.domain.errors import HubError
from hub.domain.instants import local_day
from hub.intake.request_rules import now_us
from hub.journal.sessions import session

FEEDS = ("bench.cards", "bench.one")
# The night burst that the hub is to sustain.
ASKED_ROWS_PER_S = 2_100
# Questions a second on each of four connections.
ASKED_EACH, CLOSED_WITHIN_S = 50, 600


def measure(config: Config, rows: int, rows_per_s: int, report: Report) -> dict[str, Any]:
    """Returns rows a second until they are recorded and until they are in the views, the checks meanwhile, and the time to close."""
    if shutil.which("h2load") is None:
        raise LoadGeneratorMissing
    batches = -(-(2 * rows + 2) // BATCH_EVENTS)
    rows = (batches * BATCH_EVENTS - 2) // 2
    seconds = rows / rows_per_s
    with ground(config, list(FEEDS)) as place, projector(place), hub_process(place, telemetry=False) as edge:
        register_cards(place, edge, FEEDS[0])
        bytes_before = _view_bytes(place)
        load = Load(Order((edge.target,), place.data_dir / "certificates", FEEDS[1:], (1,), batches, 2 * rows_per_s, fund_rows=rows))
        began = time.perf_counter()
        load.start()
        calls = paced_calls(place, edge, ASKED_EACH, seconds)
        _, recorded_s = load.result(300 + seconds)
        sent = began + recorded_s
        report(f"{rows:,} rows recorded in {recorded_s:.1f} s, checks p99 {calls.p99_ms:.0f} ms")
        with session(place.dsn, "hub_reader", "hub-bench") as connection:
            batch = _closed(connection)
            closed = time.perf_counter()
            began_reading = time.perf_counter()
            _batch(connection)
            read_s = time.perf_counter() - began_reading
        view_bytes = _view_bytes(place) - bytes_before
    if (batch.paid_fen, batch.rows_seen, len(_unfit(batch))) != (rows * ROW_FEN, rows, 0):
        raise MeasurementVoid
    in_views = rows / (closed - began)
    return {
        "bench": "funds", "rows": rows, "events": batches * BATCH_EVENTS, "recorded_rows_per_s": round(rows / recorded_s),
        "in_views_rows_per_s": round(in_views), "of_asked": round(in_views / ASKED_ROWS_PER_S, 2),
        "view_bytes_per_row": round(view_bytes / rows), "checks_per_s": round(calls.rate),
        "checks_p50_ms": round(calls.p50_ms, 1), "checks_p99_ms": round(calls.p99_ms, 1), "closed_after_s": round(closed - sent, 2),
        "read_s": round(read_s, 3), "equal": True,
    }  # fmt: skip


def _view_bytes(place: Ground) -> int:
    with session(place.dsn, "hub_reader", "hub-bench") as connection:
        row = connection.execute(_VIEW_BYTES).fetchone()
    return int(row[0]) if row is not None else 0


_VIEW_BYTES = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace = 'views'::regnamespace AND relkind = 'r'"


def _closed(connection: psycopg.Connection) -> protos.FundBatch:
    """Waits until the batch is closed and all its rows are in it; raises MeasurementVoid."""
    deadline = time.monotonic() + CLOSED_WITHIN_S
    while time.monotonic() < deadline:
        try:
            batch = _batch(connection)
        except HubError:
            batch = protos.FundBatch()
        if batch.state == protos.FUND_BATCH_STATE_CLOSED and not _unfit(batch):
            return batch
        time.sleep(0.05)
    raise MeasurementVoid


def _unfit(batch: protos.FundBatch) -> list[str]:
    """Returns what does not fit, but for the steps that the load leaves out."""
    return [one.code for one in batch.findings if one.code != "SENT_BEFORE_APPROVED"]


def _batch(connection: psycopg.Connection) -> protos.FundBatch:
    request = protos.GetBatchRequest(paying_province="50", batch_no=FUND_BATCH)
    at_us = now_us()
    asked = Asked("", local_day(at_us))
    return get_batch(connection, reference.load(), request, asked, at_us).batch
