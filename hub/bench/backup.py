"""Backup: reading everything into a directory, against reading the same events in raw binary; and writers, with and without it running."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from hub.backup.writing import NICENESS, back_up
from hub.bench.filling import FEEDS, fill
from hub.bench.project import read_raw
from hub.bench.setup import Ground, ground, median, settle
from hub.child import Child
from hub.config import Config
from hub.journal.batch import Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.reader import head_position
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION

ROUNDS = 3
WRITE_S = 4.0
GROUP_EVENTS = 500
_DATA = os.urandom(256)

Report = Callable[[str], None]


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns rates and ratios; each pair is measured in turns, medians count."""
    raw, backup, size = [], [], 0
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        with psycopg.connect(place.dsn, autocommit=True) as connection:
            connection.execute("ANALYZE")
            head = head_position(connection)
            for number in range(ROUNDS):
                raw.append(head / read_raw(connection, head))
                seconds, size = _back_up(place)
                backup.append(head / seconds)
                report(f"{number + 1}/{ROUNDS}: raw {raw[-1]:,.0f}/s, backup {backup[-1]:,.0f}/s, ratio {backup[-1] / raw[-1]:.2f}")
        alone, beside = _writers(place, report)
    return {
        "bench": "backup",
        "events": head,
        "bytes_per_event": round(size / head, 1),
        "raw_events_per_s": round(median(raw)),
        "backup_events_per_s": round(median(backup)),
        "ratio": round(median([b / r for b, r in zip(backup, raw, strict=True)]), 3),
        "appended_per_s_alone": round(median(alone)),
        "appended_per_s_beside_backup": round(median(beside)),
        "append_ratio": round(median([b / a for b, a in zip(beside, alone, strict=True)]), 3),
    }


def _back_up(place: Ground) -> tuple[float, int]:
    """Backs everything up into a new directory and returns the seconds and the bytes."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        started = time.perf_counter()
        done = back_up(place.dsn, Path(directory))
        return time.perf_counter() - started, done.written_bytes


def _writers(place: Ground, report: Report) -> tuple[list[float], list[float]]:
    """Appends as fast as it goes, alone and beside a process that backs up again and again, in turns; returns events a second."""
    alone, beside = [], []
    for number in range(ROUNDS):
        settle()
        alone.append(_append(place))
        with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
            loop = "import sys; from hub.bench.backup import again_and_again; again_and_again(*sys.argv[1:])"
            process = Child([sys.executable, "-c", loop, place.dsn, directory], place.environment)
            try:
                settle()
                beside.append(_append(place))
            finally:
                process.kill()
                process.wait()
        report(f"{number + 1}/{ROUNDS}: appended alone {alone[-1]:,.0f}/s, beside a backup {beside[-1]:,.0f}/s")
    return alone, beside


def again_and_again(dsn: str, directory: str) -> None:
    """Backs up into one new directory after another until it is killed, as polite as the command is."""
    os.nice(NICENESS)
    number = 0
    while True:
        number += 1
        back_up(dsn, Path(directory) / str(number))


def _append(place: Ground) -> float:
    """Commits groups for a while and returns the events a second."""
    connection = pq.PGconn.connect(place.dsn.encode())
    run(connection, SESSION.encode())
    connection.nonblocking = 1
    with psycopg.connect(place.dsn) as reading:
        row = reading.execute("SELECT stream_id, next_sequence, owner FROM journal.stream WHERE name = 'sc.bench'").fetchone()
    assert row is not None
    stream_id, sequence, owner = row
    tails = [pack_tail(1_756_690_215_000_000, b"identity_presented", os.urandom(32), _DATA) for _ in range(GROUP_EVENTS)]
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < WRITE_S:
        commit_group(connection, [Batch(stream_id, owner, sequence + done, tails, [b""] * GROUP_EVENTS)])
        done += GROUP_EVENTS
    connection.finish()
    return done / (time.perf_counter() - began)
