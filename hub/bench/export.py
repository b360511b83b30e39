"""Export: segments written while events come in; and views folded from them in processes, against a fold from the journal."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from hub.bench.filling import FEEDS, Filling, Report, portions
from hub.bench.setup import Ground, ground
from hub.child import Child, python
from hub.config import Config
from hub.export.writing import export
from hub.journal.reader import head_position
from hub.lanes.rebuild import fill as fill_from
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import View, advance
from hub.projections.rebuild import drop_fresh, fresh_copy

PROCESSES = 2
# So many of the events come in while the export runs.
MEANWHILE = 0.2


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns events and megabytes a second of the export, and events a second of each rebuild, from segments and from the journal."""
    with ground(config, list(FEEDS)) as place, tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        exported = _export_while_filling(place, Path(directory), events, report)
        with runner.connect(place.dsn) as connection:
            connection.execute("ANALYZE")
            export(place.dsn, Path(directory))
            found = {}
            for name in ("card_standing", "daily_usage", "all"):
                views = [view for view in PROJECTIONS if name in (view.name, "all")]
                found[name] = _rebuild(connection, place, Path(directory), views)
                report(f"{name}: {json.dumps(found[name])}")
        most_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    return {"bench": "export", **exported, "processes": PROCESSES, "rebuilt": found, "memory_of_a_process_mb": most_mb}


def _export_while_filling(place: Ground, directory: Path, events: int, report: Report) -> dict[str, Any]:
    """Fills the journal, and exports what is there while the rest comes in."""
    filling, source, done = Filling(place), portions(events), 0
    while done < events * (1 - MEANWHILE):
        filling.append(portion := next(source))
        done += len(portion)
        if done % 100_000 == 0:
            report(f"filling 填充: {done:,} / {events:,}")
    child = Child(python("hub.bench.export", place.dsn, str(directory)), place.environment, stdout=subprocess.PIPE)
    child.first_line()
    began, before = time.perf_counter(), done
    while child.poll() is None and (next_portion := next(source, None)) is not None:
        filling.append(next_portion)
        done += len(next_portion)
    appended_per_s = (done - before) / (time.perf_counter() - began)
    said = json.loads(child.communicate()[0])
    for left in source:
        filling.append(left)
    filling.close()
    return {**said, "appended_per_s_meanwhile": round(appended_per_s)}


def main() -> None:
    """Exports in a process of its own, once it has said that it is ready, and says how long that took."""
    dsn, directory = sys.argv[1:]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    began, cpu = time.perf_counter(), time.process_time()
    done = export(dsn, Path(directory))
    seconds, position = time.perf_counter() - began, done.manifest.position
    said = {
        "exported": position,
        "export_events_per_s": round(position / seconds),
        "export_mb_per_s": round(done.written_bytes / seconds / 1e6, 1),
        "export_cpu_us_per_event": round((time.process_time() - cpu) / position * 1e6, 2),
        "bytes_per_event": round(done.written_bytes / position, 1),
    }
    sys.stdout.write(json.dumps(said))


def _rebuild(connection: psycopg.Connection, place: Ground, directory: Path, views: Sequence[View]) -> dict[str, float]:
    """Fills fresh tables from segments, then from the journal, and returns events a second of both."""
    began = time.perf_counter()
    filled = fill_from(connection, place.dsn, directory, views, processes=PROCESSES)
    from_segments = filled.position / (time.perf_counter() - began)
    head, began = head_position(connection), time.perf_counter()
    for view in views:
        fresh = fresh_copy(connection, view)
        while advance(connection, fresh):
            pass
    from_journal = head / (time.perf_counter() - began)
    for view in views:
        drop_fresh(connection, view)
    said = {"events_per_s": round(from_segments), "from_journal_per_s": round(from_journal)}
    return {**said, "ratio": round(from_segments / from_journal, 2), "rows_shared_by_units": filled.shared_rows}
