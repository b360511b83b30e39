"""Keeps each participant to its quota at this edge, so that one with too many calls slows only itself.

A refusal costs the event loop as much as an answer, and a client that asks again at once would take all of it: so a participant's
refusals are delayed and given one after the other. What comes in a stream is first held back: it is not read on.
"""

import asyncio
import math
import random
import time

from hub.api.edge.group_services import GroupServices
from hub.api.edge.shares import Backlog, Company, Shares
from hub.domain.errors import HubError, QuotaExceeded, RequestMalformed
from hub.domain.participant import PREFIX, Participant
from hub.domain.quota import MISSES_BURST_MIN, Bucket, Quota
from hub.intake.batches import BATCH_EVENTS
from hub.intake.turn import Questions
from hub.telemetry import names
from hub.telemetry.instruments import Labels

# A participant gets so many refusals a second, each delayed at most so long: a fiftieth of what an edge can answer.
REFUSALS_PER_S = 20
HELD_FOR_S = 10.0
# A large batch that is refused costs more than its answer: it is not to come again before there is room.
ROOM_WITHIN_S = 1.0
# What comes beyond so many waiting refusals of all participants is refused at once: they take memory, and the server's calls at once.
HELD_REFUSALS = 1_000
# A batch of a stream that would be held back longer is refused: adapters take silence of half a minute for a broken stream.
HELD_BACK_S = 2.0
# When calls under way will have ended is not known; that some have in this time is likely.
AT_ONCE_RETRY_S = 0.5
LOOK_AGAIN_S = 0.02
# A batch may have a megabyte, and is several times that until it is written. Beyond so many the next wait unread with their sender.
BATCHES_IN_HAND = 16
# What is no message is refused as fast as it comes, and no client sends one but by a fault that it has every time.
CALLS_OF_A_MALFORMED = 20


