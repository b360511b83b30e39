"""Rebuild: views folded from segments in processes, at some events and at ten times as many, against raw reading of the same segments.

The segments are made once and read by every rebuild. Each rebuild runs in a process of its own, which says what the largest of its
processes had in memory.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hub.bench.filling import FEEDS, Filling, Report, portions
from hub.bench.setup import Ground, ground
from hub.bench.watching import watched
from hub.child import Child, python
from hub.config import Config
from hub.export.lanes import BUCKET_BITS, LANES
from hub.export.reading import Segments
from hub.export.writing import export
from hub.lanes import columns
from hub.lanes.rebuild import fill
from hub.projections import DECIDED_BY, PROJECTIONS, runner
from hub.projections.rebuild import drop_fresh

PROCESSES = 2
TIMES = 10
# What is rebuilt: the views by which an answer knows a card and by which uses are counted, and all there are.
CHOSEN = {
    "card_standing": ("card_standing",),
    "standing_and_counts": ("card_standing", "daily_usage"),
    "decided_by_and_counts": (*(view.name for view in DECIDED_BY), "daily_usage"),
    "all": (),
}


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns what rebuilds took at *events* and at ten times as many, and how much more memory a process had then."""
    with ground(config, list(FEEDS)) as place, tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        filling, source, done, found = Filling(place), portions(events * TIMES), 0, {}
        for size in (events, events * TIMES):
            while done < size and (portion := next(source, None)) is not None:
                filling.append(portion)
                done += len(portion)
            report(f"filled 填充: {done:,}")
            export(place.dsn, Path(directory))
            columns.bring(Path(directory))
            with runner.connect(place.dsn) as connection:
                connection.execute("ANALYZE")
            found[f"{done}"] = _measured(place, directory, report)
        filling.close()
    once, more = (one["rebuilt"]["all"]["memory_of_a_process_mb"] for one in found.values())
    return {"bench": "rebuild", "processes": PROCESSES, "by_events": found, "memory_ratio": round(more / once, 2)}


def _measured(place: Ground, directory: str, report: Report) -> dict[str, Any]:
    raw_per_s = _read_raw(Path(directory))
    rebuilt = {}
    for name, views in CHOSEN.items():
        child = Child(python("hub.bench.rebuild", place.dsn, directory, *views), place.environment, stdout=subprocess.PIPE)
        said = json.loads(child.communicate()[0])
        rebuilt[name] = {**said, "ratio": round(said["events_per_s"] / raw_per_s, 4)}
        report(f"{name}: {rebuilt[name]}")
    return {"raw_read_per_s": raw_per_s, "rebuilt": rebuilt}


def _read_raw(directory: Path) -> int:
    """Reads all that a rebuild reads of the segments, in this process alone, and returns events a second."""
    export_read, size, events = Segments(directory), (1 << BUCKET_BITS) // LANES, 0
    began = time.perf_counter()
    for begin in range(0, 1 << BUCKET_BITS, size):
        events += sum(len(run) for run in export_read.lane(range(begin, begin + size)))
    return round(events / (time.perf_counter() - began))


def main() -> None:
    """Rebuilds some views, or all, from the segments, and says what that took."""
    dsn, directory, *names = sys.argv[1:]
    views = [view for view in PROJECTIONS if not names or view.name in names]
    sys.stdout.write(json.dumps(filled(dsn, Path(directory), views)))


def filled(dsn: str, directory: Path, views: Sequence[Any]) -> dict[str, float]:
    """Fills fresh tables of some views from segments, takes them away again, and returns what that took."""
    marks: dict[str, float] = {}
    with runner.connect(dsn) as connection, watched() as used:
        began = time.perf_counter()
        filled = fill(
            connection,
            dsn,
            directory,
            views,
            processes=PROCESSES,
            report=lambda what, _done, _of: marks.update({what.split()[0]: time.perf_counter() - began}),
        )
        seconds = time.perf_counter() - began
        for view in views:
            drop_fresh(connection, view)
    return {
        "events_per_s": round(filled.position / seconds),
        "seconds": round(seconds, 2),
        **{f"{name}_done_s": round(at, 2) for name, at in marks.items()},
        "python_us_per_event": used.us(filled.position),
        "rows_shared_by_units": filled.shared_rows,
        "memory_of_a_process_mb": used.largest_mb,
    }


if __name__ == "__main__":
    main()
