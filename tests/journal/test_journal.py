"""The journal on a real PostgreSQL: append-only by grant, one order without holes, resends that do no harm, groups that do not mix up."""

import asyncio
import contextlib
import hashlib
import itertools
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.domain.errors import FeedUnknown, JournalUnavailable, NotFeedOwner, QueueFull, SequenceConflict, SequenceGap, Unstorable
from hub.journal.batch import Appended, Batch, Deferred, pack_tail
from hub.journal.group import commit_group, write_rows
from hub.journal.recorder import AggregateStore
from hub.journal.statements import ConnectionLost, GroupFailed, run
from hub.journal.writer import WAITING_BYTES, WAITING_EVENTS, JournalWriter
from hub.journal.writer_connection import SESSION
from tests.databases import CLEANER, fresh_database

SICHUAN, CHONGQING = "urn:chuanyu:participant:sc.card-center", "urn:chuanyu:participant:cq.card-center"
AT_US = 1_756_690_215_000_000
WRITERS = "application_name = 'hub-writer' AND datname = current_database()"


# What the tests need


def open_feed(dsn: str, name: str = "sc.usage", owner: str = SICHUAN) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "INSERT INTO journal.stream (name, owner, is_feed, next_sequence) VALUES (%s, %s, true, 1) RETURNING stream_id", (name, owner)
        ).fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def feed(dsn: str) -> int:
    return open_feed(dsn)


@pytest.fixture
def connection(dsn: str) -> Iterator[pq.PGconn]:
    """A writer's session."""
    connection = pq.PGconn.connect(make_conninfo(dsn, application_name="hub-writer").encode())
    run(connection, SESSION.encode())
    yield connection
    connection.finish()


def batch(feed: int, first_sequence: int, *texts: str, **fields: Any) -> Batch:
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    tails = [pack_tail(AT_US, b"identity_presented", digest, text.encode()) for digest, text in zip(digests, texts, strict=True)]
    return Batch(feed, fields.pop("owner", SICHUAN), first_sequence, tails, digests, **fields)


def refused_by_the_database(feed: int, first_sequence: int) -> Batch:
    """A batch whose kind holds a NUL byte, which no text of PostgreSQL may."""
    return Batch(feed, SICHUAN, first_sequence, [pack_tail(AT_US, b"identity\0presented", bytes(32), b"")], [bytes(32)])


def append(connection: pq.PGconn, *batches: Batch) -> list[Any]:
    return commit_group(connection, batches)


def positions(outcome: Any) -> list[int]:
    assert isinstance(outcome, Appended), outcome
    return list(outcome.positions)


def recorded(dsn: str) -> list[tuple[int, int, int, str]]:
    """All (position, stream, sequence, text) in order."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT position, stream_id, sequence, convert_from(data, 'UTF8') FROM journal.event ORDER BY position")
        return rows.fetchall()


def query(dsn: str, sql: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(sql.encode()).fetchall()


def command(dsn: str, sql: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(sql.encode())


@contextlib.asynccontextmanager
async def writing(dsn: str) -> AsyncIterator[JournalWriter]:
    writer = JournalWriter(dsn)
    writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@contextlib.contextmanager
def held_head(dsn: str) -> Iterator[None]:
    """Keeps every group waiting."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT FROM journal.head FOR UPDATE")
        yield


async def until_a_writer_waits(dsn: str) -> None:
    while not query(dsn, f"SELECT pid FROM pg_stat_activity WHERE {WRITERS} AND wait_event_type = 'Lock'"):
        await asyncio.sleep(0.01)


async def in_one_group(dsn: str, writer: JournalWriter, *batches: Batch) -> list[Any]:
    """Appends the batches so that they meet in one group and returns outcomes or errors."""
    plug = open_feed(dsn, "plug")
    with held_head(dsn):
        first = asyncio.create_task(writer.append(batch(plug, 1, "plug")))
        await until_a_writer_waits(dsn)
        tasks = [asyncio.create_task(writer.append(each)) for each in batches]
        await asyncio.sleep(0)
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


