"""Who reads a few events of one stream reads those alone, however long the journal is and whatever the server knows of it."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from hub.admin.agreement_names import _EVENTS_UP_TO
from hub.audit import as_of, bundle_question, bundle_receipts
from hub.journal import numbered, receipts, recorder, tombstones
from hub.journal.joins import named_sql
from hub.projections import snapshots
from hub.tlog import key_book
from tests.databases import fresh_database

BATCHES, OF_EACH, OTHERS = 100, 400, 140
EVENTS = BATCHES * OF_EACH
BOOK = "1f0e7d36-0000-4000-8000-000000000001"
STATEMENTS: dict[str, tuple[str, Any]] = {
    "an aggregate": (recorder.SELECT_STREAM, {"name": BOOK, "gt": 0, "lte": 2**62}),
    "aggregates that begin with a kind": (recorder._SELECT_BEGUN_WITH, {"kind": "agreement_drafted"}),
    "aggregates by number": (numbered._EVENTS, ([BOOK],)),
    "an agreement": (_EVENTS_UP_TO, (2, 2**62)),
    "all agreements": (as_of._AGREEMENT_EVENTS, {"kinds": ["agreement_drafted"], "position": 2**62}),
    "the book of receipts": (receipts._BOOK, {"book": BOOK}),
    "when digests opened": (receipts._OPENED, {"book": BOOK}),
    "erasures": (tombstones._EVENTS, None),
    "the book of the log": (key_book._BOOK, {"book": BOOK}),
    "snapshots": (snapshots._KEPT, ("hub.snapshots",)),
    "keys of a bundle": (bundle_receipts._KEYS, {"streams": [BOOK], "kinds": ["agreement_drafted"], "size": 2**62}),
    "rules of a bundle": (bundle_question._RULES, {"name": BOOK, "before": 2**62}),
    "a stream of a bundle": (bundle_question._OF_STREAM, {"name": BOOK}),
    "what a batch that comes again holds": (named_sql(1, 301, 400), None),
}


@pytest.fixture(scope="module")
def journal(server_dsn: str) -> Iterator[psycopg.Connection]:
    """A feed of many batches, and an agreement of two events behind it."""
    with (
        fresh_database(server_dsn, f"hub_joins_{os.getpid()}") as dsn,
        psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection,
    ):
        connection.execute(_FILL.encode())
        yield connection


def rows_read(plan: dict[str, Any]) -> float:
    """How many events a plan, as it was run, read, those included that it then left out."""
    left_out = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Join Filter", 0)
    mine = plan["Actual Rows"] + left_out if str(plan.get("Relation Name")).startswith("event_") else 0
    return mine * plan["Actual Loops"] + sum(rows_read(part) for part in plan.get("Plans", ()))


def explained(connection: psycopg.Connection, statement: str, asked: Any) -> float:
    row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), asked).fetchone()
    assert row is not None
    return rows_read(row[0][0]["Plan"])


@pytest.mark.parametrize("what", STATEMENTS)
def test_only_the_events_that_are_asked_for_are_read(journal: psycopg.Connection, what: str) -> None:
    assert explained(journal, *STATEMENTS[what]) <= OF_EACH


def test_joined_in_the_plain_way_all_would_be_read(journal: psycopg.Connection) -> None:
    plain = """
        SELECT e.data FROM journal.stream s JOIN journal.batch b USING (stream_id)
        JOIN journal.event e ON e.position BETWEEN b.first_position AND b.first_position + b.last_sequence - b.first_sequence
        WHERE NOT s.is_feed AND e.kind = 'identifier_erased' ORDER BY e.position"""
    assert explained(journal, plain, None) >= EVENTS


_FILL = f"""
    INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES ('sc.usage', 'x', true, 1), ('{BOOK}', 'x', false, 3);
    INSERT INTO journal.stream (name, owner, is_feed, next_sequence) SELECT 'x' || n, 'x', false, 2 FROM generate_series(1, {OTHERS}) n;
    INSERT INTO journal.batch (stream_id, first_sequence, last_sequence, first_position, recorded_at, trace_parents)
    SELECT 1, {OF_EACH} * n + 1, {OF_EACH} * (n + 1), {OF_EACH} * n + 1, now(), '{{}}'::text[] FROM generate_series(0, {BATCHES - 1}) n
    UNION ALL SELECT 2, n, n, {EVENTS} + n, now(), '{{}}' FROM generate_series(1, 2) n
    UNION ALL SELECT 2 + n, 1, 1, {EVENTS} + 2 + n, now(), '{{}}' FROM generate_series(1, {OTHERS}) n;
    INSERT INTO journal.event (position, recorded_at, stream_id, sequence, kind, data)
    SELECT n, now(), 1, n, 'identity_presented', repeat('x', 300)::bytea FROM generate_series(1, {EVENTS}) n
    UNION ALL SELECT {EVENTS} + n, now(), 2, n, 'agreement_drafted', 'x' FROM generate_series(1, 2) n
    UNION ALL SELECT {EVENTS} + 2 + n, now(), 2 + n, 1, 'agreement_drafted', 'x' FROM generate_series(1, {OTHERS}) n;
    INSERT INTO views.agreement_history (stream_id, code, history, position) VALUES (2, 'T-1/1', '', 1);
    ANALYZE"""
