"""A stream that breaks off leaves nothing behind: what is acknowledged is what the hub answered to, whatever happened before."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1.card_lifecycle_pb2 import AppUnlocked
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.feed_service_pb2 import EventOutcome, StreamEventsResponse

from adapters.kit import FeedSender, FeedStopped, HubBehind, Outbox
from adapters.kit.outbox import FeedState
from tests.scripted_hub import ScriptedHub, status

FEED, OTHER = "sc.usage", "sc.card-center"
Scenario = Callable[[ScriptedHub, FeedSender], Awaitable[None]]


def event(number: int) -> bytes:
    return Event(source=Source(message_id=str(number)), app_unlocked=AppUnlocked()).SerializeToString()


def items(first: int, last: int) -> list[tuple[str, bytes]]:
    return [(f"m{number}", event(number)) for number in range(first, last + 1)]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    opened = Outbox(tmp_path / "outbox.sqlite")
    yield opened
    opened.close()


def with_sender(outbox: Outbox, scenario: Scenario) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, asyncio.timeout(30):
            sender = FeedSender(outbox, hub.connection(), FEED)
            task = asyncio.create_task(sender.run())
            await scenario(hub, sender)
            task.cancel()

    asyncio.run(play())


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.01)


def test_batches_of_different_sizes_after_an_idle_stream_was_ended_are_acknowledged_each_by_its_own_answer(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 3))
        await sender.wait_acknowledged(3)
        hub.end_streams()
        await until(lambda: hub.streams == 2)
        acknowledged = []
        for first, last in ((4, 240), (241, 241), (242, 250)):
            await sender.put(items(first, last))
            await sender.wait_acknowledged(last)
            acknowledged.append(outbox.state(FEED).acknowledged_sequence)
        assert acknowledged == [240, 241, 250]
        assert hub.feeds[FEED] == [event(number) for number in range(1, 251)]
        assert sender.status()["pending"] == 0

    with_sender(outbox, scenario)


def test_many_ended_streams_leave_one_that_writes(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.sender.LAST_BACKOFF_S", 0.05)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await until(lambda: hub.streams == 1)
        for number in range(2, 6):
            hub.end_streams()
            await until(lambda expected=number: hub.streams == expected)  # type: ignore[misc]
        await sender.put(items(1, 1200))
        await sender.wait_acknowledged(1200)
        assert sender.counters["sent"] == 1200
        assert hub.feeds[FEED] == [event(number) for number in range(1, 1201)]

    with_sender(outbox, scenario)


def test_nothing_is_dropped_that_was_not_answered_when_a_stream_ends_while_its_next_batch_is_being_read(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wake-up of the ended stream's writer is delayed until the next stream is open."""
    held, let_go, reads = threading.Event(), threading.Event(), Outbox.pending
    delays = iter([True])

    def slowly(self: Outbox, feed: str, from_sequence: int, limit: int) -> list[tuple[int, bytes]]:
        rows = reads(self, feed, from_sequence, limit)
        if from_sequence > 1 and rows and next(delays, False):
            held.set()
            let_go.wait(10)
        return rows

    monkeypatch.setattr(Outbox, "pending", slowly)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 1))
        await sender.wait_acknowledged(1)
        await sender.put(items(2, 2))
        await asyncio.to_thread(held.wait, 10)
        hub.end_streams()
        await until(lambda: hub.streams == 2)
        await sender.put(items(3, 642))
        let_go.set()
        await sender.wait_acknowledged(642)
        assert hub.feeds[FEED] == [event(number) for number in range(1, 643)]
        assert outbox.state(FEED) == FeedState(next_sequence=643, acknowledged_sequence=642)

    with_sender(outbox, scenario)


def wrong_first_sequence(answer: StreamEventsResponse) -> None:
    answer.first_sequence += 1


def wrong_first_sequence_within(answer: StreamEventsResponse) -> None:
    answer.appended.first_sequence += 1


def too_few_positions(answer: StreamEventsResponse) -> None:
    del answer.appended.positions[-1]


def too_many_positions(answer: StreamEventsResponse) -> None:
    answer.appended.positions.append(answer.appended.positions[-1] + 1)
    answer.appended.outcomes.append(EventOutcome.EVENT_OUTCOME_RECORDED)


def too_few_outcomes(answer: StreamEventsResponse) -> None:
    del answer.appended.outcomes[-1]


def positions_that_go_back(answer: StreamEventsResponse) -> None:
    answer.appended.positions[1] = answer.appended.positions[0]


def outcome_unspecified(answer: StreamEventsResponse) -> None:
    answer.appended.outcomes[0] = EventOutcome.EVENT_OUTCOME_UNSPECIFIED


def another_feed(answer: StreamEventsResponse) -> None:
    answer.feed = OTHER


def quarantine_of_another_batch(answer: StreamEventsResponse) -> None:
    answer.appended.quarantined.add(sequence=4)


def neither_taken_nor_refused(answer: StreamEventsResponse) -> None:
    answer.ClearField("appended")