# Append-only by grant


@pytest.fixture(scope="module")
def untouched_dsn(server_dsn: str) -> Iterator[str]:
    """A database for rules about what is refused."""
    with fresh_database(server_dsn, "hub_test_grants") as dsn:
        yield dsn


@pytest.mark.parametrize("role", ["hub_writer", "hub_projector", "hub_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal.event SET kind = 'other'",
        "DELETE FROM journal.event",
        "TRUNCATE journal.event",
        "DELETE FROM journal.event_000000",
        "DROP TABLE journal.event_000000",
        "DELETE FROM journal.batch",
        "UPDATE journal.batch SET first_position = 1",
        "DELETE FROM journal.correction",
        "UPDATE journal.request SET position = 1",
        "DELETE FROM journal.redeemed_token",
        "UPDATE journal.stream SET owner = 'other'",
        "DELETE FROM journal.head",
    ],
)
def test_no_role_may_change_or_remove_what_is_recorded(untouched_dsn: str, role: str, statement: str) -> None:
    with psycopg.connect(untouched_dsn) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


@pytest.mark.parametrize("role", ["hub_projector", "hub_reader"])
def test_only_the_writer_may_append(untouched_dsn: str, role: str) -> None:
    with psycopg.connect(untouched_dsn) as connection:
        connection.execute(f"SET ROLE {role}".encode())
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO journal.event VALUES (1, now(), 1, 1, now(), 'kind', NULL, '')")


# One order


async def append_with_four_writers(dsn: str) -> list[int]:
    """Each of four writers appends 40 batches of one to seven events to a feed of its own, all at once; returns the feeds."""
    feeds = [open_feed(dsn, f"feed-{number}") for number in range(4)]

    async def send(feed: int, sizes: list[int]) -> None:
        async with writing(dsn) as writer:
            sequence = 1
            for size in sizes:
                await writer.append(batch(feed, sequence, *(f"{feed}/{sequence + at}" for at in range(size))))
                sequence += size

    await asyncio.gather(*(send(feed, [1 + number * feed % 7 for number in range(40)]) for feed in feeds))
    return feeds


@pytest.fixture(scope="module")
def of_four(server_dsn: str) -> Iterator[tuple[str, list[int]]]:
    """What four writers recorded at once: a database, and the feeds."""
    with fresh_database(server_dsn, f"hub_writers_{os.getpid()}") as dsn:
        yield dsn, asyncio.run(append_with_four_writers(dsn))


def test_positions_of_several_writers_are_1_2_3_without_hole(of_four: tuple[str, list[int]]) -> None:
    found = [position for position, *_ in recorded(of_four[0])]
    assert found == list(range(1, len(found) + 1))


def test_the_head_stands_at_the_last_position(of_four: tuple[str, list[int]]) -> None:
    dsn, _ = of_four
    assert query(dsn, "SELECT position FROM journal.head") == query(dsn, "SELECT max(position) FROM journal.event")


def test_each_feed_of_several_writers_is_in_its_own_order(of_four: tuple[str, list[int]]) -> None:
    dsn, feeds = of_four
    for feed in feeds:
        own = [(sequence, text) for _, stream, sequence, text in recorded(dsn) if stream == feed]
        assert own == [(number, f"{feed}/{number}") for number in range(1, len(own) + 1)]


def test_recorded_at_of_several_writers_never_goes_back_along_positions(of_four: tuple[str, list[int]]) -> None:
    dsn, _ = of_four
    backwards = """
        SELECT position FROM (SELECT position, recorded_at, lag(recorded_at) OVER (ORDER BY position) AS before FROM journal.event) e
        WHERE recorded_at < before"""
    assert query(dsn, backwards) == []


