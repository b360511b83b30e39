"""Failover: the primary's machine is taken away under traffic, round after round; what was acknowledged must be there once, in order.

The system is that of the fault campaign, on a cluster of three instead of the embedded database. What is measured is the time from the
fault to the first acknowledgement that came after it. All machines are processes here: a network that parts them is not tried.
"""

import random
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from hub.audit.fsck import check
from hub.bench.failover.machines import Machine, Machines, cluster
from hub.bench.faults import QUIET, await_traffic, last_words, progress, settle, start_system
from hub.bench.reckoning import reckon
from hub.journal.migrate import migrate
from hub.stage import ChildDied, Stage, staged, start_simulator, status

# Of four rounds: PostgreSQL falls twice, the machine is gone once, and once it does not move for a while.
DECK = ("postgres", "postgres", "machine", "pause")
AIM_S, GIVE_UP_S, LOOK_AGAIN_S, SIMULATOR_S = 15.0, 90.0, 0.05, 90.0
# How long a paused machine sleeps on after another is the primary.
SLEEPS_ON_S = 3.0

Report = Callable[[str], None]


class Round(NamedTuple):
    """What happens to the primary, after so much undisturbed work."""

    kind: str
    before_s: float


def plan(seed: int, rounds: int) -> list[Round]:
    """Returns what happens in each round; the same seed gives the same plan."""
    chance = random.Random(seed)  # noqa: S311 (a plan that can be had again, no secret)
    kinds: list[str] = []
    while len(kinds) < rounds:
        kinds += chance.sample(DECK, len(DECK))
    return [Round(kind, round(chance.uniform(1.0, 3.0), 3)) for kind in kinds[:rounds]]


def measure(seed: int, rounds: Sequence[Round], rate: int, report: Report, events: int = 0) -> dict[str, Any]:
    """Performs the *rounds* under traffic of *rate* events a second, and returns how long nothing was acknowledged and what was lost.

    Traffic of a number of *events* begins with fewer cards, so that a short measurement begins soon; 0 is traffic without end.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hub-failover-") as directory:
        home = Path(directory)
        # The user of PostgreSQL passes through it.
        home.chmod(0o711)
        (home / "machines").mkdir(mode=0o711)
        with cluster(home / "machines") as machines:
            migrate(machines.dsn("hub_owner"))
            with staged(home, machines.dsn("hub_app"), QUIET) as stage:
                result = _rounds(stage, home, machines, rounds, report, (seed, events, rate))
    return {"bench": "failover", "seed": seed, **result, "seconds": round(time.monotonic() - began, 1)}


def _rounds(
    stage: Stage, home: Path, machines: Machines, rounds: Sequence[Round], report: Report, traffic: tuple[int, int, int]
) -> dict[str, Any]:
    (seed, events, rate), dsn, told = traffic, machines.dsn("hub_app"), home / "told.jsonl"
    urls = start_system(stage, home, dsn, machines.dsn("hub_edge"))
    simulator = start_simulator(stage, home, urls, seed, events, "--rate", str(rate), "--told", str(told))
    faults: list[str] = []
    took: dict[str, list[float]] = defaultdict(list)
    try:
        # Without end it begins with a small town's cards: there is traffic while they are reported.
        await_traffic(urls, of_each_feed=events > 0)
        for number, planned in enumerate(rounds, 1):
            took_s = _fail_over(machines, planned, urls)
            took[planned.kind].append(round(took_s, 2))
            report(f"{number}/{len(rounds)} {planned.kind}: first acknowledgement after {took_s:.1f} s; {progress(urls)}")
            stage.watch()
        machines.await_whole()
    except ChildDied as death:
        faults.append(last_words(stage, str(death)))
    simulator.send_signal(signal.SIGTERM)
    simulator.last_words(SIMULATOR_S)
    pending = settle(dsn, urls, report)
    outboxes = {feed: home / name / "outbox.sqlite" for name, url in urls.items() for feed in status(url).get("feeds", {})}
    found, checked = reckon(dsn, told, outboxes), check(dsn)
    return {
        "rounds": sum(map(len, took.values())),
        "first_acknowledgement_s": {
            kind: {"median": median(times), "longest": max(times), "within_aim": sum(t <= AIM_S for t in times), "of": len(times)}
            for kind, times in took.items()
        },
        "aim_s": AIM_S,
        **asdict(found),
        "pending": pending,
        "faults": faults,
        "problems": checked.problems,
        "views_equal": all(checked.views.values()),
        "sound": not (found.lost or found.doubled or found.reordered or pending or faults) and checked.is_clean and len(took) > 0,
    }


def _fail_over(machines: Machines, planned: Round, urls: Mapping[str, str]) -> float:
    """Takes the primary away, brings its machine back, and returns after how long something new was acknowledged."""
    primary = machines.await_whole()
    time.sleep(planned.before_s)
    began = time.monotonic()
    _FAULTS[planned.kind](primary)
    machines.await_other_primary(primary)
    # What the former primary had committed has been answered by now; from here on only the other one commits.
    took_s = _await_more(urls, _acknowledged(urls)) - began
    if planned.kind == "pause":
        time.sleep(SLEEPS_ON_S)
        primary.signal(signal.SIGCONT)
    primary.start(machines.machines)
    return took_s


_FAULTS: dict[str, Callable[[Machine], None]] = {
    "postgres": Machine.kill_postgres,
    "machine": Machine.kill,
    "pause": lambda machine: machine.signal(signal.SIGSTOP),
}


def _acknowledged(urls: Mapping[str, str]) -> dict[str, int]:
    return {name: feed["acknowledged_sequence"] for url in urls.values() for name, feed in status(url).get("feeds", {}).items()}


def _await_more(urls: Mapping[str, str], before: Mapping[str, int]) -> float:
    """Waits until a feed is further than it was *before* and returns when that was; raises ChildDied."""
    give_up_at = time.monotonic() + GIVE_UP_S
    while True:
        if any(sequence > before.get(feed, sequence) for feed, sequence in _acknowledged(urls).items()):
            return time.monotonic()
        if time.monotonic() > give_up_at:
            raise ChildDied(f"nothing was acknowledged for {GIVE_UP_S:.0f} s")
        time.sleep(LOOK_AGAIN_S)
