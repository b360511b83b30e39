"""The trials as they are written: what the client is to do, what goes wrong meanwhile, what is expected, and what it is judged by."""

import tomllib
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from hub.domain.errors import HubError
from hub.sandbox.faults import APPEND, Fault

LEVELS = ("bronze", "silver", "gold")
LEVEL_NAMES = {"bronze": ("铜", "bronze"), "silver": ("银", "silver"), "gold": ("金", "gold"), "": ("未达级", "none")}

# How long a person may take.
BY_HAND_S = 3_600.0


class TrialUnknown(HubError):
    """没有这个用例 there is no such trial or level; there are bronze, silver, gold and:"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One trial. Beside its faults: how many of its events are recorded before, how many others, and when it is killed or the edge away."""

    id: str
    level: str
    group: str
    title_zh: str
    title_en: str
    steps: list[dict[str, Any]]
    expected: list[str]
    checks: list[dict[str, Any]]
    faults: list[dict[str, Any]] = field(default_factory=list)
    recorded_before: int = 0
    foreign_before: int = 0
    kill_after_batches: int = 0
    away_s: float = 0.0
    doors: int = 1

    @property
    def armed(self) -> list[Fault]:
        """The faults of the trial."""
        return [Fault(**fault) for fault in self.faults]

    def by_hand(self) -> "Trial":
        """The same for a client that a person starts: who is to kill it needs more time than an answer takes, so no answer comes."""
        if not self.kill_after_batches:
            return self
        held = {"kind": "slow-answers", "method": APPEND, "times": 1_000, "seconds": BY_HAND_S}
        return replace(self, faults=[held])


@cache
def all_trials() -> tuple[Trial, ...]:
    """Reads the trials, in order."""
    found = []
    for level in LEVELS:
        text = (Path(__file__).parent / "trials" / f"{level}.toml").read_text(encoding="utf-8")
        found += [Trial(level=level, **trial) for trial in tomllib.loads(text)["trial"]]
    return tuple(found)


def chosen(names: list[str]) -> list[Trial]:
    """Returns trials by their ids or the levels that they are of, all where none is named; raises TrialUnknown."""
    trials = all_trials()
    if unknown := set(names) - {trial.id for trial in trials} - set(LEVELS):
        raise TrialUnknown(", ".join(trial.id for trial in trials) + f"; not {', '.join(sorted(unknown))}")
    return [trial for trial in trials if not names or trial.id in names or trial.level in names]


def level_of(passed: set[str]) -> str:
    """Returns the level that is reached by the trials passed: that and all below it without one failed; "" for none."""
    whole, reached = whole_levels(passed), ""
    for level in LEVELS:
        if level not in whole:
            break
        reached = level
    return reached


def whole_levels(passed: set[str]) -> list[str]:
    """Returns the levels of which every trial was passed, also those above one that was not tried."""
    return [level for level in LEVELS if {trial.id for trial in all_trials() if trial.level == level} <= passed]
