"""Check: recorded answers against an empty unary call on the same server, over different cards, with 1, 32 and 256 in flight.

What a lone answer cannot undercut is an empty call, one row read and one commit: it is measured beside them, as `least_ms`.
The edge's CPU time a call is shown beside the rates: it says the same of a busy machine as of a quiet one.

`h2load` sends one body over and over, so the bench's edge gives each call a card and a request id of its own before it goes the
usual way. Every answer must be in the journal afterwards, or the measurement is void.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from hub.bench.edge_server import CHECK_METHOD, EMPTY_METHOD
from hub.bench.load import Load, Order
from hub.bench.setup import CARDS, Ground, HubProcess, ground, hub_process, median, projector
from hub.config import Config
from hub.domain.errors import HubError

FEEDS = ("bench.cards", "bench.one", "bench.two", "bench.three", "bench.four")
# Connections and streams on each of them.
IN_FLIGHT = {1: (1, 1), 32: (4, 8), 256: (8, 32)}
# A connection asks its next question when its time has come, whether the one before is answered or not.
PACED = (4, 8)
TURNS = 5
LEAST_ROUNDS, ANSWER_BYTES = 200, 300
_RATE = re.compile(r"finished in [^,]+, ([0-9.]+) req/s")
INFLOWS = {2_000: 100, 20_000: 500}

Report = Callable[[str], None]


class LoadGeneratorMissing(HubError):
    """h2load is not installed; `make system-deps` as root installs it (Debian package nghttp2-client)."""


class MeasurementVoid(HubError):
    """Not every answer was recorded, or not every call succeeded; the measurement does not count."""


class Calls(NamedTuple):
    """What h2load measured, and the microseconds of CPU that the edge used for each call."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_us: float = 0.0


def measure(config: Config, seconds: float, report: Report, *, telemetry: bool = True) -> dict[str, Any]:
    """Returns rows with in_flight, ratio, p50_ms, p99_ms and the edge's CPU a call, at rest and while events flow in.

    That of a lone caller has least_ms too.
    """
    if shutil.which("h2load") is None:
        raise LoadGeneratorMissing
    rows = []
    with ground(config, list(FEEDS)) as place, projector(place), hub_process(place, telemetry=telemetry) as edge:
        register_cards(place, edge, FEEDS[0])
        for in_flight in IN_FLIGHT:
            _calls(edge, CHECK_METHOD, in_flight, 0.5)
            empty, recorded = alternately(place, edge, in_flight, seconds)
            least_ms = round(empty.p50_ms + read_and_commit_ms(place), 2) if in_flight == 1 else None
            rows.append(_row(in_flight, 0, empty, recorded, report, least_ms))
        first = 1
        for events_per_s, batch_events in INFLOWS.items():
            batches = int((seconds + 3) * events_per_s / batch_events / 4) + 1
            load = Load(
                Order((edge.target,), place.data_dir / "certificates", FEEDS[1:], (first,) * 4, batches, events_per_s, batch_events)
            )
            load.start()
            time.sleep(1)
            rows.append(_row(32, events_per_s, None, recorded_calls(place, edge, 32, seconds), report))
            load.result()
            first += batches * batch_events
        memory = edge.memory_bytes()
    return {"bench": "check", "cards": CARDS, "edge_memory_mb": round(memory / 1e6), "rows": rows}


