"""Project: card standing over events of the simulator's mix, against reading the same events in raw binary pages."""

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import psycopg
from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsRequest
from psycopg import pq

from adapters.simulator.events import events as simulated
from hub.bench.setup import PARTICIPANT, Ground, ground, median
from hub.config import Config
from hub.domain.event_rules import Context
from hub.domain.reference import load
from hub.domain.roles import every_role, rights_of
from hub.intake.batch import Intake
from hub.intake.batches import batch_reader
from hub.journal.group import commit_group, run
from hub.journal.reader import head_position
from hub.journal.writer import SESSION
from hub.projections import runner
from hub.projections.engine import PAGE_EVENTS, advance
from hub.projections.rebuild import drop_fresh, fresh_copy
from hub.projections.views.card_standing import CARD_STANDING
from hub.trust.keyring import open_keyring

FEEDS = ("sc.card-center", "sc.usage", "cq.card-center", "cq.usage")
SEED = 20250101
ROUNDS = 3
PORTION_EVENTS = 2_000

Report = Callable[[str], None]


def measure(config: Config, events: int, report: Report) -> dict[str, Any]:
    """Returns rates, CPU microseconds an event and the ratio; reading and folding alternate, medians count."""
    raw, fold, cpu = [], [], []
    with ground(config, list(FEEDS)) as place:
        fill(place, events, report)
        with runner.connect(place.dsn) as connection:
            connection.execute("ANALYZE")
            head = head_position(connection)
            share = _share(connection)
            for number in range(ROUNDS):
                raw.append(head / read_raw(connection, head))
                before = time.process_time()
                fold.append(head / _fold(connection))
                cpu.append((time.process_time() - before) / head * 1e6)
                report(f"{number + 1}/{ROUNDS}: raw {raw[-1]:,.0f}/s, fold {fold[-1]:,.0f}/s, ratio {fold[-1] / raw[-1]:.2f}")
    return {
        "bench": "project",
        "view": CARD_STANDING.name,
        "events": head,
        "state_changing_share": round(share, 4),
        "raw_events_per_s": round(median(raw)),
        "fold_events_per_s": round(median(fold)),
        "cpu_us_per_event": round(median(cpu), 2),
        "ratio": round(median([f / r for f, r in zip(fold, raw, strict=True)]), 3),
    }


def _share(connection: psycopg.Connection) -> float:
    row = connection.execute(
        "SELECT avg((kind = ANY (%s))::int) FROM journal.event WHERE position > (SELECT position FROM journal.head) - 200000",
        (list(CARD_STANDING.kinds or ()),),
    ).fetchone()
    return float(row[0]) if row else 0.0


def read_raw(connection: psycopg.Connection, head: int) -> float:
    """Reads every event, all columns, in binary pages, throws them away and returns the seconds."""
    started = time.perf_counter()
    for after in range(0, head, PAGE_EVENTS):
        statement = f"""COPY (SELECT * FROM journal.event WHERE position > {after} AND position <= {after + PAGE_EVENTS} ORDER BY position)
            TO STDOUT (FORMAT BINARY)"""  # noqa: S608 (integers only)
        with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for _ in copy:
                pass
    return time.perf_counter() - started


def _fold(connection: psycopg.Connection) -> float:
    """Folds the whole journal into a fresh table, as a rebuild does, and returns the seconds."""
    fresh = fresh_copy(connection, CARD_STANDING)
    started = time.perf_counter()
    while advance(connection, fresh):
        pass
    seconds = time.perf_counter() - started
    drop_fresh(connection, CARD_STANDING)
    return seconds


def fill(place: Ground, events: int, report: Report) -> None:
    """Appends the simulator's events through the hub's own intake and group commit, without the network."""
    connection = pq.PGconn.connect(place.dsn.encode())
    run(connection, SESSION.encode())
    connection.nonblocking = 1
    intake, read = Intake(open_keyring(place.data_dir / "keys")), batch_reader(AppendEventsRequest)
    streams = _streams(place)
    contexts = {province: Context(rights_of(province, every_role()), int(time.time()), load(), lambda _: True) for province in ("50", "51")}
    source, done = simulated(SEED, events), 0
    next_sequences = dict.fromkeys(FEEDS, 1)
    while portion := list(itertools.islice(source, PORTION_EVENTS)):
        group = []
        for feed in FEEDS:
            mine = [event for name, event in portion if name == feed]
            if mine:
                request = AppendEventsRequest(feed=feed, first_sequence=next_sequences[feed], events=mine)
                next_sequences[feed] += len(mine)
                group.append(
                    asyncio.run(
                        intake.prepare(
                            streams[feed],
                            PARTICIPANT,
                            read(request.SerializeToString()),
                            contexts["51" if feed.startswith("sc") else "50"],
                            streams.get,
                        )
                    )
                )
        commit_group(connection, [prepared.batch for prepared in group])
        for prepared in group:
            intake.remember(prepared.new_identifiers)
        done += len(portion)
        if done % 100_000 == 0:
            report(f"filling 填充: {done:,} / {events:,}")
    connection.finish()


def _streams(place: Ground) -> dict[str, int]:
    with psycopg.connect(place.dsn) as connection:
        return dict(connection.execute("SELECT name, stream_id FROM journal.stream WHERE name = ANY (%s)", (list(FEEDS),)).fetchall())
