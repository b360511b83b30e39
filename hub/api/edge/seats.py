"""How many streams that stay open one kind has, and of them a participant."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from hub.domain.errors import QueueFull

# Nobody needs to wait for others with so few: one at work, and one that takes its place.
FIRST_SEATS = 2


class Seats:
    """Of one kind of stream; used from one event loop."""

    def __init__(self, count: int) -> None:
        """*count* are there for all participants."""
        self._count = count
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def taken(self, participant: str) -> Iterator[None]:
        """Takes one for a participant meanwhile; raises QueueFull."""
        if not has_room(self._taken[participant], self._count - self._taken.total()):
            raise QueueFull
        self._taken[participant] += 1
        try:
            yield
        finally:
            self._taken[participant] -= 1
            self._taken = +self._taken


def has_room(own: int, free: int) -> bool:
    """Whether a participant with *own* may have one more: at most a quarter of what is free, so that room remains for others."""
    return free > 0 and own < max(free // 4, FIRST_SEATS)
