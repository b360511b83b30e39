"""Fsck: how long the check of the journal, of what is beside it and of the log takes, against raw reads of the same events."""

import time
from typing import Any

import psycopg

from hub.audit.fsck import EXAMINATIONS, Checked, Scene
from hub.bench.filling import FEEDS, Report, fill
from hub.bench.project import read_raw
from hub.bench.setup import Ground, backend_cpu_s, ground
from hub.config import Config
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.tlog import sealer
from hub.trust.keyring import open_keyring, verify_fingerprint
from hub.trust.log_keys import open_log_keys

FILLED_EVENTS = 50_000
# Neither the rebuild of views nor the search for identifiers: those have measurements of their own.
_LEFT_OUT = ("views", "identifiers")
_NAME = "hub-fsck"


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns seconds and microseconds an event of each examination, and of all of them against raw reads."""
    with ground(config, list(FEEDS)) as place:
        fill(place, FILLED_EVENTS, report)
        repeat(place, max(1, events // FILLED_EVENTS), report)
        size = _sealed(place)
        report(f"sealed 封存: {size:,}")
        with psycopg.connect(place.dsn, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE) journal.event")
            head = head_position(connection)
            raw_s = min(read_raw(connection, head) for _ in range(2))
        checked, rows = _examined(place, report)
    total = sum(row["seconds"] for row in rows)
    return {
        "bench": "fsck",
        "events": head,
        "clean": checked.is_clean,
        "raw_read_s": round(raw_s, 2),
        "examinations": rows,
        "seconds": round(total, 2),
        "us_per_event": round(total / head * 1e6, 2),
        "cpu_us_per_event": round(sum(row["own_cpu_s"] + row["backend_cpu_s"] for row in rows) / head * 1e6, 2),
        "ratio_to_raw": round(total / raw_s, 2),
        "ten_million_s": round(total / head * 1e7, 1),
    }


def _examined(place: Ground, report: Report) -> tuple[Checked, list[dict[str, Any]]]:
    keys, rows = place.data_dir / "keys", []
    with session(place.dsn, "hub_projector", _NAME) as connection:
        scene = Scene(connection, Checked(), open_keyring(keys), lambda _what, _done, _of: None, (), open_log_keys(keys))
        scene.checked.head = head_position(connection)
        for examination in EXAMINATIONS:
            if examination.part in _LEFT_OUT:
                continue
            began, own, backend = time.perf_counter(), time.process_time(), backend_cpu_s(place.dsn, _NAME)
            for difference in examination.examine(scene):
                scene.checked.add(difference)
            seconds = time.perf_counter() - began
            cpu = time.process_time() - own, backend_cpu_s(place.dsn, _NAME) - backend
            name = examination.examine.__name__.removeprefix("examine_")
            rows.append({"name": name, "seconds": round(seconds, 2), "own_cpu_s": round(cpu[0], 2), "backend_cpu_s": round(cpu[1], 2)})
            report(f"{name}: {seconds:.2f} s")
    return scene.checked, rows


def _sealed(place: Ground) -> int:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        verify_fingerprint(connection, open_keyring(place.data_dir / "keys"))
    with session(place.dsn, "hub_sealer", "hub-seal") as connection:
        keys = open_log_keys(place.data_dir / "keys")
        return sealer.catch_up(sealer.Sealer(connection, keys, sealer.begin(connection, "bench"))).size


def repeat(place: Ground, times: int, report: Report) -> None:
    """Records the events of the feeds again and again, each time under the numbers that come next: it takes a fraction of intake."""
    with psycopg.connect(place.dsn) as connection:
        row = connection.execute("SELECT min(first_position) FROM journal.batch b JOIN journal.stream s USING (stream_id) WHERE s.is_feed")
        first = int((row.fetchone() or (1,))[0])
        last = head_position(connection)
        length = last - first + 1
        for number in range(1, times):
            shift = {"first": first, "last": last, "shift": number * length, "times": number}
            for statement in (_EVENTS, _BATCHES, _CORRECTIONS):
                connection.execute(statement, shift)
            connection.execute(_HEAD, shift)
            connection.commit()
            report(f"repeating 复制: {(number + 1) * length:,}")
        connection.execute(_STREAMS, {"times": times})


_EVENTS = """
    INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data, leaf)
    SELECT position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data,
           journal.leaf(position, recorded_at, sequence, name, occurred_at, kind, digest, data)
    FROM (SELECT e.position + %(shift)s AS position, h.recorded_at, e.stream_id, e.sequence + %(times)s * (s.next_sequence - 1) AS sequence,
                 e.occurred_at, e.kind, e.digest, e.data, s.name
          FROM journal.event e JOIN journal.stream s USING (stream_id) CROSS JOIN journal.head h
          WHERE e.position BETWEEN %(first)s AND %(last)s OFFSET 0) e"""
_BATCHES = """
    INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
    SELECT b.stream_id, b.first_sequence + %(times)s * (s.next_sequence - 1), b.last_sequence + %(times)s * (s.next_sequence - 1),
           b.first_position + %(shift)s, h.recorded_at, b.trace_parents
    FROM journal.batch b JOIN journal.stream s USING (stream_id) CROSS JOIN journal.head h
    WHERE b.first_position BETWEEN %(first)s AND %(last)s"""
_CORRECTIONS = """
    INSERT INTO journal.correction (stream_id, sequence, position)
    SELECT stream_id, sequence, position + %(shift)s FROM journal.correction WHERE position BETWEEN %(first)s AND %(last)s"""
_HEAD = "UPDATE journal.head SET position = %(last)s + %(shift)s"
_STREAMS = "UPDATE journal.stream SET next_sequence = 1 + %(times)s * (next_sequence - 1) WHERE is_feed AND next_sequence > 1"
