"""Where an attack happens: two edges on loopback, the certificates it may use, and how long it lasts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from hub.bench.hostile.wire import Wire, client_context
from hub.domain.participant import PREFIX
from hub.trust.authority import participant_files

ATTACKER = f"{PREFIX}sc.bus"
SUSPENDED = f"{PREFIX}sc.suspended"
FEED = "sc.bus"
GET_FEED = "chuanyu.exchange.v1.FeedService/GetFeed"
APPEND = "chuanyu.exchange.v1.FeedService/AppendEvents"
STREAM = "chuanyu.exchange.v1.FeedService/StreamEvents"
CHECK = "chuanyu.exchange.v1.CardService/CheckAcceptance"
EXPLAIN = "chuanyu.exchange.v1.CardService/ExplainAcceptance"
SUBSCRIBE = "chuanyu.exchange.v1.SubscriptionService/Subscribe"
WATCH = "grpc.health.v1.Health/Watch"


@dataclass(frozen=True, slots=True)
class Scene:
    """What an attack is given; it ends by itself after *seconds*."""

    targets: tuple[str, ...]
    certificates_dir: Path
    seconds: float
    began_at: float

    @property
    def is_over(self) -> bool:
        """Whether it is time to end."""
        return time.monotonic() - self.began_at > self.seconds

    async def wires(self, count: int, urn: str = ATTACKER, first: int = 0) -> list[Wire]:
        """Opens as many of so many connections as are let in, to the edges in turn."""
        context = client_context(participant_files(self.certificates_dir, urn))
        opening = (Wire.open(self.targets[number % len(self.targets)], context) for number in range(first, first + count))
        found = await asyncio.gather(*opening, return_exceptions=True)
        return [wire for wire in found if isinstance(wire, Wire)]

    def channel(self, number: int = 0, urn: str = ATTACKER) -> grpc.aio.Channel:
        """A channel to one of the edges, with connections of its own."""
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
        target = self.targets[number % len(self.targets)]
        return grpc.aio.secure_channel(target, participant_files(self.certificates_dir, urn).client_credentials(), options)

    async def on_wires(self, count: int, turn: Callable[[Wire], Awaitable[bool]], urn: str = ATTACKER) -> None:
        """Has each of so many connections take turns until it is time, and opens another, once a second, where one was closed."""

        async def one(number: int) -> None:
            while not self.is_over:
                for wire in await self.wires(1, urn, number):
                    while not self.is_over and await turn(wire):
                        await asyncio.sleep(0)
                    await wire.close()
                await asyncio.sleep(1)

        await asyncio.gather(*(one(number) for number in range(count)))

    async def calling(self, at_once: int, connections: int, call: Callable[[grpc.aio.Channel, int], Awaitable[object]]) -> None:
        """Makes calls, so many at once on so many connections, until it is time; refusals are what is expected."""
        channels = [self.channel(number) for number in range(connections)]

        async def one(number: int) -> None:
            turn = 0
            while not self.is_over:
                try:
                    await call(channels[number % connections], number + turn * at_once)
                except grpc.RpcError:
                    await asyncio.sleep(0)
                turn += 1

        await asyncio.gather(*(one(number) for number in range(at_once)))
        for channel in channels:
            await channel.close()