@pytest.mark.parametrize("tampering", [
    wrong_first_sequence, wrong_first_sequence_within, too_few_positions, too_many_positions, too_few_outcomes, positions_that_go_back,
    outcome_unspecified, another_feed, quarantine_of_another_batch, neither_taken_nor_refused,
])  # fmt: skip
def test_an_answer_that_does_not_fit_acknowledges_nothing(outbox: Outbox, tampering: Callable[[StreamEventsResponse], None]) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.tampering = tampering
        await sender.put(items(1, 3))
        await until(lambda: "ANSWER_UNFIT" in sender.state)
        assert outbox.pending(FEED, 1, 10) == [(1, event(1)), (2, event(2)), (3, event(3))]
        hub.tampering = None
        await sender.wait_acknowledged(3)
        assert hub.feeds[FEED] == [event(1), event(2), event(3)]

    with_sender(outbox, scenario)


def test_an_answer_to_nothing_acknowledges_nothing(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 2))
        await sender.wait_acknowledged(2)
        hub.unasked = StreamEventsResponse(feed=FEED, first_sequence=3)
        hub.unasked.appended.first_sequence = 3
        hub.end_streams()
        await until(lambda: "ANSWER_UNFIT" in sender.state)
        assert outbox.state(FEED) == FeedState(next_sequence=3, acknowledged_sequence=2)

    with_sender(outbox, scenario)


def test_an_event_that_the_hub_has_but_did_not_answer_for_is_compared_before_it_is_dropped(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.feeds[FEED] = [event(1), event(77)]
        with pytest.raises(FeedStopped, match="conflict at 2"):
            await sender.wait_acknowledged(3)
        assert [sequence for sequence, _ in outbox.pending(FEED, 1, 10)] == [1, 2, 3]

    with_sender(outbox, scenario)


def test_what_was_quarantined_is_known_though_the_answer_was_lost(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.lost_answers = 1
        await sender.put([("m1", Event(scenario="X").SerializeToString())])
        await sender.wait_acknowledged(1)
        assert await sender.quarantined([1]) == {1: ["kind.unknown"]}

    with_sender(outbox, scenario)


def test_a_fault_of_the_adapters_own_stops_its_feed_and_no_other(outbox: Outbox) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, asyncio.timeout(30):
            connection = hub.connection()
            broken, sound = FeedSender(outbox, connection, FEED), FeedSender(outbox, connection, OTHER)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(sender.run()) for sender in (broken, sound)]
                await broken.put([("m1", b"\xff no event at all")])
                with pytest.raises(FeedStopped, match="fault of the adapter's own"):
                    await broken.wait_acknowledged(1)
                assert str(broken.status()["state"]).startswith("stopped: A fault of the adapter's own has stopped the feed")
                assert "DecodeError at " in str(broken.status()["state"])
                await sound.put(items(1, 2))
                await sound.wait_acknowledged(2)
                for task in tasks:
                    task.cancel()
        assert outbox.pending(FEED, 1, 10) == [(1, b"\xff no event at all")]

    asyncio.run(play())


def test_a_number_missing_in_the_outbox_stops_the_feed_before_anything_is_sent_in_its_place(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(FEED, items(1, 3))
    with sqlite3.connect(tmp_path / "outbox.sqlite") as damaged:
        damaged.execute("DELETE FROM pending WHERE sequence = 2")

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        with pytest.raises(FeedStopped, match="lacks a number"):
            await sender.wait_acknowledged(3)
        assert hub.feeds[FEED] == []

    with_sender(outbox, scenario)


def test_what_a_hub_behind_has_lost_does_not_count_as_acknowledged(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    outbox.acknowledge(FEED, 3)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.feeds[FEED] = [event(1)]
        await until(lambda: sender.state.startswith("stopped"))
        await sender.wait_acknowledged(1)
        with pytest.raises(FeedStopped, match=" ".join((HubBehind.__doc__ or "").split())[:40]):
            await sender.wait_acknowledged(2)

    with_sender(outbox, scenario)


def test_an_outbox_that_cannot_be_written_now_is_tried_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledge, failures = Outbox.acknowledge, iter([sqlite3.OperationalError("database or disk is full")])

    def full_once(self: Outbox, *arguments: object) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        acknowledge(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Outbox, "acknowledge", full_once)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 2))
        await sender.wait_acknowledged(2)
        assert hub.feeds[FEED] == [event(1), event(2)]

    with_sender(outbox, scenario)


def test_a_trouble_is_logged_once_however_often_it_is_met_and_so_is_its_end(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("adapters.kit.sender.LAST_BACKOFF_S", 0.02)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.refusals.extend(status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL") for _ in range(5))
        await sender.put(items(1, 2))
        await sender.wait_acknowledged(2)

    with caplog.at_level(logging.INFO, "adapters.kit.sender"):
        with_sender(outbox, scenario)
    assert [record.getMessage() for record in caplog.records if record.name == "adapters.kit.sender"] == [
        "feed sc.usage is waiting: RESOURCE_EXHAUSTED QUEUE_FULL",
        "feed sc.usage goes on",
    ]
