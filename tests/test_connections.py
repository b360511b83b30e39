"""How connections behave: one hub an address, many calls on one connection, and pings on quiet ones."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.api.connections import CONNECTIONS_OF_A_CERTIFICATE
from hub.api.leash import STREAM_AGE_S, Leash
from hub.api.participant_desk import changing, suspend
from hub.api.peer import Peer
from hub.api.registry import register_participant
from hub.api.transport import CONNECTION_AGE_S, OPTIONS
from hub.bench.hostile.wire import CANCEL, END_HEADERS, HEADERS, RST_STREAM, Wire, call_headers, client_context, frame
from hub.domain.errors import HubError
from hub.domain.participant import PREFIX, PROBE
from hub.journal.recorder import AggregateStore
from tests.clients import DEADLINE_S
from tests.hub_process import CHONGQING, SICHUAN, Process, RunningHub

# The hub permits a ping a second; three closer ones are too many.
PERMITTED_MS, TOO_OFTEN_MS, WATCHED_S = 1_100, 200, 5.0


def test_a_second_hub_on_the_address_of_another_is_refused_and_told_which_process_it_is(shared_hub: RunningHub) -> None:
    first = shared_hub.edges[0].process
    assert first is not None
    second = Process(["serve", "--listen", shared_hub.targets[0]], shared_hub.dsn, shared_hub.data_dir)
    try:
        second.start()
    except AssertionError:
        said = second.log.read_text()
    assert "✗ Another process listens on this address" in said
    assert f"{shared_hub.targets[0]}: process {first.pid}" in said
    assert second.process is not None
    assert second.process.wait(15) == 1


def test_every_option_is_one_that_grpc_knows_for_it_ignores_others_without_a_word() -> None:
    library = Path(cygrpc.__file__).read_bytes()
    assert [name for name, _ in OPTIONS if f"{name}\0".encode() not in library] == []


def test_what_exceeds_a_hundred_calls_on_one_connection_waits_and_is_answered(shared_hub: RunningHub) -> None:
    async def ask() -> list[int]:
        files = shared_hub.certificate(CHONGQING)
        async with grpc.aio.secure_channel(shared_hub.targets[0], files.client_credentials()) as channel:
            feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
            request = feed_service_pb2.GetFeedRequest(feed="cq.usage")
            answers = await asyncio.gather(*(feeds.GetFeed(request, timeout=DEADLINE_S) for _ in range(250)))
        return [answer.next_sequence for answer in answers]

    assert asyncio.run(ask()) == [1] * 250


def pinging(hub: RunningHub, every_ms: int) -> grpc.Channel:
    """A channel whose client pings so often, with and without calls."""
    options = [("grpc.keepalive_time_ms", every_ms), ("grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)]
    return grpc.secure_channel(hub.targets[0], hub.certificate(CHONGQING).client_credentials(), options)


def test_pings_of_a_quiet_client_are_permitted_with_and_without_calls_and_a_flood_of_them_is_not(shared_hub: RunningHub) -> None:
    states: list[grpc.ChannelConnectivity] = []
    watch = health_pb2.HealthCheckRequest()
    with pinging(shared_hub, PERMITTED_MS) as quiet, pinging(shared_hub, PERMITTED_MS) as idle, pinging(shared_hub, TOO_OFTEN_MS) as flood:
        grpc.channel_ready_future(idle).result(DEADLINE_S)
        stream = health_pb2_grpc.HealthStub(quiet).Watch(watch)
        flooded = health_pb2_grpc.HealthStub(flood).Watch(watch)
        next(stream)
        next(flooded)
        for channel in (quiet, idle):
            channel.subscribe(states.append)
        time.sleep(WATCHED_S)
        assert not stream.done()
        assert set(states) <= {grpc.ChannelConnectivity.READY}
        assert flooded.details() == "Too many pings"


# What one certificate may have open


async def half_open(hub: RunningHub, urn: str, connections: int, streams: int, method: str) -> list[Wire]:
    """Connections with so many calls each whose request never comes."""
    context = client_context(hub.certificate(urn))
    wires = await asyncio.gather(*(Wire.open(hub.targets[0], context) for _ in range(connections)))
    calls_ = b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, call_headers(method)) for number in range(streams))
    await asyncio.gather(*(wire.send(calls_) for wire in wires))
    return list(wires)


def asked_meanwhile(hub: RunningHub, attack: Coroutine[None, None, list[Wire]], questions: int = 20) -> tuple[int, list[Wire]]:
    """How many questions of another participant were answered while an attack went on, and the attack's connections at its end."""

    async def play() -> tuple[int, list[Wire]]:
        wires = await attack
        answered = 0
        async with grpc.aio.secure_channel(hub.targets[0], hub.certificate(CHONGQING).client_credentials()) as channel:
            feeds = feed_service_pb2_grpc.FeedServiceStub(channel)
            for _ in range(questions):
                await feeds.GetFeed(feed_service_pb2.GetFeedRequest(feed="cq.usage"), timeout=5)
                answered += 1
        for wire in wires:
            await wire.close()
        return answered, wires

    return asyncio.run(play())


