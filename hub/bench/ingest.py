"""Ingest: 4 streams of 500 events through TLS, rules, pseudonyms and durable commit, against raw binary COPY of the same rows."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from psycopg import pq

from hub.bench.load import BATCH_EVENTS, Load, Order
from hub.bench.setup import Ground, HubProcess, backend_cpu_s, ground, hub_process, median, settle
from hub.config import Config
from hub.journal.batch import PG_EPOCH_US, pack_row
from hub.journal.group import write_rows
from hub.journal.statements import check, run

FEEDS = ("bench.one", "bench.two", "bench.three", "bench.four")
ROUNDS = 3
RAW_BATCHES = 100
# Long enough that every card of the load has been met: from then on an identifier costs no vault write.
WARM_UP_BATCHES = 45
FLAT_EVENTS = (100_000, 5_000_000)

Report = Callable[[str], None]


def measure(config: Config, batches: int, report: Report, *, telemetry: bool = True) -> dict[str, Any]:
    """Returns rates, CPU microseconds an event and the ratio; raw, two edges and one edge alternate, medians count."""
    raw: list[float] = []
    two: list[Run] = []
    one: list[Run] = []
    with (
        ground(config, list(FEEDS)) as place,
        hub_process(place, telemetry=telemetry) as first,
        hub_process(place, telemetry=telemetry) as second,
    ):
        next_sequence = 1
        for edge in (first, second):
            next_sequence = run_hub(place, (edge,), next_sequence, WARM_UP_BATCHES).next_sequence
        sample = _stored_rows(place)
        for number in range(ROUNDS):
            raw.append(_run_raw(place, sample))
            for edges, runs in (([first, second], two), ([first], one)):
                settle()
                runs.append(run_hub(place, edges, next_sequence, batches))
                next_sequence = runs[-1].next_sequence
            report(
                f"{number + 1}/{ROUNDS}: raw {raw[-1]:,.0f}/s, hub {two[-1].rate:,.0f}/s, of one edge {one[-1].rate:,.0f}/s, "
                f"ratio {two[-1].rate / raw[-1]:.2f} and {one[-1].rate / raw[-1]:.2f}"
            )
        memory = max(first.memory_bytes(), second.memory_bytes())
    return {
        "bench": "ingest",
        "streams": len(FEEDS),
        "batch_events": BATCH_EVENTS,
        "raw_events_per_s": round(median(raw)),
        "hub_events_per_s": round(median([run.rate for run in two])),
        "one_edge_events_per_s": round(median([run.rate for run in one])),
        "edge_cpu_us_per_event": round(median([run.edge_us for run in one]), 2),
        "backend_cpu_us_per_event": round(median([run.backend_us for run in one]), 2),
        "edge_memory_mb": round(memory / 1e6),
        "edges": 2,
        "one_edge_ratio": round(median([run.rate / limit for run, limit in zip(one, raw, strict=True)]), 3),
        "ratio": round(median([run.rate / limit for run, limit in zip(two, raw, strict=True)]), 3),
    }


class Run(NamedTuple):
    """One load through the hub: events a second, CPU microseconds an event of edges and backends, and where the feeds go on."""

    rate: float
    edge_us: float
    backend_us: float
    next_sequence: int


def run_hub(place: Ground, edges: Sequence[HubProcess], first_sequence: int, batches: int) -> Run:
    """Runs the load through the edges, every feed from a sequence on."""
    targets = tuple(edge.target for edge in edges)
    load = Load(Order(targets, place.data_dir / "certificates", FEEDS, (first_sequence,) * len(FEEDS), batches))
    edges_before, backends_before = sum(edge.cpu_s() for edge in edges), backend_cpu_s(place.dsn, "hub-writer")
    load.start()
    events, seconds = load.result()
    edge_us = (sum(edge.cpu_s() for edge in edges) - edges_before) / events * 1e6
    backend_us = (backend_cpu_s(place.dsn, "hub-writer") - backends_before) / events * 1e6
    return Run(events / seconds, edge_us, backend_us, first_sequence + batches * BATCH_EVENTS)


def _stored_rows(place: Ground) -> list[tuple[int, bytes, bytes, bytes, bytes]]:
    """Reads one batch as the hub stored it, so that raw COPY writes the very same rows."""
    import psycopg

    with psycopg.connect(place.dsn) as connection:
        rows = connection.execute(
            """SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, kind, digest, data, leaf FROM journal.event
               WHERE kind = 'transit_journey_completed' ORDER BY position LIMIT %s""",
            (BATCH_EVENTS,),
        ).fetchall()
    return [(occurred, kind.encode(), bytes(digest), bytes(data), bytes(leaf)) for occurred, kind, digest, data, leaf in rows]


def _run_raw(place: Ground, sample: list[tuple[int, bytes, bytes, bytes, bytes]]) -> float:
    """Raw binary COPY, rows packed beforehand, 500 a commit, into the same kind of table; returns rows a second."""
    connection = pq.PGconn.connect(place.dsn.encode())
    run(
        connection,
        b"""CREATE SCHEMA IF NOT EXISTS bench; DROP TABLE IF EXISTS bench.event;
        CREATE TABLE bench.event (LIKE journal.event INCLUDING ALL) PARTITION BY RANGE (position);
        CREATE TABLE bench.event_0 PARTITION OF bench.event FOR VALUES FROM (0) TO (100000000)""",
    )
    connection.nonblocking = 1
    recorded = time.time_ns() // 1000 - PG_EPOCH_US
    prepared = []
    for number in range(RAW_BATCHES):
        first = number * BATCH_EVENTS + 1
        prepared.append([pack_row(first + n, recorded, 1, first + n, *row) for n, row in enumerate(sample)])
    started = time.perf_counter()
    for rows in prepared:
        check(connection, connection.exec_(b"BEGIN; COPY bench.event FROM STDIN (FORMAT BINARY); COMMIT"))
        write_rows(connection, rows)
    seconds = time.perf_counter() - started
    connection.finish()
    return RAW_BATCHES * BATCH_EVENTS / seconds


def measure_flat(config: Config, report: Report) -> dict[str, Any]:
    """Compares the CPU of an event with 100 thousand and with 5 million in the journal, measured alternately on two hubs."""
    costs: dict[int, list[float]] = {size: [] for size in FLAT_EVENTS}
    small, large = FLAT_EVENTS
    with (
        ground(config, list(FEEDS)) as first,
        hub_process(first) as small_edge,
        ground(config, list(FEEDS)) as second,
        hub_process(second) as large_edge,
    ):
        places = {small: (first, small_edge), large: (second, large_edge)}
        nexts = {size: _fill(*places[size], size, report) for size in FLAT_EVENTS}
        for number in range(5):
            for size in FLAT_EVENTS:
                place, edge = places[size]
                measured = run_hub(place, (edge,), nexts[size], 40)
                nexts[size] = measured.next_sequence
                costs[size].append(measured.edge_us + measured.backend_us)
            report(f"{number + 1}/5: {costs[small][-1]:.2f} µs at {small:,}, {costs[large][-1]:.2f} µs at {large:,}")
        memory = {size: places[size][1].memory_bytes() for size in FLAT_EVENTS}
    return {
        "bench": "ingest-flat",
        "cpu_us_per_event": {str(size): round(median(costs[size]), 2) for size in FLAT_EVENTS},
        "edge_memory_mb": {str(size): round(memory[size] / 1e6) for size in FLAT_EVENTS},
        "ratio": round(median(costs[large]) / median(costs[small]), 3),
    }


def _fill(place: Ground, edge: HubProcess, events: int, report: Report) -> int:
    """Fills the journal through the hub itself and returns the next sequence of the feeds."""
    batches, done = events // BATCH_EVENTS // len(FEEDS), 0
    while done < batches:
        step = min(250, batches - done)
        run_hub(place, (edge,), done * BATCH_EVENTS + 1, step)
        done += step
        report(f"filling 填充: {done * BATCH_EVENTS * len(FEEDS):,} / {events:,}")
    return batches * BATCH_EVENTS + 1
