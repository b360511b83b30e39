"""The card index at the size of two provinces: what an event costs it, a root over all keys, one after few changes, and its proofs.

Keys beside those of the simulator's events are made up. Their rows lie in the table in no order, as a view that grew has them.
"""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from hub.audit.card_proofs import prove
from hub.bench.setup import Ground, backend_cpu_s
from hub.journal.reader import events_at, head_position
from hub.projections import card_epochs, runner
from hub.projections.card_epochs import Epoch
from hub.projections.engine import advance
from hub.projections.views.card_index import CARD_INDEX, mentions
from hub.tlog.card_index import BUCKET_BITS, HASH, RECORD, id_of

PROOFS = 200
# A root after so many further events: more of them share the buckets and groups that have to be made again.
MORE_EVENTS = (10_000, 150_000)
_SESSION = "hub-projector"
_FEEDS = ("sc.usage", "cq.usage")

Report = Callable[[str], None]


def folding(place: Ground) -> dict[str, float]:
    """Folds the card index alone, and returns the CPU microseconds of an event."""
    with runner.connect(place.dsn) as views:
        head, began, backend = head_position(views), time.process_time(), backend_cpu_s(place.dsn, _SESSION)
        _fold(views)
        python, server = time.process_time() - began, backend_cpu_s(place.dsn, _SESSION) - backend
    return {"python": round(python / head * 1e6, 2), "postgres": round(server / head * 1e6, 2)}


