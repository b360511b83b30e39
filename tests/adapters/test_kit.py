"""The adapters' kit: durable numbering, and a sender that resumes whatever breaks."""

import asyncio
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1.card_lifecycle_pb2 import AppUnlocked
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest, GetCardResponse
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CardRef

from adapters.kit import (
    AdapterError,
    CertificateUnreadable,
    FeedSender,
    FeedStopped,
    HubBehind,
    HubConnection,
    HubUnreachable,
    OptionUnreadable,
    Outbox,
    OutboxDamaged,
    OutboxLost,
    continue_feeds,
    listen_address,
    mutual_tls,
)
from adapters.kit.outbox import FeedState
from tests.scripted_hub import ScriptedHub, status

FEED = "sc.usage"
NOWHERE = "127.0.0.1:1"


def event(number: int) -> bytes:
    return Event(source=Source(message_id=str(number)), app_unlocked=AppUnlocked()).SerializeToString()


def items(first: int, last: int) -> list[tuple[str, bytes]]:
    return [(f"m{number}", event(number)) for number in range(first, last + 1)]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox.sqlite")


def test_sequences_start_at_one_and_have_no_gap(outbox: Outbox) -> None:
    assert outbox.put(FEED, items(1, 3)) == [(1, True), (2, True), (3, True)]
    assert outbox.put(FEED, items(4, 4)) == [(4, True)]


def test_each_feed_counts_for_itself(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    assert outbox.put("sc.card-center", items(1, 1)) == [(1, True)]


def test_a_source_key_seen_before_keeps_its_sequence_and_is_not_added(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 2))
    assert outbox.put(FEED, [("m2", event(99)), ("m3", event(3))]) == [(2, False), (3, True)]
    assert outbox.pending(FEED, 1, 10) == [(1, event(1)), (2, event(2)), (3, event(3))]


def test_a_source_key_twice_in_one_put_is_one_event(outbox: Outbox) -> None:
    assert outbox.put(FEED, [("m1", event(1)), ("m1", event(1))]) == [(1, True), (1, False)]


