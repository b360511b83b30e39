"""Sealing: what leaf and sealing cost an event against ingest in the same run, how far the log is behind under load, and its proofs."""

import contextlib
import os
import random
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

import psutil
import psycopg

from hub.bench.ingest import FEEDS, WARM_UP_BATCHES, Run, run_hub
from hub.bench.load import BATCH_EVENTS, Load, Order
from hub.bench.setup import Ground, HubProcess, backend_cpu_s, ground, hub_process, median
from hub.child import Child, python
from hub.config import Config
from hub.journal.batch import COLUMNS, PREFIX, pack_tail
from hub.journal.envelope import leaf_head
from hub.monitoring.vitals import read_log
from hub.tlog import store, tree
from hub.tlog.algorithms import ED25519, ED25519_COSIGNATURE
from hub.tlog.cosignatures import sign_note
from hub.tlog.note import Checkpoint, Note, SignerKey
from hub.tlog.proof import Proof

TURNS = 3
GROUP_EVENTS = 4_000
LEAF_REPEATS = 25
PROOFS = 200
LARGE = 10**8
LOOK_EVERY_S = 0.1
SEALED_WITHIN_S = 60.0

Report = Callable[[str], None]


def measure(config: Config, batches: int, rate: int, seconds: float, report: Report) -> dict[str, Any]:
    """Returns CPU microseconds an event, the tail that is not sealed at *rate* events a second, and sizes and times of proofs."""
    with ground(config, list(FEEDS)) as place, hub_process(place) as edge:
        following = run_hub(place, (edge,), 1, WARM_UP_BATCHES).next_sequence
        leaf = _leaf_cost(place)
        report(f"leaf 叶子: {leaf.intake_us:.2f} + {leaf.locked_us:.2f} µs, {leaf.locked_ms_a_group:.2f} ms a group")
        with sealing(place) as sealer:
            await_sealed(place)
            turns = []
            for _ in range(TURNS):
                turns.append(_turn(place, edge, sealer, following, batches))
                following = turns[-1].with_it.next_sequence
                report(f"sealing 封存: {turns[-1].sealing_us:.2f} µs an event, ingest {turns[-1].ingest_us:.2f} µs without it")
            tail = _under_load(place, edge, following, rate, seconds)
            report(f"under load 加载时: {tail}")
            following += int(rate * seconds / len(FEEDS) / BATCH_EVENTS) * BATCH_EVENTS
            killed = _killed(place, edge, sealer, following, rate)
            report(f"killed 强杀后: {killed}")
        proofs = _proofs(place)
    sealing_us, ingest_us = median([turn.sealing_us for turn in turns]), median([turn.ingest_us for turn in turns])
    return {
        "bench": "seal",
        "events_a_turn": batches * BATCH_EVENTS * len(FEEDS),
        "leaf_us_per_event": {"at_intake": round(leaf.intake_us, 2), "under_lock": round(leaf.locked_us, 2)},
        "lock_ms_per_group": round(leaf.locked_ms_a_group, 2),
        "sealing_us_per_event": round(sealing_us, 2),
        "ingest_us_per_event": round(ingest_us, 2),
        "share": round((leaf.intake_us + leaf.locked_us + sealing_us) / (ingest_us - leaf.intake_us - leaf.locked_us), 3),
        "rate_ratio": round(median([turn.with_it.rate / turn.without.rate for turn in turns]), 3),
        "unsealed_under_load": tail,
        "after_kill": killed,
        "proofs": proofs,
    }


class LeafCost(NamedTuple):
    """What a leaf costs an event: its content at intake, its entry under the lock."""

    intake_us: float
    locked_us: float

    @property
    def locked_ms_a_group(self) -> float:
        """What the leaves of a full group add to the time that the head is locked."""
        return self.locked_us * GROUP_EVENTS / 1e3


class Turn(NamedTuple):
    """A load while nothing was sealed, and one with sealing beside it."""

    without: Run
    with_it: Run
    sealing_us: float

    @property
    def ingest_us(self) -> float:
        """What an event costs edge and backend while nothing is sealed; its leaf is in it."""
        return self.without.edge_us + self.without.backend_us


