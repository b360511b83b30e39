"""The journal's time: a clock that was once far ahead does not set it for good, and an operator's acceptance is an event."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner, Result

from hub.cli import app
from hub.domain.errors import ClockDrift, RequestInvalid
from hub.journal.batch import PG_EPOCH_US, Appended, Batch, pack_tail
from hub.journal.clock import TimeNotAhead
from hub.journal.decisions import Decision, DecisionWriter
from hub.journal.group import commit_group
from hub.journal.recorder import AggregateStore
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION
from tests.clients import journal

SICHUAN = "urn:chuanyu:participant:sc.card-center"
FEED = "sc.usage"
YEAR_2100 = "UPDATE journal.head SET recorded_at = '2100-01-01Z'"
YEAR_2100_US = 4_102_444_800_000_000
TEN_YEARS_AHEAD = """
    CREATE SCHEMA shifted;
    CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        'SELECT pg_catalog.clock_timestamp() + interval \'\'10 years\'\'';
    GRANT USAGE ON SCHEMA shifted TO PUBLIC"""


@pytest.fixture
def feed(dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """A feed of a hub whose commands act on its database."""
    monkeypatch.setenv("HUB_DSN", dsn)
    monkeypatch.setenv("HUB_DATA_DIR", str(tmp_path))
    store = AggregateStore(dsn)
    store.ensure_feeds([(FEED, SICHUAN)])
    store.close()
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT stream_id FROM journal.stream WHERE name = %s", (FEED,)).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def writer(dsn: str) -> Iterator[pq.PGconn]:
    connection = pq.PGconn.connect(dsn.encode())
    run(connection, SESSION.encode())
    yield connection
    connection.finish()


def command(dsn: str, statements: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statements.encode())


def append(writer: pq.PGconn, feed: int, sequence: int) -> int:
    """Returns the instant that an event is recorded with, in microseconds since 1970."""
    digest = sequence.to_bytes(32, "big")
    [outcome] = commit_group(writer, [Batch(feed, SICHUAN, sequence, [pack_tail(0, b"identity_presented", digest, b"")], [digest])])
    assert isinstance(outcome, Appended)
    return outcome.recorded_us + PG_EPOCH_US


def accept(*options: str) -> Result:
    return CliRunner().invoke(app, ["clock", "accept", *(options or ("--reason", "TIME_SERVICE_FAULT", "--operator", "li.lei"))])


def test_a_journal_ahead_of_the_clocks_takes_no_event_until_an_operator_has_accepted_its_time(
    dsn: str, feed: int, writer: pq.PGconn
) -> None:
    command(dsn, YEAR_2100)
    with pytest.raises(ClockDrift) as refusal:
        append(writer, feed, 1)
    assert float(refusal.value.metadata["drift_s"]) < -70 * 365 * 86_400
    assert accept().exit_code == 0
    assert [append(writer, feed, 1), append(writer, feed, 2)] == [YEAR_2100_US, YEAR_2100_US]


def test_an_acceptance_is_an_event_that_names_the_operator_and_the_reason(dsn: str, feed: int) -> None:
    command(dsn, YEAR_2100)
    assert accept().exit_code == 0
    [recorded] = journal(dsn)
    accepted = recorded.event.recorded_time_accepted
    assert (recorded.kind, accepted.operator, accepted.reason_code) == ("recorded_time_accepted", "li.lei", "TIME_SERVICE_FAULT")
    assert accepted.ahead_s > 70 * 365 * 86_400


def test_what_is_accepted_is_no_leave_for_a_later_time(dsn: str, feed: int, writer: pq.PGconn) -> None:
    command(dsn, YEAR_2100)
    assert accept().exit_code == 0
    command(dsn, "UPDATE journal.head SET recorded_at = '2200-01-01Z'")
    with pytest.raises(ClockDrift):
        append(writer, feed, 1)


@pytest.mark.parametrize("far", ["0 seconds", "50 seconds"])
def test_a_time_that_is_not_far_ahead_cannot_be_accepted(dsn: str, feed: int, far: str) -> None:
    command(dsn, f"UPDATE journal.head SET recorded_at = clock_timestamp() + interval '{far}'")
    assert isinstance(accept().exception, TimeNotAhead)


def test_a_time_is_accepted_once(dsn: str, feed: int) -> None:
    command(dsn, YEAR_2100)
    assert accept().exit_code == 0
    assert isinstance(accept().exception, TimeNotAhead)


@pytest.mark.parametrize("options", [("--reason", "a sentence"), ("--reason", "CODE", "--operator", "li lei")])
def test_an_acceptance_needs_a_code_and_a_name(options: tuple[str, ...], feed: int) -> None:
    assert isinstance(accept(*options).exception, RequestInvalid)


@pytest.fixture
def jumped(dsn: str, feed: int) -> str:
    """The database as who connects so sees it: its clock has jumped by ten years."""
    command(dsn, TEN_YEARS_AHEAD)
    return make_conninfo(dsn, options="-c search_path=shifted,pg_catalog,public")


def test_no_event_is_recorded_by_a_database_clock_that_has_jumped_ahead(jumped: str, feed: int, writer: pq.PGconn) -> None:
    connection = pq.PGconn.connect(jumped.encode())
    run(connection, SESSION.encode())
    with pytest.raises(ClockDrift):
        append(connection, feed, 1)
    connection.finish()
    assert abs(append(writer, feed, 1) / 1e6 - time.time()) < 60


def test_no_answer_is_recorded_by_a_database_clock_that_has_jumped_ahead(jumped: str, feed: int) -> None:
    async def ask() -> None:
        decisions = DecisionWriter(jumped, feed)
        with pytest.raises(ClockDrift):
            await decisions.append(Decision(b"q1", 0, b""))
        await decisions.stop()

    asyncio.run(ask())


def test_a_time_is_not_accepted_while_the_clocks_differ(jumped: str, dsn: str, feed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUB_DSN", jumped)
    command(dsn, YEAR_2100)
    assert isinstance(accept().exception, ClockDrift)
    assert list(journal(dsn)) == []
