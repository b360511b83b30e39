"""Project: card standing over events of the simulator's mix, against reading the same events in raw binary pages."""

import time
from typing import Any

import psycopg

from hub.bench.filling import FEEDS, Report, fill
from hub.bench.setup import ground, median
from hub.config import Config
from hub.journal.reader import head_position
from hub.projections import runner
from hub.projections.engine import PAGE_EVENTS, advance
from hub.projections.rebuild import drop_fresh, fresh_copy
from hub.projections.views.card_standing import CARD_STANDING

ROUNDS = 3


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns rates, CPU microseconds an event and the ratio; reading and folding alternate, medians count."""
    raw, fold, cpu = [], [], []
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        with runner.connect(place.dsn) as connection:
            connection.execute("ANALYZE")
            head = head_position(connection)
            share = _share(connection)
            for number in range(ROUNDS):
                raw.append(head / read_raw(connection, head))
                before = time.process_time()
                fold.append(head / _fold(connection))
                cpu.append((time.process_time() - before) / head * 1e6)
                report(f"{number + 1}/{ROUNDS}: raw {raw[-1]:,.0f}/s, fold {fold[-1]:,.0f}/s, ratio {fold[-1] / raw[-1]:.2f}")
    return {
        "bench": "project",
        "view": CARD_STANDING.name,
        "events": head,
        "state_changing_share": round(share, 4),
        "raw_events_per_s": round(median(raw)),
        "fold_events_per_s": round(median(fold)),
        "cpu_us_per_event": round(median(cpu), 2),
        "ratio": round(median([f / r for f, r in zip(fold, raw, strict=True)]), 3),
    }


def _share(connection: psycopg.Connection) -> float:
    row = connection.execute(
        "SELECT avg((kind = ANY (%s))::int) FROM journal.event WHERE position > (SELECT position FROM journal.head) - 200000",
        (list(CARD_STANDING.kinds or ()),),
    ).fetchone()
    return float(row[0]) if row else 0.0


def read_raw(connection: psycopg.Connection, head: int) -> float:
    """Reads every event, all columns, in binary pages, throws them away and returns the seconds."""
    started = time.perf_counter()
    for after in range(0, head, PAGE_EVENTS):
        statement = f"""COPY (SELECT * FROM journal.event WHERE position > {after} AND position <= {after + PAGE_EVENTS} ORDER BY position)
            TO STDOUT (FORMAT BINARY)"""  # noqa: S608 (integers only)
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for _ in copy:
                pass
    return time.perf_counter() - started


def _fold(connection: psycopg.Connection) -> float:
    """Folds the whole journal into a fresh table, as a rebuild does, and returns the seconds."""
    fresh = fresh_copy(connection, CARD_STANDING)
    started = time.perf_counter()
    while advance(connection, fresh):
        pass
    seconds = time.perf_counter() - started
    drop_fresh(connection, CARD_STANDING)
    return seconds
