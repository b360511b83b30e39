"""Cases of both provinces: filed on one side, decided on the other where the applicant's card is from there, and handed over at home.

Each step is reported by the side that takes it. A case waits with the side whose step is next, so its steps are in order of time.
"""

from collections import deque
from dataclasses import dataclass
from random import Random
from typing import Final

from adapters.simulator import places
from adapters.simulator.world import Card

OPEN_CASES: Final = 500
SUPPLEMENTED: Final = 0.15
HANDLING, DECIDING = "handling", "deciding"
# Who takes which step, where one side does all, and where what was collected goes over and comes back.
_ALONE: Final = ((HANDLING, "submitted"), (HANDLING, "received"), (DECIDING, "accepted"), (DECIDING, "decided"),
                 (HANDLING, "delivered"), (HANDLING, "rated"))  # fmt: skip
_OVER_AND_BACK: Final = (*_ALONE[:2], (HANDLING, "forwarded"), *_ALONE[2:])
_SUPPLEMENT: Final = ((DECIDING, "supplement_requested"), (HANDLING, "supplemented"))


@dataclass(slots=True, eq=False)
class JointCase:
    """A case under way; *steps* are those still to come."""

    card: Card
    number: str
    item: str
    handling: str
    steps: deque[tuple[str, str]]
    stars: int

    @property
    def deciding(self) -> str:
        """The province that decides: that of the applicant's card."""
        return self.card.province

    def side(self, part: str) -> str:
        """Returns the province that has a part in it."""
        return self.handling if part == HANDLING else self.deciding

    def region(self, part: str) -> str:
        """Returns where a part is taken; the collecting window is in Chengdu or in the middle of Chongqing."""
        return places.CASE_WINDOWS[self.side(part)]


class JointCases:
    """The cases under way, by the side whose step is next, the longest-waiting first."""

    def __init__(self, rng: Random) -> None:
        """None yet."""
        self._rng = rng
        self._waiting: dict[str, deque[JointCase]] = {"51": deque(), "50": deque()}

    def waiting(self, side: str) -> int:
        """Returns how many cases wait for a side."""
        return len(self._waiting[side])

    def filed(self, side: str, card: Card, number: str) -> tuple[JointCase, str]:
        """Returns a new case and its first step."""
        rng = self._rng
        goes_over = card.province != side
        steps = deque(_OVER_AND_BACK if goes_over else _ALONE)
        if rng.random() < SUPPLEMENTED:
            place = 3 if goes_over else 2
            for offset, step in enumerate(_SUPPLEMENT):
                steps.insert(place + offset, step)
        item = rng.choice(places.GOVERNMENT_ITEMS)
        return self._next(JointCase(card, f"{item}{number}", item, side, steps, 5 if rng.random() < 0.9 else 2))

    def next_step(self, side: str) -> tuple[JointCase, str]:
        """Returns the case that has waited longest for a side, and its step."""
        return self._next(self._waiting[side].popleft())

    def _next(self, case: JointCase) -> tuple[JointCase, str]:
        _, step = case.steps.popleft()
        if case.steps and sum(map(len, self._waiting.values())) < OPEN_CASES:
            part, _ = case.steps[0]
            self._waiting[case.side(part)].append(case)
        return case, step
