"""Evidence: bundles of a decision and of a day, made and verified, beside what the card index costs; and by which Pythons."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2

from hub.audit.bundle import With, make
from hub.audit.bundle_question import Question, of_decision
from hub.bench import card_index, strangers
from hub.bench.filling import FEEDS, fill
from hub.bench.setup import Ground, ground
from hub.config import Config
from hub.domain.acceptance import rules_digest
from hub.domain.instants import day_text, epoch_day
from hub.domain.looks import card_by_key
from hub.journal.own_events import append_own
from hub.journal.reader import head_position
from hub.journal.sessions import session
from hub.projections import card_epochs, runner
from hub.projections.engine import advance
from hub.projections.views.card_index import CARD_INDEX
from hub.tlog import runner as sealing
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import catch_up, signers
from hub.trust.keyring import open_keyring, verify_fingerprint
from hub.trust.log_keys import open_log_keys
from hub.trust.receipt_keys import read_receipt_keys

CARD_EVENTS = 40
# What is enough for a bundle of a decision.
FEW_EVENTS = 5_000
_FEED = "cq.usage"

Report = Callable[[str], None]


def measure(config: Config, events: int, keys: int, day_events: int, report: Report) -> dict[str, Any]:
    """Returns sizes, seconds and microseconds; *keys* are in the index beside those of *events*, *day_events* are recorded on one day."""
    with _filled(config, events, report) as place:
        folding = card_index.folding(place)
        report(f"card index 卡索引: {folding}")
        with runner.connect(place.dsn) as views:
            runner.catch_up(views)
            index = card_index.measure(place, views, keys, report)
            decision = _decision(place, views)
        one, _ = _bundle(place, "decision", decision)
        report(f"decision 答复: {one}")
        card_index.record_copies(place, _FEED, day_events)
        day, _ = _bundle(place, "day", _day_of_feed(place))
        report(f"day 一天: {day}")
    day["verified_events_per_s"] = round(day["entries"] / day["verify_s"])
    day["verified_events_per_cpu_s"] = round(day["entries"] / day["verify_cpu_s"])
    return {"bench": "bundle", "events": events, "folding_us_per_event": folding, "index": index, "decision": one, "day": day}


def measure_pythons(config: Config, report: Report) -> dict[str, Any]:
    """Returns what each Python takes, as a stranger has it, for a bundle of a decision."""
    with _filled(config, FEW_EVENTS, report) as place:
        with runner.connect(place.dsn) as views:
            runner.catch_up(views)
            decision = _decision(place, views)
        one, path = _bundle(place, "decision", decision)
        pythons = strangers.measure(path, place.data_dir / "policy", report)
    return {"bench": "bundle-pythons", "decision": one, "pythons": pythons}


@contextmanager
def _filled(config: Config, events: int, report: Report) -> Iterator[Ground]:
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        with session(place.dsn, "hub_writer", "hub-bench") as writer:
            verify_fingerprint(writer, open_keyring(place.data_dir / "keys"))
        yield place


def _decision(place: Ground, views: psycopg.Connection) -> int:
    """Records a decision about a card that has some forty events and publishes a root of the index, and returns its position."""
    key = next(key for what, key in card_index.keys_by_events(views, CARD_EVENTS) if what == "card")
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
    card_epochs.publish(place.dsn, views, time.time_ns() // 1_000)
    return position


def _day_of_feed(place: Ground) -> Question:
    with psycopg.connect(place.dsn) as connection:
        row = connection.execute("SELECT (extract(epoch FROM recorded_at) * 1000000)::bigint FROM journal.head").fetchone()
    assert row is not None
    return Question("day", day=day_text(epoch_day(row[0])), feed=_FEED)


def _seal(place: Ground) -> bytes:
    """Seals all that is recorded, and returns a policy with the keys of the log."""
    settings = LogSettings(place.data_dir / "keys", "bench.chuanyu")
    with sealing.connect(place.dsn) as connection:
        catch_up(sealing.sealer(connection, settings))
    keys = signers(open_log_keys(settings.keys_dir), "bench.chuanyu/1")
    return "".join([*(f"log {key.verifier.text}\n" for key in keys), "quorum none\n"]).encode()


def _bundle(place: Ground, name: str, asked: int | Question) -> tuple[dict[str, Any], Path]:
    """Seals, makes a bundle, and has it verified; returns the figures and its path, beside which is the policy."""
    policy, path, rules = _seal(place), place.data_dir / f"{name}.hubaudit", place.data_dir / "policy"
    rules.write_bytes(policy)
    began, cpu = time.perf_counter(), time.process_time()
    with session(place.dsn, "hub_reader", "hub-bundle") as connection, path.open("wb") as file:
        question = of_decision(connection, asked) if isinstance(asked, int) else asked
        made = make(connection, question, With(policy, read_receipt_keys(place.data_dir / "keys")), file)
    made_s, made_cpu = time.perf_counter() - began, time.process_time() - cpu
    took = strangers.verified(sys.executable, path, rules)
    figures = {
        "entries": made.entries,
        "bytes": made.size,
        "make_s": round(made_s, 2),
        "make_cpu_s": round(made_cpu, 2),
        "verify_s": round(took.seconds, 2),
        "verify_cpu_s": round(took.cpu_seconds, 2),
        "verify_most_mib": round(took.most_bytes / 2**20),
    }
    return figures, path
