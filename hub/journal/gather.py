"""Gathers what waits for one round trip to the database into groups, as large as the crowd of calls under way makes them.

A busy event loop hardly ever waits for the database: groups taken as they come are of one, and the loop's time goes into round trips
(measured with 32 checks in flight: groups of 1 to 2 and 0.37 of empty calls, against 6 to 20 and 0.55 so). A lone caller never waits.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")

# Of the calls under way, this share makes a group; it waits no longer for them than so much a call, and PATIENCE_S in all.
SHARE = 7 / 8
PATIENCE_EACH_S = 0.0004
PATIENCE_S = 0.005


class Crowd:
    """How many calls are under way in this process."""

    size = 0


class Gatherer(Generic[Item]):
    """A queue that is taken from in groups; used from one event loop."""

    def __init__(self, crowd: Crowd, most: int) -> None:
        """*most* is how many a group holds at most."""
        self._crowd, self._most = crowd, most
        self._waiting: deque[Item] = deque()
        self._enough = 0
        self._ripe: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def add(self, item: Item) -> None:
        """Queues one."""
        self._waiting.append(item)
        if self._ripe is not None and len(self._waiting) >= self._enough:
            self._settle()

    def put_back(self, items: list[Item]) -> None:
        """Queues some again, before all others and in their order."""
        self._waiting.extendleft(reversed(items))

    async def group(self) -> list[Item]:
        """Takes the next group; it is empty if none waits."""
        self._enough = min(int(self._crowd.size * SHARE), self._most)
        if len(self._waiting) < self._enough:
            await self._ripening()
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(len(waiting), self._most))]

    async def _ripening(self) -> None:
        loop = asyncio.get_running_loop()
        self._ripe = loop.create_future()
        timer = loop.call_later(min(PATIENCE_S, self._crowd.size * PATIENCE_EACH_S), self._settle)
        try:
            await self._ripe
        finally:
            timer.cancel()
            self._ripe = None

    def _settle(self) -> None:
        if self._ripe is not None and not self._ripe.done():
            self._ripe.set_result(None)