GET_FEED = "chuanyu.exchange.v1.FeedService/GetFeed"


@pytest.mark.parametrize("method", [GET_FEED, "grpc.health.v1.Health/Watch"])
def test_thousands_of_calls_whose_request_never_comes_keep_nobody_else_out(shared_hub: RunningHub, method: str) -> None:
    answered, _ = asked_meanwhile(shared_hub, half_open(shared_hub, SICHUAN, 30, 100, method))
    assert answered == 20


def test_calls_of_a_suspended_participant_are_refused_before_their_request_comes(shared_hub: RunningHub) -> None:
    answered, wires = asked_meanwhile(shared_hub, half_open(shared_hub, suspended(shared_hub), 10, 100, GET_FEED))
    assert answered == 20
    assert sum(wire.received.get(HEADERS, 0) for wire in wires) == 1_000


def suspended(hub: RunningHub) -> str:
    """A participant that is suspended."""
    urn = f"{PREFIX}cq.suspended"
    store = AggregateStore(hub.dsn)
    register_participant(store, urn, "50", urn, ["cq.suspended"], datetime.now(UTC))
    with changing(store, "cq.suspended") as participant:
        suspend(participant, "KEY_LOST", datetime.now(UTC))
    store.close()
    return urn


def test_connections_of_a_certificate_are_bounded_and_those_of_who_may_not_speak_are_closed(shared_hub: RunningHub) -> None:
    async def play() -> tuple[int, int]:
        many = await half_open(shared_hub, PROBE, CONNECTIONS_OF_A_CERTIFICATE + 3, 0, GET_FEED)
        barred = await half_open(shared_hub, f"{PREFIX}nobody", 2, 0, GET_FEED)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (sum(wire.is_closed for wire in many) < 3 or not all(wire.is_closed for wire in barred)):
            await asyncio.sleep(0.1)
        found = sum(wire.is_closed for wire in many), sum(wire.is_closed for wire in barred)
        for wire in (*many, *barred):
            await wire.close()
        return found

    assert asyncio.run(play()) == (3, 2)


def test_who_begins_calls_only_to_give_them_up_is_disconnected(shared_hub: RunningHub) -> None:
    async def play() -> bool:
        wire = await Wire.open(shared_hub.targets[0], client_context(shared_hub.certificate(f"{PREFIX}sc.card-center")))
        stream, deadline = 1, time.monotonic() + 30
        while not wire.is_closed and time.monotonic() < deadline:
            calls_ = (frame(HEADERS, END_HEADERS, number, call_headers(GET_FEED)) + frame(RST_STREAM, 0, number, CANCEL)
                      for number in range(stream, stream + 1_000, 2))  # fmt: skip
            await wire.send(b"".join(calls_))
            stream += 1_000
            await asyncio.sleep(0.02)
        return wire.is_closed

    assert asyncio.run(play())


def test_a_stream_is_over_before_its_connection_is() -> None:
    async def play() -> list[int]:
        async def admitted(_: Peer) -> None:
            """Everybody is."""

        async def abort(_: HubError) -> None:
            """Nobody is refused."""

        async def numbers(over: asyncio.Event) -> AsyncIterator[int]:
            yield 1
            await over.wait()
            yield 2

        return [number async for number in Leash(admitted, 0.05).held(numbers, Peer(CHONGQING), abort)]

    assert asyncio.run(asyncio.wait_for(play(), 5)) == [1, 2]
    assert CONNECTION_AGE_S > STREAM_AGE_S
