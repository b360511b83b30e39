"""All views: what an event costs each of them, Python and PostgreSQL apart, against raw page reads of the same journal in the same run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from hub.api.process_tuning import tune_process
from hub.bench.filling import FEEDS, Report, fill
from hub.bench.project import read_raw
from hub.bench.setup import ground, median
from hub.config import Config
from hub.journal.corrections import changes
from hub.journal.leaves import fill_leaves
from hub.journal.reader import head_position, read_page
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import PAGE_EVENTS, View, collector_at_rest, fold_page
from hub.projections.projection import decode_for
from hub.projections.rebuild import drop_fresh, fresh_copy
from hub.projections.touched import ByKind, read_by

ROUNDS = 3
RAW, READ, DECODE, LEAVES, CORRECTIONS, COMMIT = "raw", "read", "decode", "leaves", "corrections", "commit"
# The views that there were when the bound of 60 µs was set.
NINE = frozenset(
    (
        "card_standing",
        "card_alias",
        "agreement_history",
        "feed_progress",
        "daily_usage",
        "loss",
        "card_findings",
        "person_cards",
        "quarantine",
    )
)


@dataclass
class Cost:
    """CPU seconds of this process and of its database session."""

    python_s: float = 0.0
    postgres_s: float = 0.0

    def us(self, events: int) -> dict[str, float]:
        """Returns microseconds an event."""
        return {"python": round(self.python_s / events * 1e6, 2), "postgres": round(self.postgres_s / events * 1e6, 2)}


@dataclass
class Meter:
    """Adds up what parts of a run cost, by name; *pid* is the server's process of the session."""

    pid: int
    costs: dict[str, Cost] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Adds to a part what happens meanwhile."""
        cost, postgres_s, python_s = self.costs.setdefault(name, Cost()), cpu_s(self.pid), time.process_time()
        yield
        cost.python_s += time.process_time() - python_s
        cost.postgres_s += cpu_s(self.pid) - postgres_s


def cpu_s(pid: int) -> float:
    """Returns the CPU seconds of a process of this machine, to the nanosecond where the kernel says it."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
    except (OSError, ValueError):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system)


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns the cost of each view and their sum; in each round the raw reads come right before the fold, and medians count."""
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        # As the projector sets itself.
        tune_process()
        with runner.connect(place.dsn) as connection:
            connection.execute("ANALYZE")
            head = head_position(connection)
            rounds = [one_round(connection, head) for _ in range(ROUNDS)]
    return summary(rounds, head)


def one_round(connection: psycopg.Connection, head: int) -> dict[str, Cost]:
    """Reads the whole journal raw, then folds it into a fresh copy of every view, in pages that all views share."""
    meter = Meter(connection.info.backend_pid)
    with meter.of(RAW):
        read_raw(connection, head)
    fresh = [fresh_copy(connection, projection) for projection in PROJECTIONS]
    for after in range(0, head, PAGE_EVENTS):
        with meter.of(COMMIT), collector_at_rest(), connection.transaction():
            _fold(connection, fresh, after, min(after + PAGE_EVENTS, head), meter)
    for projection in PROJECTIONS:
        drop_fresh(connection, projection)
    _take_parts_from_whole(meter)
    return meter.costs


def _fold(connection: psycopg.Connection, fresh: list[View], after: int, end: int, meter: Meter) -> None:
    with meter.of(READ):
        page = ByKind(read_page(connection, after, end))
    with meter.of(DECODE):
        decode_for(fresh, page)
    with meter.of(LEAVES):
        fill_leaves(connection, page)
    with meter.of(CORRECTIONS):
        changed = changes(connection, after, end)
    for projection in fresh:
        with meter.of(projection.name.removesuffix("__fresh")):
            fold_page(connection, projection, *read_by(projection, page, changed), set())


def _take_parts_from_whole(meter: Meter) -> None:
    """Leaves to the commit what is none of the parts inside its transaction."""
    whole = meter.costs[COMMIT]
    parts = [cost for name, cost in meter.costs.items() if name not in (RAW, COMMIT)]
    whole.python_s -= sum(cost.python_s for cost in parts)
    whole.postgres_s -= sum(cost.postgres_s for cost in parts)


def summary(rounds: list[dict[str, Cost]], head: int) -> dict[str, Any]:
    """Returns the medians of several rounds in microseconds an event, and what share of the sum each part has."""
    costs = {
        name: Cost(median([one[name].python_s for one in rounds]), median([one[name].postgres_s for one in rounds])) for name in rounds[0]
    }
    raw, parts = costs.pop(RAW), costs
    sum_s = sum(cost.python_s + cost.postgres_s for cost in parts.values())
    nine_s = sum(parts[name].python_s + parts[name].postgres_s for name in NINE | {READ, DECODE, CORRECTIONS, COMMIT})
    return {
        "bench": "project --all",
        "events": head,
        "raw_us_per_event": raw.us(head),
        "us_per_event": {
            name: {**cost.us(head), "share": round((cost.python_s + cost.postgres_s) / sum_s, 3)} for name, cost in parts.items()
        },
        "sum_us_per_event": {
            **Cost(sum(cost.python_s for cost in parts.values()), sum(cost.postgres_s for cost in parts.values())).us(head),
            "both": round(sum_s / head * 1e6, 2),
        },
        "of_nine_us_per_event": round(nine_s / head * 1e6, 2),
        "raw_to_sum": round((raw.python_s + raw.postgres_s) / sum_s, 4),
    }
