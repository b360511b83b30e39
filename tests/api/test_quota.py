"""Quotas: what is refused and with what, what is held back, who is not affected, and a bucket that never lets through more than it may."""

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import card_service_pb2, event_pb2, feed_service_pb2, hub_decisions_pb2
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from adapters.kit import FeedSender, HubConnection, Outbox, mutual_tls
from hub.admin.participants import ParticipantNotFound
from hub.admin.registry import change_quota, register_participant
from hub.api.edge.quota import Allowance, Quotas
from hub.cli import app
from hub.domain.errors import BatchEmpty, QuotaExceeded, RequestMalformed
from hub.domain.participant import PREFIX, Participant
from hub.domain.quota import NO_QUOTA, Bucket, Quota
from hub.domain.roles import every_role
from hub.journal.recorder import AggregateStore
from tests.clients import DEADLINE_S, Province, Refusal, refused, refused_in_stream
from tests.hub_process import RunningHub, environment
from tests.messages import journey, question

_numbers = itertools.count(1)
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


class Member(Province):
    """A participant of one test, with a quota and a feed of its own."""

    def __init__(self, hub: RunningHub, **quota: int) -> None:
        self.name = f"sc.member-{next(_numbers)}"
        self.urn, self.feed = PREFIX + self.name, self.name
        store = AggregateStore(hub.dsn)
        register_participant(store, self.urn, "51", self.name, [self.feed], datetime.now(UTC), every_role())
        change_quota(store, self.urn, quota, datetime.now(UTC))
        store.close()
        super().__init__(hub, self.urn)

    def ask_where(self) -> grpc.Future:
        """Asks where its feed is, without waiting."""
        return self.feeds.GetFeed.future(feed_service_pb2.GetFeedRequest(feed=self.feed), timeout=DEADLINE_S)

    def batch(self, first_sequence: int, count: int) -> feed_service_pb2.StreamEventsRequest:
        return feed_service_pb2.StreamEventsRequest(feed=self.feed, first_sequence=first_sequence, events=trips(count))


@pytest.fixture
def member(shared_hub: RunningHub) -> Iterator[Callable[..., Member]]:
    """Makes participants with the quotas given."""
    made: list[Member] = []

    def make(**quota: int) -> Member:
        made.append(Member(shared_hub, **quota))
        return made[-1]

    yield make
    for one in made:
        one.channel.close()


def trips(count: int) -> list[event_pb2.Event]:
    return [journey("A12345678", fare_fen=number) for number in range(count)]


def retry_after_s(refusal: Refusal) -> float:
    [info] = refusal.details(error_details_pb2.RetryInfo)
    return float(info.retry_delay.ToTimedelta().total_seconds())


def outcome(call: grpc.Future) -> str:
    """Waits for a call: OK, or the reason of its refusal."""
    try:
        call.result()
    except grpc.RpcError:
        return refused(call.result).reason
    return "OK"


# Calls a second


def test_calls_beyond_burst_and_rate_are_refused_with_the_quota_its_limit_and_a_delay(member: Callable[..., Member]) -> None:
    noisy = member(calls_per_s=5)
    calls = [noisy.ask_where() for _ in range(25)]
    refusals = [refused(call.result) for call in calls if outcome(call) != "OK"]
    assert {(refusal.code, refusal.reason) for refusal in refusals} == {(EXHAUSTED, "QUOTA_EXCEEDED")}
    assert [refusal.metadata for refusal in refusals] == [{"quota": "calls_per_s", "limit": "5"}] * len(refusals)
    assert all(0 < retry_after_s(refusal) <= 0.2 for refusal in refusals)


def test_no_more_calls_come_through_than_burst_and_rate_allow(member: Callable[..., Member]) -> None:
    noisy, began = member(calls_per_s=5), time.monotonic()
    outcomes = [outcome(call) for call in [noisy.ask_where() for _ in range(25)]]
    assert 10 <= outcomes.count("OK") <= 10 + 5 * (time.monotonic() - began)


def test_refusals_are_given_one_after_the_other(member: Callable[..., Member]) -> None:
    noisy, began = member(calls_per_s=1), time.monotonic()
    outcomes = [outcome(call) for call in [noisy.ask_where() for _ in range(30)]]
    assert time.monotonic() - began > outcomes.count("QUOTA_EXCEEDED") / 50


