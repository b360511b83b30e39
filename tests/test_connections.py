"""How connections behave: one hub an address, many calls on one connection, and pings on quiet ones."""

import asyncio
import time
from pathlib import Path

import grpc
from chuanyu.exchange.v1 import feed_service_pb2, feed_service_pb2_grpc
from grpc._cython import cygrpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hub.api.transport import OPTIONS
from tests.clients import DEADLINE_S
from tests.hub_process import CHONGQING, Process, RunningHub

# The hub permits a ping a second; three closer ones are too many.
PERMITTED_MS, TOO_OFTEN_MS, WATCHED_S = 1_100, 200, 6.0


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
