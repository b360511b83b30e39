"""Faults: a whole system under traffic, restarted, killed and stopped round after round; what was promised must be there once, in order.

Two edges, the projections, both provinces' adapters and the simulator run as processes on an embedded database of their own. The plan of
the rounds follows from the seed alone. kill -9 leaves what the kernel has not written yet to the kernel: loss of power is not tried.
"""

import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg

from hub.audit.fsck import check
from hub.bench.disturbances import EDGES, Disturbances, Round
from hub.bench.reckoning import reckon
from hub.journal.migrate import migrate
from hub.postgres.server import discard, running
from hub.projections import PROJECTIONS
from hub.stage import ChildDied, Stage, free_port, register, staged, start_adapters, start_simulator, status
from hub.trust.authority import issue_server, open_authority

# Of twenty rounds: six rolling restarts, and each process killed or stopped in its turn.
DECK = (
    *[("roll", "edges")] * 6,
    *[("kill", "sichuan"), ("kill", "chongqing"), ("kill", "chongqing")] * 2,
    *[("kill", "edge-1"), ("kill", "edge-2"), ("kill", "projector"), ("kill", "database")],
    *[("stop", "edge-1"), ("stop", "database"), ("stop", "sichuan"), ("stop", "chongqing")],
)
SETTLE_S, SIMULATOR_S, SAY_EVERY_S = 180.0, 90.0, 5.0
QUIET = {"HUB_METRICS_LISTEN": "", "HUB_TRACES_LISTEN": "", "HUB_MAX_LAG_S": "120"}

Report = Callable[[str], None]


def plan(seed: int, rounds: int) -> list[Round]:
    """Returns what happens in each round; the same seed gives the same plan."""
    chance = random.Random(seed)  # noqa: S311 (a plan that can be had again, no secret)
    kinds: list[tuple[str, str]] = []
    while len(kinds) < rounds:
        kinds += chance.sample(DECK, len(DECK))
    return [Round(*kind, round(chance.uniform(0.2, 1.5), 3), round(chance.uniform(0.3, 3.0), 3)) for kind in kinds[:rounds]]


