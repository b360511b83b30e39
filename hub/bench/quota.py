"""Quota: how long one participant waits while another asks ten times its quota, against how long while the other is quiet.

Quiet turns, turns in which the other keeps to its quota, and noisy ones alternate, and medians count: what comes through is work that an
edge does for anyone, and only what is beyond the quota is noise. The load shares the machine with the hub, and in quiet turns there is
none: what it takes is reported, and makes the ratios rather worse than they are where callers have machines of their own.
"""

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import psutil
import psycopg

from hub.admin.registry import change_quota, register_participant
from hub.bench.check import FEEDS, Calls, LoadGeneratorMissing, MeasurementVoid, h2load_command, median_calls, register_cards
from hub.bench.edge_server import CHECK_METHOD, NOISY_CHECK_METHOD
from hub.bench.load import BATCH_EVENTS, Load, Order, batch
from hub.bench.setup import NOISY, Ground, HubProcess, ground, hub_process, median, projector, settle
from hub.child import Child, end_with_parent
from hub.config import Config
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from hub.trust.authority import issue_participant, participant_files

ROUNDS = 4
ASKED_PER_S = 200
# The need of a province, and ten times as much.
QUOTA = {"calls_per_s": 200, "events_per_s": 500}
TIMES = 10
# Just below the quota, so that nothing is refused or held back.
WITHIN = 0.9
NOISY_FEEDS = ("noisy.one", "noisy.two", "noisy.three", "noisy.four")
CONNECTIONS = 4
APPEND_METHOD = "/chuanyu.exchange.v1.FeedService/AppendEvents"
# Until the burst is spent and refusals have found their pace.
BECOMES_STEADY_S = 6.0
_BOTH = "SELECT coalesce(sum(next_sequence - 1), 0) FROM journal.stream WHERE name = 'hub.decisions' OR name = ANY (%s)"

Report = Callable[[str], None]
Noise = Callable[[Ground, HubProcess], contextlib.AbstractContextManager[psutil.Process]]


class Turn(NamedTuple):
    """What one participant waited, how much of the noisy one came through a second, and the share of a core its load took."""

    calls: Calls
    admitted_per_s: float = 0.0
    load_cpu: float = 0.0


def measure(config: Config, seconds: float, report: Report) -> dict[str, Any]:
    """Returns the p99 of quiet turns, and a row for each kind of noise with its ratio to them."""
    if shutil.which("h2load") is None:
        raise LoadGeneratorMissing
    noises: dict[str, Noise] = {
        "checks within quota": partial(_checks, WITHIN),
        "checks": partial(_checks, TIMES),
        "events within quota": partial(_streamed_events, WITHIN),
        "events streamed": partial(_streamed_events, TIMES),
        "events appended": _appended_events,
    }
    quiet: list[Calls] = []
    noisy: dict[str, list[Turn]] = {name: [] for name in noises}
    with ground(config, list(FEEDS)) as place:
        _register_noisy(place)
        with projector(place), hub_process(place) as edge:
            register_cards(place, edge, FEEDS[0])
            _asked(place, edge, seconds)
            for number in range(ROUNDS):
                quiet.append(_asked(place, edge, seconds).calls)
                told = f"{number + 1}/{ROUNDS}: p99 quiet {quiet[-1].p99_ms:.1f} ms"
                for name, noise in noises.items():
                    with noise(place, edge) as load:
                        time.sleep(BECOMES_STEADY_S)
                        noisy[name].append(_asked(place, edge, seconds, load))
                    settle()
                    told += f", {name} {noisy[name][-1].calls.p99_ms:.1f} ms"
                report(told)
    still = median_calls(quiet)
    return {
        "bench": "quota",
        "asked_per_s": ASKED_PER_S,
        "quiet_p50_ms": round(still.p50_ms, 2),
        "quiet_p99_ms": round(still.p99_ms, 2),
        "rows": [_row(name, turns, still, noisy[f"{name.split()[0]} within quota"]) for name, turns in noisy.items()],
    }


def _row(name: str, turns: list[Turn], still: Calls, within: list[Turn]) -> dict[str, Any]:
    calls, orderly = median_calls([turn.calls for turn in turns]), median_calls([turn.calls for turn in within])
    quota = QUOTA["calls_per_s" if name.startswith("checks") else "events_per_s"]
    return {
        "noise": name,
        "quota_per_s": quota,
        "admitted_per_s": round(median([turn.admitted_per_s for turn in turns])),
        "load_cpu": round(median([turn.load_cpu for turn in turns]), 3),
        "p50_ms": round(calls.p50_ms, 2),
        "p99_ms": round(calls.p99_ms, 2),
        "ratio": round(calls.p99_ms / still.p99_ms, 2),
        "ratio_to_within_quota": round(calls.p99_ms / orderly.p99_ms, 2),
    }