def test_acknowledgement_drops_the_bytes_and_keeps_the_source_key(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    outbox.acknowledge(FEED, 2)
    assert outbox.pending(FEED, 1, 10) == [(3, event(3))]
    assert outbox.put(FEED, items(1, 1)) == [(1, False)]


def test_an_acknowledgement_heard_late_takes_nothing_back(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    outbox.acknowledge(FEED, 3)
    outbox.acknowledge(FEED, 1)
    assert outbox.state(FEED) == FeedState(next_sequence=4, acknowledged_sequence=3)


def test_pending_starts_where_asked_and_stops_at_the_limit(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 5))
    assert [sequence for sequence, _ in outbox.pending(FEED, 2, 3)] == [2, 3, 4]


def test_pending_stays_below_the_size_of_a_batch(outbox: Outbox) -> None:
    outbox.put(FEED, [("m1", bytes(600_000)), ("m2", bytes(600_000)), ("m3", b"")])
    assert [sequence for sequence, _ in outbox.pending(FEED, 1, 500)] == [1]
    assert [sequence for sequence, _ in outbox.pending(FEED, 2, 500)] == [2, 3]


def test_a_put_that_fails_numbers_nothing(outbox: Outbox) -> None:
    with pytest.raises(sqlite3.Error):
        outbox.put(FEED, [("m1", event(1)), ("m2", None)])  # type: ignore[list-item]
    assert outbox.put(FEED, items(3, 3)) == [(1, True)]


def test_everything_put_survives_a_reopening(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    first.put(FEED, items(1, 3))
    first.acknowledge(FEED, 1)
    second = Outbox(tmp_path / "outbox.sqlite")
    assert second.state(FEED) == FeedState(next_sequence=4, acknowledged_sequence=1)
    assert second.pending(FEED, 1, 10) == [(2, event(2)), (3, event(3))]


def test_the_outbox_file_is_for_its_owner_only(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.sqlite")
    assert stat.S_IMODE((tmp_path / "outbox.sqlite").stat().st_mode) == 0o600


def test_what_the_hub_says_of_a_feed_acknowledges_nothing(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    assert outbox.check_pair(FEED, 3) == FeedState(next_sequence=4, acknowledged_sequence=0)
    assert outbox.pending(FEED, 1, 10) == [(1, event(1)), (2, event(2)), (3, event(3))]


def test_an_acknowledgement_of_what_was_never_handed_out_is_refused_and_drops_nothing(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    with pytest.raises(OutboxDamaged, match="acknowledged 4, handed out up to 3"):
        outbox.acknowledge(FEED, 4)
    assert len(outbox.pending(FEED, 1, 10)) == 3


def test_what_was_quarantined_is_known_after_a_restart_and_however_much_followed(tmp_path: Path) -> None:
    first = Outbox(tmp_path / "outbox.sqlite")
    first.put(FEED, items(1, 500))
    first.acknowledge(FEED, 500, {number: ["card required"] for number in range(1, 501)})
    second = Outbox(tmp_path / "outbox.sqlite")
    assert second.quarantined(FEED, [1, 2, 501]) == {1: ["card required"], 2: ["card required"]}
    assert list(second.newest_quarantined(FEED, 2)) == [499, 500]


def test_numbers_that_are_handed_out_again_forget_what_was_quarantined_under_them(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 2))
    outbox.acknowledge(FEED, 2, {1: ["a"], 2: ["b"]})
    outbox.continue_at(FEED, 2)
    assert outbox.quarantined(FEED, [1, 2]) == {1: ["a"]}


def test_a_hub_that_expects_more_than_was_handed_out_means_the_outbox_was_lost(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    with pytest.raises(OutboxLost, match="--continue-at"):
        outbox.check_pair(FEED, 5)


def test_a_hub_that_expects_what_it_acknowledged_lost_data(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 3))
    outbox.acknowledge(FEED, 3)
    with pytest.raises(HubBehind, match="hub expects 3"):
        outbox.check_pair(FEED, 3)


def test_continue_at_renumbers_what_waits_and_drops_nothing(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 2))
    continue_feeds(outbox, [FEED], [f"{FEED}=100"])
    assert outbox.pending(FEED, 1, 10) == [(100, event(1)), (101, event(2))]
    assert outbox.put(FEED, items(2, 3)) == [(101, False), (102, True)]


def test_continue_at_of_a_feed_that_is_not_the_adapters_changes_nothing(outbox: Outbox) -> None:
    with pytest.raises(OptionUnreadable, match=r"cq\.usage"):
        continue_feeds(outbox, [FEED], [f"{FEED}=100", "cq.usage=5"])
    assert outbox.state(FEED) == FeedState(next_sequence=1, acknowledged_sequence=0)


@pytest.mark.parametrize("listen", ["8051", "localhost", "localhost:http", ":8051"])
def test_a_listen_address_needs_host_and_port(listen: str) -> None:
    with pytest.raises(OptionUnreadable):
        listen_address(listen)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateUnreadable, match=r"ca\.pem"):
        mutual_tls(tmp_path / "ca.pem", tmp_path / "cert.pem", tmp_path / "key.pem")


def with_sender(outbox: Outbox, scenario: Callable[[ScriptedHub, FeedSender], Awaitable[None]]) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub, asyncio.timeout(30):
            sender = FeedSender(outbox, hub.connection(NOWHERE), FEED)
            task = asyncio.create_task(sender.run())
            await scenario(hub, sender)
            task.cancel()

    asyncio.run(play())


def test_events_arrive_in_order_and_are_acknowledged(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 1800))
        await sender.wait_acknowledged(1800)
        assert hub.feeds[FEED] == [event(number) for number in range(1, 1801)]
        assert outbox.state(FEED).pending_count == 0
        assert sender.status()["recorded"] == 1800

    with_sender(outbox, scenario)


def test_an_event_put_while_the_stream_is_open_follows_at_once(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 1))
        await sender.wait_acknowledged(1)
        await sender.put(items(2, 2))
        await sender.wait_acknowledged(2)
        assert hub.streams == 1

    with_sender(outbox, scenario)


def test_events_put_before_the_adapter_started_are_sent(outbox: Outbox) -> None:
    outbox.put(FEED, items(1, 2))

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.wait_acknowledged(2)
        assert len(hub.feeds[FEED]) == 2

    with_sender(outbox, scenario)


