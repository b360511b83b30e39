"""Turns of the event loop: of all batches that are being prepared one goes on at a time, for a short while; then others on the loop work.

With a turn for each of them, a question would wait for as many turns as there are batches, each time that it waits for anything. It waits
half a dozen times until it is answered, so that batches also let the questions that are under way go first.
"""

import asyncio
import contextlib
import time

# So long is a turn.
TURN_S = 0.002
# So long a turn waits for questions at most: with many of them batches still have a fifth of the loop.
BEHIND_QUESTIONS_S = 4 * TURN_S


class Questions:
    """The calls under way that bring no batch; entered by each of them with `async with`, and used from one event loop."""

    def __init__(self) -> None:
        """There are none."""
        self._under_way, self._none = 0, asyncio.Event()
        self._none.set()

    async def __aenter__(self) -> None:
        """Counts one in."""
        if not self._under_way:
            self._none.clear()
        self._under_way += 1

    async def __aexit__(self, *_: object) -> None:
        """Counts it out."""
        self._under_way -= 1
        if not self._under_way:
            self._none.set()

    async def answered(self) -> None:
        """Waits until none is under way, but for BEHIND_QUESTIONS_S at most."""
        if self._under_way:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BEHIND_QUESTIONS_S):
                    await self._none.wait()


class Turns:
    """The turns of one event loop, which come in the order in which they were asked for."""

    def __init__(self, questions: Questions | None = None) -> None:
        """*questions* go before them."""
        self.waiting, self.questions = asyncio.Lock(), questions or Questions()


class Turn:
    """The turn of one batch; `async with` begins it, and leaving it lets the next one on."""

    def __init__(self, turns: Turns) -> None:
        """*turns* are those of all batches."""
        self._turns, self._ends_at, self._is_held = turns, 0.0, False

    async def __aenter__(self) -> "Turn":
        """Waits until it is the batch's turn."""
        await self._begin()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Ends it."""
        self._end()

    async def look(self) -> None:
        """Lets everybody else have a turn if this one has taken long enough."""
        if time.perf_counter() > self._ends_at:
            await self.pass_on()

    async def pass_on(self) -> None:
        """Lets everybody else have a turn, and begins another."""
        self._end()
        await asyncio.sleep(0)
        await self._begin()

    async def _begin(self) -> None:
        await self._turns.waiting.acquire()
        self._is_held = True
        try:
            await self._turns.questions.answered()
        except BaseException:
            self._end()
            raise
        self._ends_at = time.perf_counter() + TURN_S

    def _end(self) -> None:
        if self._is_held:
            self._is_held = False
            self._turns.waiting.release()
