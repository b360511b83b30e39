"""Keeps what comes in at the pace of the views that answers rest on, so that one side's load never makes the other side's answers late.

What is recorded and not folded may be so much as those views fold in a quarter of the time that they may be late. Beyond it a batch
waits, that of the participant which sent least first; one that sends little never waits. Nothing waits while the views do not move (their
process is stopped, a rebuild has them): then it is not the load that makes them late, and what is reported must be recorded.
"""

import asyncio
import math
import time
from typing import NamedTuple

from hub.domain.errors import HeldBack
from hub.domain.participant import PREFIX
from hub.monitoring.readiness_query import Reading
from hub.telemetry import names

# The rest of what the views may be late is for the page that is being folded and for what other edges take in at the same moment.
TARGET_SHARE = 0.25
# What the views fold a second is measured while they are behind. Before that, it is taken for as little as a busy machine folds; where
# it is more, a second of load finds it out.
FIRST_EVENTS_PER_S = 500.0
# A slower rate counts at once and a faster one after some readings: too little room costs a moment, too much makes answers late.
SLOWER_COUNTS, FASTER_COUNTS = 0.8, 0.3
# A participant whose events of late are at most this share of all that may be unfolded sends little.
SMALL_SHARE = 0.1
SMALL_EVENTS = 100
LONG_PAGE_S = 0.75
STILL_AFTER_S = 3.0
# A batch of a stream that would wait longer is refused: adapters take silence of half a minute for a broken stream.
STREAM_PATIENCE_S = 10.0
CALL_PATIENCE_S = 2.0
RETRY_AFTER_S = 1.0


class _Waiting(NamedTuple):
    owner: str
    events: int
    turn: asyncio.Future[None]


class Pace:
    """Used from one event loop: `seen` with each reading of the views, `take` before each batch."""

    def __init__(self, max_lag_s: float) -> None:
        """*max_lag_s* is how late the views may be before questions are refused."""
        self._target_s = max_lag_s * TARGET_SHARE
        self._per_s = FIRST_EVENTS_PER_S
        self._position, self._moved_at, self._head = -1, -math.inf, 0
        self._unfolded, self._is_late = 0, False
        self._recent: dict[str, float] = {}
        self._read_at = time.monotonic()
        self._waiting: list[_Waiting] = []

    def seen(self, reading: Reading, queued_events: int) -> None:
        """Learns how far the views are; *queued_events* were taken in and are not recorded yet."""
        now = time.monotonic()
        self._measure(reading, now)
        self._unfolded = max(0, reading.head - reading.position) + queued_events
        self._is_late = reading.lag_s > self._target_s
        fading = math.exp((self._read_at - now) / self._target_s)
        self._recent = {owner: left for owner, count in self._recent.items() if (left := count * fading) >= 1}
        self._read_at = now
        self._give_turns()

    def _measure(self, reading: Reading, now: float) -> None:
        """Learns what the views fold a second: at least what they moved by, and no more than that if they had more to fold all the time."""
        took_s, moved = now - self._moved_at, reading.position - self._position
        if moved and self._position >= 0 and took_s < STILL_AFTER_S:
            per_s = moved / took_s
            if per_s > self._per_s:
                self._per_s += FASTER_COUNTS * (per_s - self._per_s)
            elif reading.position < self._head:
                self._per_s += SLOWER_COUNTS * (per_s - self._per_s)
        elif reading.lag_s > LONG_PAGE_S and LONG_PAGE_S < took_s < STILL_AFTER_S:
            # A page takes long, and what is in it is at most what is recorded.
            self._per_s = min(self._per_s, (reading.head - reading.position) / took_s)
        if moved or reading.position >= reading.head:
            self._position, self._moved_at = reading.position, now
        self._head = reading.head

    def release(self) -> None:
        """Lets all go on: how far the views are cannot be read, or the server stops."""
        self._moved_at = -math.inf
        self._give_turns()

    async def take(self, owner: str, count: int, patience_s: float) -> None:
        """Takes *count* events of a participant in as soon as there is room for them; raises HeldBack after *patience_s*."""
        if self._sends_little(owner, count) or (not self._waiting and self._has_room(count)):
            self._note(owner, count)
            return
        waiting, began = _Waiting(owner, count, asyncio.get_running_loop().create_future()), time.monotonic()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(patience_s):
                await waiting.turn
        except TimeoutError:
            raise HeldBack(RETRY_AFTER_S) from None
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            names.FEED_HELD_BACK.add(owner.removeprefix(PREFIX), count=time.monotonic() - began)

    def _give_turns(self) -> None:
        while self._waiting:
            least = min(self._waiting, key=lambda waiting: self._recent.get(waiting.owner, 0))
            if not self._has_room(least.events):
                return
            self._waiting.remove(least)
            if not least.turn.done():
                self._note(least.owner, least.events)
                least.turn.set_result(None)

    def _note(self, owner: str, count: int) -> None:
        self._unfolded += count
        self._recent[owner] = self._recent.get(owner, 0) + count

    @property
    def _most_unfolded(self) -> float:
        return self._per_s * self._target_s

    def _sends_little(self, owner: str, count: int) -> bool:
        return self._recent.get(owner, 0) + count <= max(SMALL_EVENTS, SMALL_SHARE * self._most_unfolded)

    def _has_room(self, count: int) -> bool:
        if time.monotonic() - self._moved_at > STILL_AFTER_S:
            return True
        return not self._is_late and (not self._unfolded or self._unfolded + count <= self._most_unfolded)
