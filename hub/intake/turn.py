"""Turns of the event loop: of all batches that are being prepared one goes on at a time, for a short while; then others on the loop work.

With a turn for each of them, a question would wait for as many turns as there are batches, each time that it waits for anything.
"""

import asyncio
import time

# So long is a turn.
TURN_S = 0.002


class Turn:
    """The turn of one batch; `async with` begins it, and leaving it lets the next one on."""

    def __init__(self, waiting: asyncio.Lock) -> None:
        """*waiting* is the one lock of all of them, which lets them on in the order in which they came."""
        self._waiting, self._ends_at, self._is_held = waiting, 0.0, False

    async def __aenter__(self) -> "Turn":
        """Waits until it is the batch's turn."""
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        self._end()

    @property
    def is_over(self) -> bool:
        """Whether it has taken long enough."""
        return time.perf_counter() > self._ends_at

    async def pass_on(self) -> None:
        """Lets everybody else have a turn, and begins another."""
        self._end()
        await asyncio.sleep(0)
        await self._begin()

    async def _begin(self) -> None:
        await self._waiting.acquire()
        self._is_held, self._ends_at = True, time.perf_counter() + TURN_S

    def _end(self) -> None:
        if self._is_held:
            self._is_held = False
            self._waiting.release()
