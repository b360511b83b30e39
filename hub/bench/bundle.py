"""Evidence: what the card index costs an event and an epoch, its proofs, and bundles of a decision and of a day, made and verified."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2

from hub.audit import verify
from hub.audit.bundle import With, make
from hub.audit.bundle_question import Question, of_decision
from hub.audit.card_proofs import prove
from hub.bench.filling import FEEDS, fill
from hub.bench.setup import Ground, backend_cpu_s, ground
from hub.config import Config
from hub.domain.acceptance import rules_digest
from hub.domain.instants import day_text, epoch_day
from hub.domain.looks import card_by_key
from hub.journal.own_events import append_own
from hub.journal.reader import events_at, head_position
from hub.journal.sessions import session
from hub.projections import card_epochs, runner
from hub.projections.engine import advance
from hub.projections.views.card_index import CARD_INDEX, mentions
from hub.tlog import runner as sealing
from hub.tlog.card_index import id_of
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import catch_up, signers
from hub.trust.keyring import open_keyring, verify_fingerprint
from hub.trust.log_keys import open_log_keys
from hub.trust.receipt_keys import read_receipt_keys

CARD_EVENTS = 40
PROOFS = 200
MORE_EVENTS = 10_000

Report = Callable[[str], None]


class Verified(NamedTuple):
    """A run of verify.py in a process of its own."""

    seconds: float
    cpu_seconds: float
    most_bytes: int


def measure(config: Config, events: int, keys: int, day_events: int, report: Report) -> dict[str, Any]:
    """Returns sizes, seconds and microseconds; *keys* are in the index beside those of *events*, *day_events* are recorded on one day."""
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        with session(place.dsn, "hub_writer", "hub-bench") as writer:
            verify_fingerprint(writer, open_keyring(place.data_dir / "keys"))
        folding = _folding(place)
        report(f"card index 卡索引: {folding}")
        with runner.connect(place.dsn) as views:
            runner.catch_up(views)
            epochs = _epochs(place, views, keys, report)
            report(f"epochs 公布: {epochs}")
            decision = _decision(place, views)
            card_epochs.publish(place.dsn, views, time.time_ns() // 1_000)
        policy = _seal(place)
        one = _bundle(place, "decision", policy, decision)
        report(f"decision 答复: {one}")
        _record_a_day(place, day_events)
        policy = _seal(place)
        day = _bundle(place, "day", policy, _day_of_feed(place))
        report(f"day 一天: {day}")
    day["verified_events_per_cpu_s"] = round(day["entries"] / day["verify_cpu_s"])
    return {"bench": "bundle", "events": events, "folding_us_per_event": folding, "index": epochs, "decision": one, "day": day}


def _folding(place: Ground) -> dict[str, float]:
    """Folds the card index alone, and returns the CPU microseconds of an event."""
    with runner.connect(place.dsn) as views:
        head, began, backend = head_position(views), time.process_time(), backend_cpu_s(place.dsn, "hub-projector")
        while advance(views, CARD_INDEX):
            pass
        python, server = time.process_time() - began, backend_cpu_s(place.dsn, "hub-projector") - backend
    return {"python": round(python / head * 1e6, 2), "postgres": round(server / head * 1e6, 2)}


def _epochs(place: Ground, views: psycopg.Connection, keys: int, report: Report) -> dict[str, Any]:
    views.execute(_MORE_KEYS, {"keys": keys})
    views.execute("ANALYZE views.card_index")
    (rows,) = views.execute("SELECT count(*) FROM views.card_index").fetchone() or (0,)
    began = time.perf_counter()
    card_epochs.publish(place.dsn, views, time.time_ns() // 1_000, whole=True)
    whole_s = time.perf_counter() - began
    report(f"whole 全部: {rows:,} keys, {whole_s:.1f} s")
    before = head_position(views)
    _record_copies(place, "cq.usage", MORE_EVENTS)
    while advance(views, CARD_INDEX):
        pass
    (touched,) = views.execute("SELECT count(*) FROM views.card_index WHERE positions <> int8send(1)").fetchone() or (0,)
    named = {id_of(*one) for event in events_at(views, range(before + 1, head_position(views) + 1)) for one in mentions(event)}
    began = time.perf_counter()
    epoch = card_epochs.publish(place.dsn, views, time.time_ns() // 1_000)
    part_s = time.perf_counter() - began
    sizes, took = [], []
    some = "SELECT id FROM views.card_index WHERE positions <> int8send(1) ORDER BY id LIMIT %s"
    for (name,) in views.execute(some, (PROOFS,)).fetchall():
        began = time.perf_counter()
        proof = prove(views, epoch, *_key_named(views, bytes(name)))
        took.append(time.perf_counter() - began)
        sizes.append(len(proof.bucket) + len(proof.path))
    return {
        "keys": rows,
        "keys_with_events": touched,
        "whole_s": round(whole_s, 2),
        "whole_us_per_key": round(whole_s / rows * 1e6, 2),
        "part_s": round(part_s, 2),
        "part_keys": len(named),
        "part_us_per_touched_key": round(part_s / len(named) * 1e6, 1),
        "proof_bytes_mean": round(sum(sizes) / len(sizes)),
        "proof_bytes_most": max(sizes),
        "proof_ms": round(sum(took) / len(took) * 1e3, 2),
    }


def _key_named(connection: psycopg.Connection, name: bytes) -> tuple[str, bytes]:
    """Returns the key of a row: that of a mention in one of its events."""
    row = connection.execute("SELECT substr(positions, 1, 8) FROM views.card_index WHERE id = %s", (name,)).fetchone()
    assert row is not None
    (event,) = events_at(connection, [int.from_bytes(row[0], "big")])
    return next((what, key) for what, key in mentions(event) if id_of(what, key) == name)


def _decision(place: Ground, views: psycopg.Connection) -> int:
    """Records a decision about a card that has some forty events, and returns its position."""
    rows = views.execute(
        "SELECT id FROM views.card_index WHERE positions <> int8send(1) ORDER BY abs(count - %s), id LIMIT 200", (CARD_EVENTS,)
    )
    key = next(key for what, key in (_key_named(views, bytes(name)) for (name,) in rows.fetchall()) if what == "card")
    event = event_pb2.Event(service_region="510100", scenario="TRA.MET")
    event.card.CopyFrom(card_by_key("50", references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key))
    event.occurred_at.GetCurrentTime()
    decision = event.decision_made
    decision.request_id, decision.outcome = "bench", acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT
    decision.rules_digest, decision.as_of_position = rules_digest(), head_position(views)
    with session(place.dsn, "hub_writer", "hub-writer") as writer:
        position = append_own(writer, event)
    while advance(views, CARD_INDEX):
        pass
    return position


def _record_copies(place: Ground, feed: str, count: int) -> None:
    """Records so many more events of a feed: those that it has, again, as no province could."""
    with psycopg.connect(place.dsn) as connection:
        connection.execute(_COPIES, {"feed": feed, "count": count})


def _record_a_day(place: Ground, count: int) -> None:
    _record_copies(place, "cq.usage", count)


def _day_of_feed(place: Ground) -> Question:
    with psycopg.connect(place.dsn) as connection:
        row = connection.execute("SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.head").fetchone()
    assert row is not None
    return Question("day", day=day_text(epoch_day(row[0])), feed="cq.usage")


def _seal(place: Ground) -> bytes:
    """Seals all that is recorded, and returns a policy with the keys of the log."""
    settings = LogSettings(place.data_dir / "keys", "bench.chuanyu")
    with sealing.connect(place.dsn) as connection:
        catch_up(sealing.sealer(connection, settings))
    keys = signers(open_log_keys(settings.keys_dir), "bench.chuanyu/1")
    return "".join([*(f"log {key.verifier.text}\n" for key in keys), "quorum none\n"]).encode()


def _bundle(place: Ground, name: str, policy: bytes, asked: int | Question) -> dict[str, Any]:
    path, rules = place.data_dir / f"{name}.hubaudit", place.data_dir / "policy"
    rules.write_bytes(policy)
    began, cpu = time.perf_counter(), time.process_time()
    with session(place.dsn, "hub_reader", "hub-bundle") as connection, path.open("wb") as file:
        question = of_decision(connection, asked) if isinstance(asked, int) else asked
        made = make(connection, question, With(policy, read_receipt_keys(place.data_dir / "keys")), file)
    made_s, made_cpu = time.perf_counter() - began, time.process_time() - cpu
    verified = _verified(path, rules)
    return {
        "entries": made.entries,
        "bytes": made.size,
        "make_s": round(made_s, 2),
        "make_cpu_s": round(made_cpu, 2),
        "verify_s": round(verified.seconds, 2),
        "verify_cpu_s": round(verified.cpu_seconds, 2),
        "verify_most_mib": round(verified.most_bytes / 2**20),
    }


def _verified(path: Path, policy: Path) -> Verified:
    """Runs verify.py as a stranger does, and returns how long it took and how much memory; raises RuntimeError unless it verifies."""
    began = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-I", "-c", _RUN, verify.__file__, path, policy], capture_output=True, encoding="utf-8", check=False
    )
    seconds = time.perf_counter() - began
    code, cpu_s, most_kib = ran.stdout.split()[-3:]
    if int(code) != verify.VERIFIED:
        raise RuntimeError(f"verify.py: {ran.stdout}")
    return Verified(seconds, float(cpu_s), int(most_kib) * 1024)


# The kernel counts the most memory of a process from before it becomes another program; this is what it had since.
_RUN = """
import pathlib, runpy, sys, time
program, bundle, policy = sys.argv[1:]
code = runpy.run_path(program)["main"]([bundle, "--policy", policy])
print(code, time.process_time(), pathlib.Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
_MORE_KEYS = f"""
    INSERT INTO views.{CARD_INDEX.name} (id, count, chain, blind, positions)
    SELECT sha256(int8send(n)), 1, sha256(int8send(-n)), sha256(int8send(n * 2 + 1)), int8send(1)
    FROM generate_series(1::bigint, %(keys)s) n
    ON CONFLICT DO NOTHING"""  # noqa: S608 (our own name)
_COPIES = """
    WITH s AS (SELECT stream_id, next_sequence FROM journal.stream WHERE name = %(feed)s),
    h AS (SELECT position, greatest(recorded_at, clock_timestamp()) AS at FROM journal.head),
    old AS (SELECT row_number() OVER (ORDER BY position) - 1 AS n, occurred_at, kind, data FROM journal.event JOIN s USING (stream_id)
            ORDER BY position LIMIT 10000),
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