def test_a_refusal_is_not_held_beyond_the_callers_deadline(shared_hub: RunningHub, member: Callable[..., Member]) -> None:
    noisy = member(calls_per_s=1)
    # A connection has a hundred calls at once. One after the other, the last refusal would be given after five seconds and more.
    ways = [noisy, Province(shared_hub, noisy.urn), Province(shared_hub, noisy.urn)]
    where = feed_service_pb2.GetFeedRequest(feed=noisy.feed)
    outcomes = {outcome(call) for call in [way.feeds.GetFeed.future(where, timeout=4.0) for way in ways for _ in range(90)]}
    for way in ways[1:]:
        way.channel.close()
    assert outcomes == {"OK", "QUOTA_EXCEEDED"}


def test_after_the_delay_there_is_room(member: Callable[..., Member]) -> None:
    noisy = member(events_per_s=200)
    noisy.append(noisy.feed, 1, *trips(500))
    refusal = refused(lambda: noisy.append(noisy.feed, 501, *trips(200)))
    time.sleep(retry_after_s(refusal))
    assert len(noisy.append(noisy.feed, 501, *trips(200)).positions) == 200


def test_a_request_that_is_no_message_counts_as_twenty_calls(member: Callable[..., Member]) -> None:
    faulty = member(calls_per_s=1)
    malformed = faulty.channel.unary_unary("/chuanyu.exchange.v1.FeedService/GetFeed")
    assert refused(lambda: malformed(b"\xff", timeout=DEADLINE_S)).reason == "REQUEST_MALFORMED"
    refusal = refused(faulty.ask_where().result)
    assert refusal.metadata == {"quota": "calls_per_s", "limit": "1"}
    # The burst of two, less twenty, and the call itself; some of it passes while the refusal is delayed.
    assert 10 < retry_after_s(refusal) <= 19


def test_another_participant_is_not_refused_meanwhile(member: Callable[..., Member]) -> None:
    noisy, other = member(calls_per_s=1), member()
    calls = [noisy.ask_where() for _ in range(40)]
    assert [outcome(other.ask_where()) for _ in range(20)] == ["OK"] * 20
    assert "QUOTA_EXCEEDED" in {outcome(call) for call in calls}


# Events a second


def test_an_appended_batch_beyond_the_events_of_a_second_is_refused(member: Callable[..., Member]) -> None:
    noisy = member(events_per_s=100)
    noisy.append(noisy.feed, 1, *trips(500))
    refusal = refused(lambda: noisy.append(noisy.feed, 501, *trips(100)))
    assert (refusal.code, refusal.reason) == (EXHAUSTED, "QUOTA_EXCEEDED")
    assert refusal.metadata == {"quota": "events_per_s", "limit": "100"}
    assert 0 < retry_after_s(refusal) <= 1.0


def test_a_refused_batch_leaves_the_feed_where_it_was(member: Callable[..., Member]) -> None:
    noisy = member(events_per_s=100)
    noisy.append(noisy.feed, 1, *trips(500))
    refused(lambda: noisy.append(noisy.feed, 501, *trips(20)))
    assert noisy.next_sequence(noisy.feed) == 501


def test_a_stream_a_little_above_its_quota_is_held_back_and_not_refused(member: Callable[..., Member]) -> None:
    noisy = member(events_per_s=500)
    batches = [noisy.batch(first, 250) for first in range(1, 1_501, 250)]
    began = time.monotonic()
    answers = list(noisy.feeds.StreamEvents(iter(batches), timeout=DEADLINE_S))
    assert [answer.WhichOneof("result") for answer in answers] == ["appended"] * 6
    assert time.monotonic() - began >= 1.0


def test_a_stream_far_above_its_quota_is_answered_with_a_refusal_and_stays_open(member: Callable[..., Member]) -> None:
    noisy = member(events_per_s=100)
    batches = [noisy.batch(1, 500), noisy.batch(501, 400), noisy.batch(501, 20)]
    first, second, third = noisy.feeds.StreamEvents(iter(batches), timeout=DEADLINE_S)
    assert (first.HasField("appended"), third.HasField("appended")) == (True, True)
    refusal = refused_in_stream(second.refused)
    assert (refusal.code, refusal.reason, refusal.metadata["quota"]) == (EXHAUSTED, "QUOTA_EXCEEDED", "events_per_s")
    assert retry_after_s(refusal) > 2