def test_recorded_at_is_the_same_while_the_clock_was_a_little_ahead_before(dsn: str, connection: pq.PGconn, feed: int) -> None:
    command(dsn, "UPDATE journal.head SET recorded_at = date_trunc('second', clock_timestamp()) + interval '50 seconds'")
    outcomes = [append(connection, batch(feed, number, "a"))[0] for number in (1, 2)]
    assert outcomes[0].recorded_us == outcomes[1].recorded_us
    assert outcomes[0].recorded_us % 1_000_000 == 0


def test_the_recorded_at_answered_is_the_one_in_the_journal(dsn: str, connection: pq.PGconn, feed: int) -> None:
    [outcome] = append(connection, batch(feed, 1, "a"))
    us = "SELECT (extract(epoch FROM recorded_at - '2000-01-01Z'::timestamptz) * 1000000)::bigint FROM journal.event"
    assert query(dsn, us) == [(outcome.recorded_us,)]


def test_a_rolled_back_group_burns_no_number(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a"))
    with pytest.raises(GroupFailed):
        append(connection, refused_by_the_database(feed, 2))
    append(connection, batch(feed, 2, "b"))
    assert recorded(dsn) == [(1, feed, 1, "a"), (2, feed, 2, "b")]


def test_an_all_or_nothing_group_with_a_known_event_writes_nothing(dsn: str, connection: pq.PGconn, feed: int) -> None:
    other = open_feed(dsn, "sc.card-center")
    append(connection, batch(feed, 1, "a"))
    commit_group(connection, [batch(other, 1, "b"), batch(feed, 1, "a")], all_or_nothing=True)
    assert recorded(dsn) == [(1, feed, 1, "a")]


# The feed row decides


def test_an_identical_resend_gets_the_old_positions(connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    [outcome] = append(connection, batch(feed, 1, "a", "b", "c"))
    assert (list(outcome.positions), outcome.duplicates) == ([1, 2, 3], 3)


def test_an_identical_resend_records_nothing(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    append(connection, batch(feed, 1, "a", "b", "c"))
    assert len(recorded(dsn)) == 3


def test_a_resend_cut_in_any_way_gets_the_old_positions(dsn: str, connection: pq.PGconn, feed: int) -> None:
    other = open_feed(dsn, "cq.usage", CHONGQING)
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    texts = [f"event {number}" for number in range(1, 51)]

    def cuts() -> list[tuple[int, int]]:
        borders = [0, *sorted(chance.sample(range(1, 50), chance.randint(0, 12))), 50]
        return list(itertools.pairwise(borders))

    known: list[int] = []
    for number, (begin, end) in enumerate(cuts(), 1):
        append(connection, batch(other, number, "between", owner=CHONGQING))
        [outcome] = append(connection, batch(feed, begin + 1, *texts[begin:end]))
        known += outcome.positions
    for _ in range(20):
        resent: list[int] = []
        for begin, end in cuts():
            [outcome] = append(connection, batch(feed, begin + 1, *texts[begin:end]))
            resent += outcome.positions
        assert resent == known, f"seed {seed}"


def test_an_overlap_records_only_what_is_new(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    append(connection, batch(feed, 2, "b", "c", "d", "e"))
    assert [text for *_, text in recorded(dsn)] == ["a", "b", "c", "d", "e"]


def test_an_overlap_gets_old_and_new_positions(connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    [outcome] = append(connection, batch(feed, 2, "b", "c", "d", "e"))
    assert (list(outcome.positions), outcome.duplicates) == ([2, 3, 4, 5], 2)


def test_a_gap_is_refused_with_the_expected_number(connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    [outcome] = append(connection, batch(feed, 5, "e"))
    assert (type(outcome), outcome.metadata) == (SequenceGap, {"expected_sequence": "4"})


def test_other_content_under_a_known_number_is_a_conflict_at_that_number(connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b", "c"))
    [outcome] = append(connection, batch(feed, 1, "a", "x", "c"))
    assert (type(outcome), outcome.metadata) == (SequenceConflict, {"sequence": "2"})


def test_a_conflict_records_nothing_of_its_batch(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b"))
    append(connection, batch(feed, 2, "x", "c"))
    assert [text for *_, text in recorded(dsn)] == ["a", "b"]


def test_another_participants_feed_is_refused(connection: pq.PGconn, feed: int) -> None:
    [outcome] = append(connection, batch(feed, 1, "a", owner=CHONGQING))
    assert isinstance(outcome, NotFeedOwner)


def test_a_feed_that_is_not_there_is_unknown(connection: pq.PGconn) -> None:
    [outcome] = append(connection, batch(999, 1, "a"))
    assert isinstance(outcome, FeedUnknown)


def test_batches_of_one_feed_follow_each_other_inside_a_group(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b"), batch(feed, 3, "c"))
    assert recorded(dsn) == [(1, feed, 1, "a"), (2, feed, 2, "b"), (3, feed, 3, "c")]


def test_a_resend_in_the_group_of_its_original_waits_for_the_next_group(connection: pq.PGconn, feed: int) -> None:
    outcomes = append(connection, batch(feed, 1, "a"), batch(feed, 1, "a"))
    assert [type(outcome) for outcome in outcomes] == [Appended, Deferred]


def test_a_resend_that_waited_gets_the_old_position(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        async with writing(dsn) as writer:
            first, second = await in_one_group(dsn, writer, batch(feed, 1, "a"), batch(feed, 1, "a"))
            assert positions(first) == positions(second) == [2]

    play(scenario)


# Groups


def test_a_batch_refused_by_the_database_does_not_fail_its_neighbours(dsn: str, feed: int) -> None:
    bad, last = open_feed(dsn, "bad"), open_feed(dsn, "last")

    async def scenario() -> None:
        async with writing(dsn) as writer:
            outcomes = await in_one_group(dsn, writer, batch(feed, 1, "a"), refused_by_the_database(bad, 1), batch(last, 1, "c"))
            assert [type(outcome) for outcome in outcomes] == [Appended, Unstorable, Appended]

    play(scenario)


def test_a_batch_refused_by_the_database_leaves_no_hole(dsn: str, feed: int) -> None:
    bad, last = open_feed(dsn, "bad"), open_feed(dsn, "last")

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await in_one_group(dsn, writer, batch(feed, 1, "a"), refused_by_the_database(bad, 1), batch(last, 1, "c"))

    play(scenario)
    assert [(position, text) for position, _, _, text in recorded(dsn)] == [(1, "plug"), (2, "a"), (3, "c")]


def test_who_was_refused_writes_apart_so_that_others_are_held_up_once(dsn: str, feed: int) -> None:
    bad, other = open_feed(dsn, "bad"), open_feed(dsn, "other", CHONGQING)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await asyncio.gather(writer.append(refused_by_the_database(bad, 1)), return_exceptions=True)
            outcomes = await in_one_group(
                dsn, writer, *[refused_by_the_database(bad, 1) for _ in range(8)], batch(other, 1, "b", owner=CHONGQING)
            )
            assert [type(outcome) for outcome in outcomes] == [*[Unstorable] * 8, Appended]
            # One transaction for the other's batch and one for each that is refused: nothing was tried twice.
            assert outcomes[-1].group.size == 1
            assert writer.groups == 1 + 1 + 1 + 8

    play(scenario)


def test_what_is_written_apart_is_recorded_in_the_order_of_its_feed(dsn: str, feed: int) -> None:
    bad = open_feed(dsn, "bad")

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await asyncio.gather(writer.append(refused_by_the_database(bad, 1)), return_exceptions=True)
            await asyncio.gather(*[writer.append(batch(feed, number, str(number))) for number in range(1, 9)])

    play(scenario)
    assert [text for _, _, _, text in recorded(dsn)] == [str(number) for number in range(1, 9)]


def test_what_follows_a_refused_batch_in_its_feed_is_a_gap(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        async with writing(dsn) as writer:
            _, follower = await in_one_group(dsn, writer, refused_by_the_database(feed, 1), batch(feed, 2, "b"))
            assert isinstance(follower, SequenceGap)

    play(scenario)


def test_a_head_that_stays_held_fails_the_group_at_once_and_not_batch_by_batch(
    dsn: str, feed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.journal.writer_connection.SESSION", SESSION.replace("lock_timeout = '4s'", "lock_timeout = '500ms'"))
    monkeypatch.setattr("hub.journal.writer_connection.HEAD_FOR_S", 0.0)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            tasks = [asyncio.create_task(writer.append(batch(feed, number, f"{number}"))) for number in range(1, 9)]
            with held_head(dsn):
                outcomes = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 2)
            assert [type(outcome) for outcome in outcomes] == [JournalUnavailable] * 8

    play(scenario)


def test_stop_writes_what_waits(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        writer = JournalWriter(dsn)
        writer.start()
        with held_head(dsn):
            tasks = [asyncio.create_task(writer.append(batch(feed, number, f"{number}"))) for number in range(1, 11)]
            await asyncio.sleep(0)
            stopping = asyncio.create_task(writer.stop())
            await asyncio.sleep(0.1)
        await stopping
        assert [positions(outcome) for outcome in await asyncio.gather(*tasks)] == [[number] for number in range(1, 11)]

    play(scenario)


def test_stop_ends_when_a_resend_had_to_wait(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        writer = JournalWriter(dsn)
        writer.start()
        plug = open_feed(dsn, "plug")
        with held_head(dsn):
            tasks = [asyncio.create_task(writer.append(batch(plug, 1, "plug")))]
            await until_a_writer_waits(dsn)
            tasks += [asyncio.create_task(writer.append(batch(feed, 1, "a"))) for _ in range(2)]
            await asyncio.sleep(0)
            stopping = asyncio.create_task(writer.stop())
            await asyncio.sleep(0.1)
        await asyncio.wait_for(stopping, 10)
        assert [positions(outcome) for outcome in await asyncio.gather(*tasks)] == [[1], [2], [2]]

    play(scenario)


# A bounded queue


def test_a_full_queue_refuses_by_the_number_of_events(dsn: str, feed: int) -> None:
    texts = ["event"] * 500

    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                # The feed's owner fills its share first, others the rest.
                owners = [SICHUAN] * 40 + [f"owner-{number}" for number in range(60)]
                batches = [batch(feed, 1 + 500 * number, *texts, owner=owner) for number, owner in enumerate(owners)]
                tasks = [asyncio.create_task(writer.append(one)) for one in batches]
                await asyncio.sleep(0)
                assert writer.waiting_events == WAITING_EVENTS + 500
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Appended] * 40 + [NotFeedOwner] * 41 + [QueueFull] * 19

    play(scenario)


def test_one_owner_may_take_half_of_the_queue_and_the_rest_is_for_others(dsn: str, feed: int) -> None:
    texts = ["event"] * 500

    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                tasks = [asyncio.create_task(writer.append(batch(feed, 1 + 500 * number, *texts))) for number in range(60)]
                await asyncio.sleep(0)
                assert writer.waiting_events == WAITING_EVENTS // 2 + 500
                other = asyncio.create_task(writer.append(batch(feed, 20_501, "event", owner="another")))
                await asyncio.sleep(0)
            outcomes = await asyncio.gather(*tasks, other, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Appended] * 41 + [QueueFull] * 19 + [NotFeedOwner]

    play(scenario)


def test_a_full_queue_refuses_by_the_bytes_of_events(dsn: str, feed: int) -> None:
    mebibyte = "m" * 1024 * 1024

    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                tasks = [asyncio.create_task(writer.append(batch(feed, number, mebibyte))) for number in range(1, 71)]
                await asyncio.sleep(0)
                # One owner has at most as much as it leaves free.
                assert WAITING_BYTES // 2 < writer.waiting_bytes < WAITING_BYTES // 2 + 2 * 1024 * 1024
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(outcome) for outcome in outcomes] == [Appended] * 32 + [QueueFull] * 38

    play(scenario)


def test_an_emptied_queue_takes_batches_again(dsn: str, feed: int) -> None:
    texts = ["event"] * 500

    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                tasks = [asyncio.create_task(writer.append(batch(feed, 1 + 500 * number, *texts))) for number in range(42)]
                await asyncio.sleep(0)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert positions(await writer.append(batch(feed, 20_501, "next"))) == [20_501]

    play(scenario)


def test_a_caller_that_leaves_gives_its_place_back_only_when_its_batch_has_left_the_queue(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                leaving = asyncio.create_task(writer.append(batch(feed, 1, *["event"] * 500)))
                await asyncio.sleep(0)
                leaving.cancel()
                await asyncio.sleep(0.01)
                assert writer.waiting_events == 500
            assert positions(await writer.append(batch(feed, 501, "next"))) == [501]
            assert writer.waiting_events == 0

    play(scenario)


# Broken connections


def cut_writers(dsn: str) -> None:
    query(dsn, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {WRITERS}")


def test_an_append_after_a_cut_connection_is_recorded(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        async with writing(dsn) as writer:
            await writer.append(batch(feed, 1, "a"))
            cut_writers(dsn)
            assert positions(await writer.append(batch(feed, 2, "b"))) == [2]

    play(scenario)


def test_an_append_cut_while_it_waits_is_recorded_once(dsn: str, feed: int) -> None:
    async def scenario() -> None:
        async with writing(dsn) as writer:
            with held_head(dsn):
                waiting = asyncio.create_task(writer.append(batch(feed, 1, "a")))
                await until_a_writer_waits(dsn)
                cut_writers(dsn)
            assert positions(await waiting) == [1]

    play(scenario)
    assert recorded(dsn) == [(1, feed, 1, "a")]


def test_a_connection_cut_between_copy_and_its_rows_is_lost_and_says_so_again(dsn: str, connection: pq.PGconn) -> None:
    run(connection, b"BEGIN; COPY journal.event (position) FROM STDIN (FORMAT BINARY); COMMIT")
    cut_writers(dsn)
    with pytest.raises(ConnectionLost):
        write_rows(connection, [b"row"])
    with pytest.raises(ConnectionLost):
        run(connection, b"SELECT 1")


def test_a_writer_that_stopped_between_copy_and_its_rows_is_ended_by_one_that_waits(dsn: str, connection: pq.PGconn, feed: int) -> None:
    run(connection, b"BEGIN; SELECT * FROM journal.lock_group('{}')")
    run(connection, b"COPY journal.event (position) FROM STDIN (FORMAT BINARY)")

    async def scenario() -> None:
        async with writing(dsn) as writer:
            assert positions(await asyncio.wait_for(writer.append(batch(feed, 1, "a")), 8)) == [1]

    play(scenario)


def test_aggregates_are_read_at_once_after_a_cut_connection(dsn: str) -> None:
    open_feed(dsn, "sc.usage", SICHUAN)
    store = AggregateStore(dsn)
    store.feed_owners(["sc.usage"])
    cut_writers(dsn)
    owners = store.feed_owners(["sc.usage"])
    store.close()
    assert owners == {"sc.usage": SICHUAN}


def test_a_session_of_the_aggregates_is_named_like_a_writer_so_that_it_can_be_ended(dsn: str) -> None:
    store = AggregateStore(dsn)
    store.feed_owners(["sc.usage"])
    names = query(
        dsn,
        f"""SELECT DISTINCT application_name FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> '{CLEANER}'""",
    )
    store.close()
    assert names == [("hub-writer",)]


def test_a_failing_look_ahead_does_not_fail_what_is_committed(dsn: str, feed: int) -> None:
    command(dsn, "UPDATE journal.head SET position = 5000000")

    async def scenario() -> None:
        async with writing(dsn) as writer:
            command(dsn, "UPDATE journal.head SET position = 7000000")
            await writer.append(batch(open_feed(dsn, "first"), 1, "first"))
            command(dsn, "UPDATE journal.head SET position = 9000000; REVOKE EXECUTE ON FUNCTION journal.ensure_partitions FROM hub_writer")
            assert positions(await writer.append(batch(feed, 1, "a"))) == [9_000_001]

    play(scenario)


# Corrections and the vault


def test_a_correction_is_noted_with_the_position_of_the_correcting_event(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b"))
    append(connection, batch(feed, 3, "c", "b corrected", corrections=[(1, feed, 2)]))
    assert query(dsn, "SELECT stream_id, sequence, position FROM journal.correction") == [(feed, 2, 4)]


def test_a_resent_correction_is_noted_once(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "a corrected", corrections=[(1, feed, 1)]))
    append(connection, batch(feed, 2, "a corrected", "c", corrections=[(0, feed, 1)]))
    assert query(dsn, "SELECT stream_id, sequence, position FROM journal.correction") == [(feed, 1, 2)]


def test_a_correction_behind_an_overlap_is_noted_at_its_position(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a", "b"))
    append(connection, batch(feed, 2, "b", "a corrected", corrections=[(1, feed, 1)]))
    assert query(dsn, "SELECT stream_id, sequence, position FROM journal.correction") == [(feed, 1, 3)]


def test_an_identifier_that_two_batches_bring_is_kept_once(dsn: str, connection: pq.PGconn, feed: int) -> None:
    other = open_feed(dsn, "cq.usage")
    row = (bytes(32), 1, b"sealed")
    append(connection, batch(feed, 1, "a", vault_rows=[row]), batch(other, 1, "b", vault_rows=[row]))
    assert query(dsn, "SELECT count(*) FROM vault.identifier") == [(1,)]


def test_an_original_is_kept_under_its_feed_and_sequence(dsn: str, connection: pq.PGconn, feed: int) -> None:
    append(connection, batch(feed, 1, "a"))
    append(connection, batch(feed, 1, "a", "bad", originals=[(1, 1, b"sealed")]))
    assert query(dsn, "SELECT stream_id, sequence, sealed FROM vault.original") == [(feed, 2, b"sealed")]


# Partitions


def use_partitions_of_100(dsn: str) -> None:
    command(dsn, "DROP TABLE journal.event_000000, journal.event_000001, journal.event_000002")
    command(dsn, "UPDATE journal.head SET partition_size = 100")


def test_two_partitions_exist_ahead_once_a_writer_is_connected(dsn: str, feed: int) -> None:
    use_partitions_of_100(dsn)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await writer.append(batch(feed, 1, "a"))
            assert writer.partitions_ahead == 2

    play(scenario)


def test_a_batch_may_cross_partition_borders(dsn: str, feed: int) -> None:
    use_partitions_of_100(dsn)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await writer.append(batch(feed, 1, *["event"] * 250))

    play(scenario)
    rows = "SELECT tableoid::regclass::text, count(*) FROM journal.event GROUP BY 1 ORDER BY 1"
    assert query(dsn, rows) == [("journal.event_000000", 99), ("journal.event_000001", 100), ("journal.event_000002", 51)]


def test_resends_reach_across_partition_borders(dsn: str, feed: int) -> None:
    use_partitions_of_100(dsn)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await writer.append(batch(feed, 1, *["event"] * 250))
            assert positions(await writer.append(batch(feed, 91, *["event"] * 120))) == list(range(91, 211))

    play(scenario)


def test_a_new_connection_makes_two_partitions_ahead_again(dsn: str, feed: int) -> None:
    use_partitions_of_100(dsn)

    async def scenario() -> None:
        async with writing(dsn) as writer:
            await writer.append(batch(feed, 1, *["event"] * 250))
            cut_writers(dsn)
            await writer.append(batch(feed, 251, "next"))
            assert writer.partitions_ahead == 2

    play(scenario)


def test_partitions_ahead_are_counted_by_any_plan(dsn: str) -> None:
    # As with some statistics of the catalog, the planner looks at the names of all tables first.
    without_loops = make_conninfo(dsn, options="-c enable_nestloop=off")
    assert query(without_loops, "SELECT journal.ensure_partitions()") == [(2,)]
