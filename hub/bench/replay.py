"""Replays at some events and at ten times as many: a card as of both times, answers decided again, other rules, views from segments.

The events are the simulator's. Questions are answered as an edge answers them, but for the network: cards are read together, decided, and
recorded by the function on the server, while the events come. Each replay runs in a process of its own, which says what it had in memory.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2, references_pb2

from hub.api.cards.card_reader import CardReader
from hub.api.cards.card_snapshot import CardRead
from hub.audit.replay.answering import Branch
from hub.audit.replay.branches import unpack_rules
from hub.audit.replay.card_asked import card_as_of
from hub.audit.replay.decided_again import Period, decide_again
from hub.audit.replay.progress import unseen
from hub.audit.rule_archive import pack_version
from hub.bench.asof import FURTHER_VIEWS, things_as_of
from hub.bench.filling import FEEDS, Filling, Report, portions
from hub.bench.rebuild import filled
from hub.bench.setup import ASKER, Ground, ground, median
from hub.bench.watching import watched
from hub.child import Child, python
from hub.config import Config
from hub.domain import reference
from hub.domain.acceptance import decide, rules_digest
from hub.domain.instants import set_timestamp
from hub.domain.participant import DECISIONS_FEED, HUB
from hub.domain.rule_input import Question
from hub.export.writing import export
from hub.journal.reader import head_position
from hub.journal.recorder import AggregateStore
from hub.journal.sessions import session
from hub.lanes import columns
from hub.projections import DECIDED_BY, PROJECTIONS, runner
from hub.projections.engine import advance
from hub.projections.rebuild import rebuild
from hub.projections.snapshots import keep, load
from hub.projections.together import advance_as_one
from hub.projections.views.card_index import CARD_INDEX
from hub.projections.views.daily_usage import DAILY_USAGE
from hub.words.outcomes import OUTCOME_NUMBERS

PROCESSES, TIMES = 2, 10
# Of so many events one is an answer.
EVENTS_AN_ANSWER = 10
CARDS_ASKED, CARDS_KNOWN = 40, 20_000
GROUP = 256
SCENARIOS = ("TRA.MET", "TRA.BUS", "GOV.ID", "MED.OP")
_SEED = 20250101


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns what replays took at *events* and at ten times as many, and how much more memory a process had then."""
    with ground(config, list(FEEDS)) as place, tempfile.TemporaryDirectory(prefix="hub-bench-") as directory, _Edge(place) as edge:
        filling, source, done, found = Filling(place), portions(events * TIMES), 0, {}
        for size in (events, events * TIMES):
            while done < size and (portion := next(source, None)) is not None:
                filling.append(portion)
                done += len(portion)
                edge.answer(len(portion) // EVENTS_AN_ANSWER)
            report(f"filled and answered 填充并答复: {done:,}")
            edge.fold_all()
            export(place.dsn, Path(directory))
            began = time.process_time()
            columns.bring(Path(directory))
            columns_us = (time.process_time() - began) / done * 1e6
            found[f"{done}"] = {"columns_us_per_event": round(columns_us, 1), **_measured(place, directory, report)}
        filling.close()
    once, more = (one["answers"]["memory_of_a_process_mb"] for one in found.values())
    return {"bench": "replay", "processes": PROCESSES, "by_events": found, "memory_ratio": round(more / once, 2)}


def _measured(place: Ground, directory: str, report: Report) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for what in ("as_of", "answers", "what_if", "snapshot", "decided_by_and_counts", "all"):
        child = Child(python("hub.bench.replay", place.dsn, directory, what), place.environment, stdout=subprocess.PIPE)
        found[what] = json.loads(child.communicate()[0])
        report(f"{what}: {found[what]}")
    return found


# What is asked


class _Edge:
    """Folds what answers rest on, then answers questions about cards of the journal."""

    def __init__(self, place: Ground) -> None:
        store = AggregateStore(place.dsn)
        store.ensure_feeds([(DECISIONS_FEED, HUB)])
        store.close()
        self._held = ExitStack()
        self._views = self._held.enter_context(runner.connect(place.dsn))
        self._writer = self._held.enter_context(session(place.dsn, "hub_writer", "hub-bench"))
        self._loop = self._held.enter_context(asyncio.Runner())
        self._reader, self._chance = CardReader(place.dsn, lambda: None), random.Random(_SEED)  # noqa: S311 (a load)
        self._cards: list[tuple[bytes, str]] = []

    def __enter__(self) -> "_Edge":
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._reader.stop())
        self._held.close()

    def answer(self, count: int) -> None:
        """Answers so many questions, from what is recorded by now."""
        while advance_as_one(self._views, DECIDED_BY).moved:
            pass
        if len(self._cards) < CARDS_KNOWN:
            rows = self._views.execute("SELECT key, issuing_province FROM views.card_standing LIMIT %s", (CARDS_KNOWN,)).fetchall()
            self._cards = [(bytes(key), str(province)) for key, province in rows]
        for begin in range(0, count, GROUP):
            asked = [(*self._chance.choice(self._cards), self._chance.choice(SCENARIOS)) for _ in range(min(GROUP, count - begin))]
            snapshot = self._loop.run(self._reader.read_together({key: False for key, _, _ in asked}))
            _record(self._writer, [_decided(snapshot.card(one[0], 0, with_ecard=False), *one) for one in asked])

    def fold_all(self) -> None:
        """Folds what is left, the card index, and the views that things are asked of."""
        self.answer(0)
        for view in (CARD_INDEX, *FURTHER_VIEWS):
            while advance(self._views, view):
                pass
        self._views.execute("ANALYZE")


