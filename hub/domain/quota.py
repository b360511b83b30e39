"""What a participant may ask of one edge, and the bucket a rate is kept with. Instants are passed in."""

from typing import NamedTuple

# A province's burst is four times its steady rate (2,000 events on 500 a second), and the rate leaves room for twice that.
BURST_S = 2.0


class Quota(NamedTuple):
    """Limits of one participant; as a participant's own, 0 means the default of the edge."""

    calls_per_s: int
    events_per_s: int
    calls_at_once: int
    streams_at_once: int
    # Questions a minute about cards that the hub does not know; 0 as the default of the edge: as many as there are calls.
    misses_per_min: int = 0

    def over(self, default: "Quota") -> "Quota":
        """Returns these limits, and those of *default* where there is none."""
        return Quota(*(own or common for own, common in zip(self, default, strict=True)))


NO_QUOTA = Quota(0, 0, 0, 0)


MISSES_BURST_MIN = 10


class Bucket:
    """Fills at a rate up to its burst; in any span of time no more is let through than burst + rate × span.

    Who is ready to wait may take in advance: the level falls below zero, and what was taken counts from the end of the wait on.
    """

    def __init__(self, per_s: float, at_least: int, now_s: float) -> None:
        """Starts full, with room for *at_least* even at a low rate, so that whatever is asked for as one whole comes through."""
        self._at_least, self._at_s = at_least, now_s
        self.per_s, self._burst = per_s, max(per_s * BURST_S, at_least)
        self._level = self._burst

    def change(self, per_s: float, now_s: float) -> None:
        """Changes the rate from now on; a larger burst is there at once, less what was taken."""
        self._fill(now_s)
        before, self.per_s, self._burst = self._burst, per_s, max(per_s * BURST_S, self._at_least)
        self._level = min(self._level + max(0.0, self._burst - before), self._burst)

    def delay_s(self, count: int, now_s: float) -> float:
        """Returns how long it takes until there is room for *count*: 0 if there is now."""
        self._fill(now_s)
        return max(0.0, (count - self._level) / self.per_s)

    def take(self, count: int) -> None:
        """Takes *count*, at the end of the delay that `delay_s` has just returned."""
        self._level -= count

    def _fill(self, now_s: float) -> None:
        self._level = min(self._burst, self._level + (now_s - self._at_s) * self.per_s)
        self._at_s = now_s