# At once


def test_calls_at_once_beyond_the_quota_are_refused_and_those_that_end_make_room(
    shared_hub: RunningHub, member: Callable[..., Member]
) -> None:
    busy = member(calls_at_once=2)
    append = feed_service_pb2.AppendEventsRequest(feed=busy.feed, first_sequence=1, events=trips(1))
    with psycopg.connect(shared_hub.dsn) as connection:
        # Everyone who appends waits meanwhile.
        connection.execute("SELECT FROM journal.head FOR UPDATE")
        calls = [busy.feeds.AppendEvents.future(append, timeout=DEADLINE_S) for _ in range(3)]
        while not any(call.done() for call in calls):
            time.sleep(0.01)
        [beyond] = [call for call in calls if call.done()]
        refusal = refused(beyond.result)
    assert (refusal.code, refusal.metadata) == (EXHAUSTED, {"quota": "calls_at_once", "limit": "2"})
    assert retry_after_s(refusal) > 0
    assert sorted(outcome(call) for call in calls) == ["OK", "OK", "QUOTA_EXCEEDED"]
    assert outcome(busy.ask_where()) == "OK"


def test_streams_at_once_beyond_the_quota_are_refused_and_those_that_end_make_room(member: Callable[..., Member]) -> None:
    busy = member(streams_at_once=1)
    batches: queue.SimpleQueue[feed_service_pb2.StreamEventsRequest | None] = queue.SimpleQueue()
    batches.put(busy.batch(1, 1))
    kept = busy.feeds.StreamEvents(iter(batches.get, None), timeout=DEADLINE_S)
    next(kept)
    refusal = refused(lambda: list(busy.feeds.StreamEvents(iter(()), timeout=DEADLINE_S)))
    assert (refusal.code, refusal.metadata) == (EXHAUSTED, {"quota": "streams_at_once", "limit": "1"})
    batches.put(None)
    assert list(kept) == []
    assert list(busy.feeds.StreamEvents(iter(()), timeout=DEADLINE_S)) == []


def test_questions_of_a_stream_wait_for_their_turn(member: Callable[..., Member]) -> None:
    asker, began = member(calls_per_s=20), time.monotonic()
    questions = [card_service_pb2.StreamAcceptanceRequest(check=question(f"{asker.name}-{n}", "A12345678")) for n in range(60)]
    answers = list(asker.cards.StreamAcceptance(iter(questions), timeout=DEADLINE_S))
    assert [answer.WhichOneof("result") for answer in answers] == ["answered"] * 60
    assert time.monotonic() - began >= 1.0


# Who changes it, and who keeps to it


def test_a_changed_quota_takes_effect_within_two_seconds_without_a_restart(shared_hub: RunningHub, member: Callable[..., Member]) -> None:
    noisy = member(calls_per_s=1)
    before = [outcome(call) for call in [noisy.ask_where() for _ in range(5)]]
    told = command(shared_hub, noisy.name, "--calls-per-s", "1000")
    changed_at = time.monotonic()
    while time.monotonic() < changed_at + 1.9:
        outcome(noisy.ask_where())
    assert "QUOTA_EXCEEDED" in before
    assert [outcome(call) for call in [noisy.ask_where() for _ in range(50)]] == ["OK"] * 50
    assert "1,000" in told.stdout


def test_a_quota_for_someone_unknown_is_refused(shared_hub: RunningHub) -> None:
    assert isinstance(command(shared_hub, "sc.nobody").exception, ParticipantNotFound)


def command(hub: RunningHub, *arguments: str) -> Result:
    """Runs `hub participants quota`."""
    return CliRunner().invoke(app, ["participants", "quota", *arguments], env=environment(hub.dsn, hub.data_dir))