def measure(seed: int, rounds: Sequence[Round], rate: int, report: Report, events: int = 0) -> dict[str, Any]:
    """Performs the *rounds* under traffic of *rate* events a second, and returns what was reported, recorded, lost, doubled and reordered.

    Traffic of a number of *events* begins with fewer cards, so that a short campaign begins soon; 0 is traffic without end.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hub-faults-") as directory:
        data_dir = Path(directory)
        # The database's own user passes through it.
        data_dir.chmod(0o711)
        try:
            with running(data_dir) as dsn:
                migrate(dsn)
                with staged(data_dir, dsn, QUIET) as stage:
                    result = _campaign(stage, data_dir, dsn, rounds, report, (seed, events, rate))
        finally:
            discard(data_dir)
    return {"bench": "faults", "seed": seed, **result, "seconds": round(time.monotonic() - began, 1)}


def _campaign(
    stage: Stage, data_dir: Path, dsn: str, rounds: Sequence[Round], report: Report, traffic: tuple[int, int, int]
) -> dict[str, Any]:
    (seed, events, rate), urls, told = traffic, start_system(stage, data_dir, dsn), data_dir / "told.jsonl"
    simulator = start_simulator(stage, data_dir, urls, seed, events, "--rate", str(rate), "--told", str(told))
    disturbances = Disturbances(stage, data_dir, dsn, urls)
    faults: list[str] = []
    performed: Counter[str] = Counter()
    try:
        await_traffic(urls)
        for number, planned in enumerate(rounds, 1):
            disturbances.perform(planned)
            performed[f"{planned.kind} {planned.target}"] += 1
            report(f"{number}/{len(rounds)} {planned.kind} {planned.target}: {progress(urls)}")
            if simulator.poll() is not None and not events:
                raise ChildDied(f"simulator ended with {simulator.poll()}")
    except ChildDied as death:
        faults.append(last_words(stage, str(death)))
    simulator.send_signal(signal.SIGTERM)
    simulator.last_words(SIMULATOR_S)
    pending = settle(dsn, urls, report)
    outboxes = {feed: data_dir / home / "outbox.sqlite" for home, url in urls.items() for feed in status(url).get("feeds", {})}
    found, checked = reckon(dsn, told, outboxes), check(dsn)
    is_sound = not (found.lost or found.doubled or found.reordered or pending or faults) and checked.is_clean and performed.total() > 0
    return {
        "rounds": performed.total(),
        "kinds": dict(performed),
        "kills_in_mid_file": disturbances.kills_in_mid_file,
        **asdict(found),
        "pending": pending,
        "faults": faults,
        "problems": checked.problems,
        "views_equal": all(checked.views.values()),
        "sound": is_sound,
    }


def start_system(stage: Stage, data_dir: Path, dsn: str, edge_dsn: str = "") -> dict[str, str]:
    """Starts two edges, which may have a login of their own, the projections and both adapters, and returns the addresses of these."""
    open_authority(data_dir / "certificates")
    issue_server(data_dir / "certificates")
    certificates = register(dsn, data_dir)
    targets = [f"127.0.0.1:{free_port()}" for _ in EDGES]
    for edge, target in zip(EDGES, targets, strict=True):
        stage.start(edge, "hub.cli", "serve", "--listen", target, HUB_DSN=edge_dsn or dsn)
        stage.first_line(edge)
    stage.start("projector", "hub.cli", "project")
    stage.first_line("projector")
    # The simulator plays the province, whose public key the Sichuan adapter asks for.
    stage.run("adapters.cli", "keys", "--data-dir", str(data_dir / "sichuan"), "--test-pair")
    # Each adapter prefers another edge.
    return start_adapters(stage, data_dir, targets, certificates)


def await_traffic(urls: Mapping[str, str], *, of_each_feed: bool = True) -> None:
    """Waits until something of each feed, or of any, is recorded; raises ChildDied."""
    enough = all if of_each_feed else any
    give_up_at = time.monotonic() + SETTLE_S
    while not enough(feed["recorded"] for url in urls.values() for feed in status(url).get("feeds", {}).values()):
        if time.monotonic() > give_up_at:
            raise ChildDied("no traffic on some feed")
        time.sleep(0.2)


def progress(urls: Mapping[str, str]) -> str:
    """Says how far each feed is."""
    feeds = {name: feed for url in urls.values() for name, feed in status(url).get("feeds", {}).items()}
    return ", ".join(f"{name} {feed['acknowledged_sequence']:,}+{feed['pending']:,} {feed['state'][:40]}" for name, feed in feeds.items())


def settle(dsn: str, urls: Mapping[str, str], report: Report) -> int:
    """Waits until the hub has everything and has folded it, and returns what does not come to it."""
    give_up_at, say_at, waiting = time.monotonic() + SETTLE_S, time.monotonic() + SAY_EVERY_S, 1
    with psycopg.connect(dsn, autocommit=True) as connection:
        while time.monotonic() < give_up_at:
            states = [status(url) for url in urls.values()]
            head, behind = _positions(connection)
            waiting = sum(feed["pending"] for state in states for feed in state.get("feeds", {}).values())
            waiting += sum(state.get("files", {}).get("waiting", 0) for state in states) + (not all(states)) + head - behind
            if not waiting:
                return 0
            if time.monotonic() > say_at:
                say_at += SAY_EVERY_S
                report(f"settling: {progress(urls)}, views {behind:,} of {head:,}")
            time.sleep(0.2)
    return int(waiting)


def _positions(connection: psycopg.Connection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT (SELECT position FROM journal.head), (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%s))",
        ([projection.name for projection in PROJECTIONS],),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1] or 0)


def last_words(stage: Stage, death: str) -> str:
    """Returns a death with the end of the log it names; the directory will be gone."""
    logs = {path.stem: path for path in stage.logs.glob("*.log")}
    name = death.split(maxsplit=1)[0]
    return f"{death}: {logs[name].read_text(encoding='utf-8', errors='replace')[-2000:]}" if name in logs else death
