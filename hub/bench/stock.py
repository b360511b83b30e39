"""A card stock loaded by the command that provinces load with, while questions are answered: its rate, and what a question takes meanwhile.

Questions come at a fixed rate: a while before the load, as long as it lasts, and a while after it, since what else a machine does
may change in an hour. Each of them must be in the journal: one that is not was refused, because the views were behind for one.
`load` is the machine's.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
from pyarrow import parquet

from hub.api.edge.readiness import Limits
from hub.bench.check import Report, decisions, h2load_command, register_cards
from hub.bench.edge_server import CHECK_METHOD
from hub.bench.setup import PARTICIPANT, Ground, HubProcess, ground, hub_process, projector
from hub.child import python
from hub.config import Config
from hub.giving_way import LOWEST
from hub.trust.authority import participant_files

CARDS_FEED, STOCK_FEED = "bench.cards", "bench.stock"
CONNECTIONS, STREAMS = 4, 4
ROUND_S = 5.0
PORTION = 100_000
TAKEN_AT = "2025-08-31T00:00:00+08:00"


def measure(config: Config, cards: int, events_per_s: int, questions_per_s: int, before_s: float, report: Report) -> dict[str, Any]:
    """Returns what a load of *cards* cards found; *events_per_s* 0 leaves its pace to the hub."""
    with ground(config, [CARDS_FEED, STOCK_FEED]) as place, projector(place), hub_process(place, max_lag_s=Limits().max_lag_s) as edge:
        register_cards(place, edge, CARDS_FEED)
        path = _written(place.data_dir / "stock.parquet", cards)
        until = time.monotonic() + before_s
        _asked(place, edge, questions_per_s, lambda: time.monotonic() > until - before_s + ROUND_S)
        before = _asked(place, edge, questions_per_s, lambda: time.monotonic() > until)
        report(f"before 装入前: {before}")
        began = time.monotonic()
        with tempfile.TemporaryFile() as said, subprocess.Popen(_command(place, edge, path, events_per_s), stdout=said) as loading:
            # A province has a machine of its own. In a session of its own with that niceness it would hardly run where others work.
            os.setpriority(os.PRIO_PROCESS, loading.pid, LOWEST)
            during = _asked(place, edge, questions_per_s, lambda: loading.poll() is not None)
            took_s = time.monotonic() - began
            said.seek(0)
            lines = said.read().decode()
        report(f"{lines}during 装入时: {during}")
        if loading.returncode:
            raise RuntimeError("the load did not come to its end")
        until = time.monotonic() + before_s
        after = _asked(place, edge, questions_per_s, lambda: time.monotonic() > until)
        report(f"after 装入后: {after}")
    loaded = json.loads(lines.splitlines()[-1])
    return {
        "bench": "load",
        "cards": cards,
        "events_per_s": events_per_s,
        "seconds": round(took_s, 1),
        "cards_per_s": round(cards / took_s),
        "recorded": loaded["recorded"],
        "waits": loaded["waits"],
        "counted": [one for one in loaded["counted"] if one["file"]],
        "before": before,
        "during": during,
        "after": after,
        "p99_ratio": round(during["p99_ms"] / before["p99_ms"], 2),
        "refused": before["refused"] + during["refused"] + after["refused"],
    }


def _written(path: Path, cards: int) -> Path:
    """Writes the stock as a province would export it: cards in circulation that are not enabled yet."""
    schema = arrow.schema([(name, arrow.string()) for name in ("card_no", "status", "generation", "card_kind", "issuer_region")])
    with parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, cards, PORTION):
            count = min(PORTION, cards - first)
            same = [arrow.repeat(cell, count) for cell in ("SEALED", "THIRD", "REGULAR", "500199")]
            numbers = arrow.array([f"S{number:08d}" for number in range(first, first + count)])
            writer.write_table(arrow.table([numbers, *same], schema=schema))
    return path


def _command(place: Ground, edge: HubProcess, path: Path, events_per_s: int) -> list[str]:
    """The command of the province."""
    files = participant_files(place.data_dir / "certificates", PARTICIPANT)
    return python(
        *("adapters.cli", "load", str(path), "--feed", STOCK_FEED, "--hub", edge.target, "--taken-at", TAKEN_AT, "--json"),
        *("--ca", str(files.authority), "--cert", str(files.certificate), "--key", str(files.key), "--events-per-s", str(events_per_s)),
    )


def _asked(place: Ground, edge: HubProcess, per_s: int, is_enough: Callable[[], bool]) -> dict[str, Any]:
    """Asks at a fixed rate, in rounds, until it is enough; an answer that is not in the journal was a refusal."""
    times_ms: list[float] = []
    recorded = decisions(place)
    questions = int(per_s * ROUND_S)
    while True:
        with tempfile.TemporaryDirectory() as directory:
            command = h2load_command(edge, CHECK_METHOD, (CONNECTIONS, STREAMS), questions, Path(directory), per_s // CONNECTIONS)
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=300)
            times_ms += [int(line.split()[2]) / 1e3 for line in (Path(directory) / "log").read_text(encoding="ascii").splitlines()]
        if is_enough():
            break
    times_ms.sort()
    return {
        "questions": len(times_ms),
        "p50_ms": round(times_ms[len(times_ms) // 2], 2),
        "p99_ms": round(times_ms[int(len(times_ms) * 0.99)], 2),
        "slowest_ms": round(times_ms[-1], 1),
        "load": round(os.getloadavg()[1], 1),
        "refused": len(times_ms) - (decisions(place) - recorded),
    }