def measure(place: Ground, views: psycopg.Connection, keys: int, report: Report) -> dict[str, Any]:
    """Adds so many made-up keys, and returns seconds, microseconds and bytes."""
    rows = _add_keys(views, keys, report)
    whole, _, _ = _published(place, views, whole=True)
    report(f"whole 全部: {rows:,} keys, {whole['s']} s")
    parts = []
    for events in MORE_EVENTS:
        before = head_position(views)
        for feed in _FEEDS:
            record_copies(place, feed, events // len(_FEEDS))
        named = _named(views, before)
        _fold(views)
        part, epoch, touched = _published(place, views)
        part["events"], part["keys"], part["groups"] = events, named, touched
        part["us_per_key"], part["cpu_us_per_key"] = round(part["s"] / named * 1e6, 1), round(part["cpu_s"] / named * 1e6, 1)
        parts.append(part)
        report(f"part 部分: {part}")
    whole["us_per_key"] = round(whole["s"] / rows * 1e6, 2)
    return {"keys": rows, "whole": whole, "parts": parts, "proofs": _proofs(views, epoch)}


def keys_by_events(views: psycopg.Connection, events: int) -> Iterator[tuple[str, bytes]]:
    """Yields (card or person, key) of keys that have events, first those with about so many."""
    query = "SELECT id FROM views.card_index WHERE positions <> int8send(1) ORDER BY abs(count - %s), id LIMIT %s"
    for (name,) in views.execute(query, (events, PROOFS)).fetchall():
        yield _key_named(views, bytes(name))


def record_copies(place: Ground, feed: str, count: int) -> None:
    """Records so many more events of a feed: those that it has, again, as no province could."""
    with psycopg.connect(place.dsn) as connection:
        connection.execute(_COPIES, {"feed": feed, "count": count})


def _fold(views: psycopg.Connection) -> None:
    while advance(views, CARD_INDEX):
        pass


def _add_keys(views: psycopg.Connection, keys: int, report: Report) -> int:
    """Adds rows without the primary key, which is made afterwards: in random order each row would be a page of it."""
    began = time.perf_counter()
    views.execute(f"ALTER TABLE views.{CARD_INDEX.name} DROP CONSTRAINT {CARD_INDEX.name}_pkey".encode())
    views.execute(_MORE_KEYS, {"keys": keys})
    views.execute(f"ALTER TABLE views.{CARD_INDEX.name} ADD PRIMARY KEY (id)".encode())
    views.execute("ANALYZE views.card_index")
    (rows,) = views.execute("SELECT count(*) FROM views.card_index").fetchone() or (0,)
    report(f"keys 键: {rows:,}, {time.perf_counter() - began:.0f} s")
    return int(rows)


def _published(place: Ground, views: psycopg.Connection, *, whole: bool = False) -> tuple[dict[str, Any], Epoch, int]:
    """Publishes a root; returns what it took, it, and how many groups were made again."""
    began, own, backend = time.perf_counter(), time.process_time(), backend_cpu_s(place.dsn, _SESSION)
    epoch = card_epochs.publish(place.dsn, views, time.time_ns() // 1_000, whole=whole)
    took_s = time.perf_counter() - began
    cpu_s = time.process_time() - own + backend_cpu_s(place.dsn, _SESSION) - backend
    return {"s": round(took_s, 2), "cpu_s": round(cpu_s, 2)}, epoch, epoch.touched


def _named(views: psycopg.Connection, before: int) -> int:
    """Returns how many keys the events after a position name."""
    events = events_at(views, range(before + 1, head_position(views) + 1))
    return len({id_of(*one) for event in events for one in mentions(event)})


def _proofs(views: psycopg.Connection, epoch: Epoch) -> dict[str, Any]:
    """Makes proofs of keys that have events and of keys that nothing names; the largest bucket is looked for among all."""
    rng = random.Random(20_261_130)  # noqa: S311 (keys that nobody has)
    absent = [("card", rng.randbytes(HASH)) for _ in range(PROOFS)]
    found: dict[str, Any] = {}
    for name, asked in (("present", list(keys_by_events(views, 1))), ("absent", absent)):
        sizes, took = [], []
        for what, key in asked:
            began = time.perf_counter()
            proof = prove(views, epoch, what, key)
            took.append(time.perf_counter() - began)
            sizes.append(len(proof.bucket) + len(proof.path))
        found[name] = {"bytes_mean": round(sum(sizes) / len(sizes)), "ms": round(sum(took) / len(took) * 1e3, 2)}
    (largest,) = views.execute(_LARGEST).fetchone() or (0,)
    return {**found, "bytes_most": largest * RECORD + BUCKET_BITS * HASH}


def _key_named(connection: psycopg.Connection, name: bytes) -> tuple[str, bytes]:
    """Returns the key of a row: that of a mention in one of its events."""
    row = connection.execute("SELECT substr(positions, 1, 8) FROM views.card_index WHERE id = %s", (name,)).fetchone()
    assert row is not None
    (event,) = events_at(connection, [int.from_bytes(row[0], "big")])
    return next((what, key) for what, key in mentions(event) if id_of(what, key) == name)


_MORE_KEYS = f"""
    INSERT INTO views.{CARD_INDEX.name} (id, count, chain, blind, positions)
    SELECT sha256(int8send(n)), 1, sha256(int8send(-n)), sha256(int8send(n * 2 + 1)), int8send(1)
    FROM generate_series(1::bigint, %(keys)s) n"""  # noqa: S608 (our own name)
_LARGEST = f"""
    SELECT max(count) FROM (
        SELECT count(*) FROM views.{CARD_INDEX.name}
        GROUP BY (get_byte(id, 0) << 12) | (get_byte(id, 1) << 4) | (get_byte(id, 2) >> 4)) b"""  # noqa: S608 (our own name)
_COPIES = """
    WITH s AS (SELECT stream_id, next_sequence FROM journal.stream WHERE name = %(feed)s),
    h AS (SELECT position, greatest(recorded_at, clock_timestamp()) AS at FROM journal.head),
    old AS (SELECT row_number() OVER (ORDER BY position) - 1 AS n, occurred_at, kind, data FROM journal.event JOIN s USING (stream_id)
            ORDER BY position LIMIT 100000),
    many AS (SELECT count(*) AS count FROM old),
    added AS (
        INSERT INTO journal.event (position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data)
        SELECT h.position + 1 + i, h.at, s.stream_id, s.next_sequence + i, old.occurred_at, old.kind, sha256(int8send(h.position + i)),
               old.data
        FROM generate_series(0::bigint, %(count)s - 1) i CROSS JOIN s CROSS JOIN h CROSS JOIN many JOIN old ON old.n = i %% many.count),
    batches AS (
        INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
        SELECT s.stream_id, s.next_sequence + n, s.next_sequence + least(n + 500, %(count)s) - 1, h.position + 1 + n, h.at, '{}'
        FROM generate_series(0::bigint, %(count)s - 1, 500) n CROSS JOIN s CROSS JOIN h),
    moved AS (UPDATE journal.stream t SET next_sequence = t.next_sequence + %(count)s FROM s WHERE t.stream_id = s.stream_id)
    UPDATE journal.head SET position = h.position + %(count)s, recorded_at = h.at FROM h"""
