"""Telemetry: ingest and recorded checks on two edges over one database, in turns, one observed as by default and one not at all.

What the second lacks is traces, metrics' export, the state of the database as gauges, and the access log. Timings and counters are kept
by both: they are in the code.
"""

from typing import Any, NamedTuple

from hub.bench.check import IN_FLIGHT, Calls, Report, decisions, median_calls, recorded_calls, register_cards
from hub.bench.ingest import FEEDS, WARM_UP_BATCHES, Run, run_hub
from hub.bench.setup import Ground, HubProcess, ground, hub_process, median, projector
from hub.config import Config

TURNS = 6
BATCHES = 40
CARDS_FEED = "bench.cards"


def measure(config: Config, seconds: float, report: Report) -> dict[str, Any]:
    """Returns, for ingest and for checks, throughput and CPU with telemetry over those without; medians of the turns' ratios."""
    with (
        ground(config, [CARDS_FEED, *FEEDS]) as place,
        hub_process(place) as observed,
        hub_process(place, telemetry=False) as bare,
    ):
        ingest = _ingest(place, observed, bare, report)
        with projector(place):
            register_cards(place, observed, CARDS_FEED)
            rows = [_checks(place, observed, bare, in_flight, seconds, report) for in_flight in IN_FLIGHT]
    return {"bench": "telemetry", "ingest": ingest, "checks": rows}


def _ingest(place: Ground, observed: HubProcess, bare: HubProcess, report: Report) -> dict[str, float]:
    runs: dict[HubProcess, list[Run]] = {observed: [], bare: []}
    next_sequence = 1
    for edge in runs:
        next_sequence = run_hub(place, (edge,), next_sequence, WARM_UP_BATCHES).next_sequence
    for turn in range(TURNS):
        # Who goes first changes, so that a machine that gets slower or faster favours neither.
        for edge in list(runs)[:: 1 if turn % 2 else -1]:
            runs[edge].append(run_hub(place, (edge,), next_sequence, BATCHES))
            next_sequence = runs[edge][-1].next_sequence
    pairs = list(zip(runs[observed], runs[bare], strict=True))
    row = {
        "ratio": round(median([on.rate / off.rate for on, off in pairs]), 3),
        "cpu_ratio": round(median([on.edge_us / off.edge_us for on, off in pairs]), 3),
    }
    report(f"ingest: {row}")
    return row


def _checks(place: Ground, observed: HubProcess, bare: HubProcess, in_flight: int, seconds: float, report: Report) -> dict[str, float]:
    pairs: list[tuple[_Turn, _Turn]] = []
    for turn in range(TURNS):
        edges = (observed, bare)[:: 1 if turn % 2 else -1]
        turns = {edge: _turn(place, edge, in_flight, seconds / TURNS) for edge in edges}
        pairs.append((turns[observed], turns[bare]))
    row = {
        "in_flight": in_flight,
        "ratio": round(median([on.calls.rate / off.calls.rate for on, off in pairs]), 3),
        "cpu_ratio": round(median([on.cpu_us / off.cpu_us for on, off in pairs]), 3),
        "p99_ms": round(median_calls([on.calls for on, _ in pairs]).p99_ms, 2),
        "p99_ms_without": round(median_calls([off.calls for _, off in pairs]).p99_ms, 2),
    }
    report(f"check: {row}")
    return row


class _Turn(NamedTuple):
    """One turn of checks at an edge, and what CPU each cost it."""

    calls: Calls
    cpu_us: float


def _turn(place: Ground, edge: HubProcess, in_flight: int, seconds: float) -> _Turn:
    cpu_s, before = edge.cpu_s(), decisions(place)
    calls = recorded_calls(place, edge, in_flight, seconds)
    return _Turn(calls, (edge.cpu_s() - cpu_s) / (decisions(place) - before) * 1e6)