def _leaf_cost(place: Ground) -> LeafCost:
    """Packs events as they were stored with and without what belongs to their leaves, in turns."""
    with psycopg.connect(place.dsn) as connection:
        rows = connection.execute(
            """SELECT (extract(epoch FROM occurred_at) * 1000000)::bigint, kind, digest, data FROM journal.event
               WHERE occurred_at IS NOT NULL ORDER BY position LIMIT %s""",
            (GROUP_EVENTS,),
        ).fetchall()
    events = [(occurred, kind.encode(), bytes(digest), bytes(data)) for occurred, kind, digest, data in rows]
    tails = [pack_tail(*event) for event in events]
    intake, plain, locked, unlocked = [], [], [], []
    for _ in range(LEAF_REPEATS):
        intake.append(_timed(lambda: [_inner(*event) for event in events]))
        plain.append(_timed(lambda: [_nothing(*event) for event in events]))
        locked.append(_timed(lambda: _rows(tails, leaves=True)))
        unlocked.append(_timed(lambda: _rows(tails, leaves=False)))
    return LeafCost(
        (min(intake) - min(plain)) / len(events) * 1e6,
        (min(locked) - min(unlocked)) / len(events) * 1e6,
    )


def _inner(occurred_us: int, kind: bytes, digest: bytes, data: bytes) -> bytes:
    inner = sha256(digest[16:])
    inner.update(occurred_us.to_bytes(8, "big", signed=True))
    inner.update(data)
    return kind + digest[:16] + inner.digest()


def _nothing(occurred_us: int, kind: bytes, digest: bytes, data: bytes) -> bytes:
    return data


def _rows(tails: list[tuple[bytes, bytes]], *, leaves: bool) -> list[bytes]:
    """Does what the writer does under the lock for a group, with or without the leaves."""
    rows: list[bytes] = []
    pack, head = PREFIX.pack, leaf_head(b"bench.one").pack
    for at, (columns, end) in enumerate(tails, 1):
        rows.append(pack(COLUMNS, 8, at, 8, 1, 8, 1, 8, at))
        rows.append(columns)
        if leaves:
            rows.append(sha256(head(0, 1, at, 1, at, 9, b"bench.one") + end).digest())
    return rows


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


@contextlib.contextmanager
def sealing(place: Ground, settings: Mapping[str, str] = {}) -> Iterator[psutil.Process]:
    """Runs `hub seal` in a process of its own, with further settings."""
    first = Child(python("hub.cli", "seal"), {**place.environment, **settings}, stderr=subprocess.DEVNULL)
    try:
        first.first_line()
        yield psutil.Process(first.pid)
    finally:
        first.stop()


def await_sealed(place: Ground) -> None:
    """Waits until all that is recorded is sealed; raises RuntimeError if that takes too long."""
    deadline_s = time.monotonic() + SEALED_WITHIN_S
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        while (log := read_log(connection)).unsealed_events or not log.size:
            if time.monotonic() > deadline_s:
                raise RuntimeError("the log is not sealed; run `hub seal` to see why")
            time.sleep(0.02)


def _turn(place: Ground, edge: HubProcess, sealer: psutil.Process, following: int, batches: int) -> Turn:
    sealer.suspend()
    without = run_hub(place, (edge,), following, batches)
    sealer.resume()
    await_sealed(place)
    before = sealing_cpu_s(place, sealer)
    with_it = run_hub(place, (edge,), without.next_sequence, batches)
    await_sealed(place)
    events = batches * BATCH_EVENTS * len(FEEDS)
    return Turn(without, with_it, (sealing_cpu_s(place, sealer) - before) / events * 1e6)


def sealing_cpu_s(place: Ground, sealer: psutil.Process) -> float:
    """CPU seconds of the process that seals and of its sessions."""
    times = sealer.cpu_times()
    return float(times.user + times.system) + backend_cpu_s(place.dsn, "hub-sealer")


def _paced(place: Ground, edge: HubProcess, following: int, rate: int, seconds: float) -> Load:
    batches = int(rate * seconds / len(FEEDS) / BATCH_EVENTS)
    return Load(Order((edge.target,), place.data_dir / "certificates", FEEDS, (following,) * len(FEEDS), batches, rate))


