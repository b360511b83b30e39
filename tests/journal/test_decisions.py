"""The hub's own decisions: one call a group, numbered under the lock, a repeated request finds its answer, nothing is guessed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import pq

from hub.domain.errors import JournalUnavailable, QueueFull
from hub.journal import decisions
from hub.journal.decisions import Decision, DecisionWriter, Receipt, TokenRedeemed
from hub.journal.statements import run
from hub.journal.writer_connection import SESSION

AT_US = 1_756_690_215_000_000
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def decision(request_key: bytes, text: str = "answer", trace_parent: str = "") -> Decision:
    return Decision(request_key, AT_US, text.encode(), trace_parent)


@pytest.fixture
def stream(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            """INSERT INTO journal.stream (name, owner, is_feed, next_sequence)
               VALUES ('hub.decisions', 'urn:chuanyu:participant:hub', true, 1) RETURNING stream_id""").fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def play(dsn: str, stream: int, scenario: Callable[[DecisionWriter], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        writer = DecisionWriter(dsn, stream)
        try:
            return await scenario(writer)
        finally:
            await writer.stop()

    return asyncio.run(main())


def query(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_a_repeated_request_gets_the_old_position_and_records_nothing(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[Receipt]:
        return [await writer.append(decision(b"q1", "first answer")), await writer.append(decision(b"q1", "other answer"))]

    assert play(dsn, stream, scenario) == [Receipt(1, True), Receipt(1, False)]
    assert query(dsn, "SELECT convert_from(data, 'UTF8') FROM journal.event") == [("first answer",)]


def test_a_request_asked_twice_at_once_is_answered_once(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[Receipt]:
        return list(await asyncio.gather(writer.append(decision(b"q1")), writer.append(decision(b"q1")), writer.append(decision(b"q2"))))

    assert play(dsn, stream, scenario) == [Receipt(1, True), Receipt(1, False), Receipt(2, True)]


def test_decisions_are_numbered_under_the_lock_without_holes(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> None:
        other = DecisionWriter(dsn, stream)
        await asyncio.gather(*(each.append(decision(f"{each is other} {n}".encode())) for n in range(50) for each in (writer, other)))
        await other.stop()

    play(dsn, stream, scenario)
    rows = query(dsn, "SELECT position, sequence FROM journal.event ORDER BY position")
    assert rows == [(n, n) for n in range(1, 101)]
    assert query(dsn, "SELECT position FROM journal.head") == [(100,)]
    assert query(dsn, "SELECT next_sequence FROM journal.stream WHERE name = 'hub.decisions'") == [(101,)]


def test_decisions_of_one_group_share_a_batch_row_that_keeps_their_traces(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> None:
        await asyncio.gather(writer.append(decision(b"q1", trace_parent=TRACE)), writer.append(decision(b"q2")))

    play(dsn, stream, scenario)
    assert query(dsn, "SELECT first_sequence, last_sequence, first_position, trace_parents FROM journal.batch") == [(1, 2, 1, [TRACE, ""])]


def showing(request_key: bytes, token: bytes, *, redeems: bool = True) -> Decision:
    return decision(request_key)._replace(token=token, redeems=redeems)


def said(outcome: Receipt | BaseException) -> int:
    """The position of a decision, or less than zero that of the one that has used its token."""
    return -outcome.position if isinstance(outcome, TokenRedeemed) else outcome.position  # type: ignore[union-attr]


def test_a_token_is_used_once_within_one_group_and_after_it(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[int]:
        group = [decision(b"q1"), showing(b"q2", b"t"), showing(b"q3", b"t"), showing(b"q4", b"u"), decision(b"q5")]
        together = [said(outcome) for outcome in await writer.record(group)]
        return together + [said(outcome) for outcome in await writer.record([showing(b"q6", b"t"), showing(b"q2", b"t"), decision(b"q7")])]

    assert play(dsn, stream, scenario) == [1, 2, -2, 3, 4, -2, 2, 5]
    assert query(dsn, "SELECT token_key, position FROM journal.redeemed_token ORDER BY position") == [(b"t", 2), (b"u", 3)]
    assert query(dsn, "SELECT count(*) FROM journal.request") == [(5,)]


def test_only_an_answer_that_accepts_uses_its_token(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[int]:
        group = [showing(b"q1", b"t", redeems=False), showing(b"q2", b"t"), showing(b"q3", b"t", redeems=False)]
        return [said(outcome) for outcome in await writer.record(group)]

    assert play(dsn, stream, scenario) == [1, 2, -2]


def test_two_writers_use_a_token_once(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[Any]:
        other = DecisionWriter(dsn, stream)
        asked = [each.record([showing(f"{each is other} {n}".encode(), b"t%d" % n)]) for n in range(20) for each in (writer, other)]
        answered = await asyncio.gather(*asked)
        await other.stop()
        return [outcome for (outcome,) in answered]

    outcomes = play(dsn, stream, scenario)
    assert sum(isinstance(outcome, TokenRedeemed) for outcome in outcomes) == 20
    assert query(dsn, "SELECT count(*) FROM journal.redeemed_token") == [(20,)]


def test_a_full_queue_is_refused_before_anything_is_queued(dsn: str, stream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "WAITING_DECISIONS", 2)

    async def scenario(writer: DecisionWriter) -> list[Any]:
        return list(await asyncio.gather(*(writer.append(decision(bytes([n]))) for n in range(3)), return_exceptions=True))

    first, second, third = play(dsn, stream, scenario)
    assert (first, second, type(third)) == (Receipt(1, True), Receipt(2, True), QueueFull)


def test_a_cut_connection_is_not_noticed_by_who_asks(dsn: str, stream: int) -> None:
    async def scenario(writer: DecisionWriter) -> list[Receipt]:
        first = await writer.append(decision(b"q1"))
        query(dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'hub-writer'")
        return [first, await writer.append(decision(b"q1")), await writer.append(decision(b"q2"))]

    assert play(dsn, stream, scenario) == [Receipt(1, True), Receipt(1, False), Receipt(2, True)]


def test_without_a_database_it_is_not_recorded(dsn: str, stream: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "RETRY_FOR_S", 0.2)
    away = dsn.replace("host=", "host=/nonexistent")

    async def scenario(writer: DecisionWriter) -> None:
        await writer.append(decision(b"q1"))

    with pytest.raises(JournalUnavailable):
        play(away, stream, scenario)


@pytest.fixture
def stalled(dsn: str) -> Iterator[pq.PGconn]:
    """Another writer that was stopped between COPY and its data, holding the head."""
    connection = pq.PGconn.connect(dsn.encode())
    run(connection, SESSION.encode())
    run(connection, b"BEGIN; SELECT * FROM journal.lock_group('{}')")
    connection.exec_(b"COPY journal.event FROM STDIN (FORMAT BINARY)")
    yield connection
    connection.finish()


def test_a_stalled_writer_is_ended_so_that_decisions_go_on(
    dsn: str, stream: int, stalled: pq.PGconn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "HEAD_FOR_S", 30.0)

    async def scenario(writer: DecisionWriter) -> Receipt:
        return await writer.append(decision(b"q1"))

    assert play(dsn, stream, scenario) == Receipt(1, True)
