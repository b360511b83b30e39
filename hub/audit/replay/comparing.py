"""What a lane's answers come to when they are decided again: which differ from what was recorded, and what other rules would have said.

People are counted by who has the card. All cards of a person are in one lane, so that the counts of lanes add up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.audit.replay.answering import Asked, Said, answers_of, asked_in, recorded_answer, shared_in
from hub.audit.replay.spool import Spool
from hub.domain import reference
from hub.domain.acceptance import OUTCOMES
from hub.domain.instants import local_day

MOST_SAMPLES = 1_000
SAMPLES_OF_A_CELL = 5
# Questions that are in memory at once, with what they were decided from.
AT_ONCE = 5_000


class Difference(NamedTuple):
    """An answer that is another one: where it was recorded, what was said then, and what is said now."""

    position: int
    as_of: int
    then: Said
    now: Said


class Cell(NamedTuple):
    """Where answers change: the provinces, the scenario, the rule that speaks now or no more, the month, and both outcomes."""

    issuer: str
    server: str
    scenario: str
    rule: str
    month: str
    then: str
    now: str


@dataclass(slots=True)
class Tally:
    """How many answers of a cell changed, of how many people, and the first of them."""

    answers: int = 0
    people: int = 0
    samples: list[int] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Adds those of another lane."""
        self.answers += other.answers
        self.people += other.people
        self.samples = sorted([*self.samples, *other.samples])[:SAMPLES_OF_A_CELL]


@dataclass(slots=True)
class Changed:
    """What a branch changes: answers by cell, and the people to whom a stricter answer was given, or a milder one."""

    answers: int = 0
    people: int = 0
    losing: int = 0
    gaining: int = 0
    cells: dict[Cell, Tally] = field(default_factory=dict)

    def add(self, other: "Changed") -> None:
        """Adds that of another lane."""
        self.answers += other.answers
        self.people += other.people
        self.losing += other.losing
        self.gaining += other.gaining
        for cell, tally in other.cells.items():
            self.cells.setdefault(cell, Tally()).add(tally)


@dataclass(slots=True)
class Found:
    """What was found: answers, how many of them are others by the rules of then, the first of those, and what each branch changes."""

    answers: int = 0
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    branches: list[Changed] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        """Adds that of another lane."""
        self.answers += other.answers
        self.different += other.different
        self.differences = sorted([*self.differences, *other.differences])[:MOST_SAMPLES]
        self.branches += [Changed() for _ in other.branches[len(self.branches) :]]
        for mine, its in zip(self.branches, other.branches, strict=False):
            mine.add(its)


def compare_lane(spool: Spool, lane: int) -> Found:
    """Decides the answers of a lane again: by the rules of then, and in each further branch."""
    shared = shared_in(spool.directory)
    found, people = Found(), [_People() for _ in shared.branches[1:]]
    found.branches = [Changed() for _ in people]
    waiting: list[Asked] = []
    for one in asked_in(spool, lane):
        waiting.append(one)
        if len(waiting) == AT_ONCE:
            _compare(waiting, spool, found, people)
            waiting = []
    _compare(waiting, spool, found, people)
    for changed, seen in zip(found.branches, people, strict=True):
        changed.people, changed.losing, changed.gaining = len(seen.losing | seen.gaining | seen.others), len(seen.losing), len(seen.gaining)
        for cell, some in seen.of_cell.items():
            changed.cells[cell].people = len(some)
    return found


@dataclass(slots=True)
class _People:
    """Who is touched by a branch, as long as a lane is folded."""

    losing: set[bytes] = field(default_factory=set)
    gaining: set[bytes] = field(default_factory=set)
    others: set[bytes] = field(default_factory=set)
    of_cell: dict[Cell, set[bytes]] = field(default_factory=dict)


def _compare(asked: list[Asked], spool: Spool, found: Found, people: list[_People]) -> None:
    shared = shared_in(spool.directory)
    found.answers += len(asked)
    then = [recorded_answer(one.recorded) for one in asked]
    for one, recorded, said in zip(asked, then, answers_of(asked, shared, 0), strict=True):
        if said != recorded:
            found.different += 1
            if len(found.differences) < MOST_SAMPLES:
                as_of = one.recorded.event.decision_made.as_of_position
                found.differences.append(Difference(one.recorded.position, as_of, recorded, said))
    for number, (changed, seen) in enumerate(zip(found.branches, people, strict=True), 1):
        for one, recorded, said in zip(asked, then, answers_of(asked, shared, number), strict=True):
            if (said.outcome, said.reasons) != (recorded.outcome, recorded.reasons):
                _note(one, recorded, said, changed, seen)


def _note(one: Asked, then: Said, now: Said, changed: Changed, seen: _People) -> None:
    cell = _cell(one, then, now)
    tally = changed.cells.setdefault(cell, Tally())
    tally.answers += 1
    changed.answers += 1
    if len(tally.samples) < SAMPLES_OF_A_CELL:
        tally.samples.append(one.recorded.position)
    seen.of_cell.setdefault(cell, set()).add(one.person)
    getattr(seen, direction_of(then.outcome, now.outcome)).add(one.person)


def direction_of(then: str, now: str) -> str:
    """Returns who is touched by another outcome: losing by a stricter one, gaining by a milder one, others by other reasons."""
    stricter = OUTCOMES.index(now) - OUTCOMES.index(then)
    return "losing" if stricter > 0 else "gaining" if stricter < 0 else "others"


def _cell(one: Asked, then: Said, now: Said) -> Cell:
    question, event = one.question, one.recorded
    month = local_day(event.recorded_us).isoformat()[:7]
    rule = _rule(then.reasons, now.reasons)
    return Cell(question.issuing_province, question.service_region[:2], question.scenario, rule, month, then.outcome, now.outcome)


def _rule(then: Iterable[str], now: Iterable[str]) -> str:
    """Returns the first rule whose reason is another; a reason that the tables at hand do not have names itself."""
    tables = reference.load()
    codes = sorted(set(then) ^ set(now))
    rules = sorted(tables.reasons[code].rule if code in tables.reasons else code for code in codes)
    return next(filter(None, rules), "")