class AtOnce:
    """What a participant has under way at once: entered with `with`, which raises QuotaExceeded."""

    def __init__(self, name: str, limit: int, calls: "Rate") -> None:
        """*name* is the field of the quota; whatever begins is one of *calls*, too."""
        self._name, self.limit, self._calls = name, limit, calls
        self.under_way = 0

    def __enter__(self) -> None:
        """Counts one in."""
        if self.under_way >= self.limit:
            raise QuotaExceeded(self._name, self.limit, AT_ONCE_RETRY_S)
        self._calls.take(1)
        self.under_way += 1

    def leave(self, *_: object) -> None:
        """Counts one out."""
        self.under_way -= 1

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Counts one out, and one whose request was no message as so many calls."""
        self.leave()
        if kind is RequestMalformed:
            self._calls.bucket.take(CALLS_OF_A_MALFORMED - 1)

    async def wait(self) -> None:
        """Counts one in as soon as there is room; `leave` counts it out."""
        await self._calls.wait(1, math.inf)
        while self.under_way >= self.limit:
            await asyncio.sleep(LOOK_AGAIN_S)
        self.under_way += 1


class Rate:
    """What a participant may do a second."""

    def __init__(self, participant: str, name: str, bucket: Bucket) -> None:
        """*participant* is named without its prefix; *name* is the field of the quota."""
        self._participant, self._name, self.bucket = participant, name, bucket

    def take(self, count: int) -> None:
        """Takes *count* now, or raises QuotaExceeded."""
        if (delay_s := self.bucket.delay_s(count, time.monotonic())) > 0:
            raise QuotaExceeded(self._name, round(self.bucket.per_s), delay_s)
        self.bucket.take(count)

    def refuse_if_spent(self) -> None:
        """Raises QuotaExceeded while there is room for nothing: before what would be counted is read."""
        if (delay_s := self.bucket.delay_s(1, time.monotonic())) > 0:
            raise QuotaExceeded(self._name, round(self.bucket.per_s), delay_s)

    async def wait(self, count: int, patience_s: float = HELD_BACK_S) -> None:
        """Takes *count* as soon as there is room; raises QuotaExceeded at once if that is later than *patience_s*."""
        delay_s = self.bucket.delay_s(count, time.monotonic())
        if delay_s > patience_s:
            raise QuotaExceeded(self._name, round(self.bucket.per_s), delay_s)
        self.bucket.take(count)
        if delay_s > 0:
            names.QUOTA_HELD_BACK.add(self._participant, self._name, count=delay_s)
            await asyncio.sleep(delay_s)


class Misses:
    """Questions about cards that the hub does not know: a caller of many of them is guessing numbers."""

    def __init__(self, participant: str, per_min: int) -> None:
        """*per_min* 0 is no limit; ten minutes' worth may come at once, as when a province's cards are being loaded."""
        self._participant, self._per_min = participant, per_min
        self._bucket = Bucket(per_min / 60, per_min * MISSES_BURST_MIN, time.monotonic()) if per_min else None
        self._spent_until = 0.0

    def refuse_if_spent(self) -> None:
        """Raises QuotaExceeded before anything is looked at: a refusal of misses alone would say which cards are none."""
        if self._spent_until and (delay_s := self._spent_until - time.monotonic()) > 0:
            raise QuotaExceeded("misses_per_min", self._per_min, delay_s)

    def count(self, method: str) -> None:
        """Counts one."""
        names.CARD_MISSES.add(self._participant, method)
        if self._bucket is not None:
            now = time.monotonic()
            self._bucket.take(1)
            self._spent_until = now + delay_s if (delay_s := self._bucket.delay_s(1, now)) > 0 else 0.0


class _Held:
    """The refusals that wait, of all participants, and the end of that."""

    def __init__(self) -> None:
        self.count, self.released = 0, asyncio.Event()


class Allowance:
    """One participant's quota at this edge, and what of it is taken; used from one event loop."""

    def __init__(self, participant: str, quota: Quota, held: _Held, company: Company, questions: Questions) -> None:
        """*participant* is named without its prefix; common to all are the refusals that are held back, who calls, and the *questions*."""
        now_s = time.monotonic()
        rate = Rate(participant, "calls_per_s", Bucket(quota.calls_per_s, 1, now_s))
        self.calls = AtOnce("calls_at_once", quota.calls_at_once, rate)
        self.streams = AtOnce("streams_at_once", quota.streams_at_once, rate)
        self.events = Rate(participant, "events_per_s", Bucket(quota.events_per_s, BATCH_EVENTS, now_s))
        self.misses = Misses(participant, quota.misses_per_min)
        self.groups = GroupServices()
        self._participant, self._misses_per_min = participant, quota.misses_per_min
        self._call_rate = rate
        self._held, self._last_refused_at = held, 0.0
        self.shares = Shares(participant, company)
        self.backlog = Backlog(participant, company)
        self.questions = questions
        self.batches = asyncio.Semaphore(BATCHES_IN_HAND)
        # One batch at a time has the event loop: eight of a megabyte would each take a turn before others have theirs.
        self.preparing = asyncio.Lock()

    @property
    def calls_per_s(self) -> int:
        """The calls a second that it may begin."""
        return int(self._call_rate.bucket.per_s)

    def count_refused(self, refusal: HubError, weight: int) -> None:
        """Counts a stream's batch of so many events that was refused: one that is malformed is a full one."""
        if isinstance(refusal, RequestMalformed):
            self.events.bucket.take(BATCH_EVENTS - weight)

    def change(self, quota: Quota) -> None:
        """Changes the quota; what is under way goes on."""
        self._call_rate.bucket.change(quota.calls_per_s, time.monotonic())
        self.events.bucket.change(quota.events_per_s, time.monotonic())
        self.calls.limit, self.streams.limit = quota.calls_at_once, quota.streams_at_once
        if quota.misses_per_min != self._misses_per_min:
            self.misses, self._misses_per_min = Misses(self._participant, quota.misses_per_min), quota.misses_per_min

    async def hold(self, refusal: QuotaExceeded, time_left_s: float | None = None) -> None:
        """Waits until it is the refusal's turn and there is likely to be room, but not longer than half the time that the caller has left.

        The refusal says how long there is still to wait.
        """
        if self._held.count >= HELD_REFUSALS:
            return
        now_s = time.monotonic()
        turn_at = max(self._last_refused_at, now_s) + 1 / REFUSALS_PER_S
        self._last_refused_at = min(turn_at, now_s + HELD_FOR_S)
        longest_s = min(HELD_FOR_S, math.inf if time_left_s is None else time_left_s / 2)
        if (wait_s := max(turn_at - now_s, min(refusal.retry_after_s, ROOM_WITHIN_S))) > longest_s:
            # Spread, or all that came together would come together again and again.
            wait_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311 (no secret)
        refusal.retry_after_s = max(refusal.retry_after_s - wait_s, 1 / REFUSALS_PER_S)
        self._held.count += 1
        try:
            async with asyncio.timeout(wait_s):
                await self._held.released.wait()
        except TimeoutError:
            pass
        finally:
            self._held.count -= 1


class Quotas:
    """The allowances of all participants at this edge."""

    def __init__(self, default: Quota) -> None:
        """*default* is for all who have no limits of their own."""
        self._default = default
        self._held, self._company, self.questions = _Held(), Company(), Questions()
        self._allowances: dict[str, tuple[Quota, Allowance]] = {}

    def of(self, participant: Participant) -> Allowance:
        """Returns a participant's allowance, by its quota as it is now."""
        own, allowance = self._allowances.get(participant.urn, (None, None))
        if allowance is not None and own == participant.quota:
            return allowance
        quota = participant.quota.over(self._default)
        if allowance is None:
            allowance = Allowance(participant.name, quota, self._held, self._company, self.questions)
        else:
            allowance.change(quota)
        self._allowances[participant.urn] = (participant.quota, allowance)
        return allowance

    def release(self) -> None:
        """Gives all refusals that wait: a server that stops need not wait for them."""
        self._held.released.set()

    def under_way(self) -> dict[Labels, float]:
        """Returns how many calls and streams of each participant are under way; any thread may ask."""
        # Copied in one step: a list of its items is made item by item, and a collection of garbage in between lets the other thread on.
        taken = {urn.removeprefix(PREFIX): allowance for urn, (_, allowance) in dict(self._allowances).items()}
        return {(name,): float(of.calls.under_way + of.streams.under_way) for name, of in taken.items()}