def _register_noisy(place: Ground) -> None:
    store, now = AggregateStore(place.dsn), datetime.now(UTC)
    register_participant(store, NOISY, "51", "bench", list(NOISY_FEEDS), now, every_role())
    change_quota(store, NOISY, QUOTA, now)
    store.close()
    issue_participant(place.data_dir / "certificates", NOISY)


def _asked(place: Ground, edge: HubProcess, seconds: float, load: psutil.Process | None = None) -> Turn:
    """Asks at a steady rate and measures; raises MeasurementVoid if not every answer was recorded."""
    requests = int(ASKED_PER_S * seconds)
    with tempfile.TemporaryDirectory() as directory, psycopg.connect(place.dsn, autocommit=True) as connection:
        command = h2load_command(edge, CHECK_METHOD, (CONNECTIONS, 8), requests, Path(directory), ASKED_PER_S // CONNECTIONS)
        before, cpu_before, began = _recorded(connection), _cpu_s(load), time.perf_counter()
        subprocess.run(command, capture_output=True, check=True, timeout=300)
        took_s, admitted = time.perf_counter() - began, _recorded(connection) - before - requests
        times = sorted(int(line.split()[2]) / 1e3 for line in (Path(directory) / "log").read_text(encoding="ascii").splitlines())
    if admitted < 0 or (load is None and admitted):
        raise MeasurementVoid
    calls = Calls(requests / took_s, times[len(times) // 2], times[int(len(times) * 0.99)])
    return Turn(calls, admitted / took_s, (_cpu_s(load) - cpu_before) / took_s)


def _recorded(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(_BOTH, (list(NOISY_FEEDS),)).fetchone()
    assert row is not None
    return int(row[0])


def _cpu_s(load: psutil.Process | None) -> float:
    if load is None:
        return 0.0
    times = load.cpu_times()
    return float(times.user + times.system)


@contextlib.contextmanager
def _checks(times: float, _: Ground, edge: HubProcess) -> Iterator[psutil.Process]:
    """Asks so many times the quota, as many at once as the hub lets in, and asks again at once when refused."""
    rate = int(QUOTA["calls_per_s"] * times) // CONNECTIONS
    with tempfile.TemporaryDirectory() as directory:
        command = h2load_command(edge, NOISY_CHECK_METHOD, (CONNECTIONS, 1_000), 10_000_000, Path(directory), rate)
        with Child(command, os.environ, stdout=subprocess.DEVNULL) as process:
            try:
                yield psutil.Process(process.pid)
            finally:
                process.terminate()


@contextlib.contextmanager
def _streamed_events(times: float, place: Ground, edge: HubProcess) -> Iterator[psutil.Process]:
    """Sends so many times the quota in streams of full batches."""
    feeds = _next_sequences(place)
    where = ((edge.target,), place.data_dir / "certificates", tuple(feeds), tuple(feeds.values()))
    load = Load(Order(*where, batches=20, events_per_s=int(QUOTA["events_per_s"] * times), participant=NOISY))
    settle()
    load.start()
    try:
        yield psutil.Process(load.pid)
    finally:
        load.stop()


@contextlib.contextmanager
def _appended_events(place: Ground, edge: HubProcess) -> Iterator[psutil.Process]:
    """Appends full batches, each as soon as the one before was answered, and again at once when refused."""
    arguments = (edge.target, place.data_dir / "certificates", _next_sequences(place))
    process = multiprocessing.get_context("spawn").Process(target=_append, args=arguments, daemon=True)
    process.start()
    try:
        assert process.pid is not None
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.join()


def _append(target: str, certificates_dir: Path, feeds: dict[str, int]) -> None:
    end_with_parent()
    with participant_files(certificates_dir, NOISY).channel(target) as channel:
        append = channel.unary_unary(APPEND_METHOD)

        def send(feed: str, sequence: int) -> None:
            request = batch(feed, sequence)
            while True:
                with contextlib.suppress(grpc.RpcError):
                    append(request)
                    sequence += BATCH_EVENTS
                    request = batch(feed, sequence)

        with ThreadPoolExecutor(len(feeds)) as threads:
            list(threads.map(send, feeds, feeds.values()))


def _next_sequences(place: Ground) -> dict[str, int]:
    with psycopg.connect(place.dsn) as connection:
        rows = connection.execute("SELECT name, next_sequence FROM journal.stream WHERE name = ANY (%s)", (list(NOISY_FEEDS),)).fetchall()
    return {str(name): int(sequence) for name, sequence in rows}