def test_the_same_quota_again_is_no_event(shared_hub: RunningHub, member: Callable[..., Member]) -> None:
    noisy, store = member(calls_per_s=7), AggregateStore(shared_hub.dsn)
    before = store.get(Participant, Participant.create_id(noisy.urn))
    change_quota(store, noisy.urn, {"calls_per_s": 7}, datetime.now(UTC))
    after = store.get(Participant, Participant.create_id(noisy.urn))
    store.close()
    assert before is not None and after is not None
    assert (after.version, after.quota) == (before.version, Quota(7, 0, 0, 0))


@pytest.mark.slow
def test_an_adapters_sender_comes_back_when_the_hub_says_and_delivers_everything(
    shared_hub: RunningHub, member: Callable[..., Member], tmp_path: Path
) -> None:
    slow, files = member(events_per_s=100), shared_hub.certificate
    events = [(str(number), event.SerializeToString(deterministic=True)) for number, event in enumerate(trips(1_100))]

    async def send() -> dict[str, object]:
        own = files(slow.urn)
        connection = HubConnection(shared_hub.targets, mutual_tls(own.authority, own.certificate, own.key))
        sender = FeedSender(Outbox(tmp_path / "outbox.sqlite"), connection, slow.feed)
        await sender.put(events)
        sending = asyncio.create_task(sender.run())
        try:
            async with asyncio.timeout(DEADLINE_S):
                await sender.wait_acknowledged(1_100)
        finally:
            sending.cancel()
            await connection.close()
        return sender.status()

    status = asyncio.run(send())
    assert (status["acknowledged_sequence"], status["recorded"], status["pending"]) == (1_100, 1_100, 0)
    # One refusal of a full batch: a sender that does not wait as long as it should is refused again and again.
    assert status["refused"] == 500


# Refusals that are held back


def registered(name: str) -> Participant:
    return Participant(hub_decisions_pb2.ParticipantRegistered(participant=f"{PREFIX}{name}"))


def holding(count: int, then: Callable[[Quotas, Allowance], Awaitable[None]]) -> float:
    """Holds so many refusals of one participant, does something, and returns after how many seconds that was done."""

    async def scenario() -> float:
        quotas = Quotas(Quota(1_000, 10_000, 256, 64))
        allowance = quotas.of(registered("sc.noisy"))
        held = [asyncio.create_task(allowance.hold(QuotaExceeded("calls_per_s", 1_000, 0.001))) for _ in range(count)]
        await asyncio.sleep(0)
        began = time.monotonic()
        await then(quotas, allowance)
        took_s = time.monotonic() - began
        quotas.release()
        await asyncio.gather(*held)
        return took_s

    return asyncio.run(scenario())


def test_a_refusal_waits_for_those_before_it() -> None:
    assert holding(20, lambda _, allowance: allowance.hold(QuotaExceeded("calls_per_s", 1_000, 0.001))) >= 0.4


def test_a_refusal_waits_for_room_and_tells_what_is_left() -> None:
    refusal = QuotaExceeded("events_per_s", 500, 1.4)
    assert holding(0, lambda _, allowance: allowance.hold(refusal)) >= 0.99
    assert refusal.retry_after_s == pytest.approx(0.4)


def test_a_refusal_that_is_held_tells_of_a_delay_all_the_same() -> None:
    refusal = QuotaExceeded("calls_per_s", 1_000, 0.001)
    holding(0, lambda _, allowance: allowance.hold(refusal))
    assert refusal.retry_after_s > 0


def test_refusals_beyond_those_that_are_held_are_given_at_once() -> None:
    assert holding(1_000, lambda _, allowance: allowance.hold(QuotaExceeded("calls_per_s", 1_000, 0.001))) < 5


def test_refusals_of_all_participants_together_are_held_up_to_a_thousand() -> None:
    refusal = QuotaExceeded("calls_per_s", 1_000, 1.4)
    holding(1_000, lambda quotas, _: quotas.of(registered("sc.other")).hold(refusal))
    assert refusal.retry_after_s == 1.4


def test_a_server_that_stops_gives_the_refusals_it_holds() -> None:
    async def stop(quotas: Quotas, allowance: Allowance) -> None:
        quotas.release()
        await allowance.hold(QuotaExceeded("calls_per_s", 1_000, 0.001))

    assert holding(400, stop) < 5