def test_an_answer_lost_after_the_commit_costs_no_event_and_makes_none(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.lost_answers = 2
        await sender.put(items(1, 3))
        await sender.wait_acknowledged(3)
        assert hub.feeds[FEED] == [event(1), event(2), event(3)]

    with_sender(outbox, scenario)


def test_a_full_queue_is_waited_out_as_long_as_the_hub_says(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.refusals.append(status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", retry_after_s=1))
        started = asyncio.get_running_loop().time()
        await sender.put(items(1, 2))
        await sender.wait_acknowledged(2)
        assert asyncio.get_running_loop().time() - started >= 1
        assert sender.status()["refused"] == 2

    with_sender(outbox, scenario)


def test_a_batch_refused_in_the_window_is_resent_with_those_behind_it(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.refusals.append(status(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"))
        await sender.put(items(1, 1500))
        await sender.wait_acknowledged(1500)
        assert hub.feeds[FEED] == [event(number) for number in range(1, 1501)]

    with_sender(outbox, scenario)


def test_a_conflict_stops_the_feed_and_says_where(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 2))
        await sender.wait_acknowledged(2)
        hub.feeds[FEED].append(event(77))
        hub.refusals.append(status(grpc.StatusCode.ALREADY_EXISTS, "SEQUENCE_CONFLICT", sequence="3"))
        await sender.put(items(3, 4))
        with pytest.raises(FeedStopped, match="conflict at 3"):
            await sender.wait_acknowledged(4)
        assert "conflict at 3" in str(sender.status()["state"])
        assert outbox.pending(FEED, 1, 10) == [(3, event(3)), (4, event(4))]

    with_sender(outbox, scenario)


def test_a_lost_outbox_stops_the_feed_and_says_what_to_do(outbox: Outbox) -> None:
    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.feeds[FEED] = [event(1), event(2)]
        with pytest.raises(FeedStopped, match="restore the outbox file"):
            await sender.wait_acknowledged(1)

    with_sender(outbox, scenario)


def test_a_quarantined_event_is_counted_and_its_rule_kept(outbox: Outbox) -> None:
    async def scenario(_hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put([("m1", Event(scenario="X").SerializeToString())])
        await sender.wait_acknowledged(1)
        assert sender.status()["quarantined"] == 1
        assert await sender.quarantined([1, 2]) == {1: ["kind.unknown"]}
        assert sender.status()["recently_quarantined"] == {1: ["kind.unknown"]}

    with_sender(outbox, scenario)


def test_a_quiet_stream_is_renewed_and_goes_on_sending(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.session.QUIET_S", 0.05)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        await sender.put(items(1, 1))
        await sender.wait_acknowledged(1)
        await asyncio.sleep(0.5)
        assert hub.streams > 1
        await sender.put(items(2, 2))
        await sender.wait_acknowledged(2)
        assert hub.feeds[FEED] == [event(1), event(2)]

    with_sender(outbox, scenario)


def test_a_hub_that_never_answers_is_left_and_asked_again(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kit.session.QUIET_S", 0.3)

    async def scenario(hub: ScriptedHub, sender: FeedSender) -> None:
        hub.silent_streams = 1
        await sender.put(items(1, 1))
        await sender.wait_acknowledged(1)
        assert hub.feeds[FEED] == [event(1)]

    with_sender(outbox, scenario)


def test_a_sender_ends_when_it_is_told_to_whatever_its_stream_does(outbox: Outbox) -> None:
    async def play() -> None:
        async with ScriptedHub() as hub:
            sender = FeedSender(outbox, hub.connection(), FEED)
            task = asyncio.create_task(sender.run())
            await sender.put(items(1, 1))
            await sender.wait_acknowledged(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 60)

    asyncio.run(play())


def test_a_card_is_asked_of_the_next_target_when_the_first_is_gone() -> None:
    async def play() -> None:
        async with ScriptedHub() as hub:
            hub.cards["S00000123"] = GetCardResponse(as_of_position=7)
            card = await hub.connection(NOWHERE).get_card(GetCardRequest(card=CardRef(clear="S00000123")), 4)
            assert card == GetCardResponse(as_of_position=7)

    asyncio.run(play())


def test_a_card_the_hub_does_not_know_is_none() -> None:
    async def play() -> None:
        async with ScriptedHub() as hub:
            assert await hub.connection().get_card(GetCardRequest(card=CardRef(clear="S00000999")), 4) is None

    asyncio.run(play())


def test_no_target_that_answers_is_an_error_of_its_own() -> None:
    async def play() -> None:
        connection = HubConnection([NOWHERE], grpc.local_channel_credentials())
        with pytest.raises(HubUnreachable, match=NOWHERE):
            await connection.get_card(GetCardRequest(), 1)

    asyncio.run(play())


def test_every_adapter_error_says_what_it_means() -> None:
    assert all(kind.__doc__ for kind in AdapterError.__subclasses__())