def _decided(read: CardRead, key: bytes, province: str, scenario: str) -> event_pb2.Event:
    region, at_us = ("510100" if province == "50" else "500103"), time.time_ns() // 1_000
    question = Question(province, scenario, region, acceptance_pb2.MEDIUM_CONTACTLESS, at_us)
    answer = decide(read.facts, read.agreements, reference.load(), question)
    event = event_pb2.Event(service_region=region, scenario=scenario, medium=question.medium)  # type: ignore[arg-type]
    set_timestamp(event.occurred_at, at_us)
    event.card.issuing_province, event.card.kind, event.card.key = province, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, key
    made = event.decision_made
    made.outcome = OUTCOME_NUMBERS[answer.outcome]
    made.participant, made.as_of_position, made.rules_digest = ASKER, read.as_of_position, rules_digest()
    made.reason_codes[:], made.agreement_codes[:] = answer.reason_codes, answer.agreement_codes
    return event


def _record(writer: psycopg.Connection, events: Sequence[event_pb2.Event]) -> None:
    now_us = time.time_ns() // 1_000
    writer.execute(
        _APPEND,
        {
            "feed": DECISIONS_FEED,
            "keys": [os.urandom(32) for _ in events],
            "at": [event.occurred_at.ToMicroseconds() for event in events],
            "kinds": ["decision_made"] * len(events),
            "data": [event.SerializeToString() for event in events],
            "texts": [""] * len(events),
            "now": now_us,
        },
    )


_APPEND = """
    SELECT count(*) FROM journal.append_answers(
        (SELECT stream_id FROM journal.stream WHERE name = %(feed)s AND is_feed), %(keys)s::bytea[], %(at)s::bigint[], %(kinds)s::text[],
        %(data)s::bytea[], %(texts)s::text[], %(now)s::bigint)"""


# What is measured, in a process of its own


def main() -> None:
    """Runs one replay, and says what it took."""
    dsn, directory, what = sys.argv[1:]
    began = time.perf_counter()
    with watched() as used:
        said = _run(dsn, directory, what)
    seconds = time.perf_counter() - began
    with session(dsn, "hub_reader", "hub-bench") as connection:
        head = head_position(connection)
    whole = {"seconds": round(seconds, 2), "events_per_s": round(head / seconds), "python_us_per_event": used.us(head)}
    sys.stdout.write(json.dumps({**whole, **said, "memory_of_a_process_mb": used.largest_mb}))


def _run(dsn: str, directory: str, what: str) -> dict[str, Any]:
    if what == "as_of":
        return _as_of(dsn)
    if what == "answers":
        found = decide_again(dsn, Period(1, 1 << 62), (), unseen, PROCESSES)
        return {"answers": found.answers, "different": found.different}
    if what == "what_if":
        return _what_if(dsn)
    if what == "snapshot":
        return _from_snapshot(dsn, Path(directory))
    names = {view.name for view in (*DECIDED_BY, DAILY_USAGE)} if what == "decided_by_and_counts" else None
    return dict(filled(dsn, Path(directory), [view for view in PROJECTIONS if names is None or view.name in names]))


def _as_of(dsn: str) -> dict[str, Any]:
    """Returns how long cards took as of the middle of the record, with every event that they have."""
    took_ms, events = [], []
    with session(dsn, "hub_reader", "hub-bench") as connection:
        middle = head_position(connection) // 2
        rows = connection.execute("SELECT key, issuing_province FROM views.card_standing ORDER BY key LIMIT 20000").fetchall()
        for key, province in rows[:: max(1, len(rows) // CARDS_ASKED)]:
            began = time.perf_counter()
            found = card_as_of(connection, bytes(key), province, middle, time.time_ns() // 1_000)
            took_ms.append((time.perf_counter() - began) * 1e3)
            events.append(len(found.own.events))
            assert found.is_same
    worst = max(took_ms)
    own = {"cards": len(took_ms), "p50_ms": round(median(took_ms), 1), "worst_ms": round(worst, 1), "events_of_a_card": max(events)}
    return {**own, "things": things_as_of(dsn)}


def _from_snapshot(dsn: str, directory: Path) -> dict[str, Any]:
    """Returns how long the views that answers rest on took from a snapshot at the newest position, and from the first position on."""
    with runner.connect(dsn) as connection:
        began = time.perf_counter()
        kept = keep(dsn, connection, directory)
        took = {"keep_s": time.perf_counter() - began}
        for name, begin in (
            ("from_snapshot_s", lambda connection, view: load(connection, kept.path, kept.position, view)),
            ("from_beginning_s", lambda _connection, _view: None),
        ):
            began = time.perf_counter()
            assert all(rebuild(connection, view, switch=False, begin=begin).is_equal for view in DECIDED_BY)
            took[name] = time.perf_counter() - began
    return {name: round(seconds, 2) for name, seconds in took.items()} | {"snapshot_mb": kept.path.stat().st_size >> 20}


def _what_if(dsn: str) -> dict[str, Any]:
    """Compares two branches: agreements that are gone, and the rules at hand in a process of their own, which must change nothing."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as rules:
        unpack_rules(pack_version(), Path(rules))
        found = decide_again(dsn, Period(1, 1 << 62), (Branch("same", rules),), unseen, PROCESSES)
    return {"answers": found.answers, "control": found.different, "changed": [changed.answers for changed in found.branches]}


if __name__ == "__main__":
    main()
