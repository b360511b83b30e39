"""Registry: recorded checks and the reach of a loss, with the cards of a whole municipality in the view, against ten thousand of them.

The registry is written as the hub would have stored it (journal rows packed and committed in groups, rows of card standing copied), not
through the edge: filling it is not what is measured. Card standing alone is filled; the other views begin at the head.
"""

import itertools
import struct
import time
from collections.abc import Iterator
from typing import Any

import grpc
import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, event_pb2, feed_service_pb2, feed_service_pb2_grpc
from psycopg import pq

from hub.bench.check import FEEDS, IN_FLIGHT, INFLOWS, TURNS, Report, median_calls, recorded_calls
from hub.bench.load import Load, Order, card_event, card_no
from hub.bench.setup import ASKER, PARTICIPANT, Ground, HubProcess, ground, hub_process, projector
from hub.config import Config
from hub.domain.instants import microseconds
from hub.domain.pseudonym import card_name, hmac_sm3_under
from hub.journal.batch import Batch, pack_tail
from hub.journal.group import commit_group
from hub.journal.sessions import session
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION
from hub.trust.authority import participant_files
from hub.trust.keyring import open_keyring

FEW_CARDS = 10_000
_PORTION = 20_000
_ROW = struct.Struct(">hi32si2si")
_PLACEHOLDER = b"k" * 32
LOSSES = 200
POLL_S = 0.002


def measure(config: Config, cards: int, seconds: float, report: Report) -> dict[str, Any]:
    """Returns checks at ten thousand and at *cards* cards, measured in turns on two hubs, and how soon a loss denies online."""
    with ground(config, list(FEEDS)) as small, ground(config, list(FEEDS)) as large:
        fill(small, 0, FEW_CARDS, report)
        loading_s = fill(large, 0, cards, report)
        disk = _disk_bytes(large)
        report(f"{cards:,} cards 张卡: {loading_s:.0f} s, {disk / 1e9:.1f} GB")
        rows = _checks(small, large, cards, seconds, report)
        reach = _reach_of_a_loss(large, cards, report)
    return {
        "bench": "check",
        "cards": cards,
        "loading_s": round(loading_s),
        "disk_gb": round(disk / 1e9, 2),
        "rows": rows,
        "loss_to_refusal_ms": reach,
    }


def fill(place: Ground, first: int, until: int, report: Report) -> float:
    """Writes the cards numbered *first* to *until* into journal and view; returns the seconds it took."""
    began = time.monotonic()
    key_of = hmac_sm3_under(open_keyring(place.data_dir / "keys").pseudonym)
    before, after, occurred_us = _template()
    names = _names(first, until)
    with session(place.dsn, "hub_projector", "hub-projector", {"synchronous_commit": "off", "maintenance_work_mem": "1GB"}) as views:
        stream_id, position = _feed(views)
        views.execute("ALTER TABLE views.card_standing DROP CONSTRAINT card_standing_pkey")
        journal = pq.PGconn.connect(f"{place.dsn} application_name=hub-writer".encode())
        run(journal, SESSION.encode())
        journal.nonblocking = 1
        done = first
        with (
            views.cursor() as cursor,
            cursor.copy("COPY views.card_standing (key, issuing_province, facts) FROM STDIN (FORMAT BINARY)") as rows,
        ):
            rows.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            while done < until:
                keys = [key_of(name) for name in itertools.islice(names, _PORTION)]
                tails = [pack_tail(occurred_us, b"card_registered", key, before + key + after) for key in keys]
                commit_group(journal, [Batch(stream_id, PARTICIPANT, done + 1, tails, keys)])
                packed = bytearray()
                for number, key in enumerate(keys, position + 1):
                    facts = _FACTS % (occurred_us, number)
                    packed += _ROW.pack(3, 32, key, 2, b"50", len(facts)) + facts
                rows.write(packed)
                done, position = done + len(keys), position + len(keys)
                if (done - first) % (50 * _PORTION) == 0:
                    report(f"filling 填充: {done:,} / {until:,}")
            rows.write(b"\xff\xff")
        journal.finish()
        views.execute("ALTER TABLE views.card_standing ADD PRIMARY KEY (key)")
        views.execute("UPDATE views.checkpoint SET position = (SELECT position FROM journal.head)")
        views.execute("ANALYZE views.card_standing")
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    return time.monotonic() - began


_FACTS = b'[[%d,%d,"card_registered",{"status":"ACTIVE","transit":true,"generation":"THIRD","card_kind":"REGULAR"}]]'