def register_cards(place: Ground, edge: HubProcess, feed: str) -> None:
    """Registers the cards of the load on an empty feed, and waits until the view has them."""
    load = Load(Order((edge.target,), place.data_dir / "certificates", (feed,), (1,), CARDS // 500, lifecycle=True))
    load.start()
    load.result()
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM views.card_standing").fetchone()
            if row is not None and row[0] == CARDS:
                return
            time.sleep(0.05)
    raise MeasurementVoid("the view did not catch up")


def alternately(place: Ground, edge: HubProcess, in_flight: int, seconds: float) -> tuple[Calls, Calls]:
    """Measures empty and recorded calls in turns, so that a machine that slows down does so for both; returns the medians."""
    empty, recorded = [], []
    for _ in range(TURNS):
        empty.append(_calls(edge, EMPTY_METHOD, in_flight, seconds / TURNS))
        recorded.append(recorded_calls(place, edge, in_flight, seconds / TURNS))
    return median_calls(empty), median_calls(recorded)


def read_and_commit_ms(place: Ground) -> float:
    """Measures one row read by its key and one row of an answer's size committed, in milliseconds: the median of LEAST_ROUNDS."""
    taken_ms = []
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE committed (data bytea)")
        row = connection.execute("SELECT key FROM views.card_standing LIMIT 1").fetchone()
        for _ in range(LEAST_ROUNDS):
            began = time.perf_counter()
            connection.execute("SELECT facts FROM views.card_standing WHERE key = %s", row, prepare=True)
            connection.execute("INSERT INTO committed VALUES (%s)", (bytes(ANSWER_BYTES),), prepare=True)
            taken_ms.append((time.perf_counter() - began) * 1e3)
        connection.execute("DROP TABLE committed")
    return median(taken_ms)


def median_calls(turns: list[Calls]) -> Calls:
    """Returns the median of each figure."""
    return Calls(*(median([turn[index] for turn in turns]) for index in range(len(Calls._fields))))


def recorded_calls(place: Ground, edge: HubProcess, in_flight: int, seconds: float) -> Calls:
    """Measures recorded calls; raises MeasurementVoid unless each of them is in the journal."""
    before = decisions(place)
    requests, calls = _timed(edge, CHECK_METHOD, in_flight, seconds)
    if decisions(place) - before != requests:
        raise MeasurementVoid
    return calls


def paced_calls(place: Ground, edge: HubProcess, each_s: int, seconds: float) -> Calls:
    """Measures recorded calls, so many a second on each of four connections; raises MeasurementVoid unless each is in the journal."""
    before, requests = decisions(place), int(PACED[0] * each_s * seconds)
    calls = _h2load(edge, CHECK_METHOD, PACED, requests, each_s)
    if decisions(place) - before != requests:
        raise MeasurementVoid
    return calls


def decisions(place: Ground) -> int:
    """How many decisions the journal holds."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT next_sequence FROM journal.stream WHERE name = 'hub.decisions'").fetchone()
    return 0 if row is None else int(row[0]) - 1


def _calls(edge: HubProcess, method: str, in_flight: int, seconds: float) -> Calls:
    return _timed(edge, method, in_flight, seconds)[1]


def _timed(edge: HubProcess, method: str, in_flight: int, seconds: float) -> tuple[int, Calls]:
    """Runs h2load for about *seconds*: first a short run for the rate, then that many requests."""
    pilot = max(in_flight * 4, 200)
    rate = _h2load(edge, method, IN_FLIGHT[in_flight], pilot).rate
    requests = max(in_flight * 8, int(rate * seconds))
    return requests + pilot, _h2load(edge, method, IN_FLIGHT[in_flight], requests)


def _h2load(edge: HubProcess, method: str, in_flight: tuple[int, int], requests: int, each_per_s: int = 0) -> Calls:
    takes_s = requests / in_flight[0] / each_per_s if each_per_s else 0
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        command = h2load_command(edge, method, in_flight, requests, Path(directory), each_per_s)
        before_s = edge.cpu_s()
        finished = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, timeout=300 + takes_s)
        cpu_us = (edge.cpu_s() - before_s) / requests * 1e6
        rate = _RATE.search(finished.stdout)
        if f"{requests} succeeded, 0 failed" not in finished.stdout or rate is None:
            raise MeasurementVoid(finished.stdout[-300:])
        times = sorted(int(line.split()[2]) / 1e3 for line in log.read_text(encoding="ascii").splitlines())
    return Calls(float(rate[1]), times[len(times) // 2], times[int(len(times) * 0.99)], cpu_us)


def h2load_command(
    edge: HubProcess, method: str, in_flight: tuple[int, int], requests: int, directory: Path, each_per_s: int = 0
) -> list[str]:
    """Returns the command that asks over so many connections and streams on each, and logs to *directory*/log.

    *each_per_s* paces each connection; 0 lets the next question follow each answer.
    """
    body = directory / "body"
    # gRPC's prefix: not compressed, length zero. The bench's edge makes the question itself.
    body.write_bytes(bytes(5))
    connections, streams = in_flight
    return [
        *("h2load", "-n", str(requests), "-c", str(connections), "-m", str(streams), "-d", str(body), f"--log-file={directory / 'log'}"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", *((f"--rps={each_per_s}",) if each_per_s else ())),
        f"http://127.0.0.1:{edge.plaintext_port}{method}",
    ]


def _row(
    in_flight: int, events_per_s: int, empty: Calls | None, recorded: Calls, report: Report, least_ms: float | None = None
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "in_flight": in_flight,
        "events_per_s": events_per_s,
        "checks_per_s": round(recorded.rate),
        "p50_ms": round(recorded.p50_ms, 2),
        "p99_ms": round(recorded.p99_ms, 2),
        "edge_cpu_us": round(recorded.cpu_us),
    }
    if empty is not None:
        row |= {"empty_calls_per_s": round(empty.rate), "ratio": round(recorded.rate / empty.rate, 3), "empty_cpu_us": round(empty.cpu_us)}
    if least_ms is not None:
        row |= {"least_ms": least_ms, "of_least": round(recorded.p50_ms / least_ms, 2)}
    report(str(row))
    return row
