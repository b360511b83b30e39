"""What sealing and a witness cost those who send and ask: with both at work against without, in turns on one edge.

Whichever half comes second finds a longer journal and warmer caches, so each turn begins with the other one than the turn before.

The witness is on the same machine here, so its own work is in the figures; it cosigns and does not mirror.
"""

import contextlib
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import psycopg

from hub.bench.check import Calls, recorded_calls, register_cards
from hub.bench.ingest import FEEDS, WARM_UP_BATCHES, Run, run_hub
from hub.bench.load import BATCH_EVENTS
from hub.bench.seal import Report, await_sealed, sealing, sealing_cpu_s
from hub.bench.setup import Ground, HubProcess, ground, hub_process, projector, settle
from hub.child import Child, python
from hub.config import Config
from hub.tlog.sealer import signers
from hub.trust.log_keys import open_log_keys
from hub.witness import folder

# As many that begin with sealing as without, and so many that one disturbed turn does not decide.
TURNS = 6
IN_FLIGHT = 32
_CARDS = "bench.cards"


class Half(NamedTuple):
    """A load and some seconds of questions, with sealing and a witness or without, and what sealing took of the processors meanwhile."""

    load: Run
    calls: Calls
    sealing_us_per_event: float
    sealing_us_per_answer: float


def measure(config: Config, batches: int, seconds: float, report: Report) -> dict[str, Any]:
    """Returns the rates of events and of answers with sealing and a witness against those without, and what sealing takes."""
    turns: list[tuple[Half, Half]] = []
    with ground(config, [_CARDS, *FEEDS]) as place, hub_process(place) as edge:
        with projector(place):
            register_cards(place, edge, _CARDS)
        following = run_hub(place, (edge,), 1, WARM_UP_BATCHES).next_sequence
        with witness(config, place) as policy, sealing(place, {"HUB_LOG_POLICY": str(policy)}) as sealer:
            await_sealed(place)
            for number in range(TURNS):
                halves = {}
                for is_sealing in (False, True) if number % 2 == 0 else (True, False):
                    if not is_sealing:
                        sealer.suspend()
                    halves[is_sealing] = _half(place, edge, sealer, following, batches, seconds)
                    following = halves[is_sealing].load.next_sequence
                    sealer.resume()
                    await_sealed(place)
                without, with_it = halves[False], halves[True]
                turns.append((without, with_it))
                report(f"{number + 1}/{TURNS}: {without.load.rate:,.0f} → {with_it.load.rate:,.0f} events/s, {_rates(without, with_it)}")
            await_sealed(place)
        cosigned = _cosigned(place)
    ingest = [with_it.load.rate / without.load.rate for without, with_it in turns]
    answers = [with_it.calls.rate / without.calls.rate for without, with_it in turns]
    ingest_us = statistics.median(_ingest_us(without) for without, _ in turns)
    sealing_us = statistics.median(with_it.sealing_us_per_event for _, with_it in turns)
    return {
        "bench": "seal-witnessed",
        "events_a_turn": batches * BATCH_EVENTS * len(FEEDS),
        "heads_cosigned": cosigned,
        "ingest_ratio": round(statistics.median(ingest), 3),
        "check_ratio": round(statistics.median(answers), 3),
        "ingest_ratios": [round(ratio, 3) for ratio in ingest],
        "check_ratios": [round(ratio, 3) for ratio in answers],
        "check_p99_ms": {
            "without": round(statistics.median(without.calls.p99_ms for without, _ in turns), 1),
            "with": round(statistics.median(with_it.calls.p99_ms for _, with_it in turns), 1),
        },
        "ingest_us_per_event": {
            "without": round(ingest_us, 2),
            "with": round(statistics.median(_ingest_us(with_it) for _, with_it in turns), 2),
        },
        "sealing_us_per_event": round(sealing_us, 2),
        "sealing_us_per_answer": round(statistics.median(with_it.sealing_us_per_answer for _, with_it in turns), 2),
        "sealing_share": round(sealing_us / ingest_us, 3),
    }


def _ingest_us(half: Half) -> float:
    """What an event costs edge and backend, which other work on the machine moves less than the rate."""
    return half.load.edge_us + half.load.backend_us


def _rates(without: Half, with_it: Half) -> str:
    return f"{without.calls.rate:,.0f} → {with_it.calls.rate:,.0f} answers/s"


@contextlib.contextmanager
def witness(config: Config, place: Ground) -> Iterator[Path]:
    """Runs a witness of the log in a process of its own, and yields a policy that asks for it."""
    keys = [key.verifier.text for key in signers(open_log_keys(place.data_dir / "keys"), f"{config.log_name}/1")]
    made = folder.make(place.data_dir / "witness", "witness.bench.example")
    # Nothing is mirrored, so that nobody asks the log's address.
    made.add_log(keys, "http://127.0.0.1:9")
    serving = Child(
        python("hub.cli", "witness", "serve", str(made.path), "--listen", "127.0.0.1:0"), place.environment, stderr=subprocess.DEVNULL
    )
    try:
        url = serving.first_line().split()[-1]
        cosigners = {f"witness-{number}": key.verifier.text for number, key in enumerate(made.keys, 1)}
        policy = place.data_dir / "log-policy"
        lines = [*(f"log {key}" for key in keys), *(f"witness {name} {key} {url}" for name, key in cosigners.items())]
        policy.write_text("\n".join([*lines, f"group bench any {' '.join(cosigners)}", "quorum bench", ""]), encoding="utf-8")
        yield policy
    finally:
        serving.stop()


def _half(place: Ground, edge: HubProcess, sealer: psutil.Process, following: int, batches: int, seconds: float) -> Half:
    settle()
    began = sealing_cpu_s(place, sealer)
    load = run_hub(place, (edge,), following, batches)
    is_sealing = sealer.status() != psutil.STATUS_STOPPED
    if is_sealing:
        await_sealed(place)
    sent = sealing_cpu_s(place, sealer)
    calls = recorded_calls(place, edge, IN_FLIGHT, seconds)
    if is_sealing:
        await_sealed(place)
    answers = calls.rate * seconds
    asked = sealing_cpu_s(place, sealer)
    return Half(load, calls, (sent - began) / (batches * BATCH_EVENTS * len(FEEDS)) * 1e6, (asked - sent) / answers * 1e6)


def _cosigned(place: Ground) -> int:
    """Returns how many heads have the witness's line; raises RuntimeError if none has, since nothing was measured then."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        (heads,) = connection.execute("SELECT count(DISTINCT size) FROM tlog.cosignature").fetchone() or (0,)
    if not heads:
        raise RuntimeError("no head was cosigned; run `hub doctor` to see why")
    return int(heads)
