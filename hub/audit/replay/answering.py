"""What one process does: it folds a lane in memory and decides its answers again, each at the position that it names.

It decides as an edge did: what is on record is looked up as far as the question needs it, and a token is used if an earlier answer used it.
"""

import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from hub.audit.explanations import question_of
from hub.audit.replay.change_words import Change
from hub.audit.replay.memory import Memory
from hub.audit.replay.own import DECISION
from hub.audit.replay.spool import Entry, ReplayHasNoRoom, Spool, entries
from hub.audit.replay.terms import TermsChange, changed_terms
from hub.audit.replay.timelines import Timelines
from hub.audit.rule_process import RuleProcess
from hub.domain import reference
from hub.domain.acceptance import Question, decide, rules_digest
from hub.domain.agreement import Agreements
from hub.domain.card import Fact
from hub.domain.records.bases import basis_message
from hub.domain.records.known import Records
from hub.domain.records.weighing import Basis, OnRecord
from hub.domain.replaying import pack_agreements, pack_rest
from hub.domain.rule_input import CHIP_MEDIA
from hub.journal.reader import Recorded
from hub.words.outcomes import outcome_name

SHARED = "shared"
# Questions that a process of rules is sent at once.
AT_ONCE = 2_000


class Said(NamedTuple):
    """An answer as it is compared: outcome, reasons, agreements, and on what it rests."""

    outcome: str
    reasons: tuple[str, ...]
    agreements: tuple[str, ...]
    bases: tuple[bytes, ...]


class Asked(NamedTuple):
    """A recorded answer with what an edge would decide it from; *person* is the key of who has the card."""

    recorded: Recorded
    question: Question
    facts: list[Fact]
    agreements: Agreements
    records: Records
    person: bytes


class Branch(NamedTuple):
    """One way to answer: by the rules in a directory ("" for those that each answer names), under other agreements or the same.

    *changes* says in words what that changes.
    """

    name: str = ""
    rules: str = ""
    terms: tuple[TermsChange, ...] = ()
    changes: tuple[Change, ...] = ()


@dataclass(slots=True)
class Shared:
    """What all lanes need: which names go where, what all cards share, who used a token first, the rules of each digest, the branches."""

    moved: dict[int, int]
    timelines: Timelines
    tokens: dict[bytes, int]
    rules: dict[bytes, str]
    branches: tuple[Branch, ...] = (Branch(),)
    # Whether all is known that was recorded up to here, 0 for what was known when each answer was given.
    known_at: int = 0
    _agreements: dict[tuple[int, int], Agreements] = field(default_factory=dict)

    def agreements(self, known: Agreements, branch: int) -> Agreements:
        """Returns the agreements that a branch answers by, where those are known."""
        if not (terms := self.branches[branch].terms):
            return known
        key = (id(known), branch)
        if key not in self._agreements:
            self._agreements[key] = changed_terms(known, terms)
        return self._agreements[key]


def keep(directory: Path, shared: Shared) -> None:
    """Writes what all lanes need to where they read it; raises ReplayHasNoRoom."""
    try:
        (directory / SHARED).write_bytes(pickle.dumps(shared, 5))
    except OSError as error:
        raise ReplayHasNoRoom from error


@lru_cache(1)
def shared_in(directory: Path) -> Shared:
    """Reads it, once a process."""
    # Our own file, in a directory that nobody else may write to.
    found: Shared = pickle.loads((directory / SHARED).read_bytes())  # noqa: S301
    return found


def asked_in(spool: Spool, lane: int) -> Iterator[Asked]:
    """Folds a lane, and yields the answers of it with what each was decided from, in the order of the positions that they name."""
    shared = shared_in(spool.directory)
    found = entries(spool, lane, shared.moved)
    answers = [(shared.known_at or entry.event.event.decision_made.as_of_position, entry.event) for entry in found if _is_answer(entry)]
    answers.sort(key=lambda answer: (answer[0], answer[1].position))
    events = iter(entry for entry in found if not _is_answer(entry))
    memory, following = Memory(), next(events, None)
    for as_of, recorded in answers:
        while following is not None and following.event.position <= as_of:
            memory.fold(following.event, following.change)
            following = next(events, None)
        yield _asked(memory, recorded, as_of, shared)


