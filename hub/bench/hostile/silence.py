"""Calls, streams and connections that are opened and then say nothing."""

import asyncio

from hub.bench.hostile.scene import ATTACKER, GET_FEED, STREAM, SUSPENDED, WATCH, Scene
from hub.bench.hostile.wire import END_HEADERS, HEADERS, Wire, call_headers, frame

CALLS = 4_000
STREAMS = 100
# Another address of the same loopback.
ELSEWHERE = "127.0.0.2"


async def _half_open(scene: Scene, method: str, urn: str, further: bytes = b"") -> None:
    headers = call_headers(method)

    async def turn(wire: Wire) -> bool:
        opened = await wire.send(b"".join(frame(HEADERS, END_HEADERS, 2 * number + 1, headers) for number in range(STREAMS)))
        while opened and not scene.is_over and not wire.is_closed:
            await asyncio.sleep(0.1)
        return False

    await scene.on_wires(CALLS // STREAMS, turn, urn)


async def half_open(scene: Scene) -> None:
    """4,000 calls whose request never comes."""
    await _half_open(scene, GET_FEED, ATTACKER)


async def half_open_suspended(scene: Scene) -> None:
    """The same of a participant that is suspended."""
    await _half_open(scene, GET_FEED, SUSPENDED)


async def watches(scene: Scene) -> None:
    """4,000 watches of health."""
    await _half_open(scene, WATCH, ATTACKER)


async def slow_loris(scene: Scene) -> None:
    """4,000 streams of events without an event."""
    await _half_open(scene, STREAM, ATTACKER)


async def idle_connections(scene: Scene) -> None:
    """A thousand connections of one certificate without a call."""
    wires = [wire for _ in range(10) for wire in await scene.wires(100)]
    while not scene.is_over:
        await asyncio.sleep(0.1)
    for wire in wires:
        await wire.close()


async def without_tls(scene: Scene) -> None:
    """1,500 TCP connections that never begin with TLS, from another address than the victim's: the proxy bounds each address."""
    opened = []
    for number in range(1_500):
        host, _, port = scene.targets[number % len(scene.targets)].rpartition(":")
        try:
            opened.append(await asyncio.open_connection(host, int(port), local_addr=(ELSEWHERE, 0)))
        except OSError:
            await asyncio.sleep(0.01)
    while not scene.is_over:
        await asyncio.sleep(0.1)
    for _, writer in opened:
        writer.close()