def _names(first: int, until: int) -> Iterator[bytes]:
    reference = card_event(0).card
    for number in range(first, until):
        reference.clear = card_no(number)
        yield card_name(reference).encode()


def _template() -> tuple[bytes, bytes, int]:
    """The bytes of a stored registration before and after its card's key, and when it occurred."""
    event: event_pb2.Event = card_event(0)
    event.card.key = _PLACEHOLDER
    before, _, after = event.SerializeToString().partition(_PLACEHOLDER)
    return before, after, microseconds(event.occurred_at)


def _feed(connection: psycopg.Connection) -> tuple[int, int]:
    row = connection.execute(
        "SELECT s.stream_id, h.position FROM journal.stream s, journal.head h WHERE s.name = %s", (FEEDS[0],)
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _disk_bytes(place: Ground) -> int:
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def _checks(small: Ground, large: Ground, cards: int, seconds: float, report: Report) -> list[dict[str, Any]]:
    rows = []
    with projector(small), projector(large), hub_process(small, FEW_CARDS) as few_edge, hub_process(large, cards) as many_edge:
        for in_flight in IN_FLIGHT:
            few, many = [], []
            for turn in range(TURNS + 1):
                found = [recorded_calls(place, edge, in_flight, seconds / TURNS) for place, edge in ((small, few_edge), (large, many_edge))]
                if turn:
                    few.append(found[0])
                    many.append(found[1])
            few_median, many_median = median_calls(few), median_calls(many)
            rows.append(
                {
                    "in_flight": in_flight,
                    "checks_per_s": {str(FEW_CARDS): round(few_median.rate), str(cards): round(many_median.rate)},
                    "p99_ms": {str(FEW_CARDS): round(few_median.p99_ms, 2), str(cards): round(many_median.p99_ms, 2)},
                    "throughput_ratio": round(few_median.rate / many_median.rate, 3),
                    "p99_ratio": round(many_median.p99_ms / few_median.p99_ms, 3),
                }
            )
            report(str(rows[-1]))
    return rows


def _reach_of_a_loss(place: Ground, cards: int, report: Report) -> dict[str, float]:
    """Reports losses while events flow in, and asks about each card until it is refused; returns p50 and p99 in milliseconds."""
    events_per_s = min(INFLOWS)
    batch_events = INFLOWS[events_per_s]
    times = []
    with projector(place), hub_process(place, cards) as edge:
        batches = int((LOSSES * 0.15 + 10) * events_per_s / batch_events / 4)
        order = Order((edge.target,), place.data_dir / "certificates", FEEDS[1:], (1,) * 4, batches, events_per_s, batch_events)
        load = Load(order)
        load.start()
        time.sleep(1)
        with _channel(place, edge, PARTICIPANT) as issuer, _channel(place, edge, ASKER) as asker:
            feeds, answers = feed_service_pb2_grpc.FeedServiceStub(issuer), card_service_pb2_grpc.CardServiceStub(asker)
            for number in range(LOSSES):
                times.append(_one_loss(feeds, answers, number, cards) * 1e3)
        load.stop()
    times.sort()
    reach = {"p50": round(times[len(times) // 2], 1), "p99": round(times[int(len(times) * 0.99)], 1), "events_per_s": float(events_per_s)}
    report(f"loss to refusal 挂失至拒绝: {reach}")
    return reach


def _one_loss(feeds: Any, answers: Any, number: int, cards: int) -> float:
    event = card_event(0)
    event.card.clear = card_no(number * 104_729 % cards)
    event.ClearField("card_registered")
    event.temporary_loss_reported.SetInParent()
    event.occurred_at.seconds = int(time.time())
    request = feed_service_pb2.AppendEventsRequest(feed=FEEDS[0], first_sequence=cards + number + 1, events=[event])
    began = time.monotonic()
    feeds.AppendEvents(request, timeout=10)
    for attempt in range(10_000):
        question = card_service_pb2.CheckAcceptanceRequest(
            request_id=f"loss-{number}-{attempt}", scenario="TRA.MET", service_region="510100", medium=acceptance_pb2.MEDIUM_CONTACTLESS
        )
        question.card.CopyFrom(event.card)
        if answers.CheckAcceptance(question, timeout=10).outcome == acceptance_pb2.ACCEPTANCE_OUTCOME_DENY:
            return time.monotonic() - began
        time.sleep(POLL_S)
    raise RuntimeError("a loss did not reach the answers")


def _channel(place: Ground, edge: HubProcess, urn: str) -> grpc.Channel:
    return participant_files(place.data_dir / "certificates", urn).channel(edge.target)