def _is_answer(entry: Entry) -> bool:
    return entry.event.kind == DECISION


def _asked(memory: Memory, recorded: Recorded, as_of: int, shared: Shared) -> Asked:
    key, question = recorded.event.card.key, question_of(recorded)
    facts = memory.facts(key, with_ecard=question.medium not in CHIP_MEDIA)
    records = memory.records(key, question, shared.timelines.registers_at(as_of))
    if question.token and (used := shared.tokens.get(question.token, recorded.position)) < recorded.position:
        records = records._replace(token=OnRecord(False, used))
    if items := shared.timelines.items(as_of).about(question.refs.item_id):
        records = records._replace(items=items)
    if institution := shared.timelines.institution(question.institution, as_of):
        records = records._replace(institution=institution)
    return Asked(recorded, question, facts, shared.timelines.agreements(as_of), records, memory.person(key))


def recorded_answer(recorded: Recorded) -> Said:
    """Returns what was answered."""
    made = recorded.event.decision_made
    bases = tuple(basis.SerializeToString(deterministic=True) for basis in made.bases)
    return Said(outcome_name(made.outcome), tuple(made.reason_codes), tuple(made.agreement_codes), bases)


def answers_of(asked: Iterable[Asked], shared: Shared, branch: int) -> Iterator[Said]:
    """Yields what is answered to some questions in a branch, in their order; raises RulesEnded."""
    chosen = list(asked)
    by_rules: dict[str, list[int]] = {}
    for at, one in enumerate(chosen):
        directory = shared.branches[branch].rules or _rules_of(one, shared)
        by_rules.setdefault(directory, []).append(at)
    found: dict[int, Said] = {}
    for directory, places in by_rules.items():
        some = [chosen[at] for at in places]
        found |= zip(places, _by(directory, some, shared, branch), strict=True)
    return (found[at] for at in range(len(chosen)))


def _rules_of(one: Asked, shared: Shared) -> str:
    digest = one.recorded.event.decision_made.rules_digest
    return "" if digest == rules_digest() else shared.rules[digest]


def _by(directory: str, asked: list[Asked], shared: Shared, branch: int) -> Iterator[Said]:
    """Yields answers by the rules at hand, or by those in a directory."""
    if not directory:
        tables = reference.load()
        for one in asked:
            agreements = shared.agreements(one.agreements, branch)
            outcome, reasons, codes, bases = decide(one.facts, agreements, tables, one.question, one.records)
            yield Said(outcome, reasons, codes, _bases(bases))
        return
    process = _process(directory)
    for begin in range(0, len(asked), AT_ONCE):
        lines = [
            (_packed(shared.agreements(one.agreements, branch)), pack_rest(one.facts, one.question, one.records))
            for one in asked[begin : begin + AT_ONCE]
        ]
        yield from map(_said, process.answers(lines))


def _bases(bases: Iterable[Basis]) -> tuple[bytes, ...]:
    return tuple(basis_message(basis).SerializeToString(deterministic=True) for basis in bases)


def _said(answer: Any) -> Said:
    if isinstance(answer, Mapping):
        answer = (answer["outcome"], answer["reason_codes"], answer["agreement_codes"], answer.get("bases", ()))
    outcome, reasons, agreements, bases = answer
    return Said(outcome, tuple(reasons), tuple(agreements), _bases(Basis(*basis) for basis in bases))


_packed_as: dict[int, tuple[Agreements, str]] = {}
_processes: dict[str, RuleProcess] = {}


def _packed(agreements: Agreements) -> str:
    """Returns agreements as text, the same object each time."""
    if id(agreements) not in _packed_as:
        _packed_as[id(agreements)] = agreements, pack_agreements(agreements)
    return _packed_as[id(agreements)][1]


def _process(directory: str) -> RuleProcess:
    if directory not in _processes:
        _processes[directory] = RuleProcess(Path(directory))
    return _processes[directory]


def leave() -> None:
    """Ends the processes of rules that this process has, and forgets what its lanes shared."""
    while _processes:
        _processes.popitem()[1].close()
    _packed_as.clear()
    shared_in.cache_clear()