def test_calls_under_way_are_counted_while_participants_come() -> None:
    quotas = Quotas(Quota(1_000, 10_000, 256, 64))
    coming = threading.Thread(target=lambda: [quotas.of(registered(f"sc.come-{number}")) for number in range(5_000)])
    coming.start()
    while coming.is_alive():
        quotas.under_way()
    assert len(quotas.under_way()) == 5_000


# The bucket, with instants passed in


@given(
    per_s=st.integers(1, 2_000),
    steps=st.lists(st.tuples(st.floats(0, 3), st.integers(1, 500), st.booleans()), min_size=1, max_size=30),
)
def test_a_bucket_never_lets_through_more_than_burst_and_rate_in_any_span(per_s: int, steps: list[tuple[float, int, bool]]) -> None:
    bucket, now_s, through = Bucket(per_s, 500, 0.0), 0.0, []
    for pause_s, count, is_patient in steps:
        now_s += pause_s
        delay_s = bucket.delay_s(count, now_s)
        if delay_s == 0 or is_patient:
            bucket.take(count)
            through.append((now_s + delay_s, count))
    burst = max(2 * per_s, 500)
    for first, (began_s, _) in enumerate(through):
        for last in range(first, len(through)):
            let = sum(count for _, count in through[first : last + 1])
            assert let <= (burst + per_s * (through[last][0] - began_s)) * 1.000_001


def test_a_full_bucket_lets_its_burst_through_at_once() -> None:
    bucket = Bucket(100, 1, 0.0)
    assert bucket.delay_s(200, 0.0) == 0
    assert bucket.delay_s(201, 0.0) == pytest.approx(0.01)


def test_a_bucket_fills_at_its_rate_and_not_beyond_its_burst() -> None:
    bucket = Bucket(100, 1, 0.0)
    bucket.take(200)
    assert bucket.delay_s(100, 0.5) == pytest.approx(0.5)
    assert bucket.delay_s(200, 100.0) == 0
    assert bucket.delay_s(300, 100.0) == pytest.approx(1.0)


def test_whoever_waits_is_served_in_turn() -> None:
    bucket = Bucket(100, 1, 0.0)
    bucket.take(200)
    delays = []
    for _ in range(3):
        delays.append(bucket.delay_s(50, 0.0))
        bucket.take(50)
    assert delays == pytest.approx([0.5, 1.0, 1.5])


def test_while_the_events_are_used_up_a_batch_is_refused_before_it_is_read() -> None:
    allowance = Quotas(Quota(1_000, 10, 256, 64)).of(registered("sc.spent"))
    allowance.events.refuse_if_spent()
    allowance.events.bucket.take(10_000)
    with pytest.raises(QuotaExceeded) as refusal:
        allowance.events.refuse_if_spent()
    assert refusal.value.retry_after_s > 100


def test_a_full_batch_comes_through_at_the_lowest_rate() -> None:
    assert Bucket(1, 500, 0.0).delay_s(500, 0.0) == 0


def test_a_malformed_batch_of_a_stream_counts_as_a_full_one() -> None:
    allowance = Quotas(Quota(1_000, 100, 256, 64)).of(registered("sc.faulty"))
    allowance.count_refused(BatchEmpty(), 8)
    allowance.events.take(8)
    allowance.count_refused(RequestMalformed(), 8)
    with pytest.raises(QuotaExceeded):
        allowance.events.take(1)


def test_a_changed_rate_counts_from_then_on() -> None:
    bucket = Bucket(100, 1, 0.0)
    bucket.take(200)
    bucket.change(1_000, 1.0)
    # A hundred have come back, and the burst has grown by 1,800.
    assert bucket.delay_s(1_900, 1.0) == 0
    assert bucket.delay_s(2_000, 1.0) == pytest.approx(0.1)


def test_a_lower_rate_keeps_no_old_burst() -> None:
    bucket = Bucket(1_000, 1, 0.0)
    bucket.change(10, 0.0)
    assert bucket.delay_s(20, 0.0) == 0
    assert bucket.delay_s(21, 0.0) > 0


def test_what_a_participant_has_no_limit_of_its_own_for_is_the_default() -> None:
    default = Quota(1_000, 10_000, 256, 64)
    assert Quota(5, 0, 0, 1).over(default) == Quota(5, 10_000, 256, 1)
    assert NO_QUOTA.over(default) == default
