"""A steady load on the views: the simulator's mix at a fixed rate while questions are answered, with all views and without the others.

How late each view is at most, what a question takes at p99 either way, and the projector's memory. Batches are prepared beforehand and only
recorded during a run: what is measured is the views, not the way in.
"""

import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import psutil

from hub.api.process_tuning import tune_process
from hub.bench.check import h2load_command as asking
from hub.bench.check import register_cards
from hub.bench.edge_server import CHECK_METHOD
from hub.bench.filling import FEEDS, Filling, Report, portions
from hub.bench.setup import STOP_S, Ground, HubProcess, ground, hub_process, projector
from hub.child import Child, python
from hub.config import Config
from hub.journal.batch import Batch
from hub.monitoring import vitals
from hub.projections import FOLDED_FIRST, runner

GROUPS_PER_S = 10
FIRST_EVENTS = 20_000
ASKING = (4, 1)
QUESTIONS_PER_S = 200
LOOK_EVERY_S = 0.5
CATCH_UP_S = 300.0
CARDS_FEED = "bench.cards"


def measure(config: Config, seconds: float, events_per_s: int, report: Report) -> dict[str, Any]:
    """Returns what each of the two runs found, and the ratio of their p99."""
    tune_process()
    with ground(config, [CARDS_FEED, *FEEDS]) as place, hub_process(place) as edge:
        filling = Filling(place)
        report("preparing 准备")
        size = events_per_s // GROUPS_PER_S
        groups = _prepared(filling, FIRST_EVENTS + int(seconds * events_per_s) * 2, size)
        with projector(place):
            register_cards(place, edge, CARDS_FEED)
            # The mix begins with the cards of its people: they are no steady load.
            while len(groups) > 2 * seconds * GROUPS_PER_S:
                filling.commit(groups.pop(0))
        half = len(groups) // 2
        with _decided_only(place) as process:
            alone = _run(place, edge, process, filling, groups[:half], only_decided=True)
            report(f"decision views alone: {alone}")
        with projector(place) as process:
            beside = _run(place, edge, process, filling, groups[half:])
            report(f"all views: {beside}")
        filling.close()
    ratio = round(beside["p99_ms"] / alone["p99_ms"], 2)
    return {"bench": "project --steady", "events_per_s": events_per_s, "alone": alone, "all_views": beside, "p99_ratio": ratio}


def _prepared(filling: Filling, events: int, size: int) -> list[list[Batch]]:
    """Prepares the groups of a run: so many events each."""
    source = islice(chain.from_iterable(portions(events)), events)
    groups = []
    while group := list(islice(source, size)):
        groups.append(filling.prepared(group))
    return groups


@contextmanager
def _decided_only(place: Ground) -> Iterator[psutil.Process]:
    """Runs the views that answers rest on, and no others, in a process of their own."""
    process = Child(python("hub.bench.steady", place.dsn), place.environment, stdout=subprocess.DEVNULL)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.stop(STOP_S)


def main() -> None:
    """Folds what answers rest on until it is ended: the process of a run without the other views."""
    runner.run(sys.argv[1], threading.Event(), beside=lambda _: contextlib.nullcontext())


def _run(
    place: Ground, edge: HubProcess, process: psutil.Process, filling: Filling, groups: Sequence[list[Batch]], *, only_decided: bool = False
) -> dict[str, Any]:
    """Records the groups at their pace while questions are asked, and looks at the views meanwhile."""
    names = {view.name for view in FOLDED_FIRST} if only_decided else set(vitals.FOLLOWERS)
    first, *others = groups
    with vitals.connect(place.dsn) as looking:
        # Once it has folded this, the process is there.
        filling.commit(first)
        _wait(looking, names)
        memory, began = memory_of(process), time.monotonic()
        writer = threading.Thread(target=_record, args=(filling, others))
        lags: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as directory:
            seconds = len(others) / GROUPS_PER_S
            command = asking(edge, CHECK_METHOD, ASKING, int(seconds * QUESTIONS_PER_S), Path(directory), QUESTIONS_PER_S // ASKING[0])
            writer.start()
            asked = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            while writer.is_alive():
                for view in vitals.read_views(looking):
                    if view.name in names:
                        lags[view.name] = max(lags.get(view.name, 0.0), view.lag_s)
                time.sleep(LOOK_EVERY_S)
            recorded_s = time.monotonic() - began
            asked.wait(timeout=60)
            times_ms = sorted(int(line.split()[2]) / 1e3 for line in (Path(directory) / "log").read_text(encoding="ascii").splitlines())
        last_s = time.monotonic()
        _wait(looking, names)
    return {
        "seconds": round(recorded_s, 1),
        "questions": len(times_ms),
        "p50_ms": round(times_ms[len(times_ms) // 2], 2),
        "p99_ms": round(times_ms[int(len(times_ms) * 0.99)], 2),
        "most_late_s": {name: round(lag, 2) for name, lag in sorted(lags.items(), key=lambda one: -one[1])},
        "caught_up_after_s": round(time.monotonic() - last_s, 2),
        "memory_mb": [round(one / 1e6) for one in (memory, memory_of(process))],
    }


def memory_of(process: psutil.Process) -> int:
    """Returns the resident memory of a process and of all that it started."""
    return sum(int(one.memory_info().rss) for one in (process, *process.children(recursive=True)))


def _record(filling: Filling, groups: Sequence[list[Batch]]) -> None:
    began = time.monotonic()
    for number, group in enumerate(groups):
        time.sleep(max(0.0, began + number / GROUPS_PER_S - time.monotonic()))
        filling.commit(group)


def _wait(looking: Any, names: Set[str]) -> None:
    """Waits until the views have caught up."""
    deadline = time.monotonic() + CATCH_UP_S
    while any(view.lag_events for view in vitals.read_views(looking) if view.name in names):
        if time.monotonic() > deadline:
            raise TimeoutError("the views do not catch up")
        time.sleep(0.1)
