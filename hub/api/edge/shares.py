"""How many calls of one participant an edge works on at once: the others of it wait, unread, and another's next call meets only those few.

A quota says how much a participant may ask for. Another's next call would wait for all of that in every queue that calls
pass: the event loop's, the group's that is read and recorded together, the database's.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Awaitable

from hub.telemetry import names

# While others call too. What comes next waits for all of them, and a larger group saves little a call.
WORKED_ON = 8
# While nobody else calls: as many as make the best group.
WORKED_ON_ALONE = 64
# While others call and the event loop is late, fewer: each of them meets everybody's next call half a dozen times on its way.
LATE_S = 0.004
MOST_HALVINGS = 3
LOOK_EVERY_S = 0.02
# Positions a second of what was, for all subscriptions of a participant that read it.
BACKLOG_PER_S = 8_000
# So long after another's last call a participant is alone.
ALONE_AFTER_S = 5.0
# A call that takes longer waits for something else: a view, the database, an old version of the rules. That is no work.
IS_WORK_FOR_S = 0.1


class Company:
    """Whether several participants call at this edge, and how late the event loop is meanwhile; used from that loop."""

    def __init__(self) -> None:
        """Nobody has called."""
        self._latest, self._several_until = "", 0.0
        self._late_s, self._is_looking = 0.0, False

    def came(self, participant: str, now: float) -> None:
        """Notes a call."""
        if participant != self._latest:
            self._several_until = now + ALONE_AFTER_S if self._latest else 0.0
            self._latest = participant
            if self._several_until and not self._is_looking:
                self._look_again()

    def is_several(self, now: float) -> bool:
        """Whether others call than the one that called last."""
        return now < self._several_until

    def worked_on(self, now: float) -> int:
        """How many calls of a participant are worked on at once."""
        return self.share_of(WORKED_ON) if self.is_several(now) else WORKED_ON_ALONE

    def share_of(self, most: int) -> int:
        """Returns what a participant may have of *most* while others call: half, a quarter, an eighth of it as the loop is late."""
        return most >> min(int(self._late_s / LATE_S), MOST_HALVINGS)

    def late(self, seconds: float) -> None:
        """Notes how late the loop was: what it was before counts for less and less."""
        self._late_s = max(seconds, (self._late_s + seconds) / 2)

    def _look_again(self) -> None:
        self._is_looking = True
        asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._look, time.monotonic() + LOOK_EVERY_S)

    def _look(self, due: float) -> None:
        now = time.monotonic()
        self.late(now - due)
        if self.is_several(now):
            self._look_again()
        else:
            self._is_looking, self._late_s = False, 0.0


class Share:
    """The calls of one method that a participant has under way; each enters what `turn` returns. Used from one event loop."""

    def __init__(self, participant: str, company: Company) -> None:
        """*participant* is named without its prefix."""
        self._participant, self._company = participant, company
        # When each began that is worked on, the oldest first.
        self._began: dict[Turn, float] = {}
        self._waiting: deque[tuple[Turn, asyncio.Future[None]]] = deque()
        self._looking: asyncio.TimerHandle | None = None

    def turn(self) -> "Turn":
        """Returns the turn of one call, for `async with`."""
        return Turn(self)

    async def enter(self, turn: "Turn") -> None:
        """Waits until it is the call's turn, in the order in which calls came."""
        now = time.monotonic()
        self._company.came(self._participant, now)
        if not self._waiting and len(self._began) < self._company.worked_on(now):
            self._began[turn] = now
            return
        comes = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, comes))
        self._serve()
        try:
            await comes
        except asyncio.CancelledError:
            self.leave(turn)
            raise
        names.QUOTA_HELD_BACK.add(self._participant, "calls_worked_on", count=time.monotonic() - now)

    def leave(self, turn: "Turn") -> None:
        """Lets the next one on."""
        self._began.pop(turn, None)
        if self._waiting:
            self._serve()

    def _serve(self) -> None:
        """Lets on whom there is room for, and looks again when the oldest will have had its time."""
        now = time.monotonic()
        room = self._company.worked_on(now)
        while self._waiting:
            if len(self._began) >= room:
                oldest = next(iter(self._began))
                if (left_s := self._began[oldest] + IS_WORK_FOR_S - now) > 0:
                    self._look_in(left_s)
                    return
                del self._began[oldest]
            turn, comes = self._waiting.popleft()
            if not comes.done():
                self._began[turn] = now
                comes.set_result(None)

    def _look_in(self, seconds: float) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(seconds, self._looked)

    def _looked(self) -> None:
        self._looking = None
        self._serve()


class Turn:
    """One call's turn in a share; waited for by `async with`."""

    __slots__ = ("_share",)

    def __init__(self, share: Share) -> None:
        """Made by the share."""
        self._share = share

    def __aenter__(self) -> Awaitable[None]:
        """Waits for it."""
        return self._share.enter(self)

    async def __aexit__(self, *_: object) -> None:
        """Lets the next one on."""
        self._share.leave(self)


class Backlog:
    """The pages of the journal that are read for a participant's subscriptions which read what was: one after the other, at a pace.

    Only while others call: then a page is a tenth of a second of work that their next call would meet.
    """

    def __init__(self, participant: str, company: Company) -> None:
        """*participant* is named without its prefix."""
        self._participant, self._company, self._next_at = participant, company, 0.0

    def wait_s(self, positions: int) -> float:
        """Begins a page of so many positions now and returns 0, or how long it is until one may begin."""
        now = time.monotonic()
        self._company.came(self._participant, now)
        if not self._company.is_several(now):
            return 0.0
        if now < self._next_at:
            return self._next_at - now
        self._next_at = now + positions / self._company.share_of(BACKLOG_PER_S)
        return 0.0


class Shares(defaultdict[str, Share]):
    """A participant's shares by the names of methods: what waits for explanations does not wait with questions."""

    def __init__(self, participant: str, company: Company) -> None:
        """*participant* is named without its prefix."""
        super().__init__()
        self._participant, self._company = participant, company

    def __missing__(self, method: str) -> Share:
        """Makes the share of a method."""
        self[method] = share = Share(self._participant, self._company)
        return share