def _under_load(place: Ground, edge: HubProcess, following: int, rate: int, seconds: float) -> dict[str, float]:
    """Looks how far the log is behind while events flow in at a rate."""
    load, over = _paced(place, edge, following, rate, seconds), threading.Event()
    ages: list[float] = []
    watching = threading.Thread(target=_watch, args=(place, over, ages))
    load.start()
    watching.start()
    events, took_s = load.result()
    over.set()
    watching.join()
    await_sealed(place)
    return {"events_per_s": round(events / took_s), "median_s": round(statistics.median(ages), 2), "most_s": round(max(ages), 2)}


def _watch(place: Ground, over: threading.Event, ages: list[float]) -> None:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        while not over.wait(LOOK_EVERY_S):
            ages.append(read_log(connection).unsealed_s)


def _killed(place: Ground, edge: HubProcess, sealer: psutil.Process, following: int, rate: int) -> dict[str, float]:
    """Kills the sealer under load: how long until the log is sealed again by one that waits, and by one that is started then."""
    found = {}
    load = _paced(place, edge, following, rate // 2, 12.0)
    waiting = Child(python("hub.cli", "seal"), place.environment, stderr=subprocess.DEVNULL)
    waiting.first_line()
    load.start()
    time.sleep(2.0)
    found["taken_over_s"] = _sealed_again_s(place, lambda: os.kill(sealer.pid, signal.SIGKILL))
    started: list[Child] = []

    def start_again() -> None:
        waiting.kill()
        started.append(Child(python("hub.cli", "seal"), place.environment, stderr=subprocess.DEVNULL))

    found["started_again_s"] = _sealed_again_s(place, start_again)
    load.result()
    for child in (waiting, *started):
        child.stop()
    return {name: round(value, 2) for name, value in found.items()}


def _sealed_again_s(place: Ground, kill: Callable[[], None]) -> float:
    """Returns the time from the kill until a head covers an event that was recorded after it."""
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        kill()
        killed_at = time.monotonic()
        row = connection.execute("SELECT position FROM journal.head").fetchone()
        assert row is not None
        while read_log(connection).size <= row[0] + 1:
            if time.monotonic() > killed_at + SEALED_WITHIN_S:
                raise RuntimeError("the log was not sealed again")
            time.sleep(0.01)
    return time.monotonic() - killed_at


def _proofs(place: Ground) -> dict[str, Any]:
    """Makes proofs from the stored tiles, and from made-up tiles of a log of 10^8 entries."""
    rng = random.Random(20_261_130)  # noqa: S311 (places to prove)
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        head = store.newest_checkpoint(connection, 1)
        assert head is not None
        read = store.reader(connection, 1)
        from_store = [_timed_proof(rng.randrange(head.size), head.size, read) for _ in range(PROOFS)]
    large = [_timed_proof(rng.randrange(LARGE), LARGE, _made_up) for _ in range(PROOFS)]
    path = max((found for _, found in large), key=len)
    return {
        "size": head.size,
        "ms": round(statistics.median(took for took, _ in from_store) * 1e3, 2),
        "raw_bytes": 32 * max(len(found) for _, found in from_store),
        "large_size": LARGE,
        "large_ms": round(statistics.median(took for took, _ in large) * 1e3, 2),
        "large_raw_bytes": 32 * len(path),
        "large_file_bytes": len(_file(path)),
    }


def _timed_proof(index: int, size: int, read: tree.Read) -> tuple[float, list[bytes]]:
    began = time.perf_counter()
    found = tree.inclusion(index, size, read)
    return time.perf_counter() - began, found


def _made_up(level: int, number: int, width: int) -> bytes:
    return sha256(b"%d %d" % (level, number)).digest() * width


def _file(path: list[bytes]) -> bytes:
    """A `.tlog-proof` whose checkpoint the log signed with Ed25519 and two witnesses cosigned."""
    head = Checkpoint("exchange.chuanyu/1", LARGE, bytes(32)).text
    log, *witnesses = [
        SignerKey.make(name, kind)
        for name, kind in (("exchange.chuanyu/1", ED25519), ("sc.witness", ED25519_COSIGNATURE), ("cq.witness", ED25519_COSIGNATURE))
    ]
    lines = [sign_note(key, head, 1_796_000_000) for key in (log, *witnesses)]
    return Proof(LARGE - 1, tuple(path), Note(head, tuple(lines))).format()
