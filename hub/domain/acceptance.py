"""May this card be used here, for this, now? `decide` asks the rules; `explain` says what each of them saw and concluded.

Both are pure: facts, agreements, reference data, the question with its claims and instant, and what is on record of the holder go in, the
answer comes out. All reasons are returned, in the order of the rules; the strictest one gives the outcome.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from hub.domain import card
from hub.domain.agreement import Agreements, Terms
from hub.domain.card import Fact
from hub.domain.records.known import NOTHING, Records
from hub.domain.records.weighing import Basis, Weighed
from hub.domain.reference import Reference
from hub.domain.rule_input import RIDES, Question, RuleInput
from hub.domain.rules import RULES
from hub.domain.rules.rule import Rule
from hub.domain.seen import seen

__all__ = ["OUTCOMES", "RULES", "USES", "Answer", "Question", "Verdict", "decide", "explain", "looks_at_record", "rules_digest"]

OUTCOMES = ("ACCEPT", "ACCEPT_NO_CONCESSION", "STEP_UP", "REFER_ISSUER", "DENY")  # from the mildest to the strictest
# By these the card is used, and with it what the e-card showed.
USES = ("ACCEPT", "ACCEPT_NO_CONCESSION")


class Answer(NamedTuple):
    """The outcome with all reasons in the order of the rules, the agreements it rests on, and what claims and records said."""

    outcome: str
    reason_codes: tuple[str, ...]
    agreement_codes: tuple[str, ...]
    bases: tuple[Basis, ...] = ()


class Verdict(NamedTuple):
    """What one rule saw (name, value) and concluded: a reason's code, or "" where it had nothing to say; *is_asked* or not at all."""

    rule: Rule
    is_asked: bool
    saw: tuple[tuple[str, str], ...]
    reason_code: str
    basis: Basis | None = None


def decide(facts: Iterable[Fact], agreements: Agreements, reference: Reference, question: Question, records: Records = NOTHING) -> Answer:
    """Answers a question from the card's facts, what is on record of its holder, and the agreements; total and deterministic."""
    asked = _input(facts, agreements, reference, question, records)
    reasons, bases = [], []
    for rule in _rules_for(asked):
        code, basis = _asked(rule, asked)
        if code:
            reasons.append(code)
        if basis is not None:
            bases.append(basis)
    outcome = max((reference.reason(code).outcome for code in reasons), key=OUTCOMES.index, default="ACCEPT")
    return Answer(outcome, tuple(reasons), _rests_on(asked), tuple(bases))


def explain(
    facts: Iterable[Fact], agreements: Agreements, reference: Reference, question: Question, records: Records = NOTHING
) -> list[Verdict]:
    """Returns what every rule saw and concluded, in their order; the reasons among them are those of `decide`."""
    asked = _input(facts, agreements, reference, question, records)
    wanted = set(_rules_for(asked))
    verdicts = []
    for rule in RULES:
        if rule in wanted:
            saw = tuple((path, seen(asked, path)) for path in rule.sees)
            verdicts.append(Verdict(rule, True, saw, *_asked(rule, asked)))
        else:
            verdicts.append(Verdict(rule, False, (), ""))
    return verdicts


def looks_at_record(question: Question) -> bool:
    """Whether a question needs what is on record of the holder; where it names something by itself it does."""
    return question.names_a_record or _looks_at_record(question.scenario, question.is_cross_province)


@lru_cache(512)
def _looks_at_record(scenario: str, is_cross_province: bool) -> bool:
    return any(rule.looks_at_record and not rule.where_named for rule in _rules_of(scenario, is_cross_province, True))


def _asked(rule: Rule, asked: RuleInput) -> tuple[str, Basis | None]:
    """Asks a rule: the code of its reason, and what it rests on if it weighed a claim against the record and either said something."""
    found = rule.ask(asked)
    if not isinstance(found, Weighed):
        return found or "", None
    basis = Basis(rule.rule_id, found.basis, found.claim, *found.record) if found.basis else None
    return found.reason_code or "", basis


def _input(facts: Iterable[Fact], agreements: Agreements, reference: Reference, question: Question, records: Records) -> RuleInput:
    facts = tuple(facts)
    standing = card.standing(facts, question.at_us, card.policies_of(reference, question.issuing_province))
    about: list[Terms] = []
    if question.is_cross_province:
        region = question.service_region
        kin = reference.kin.get(region, ())
        for scenario in _agreed_as(question.scenario):
            about += agreements.about(scenario, question.issuing_province, region, question.venue_code, kin)
    in_force = [terms for terms in about if terms.is_in_force(question.at_us)]
    return RuleInput(question, standing, about, in_force, reference, facts, records)


def _rules_for(asked: RuleInput) -> tuple[Rule, ...]:
    question = asked.question
    return _rules_of(question.scenario, question.is_cross_province, asked.standing.social_status is not None)


@lru_cache(512)
def _rules_of(scenario: str, is_cross_province: bool, is_known: bool) -> tuple[Rule, ...]:
    """Returns the rules to ask; of a card that the hub does not know, none but A01 that looks at the card."""
    asked = (rule for rule in RULES if rule.is_asked(scenario, is_cross_province))
    return tuple(rule for rule in asked if is_known or rule.rule_id == "A01" or not rule.looks_at_card)


def _rests_on(asked: RuleInput) -> tuple[str, ...]:
    return tuple(terms.code for terms in asked.covering())


def _agreed_as(scenario: str) -> tuple[str, ...]:
    """Names the scenarios whose agreements carry this one: an elder's ride is a ride."""
    return (scenario, *RIDES) if scenario == "TRA.ELD" else (scenario,)


@cache
def rules_digest() -> bytes:
    """Names the version of rules and data at hand (SM3)."""
    return digest_of(Path(__file__).parent)


def digest_of(domain: Path) -> bytes:
    """Names the version whose `hub/domain` lies in a directory (SM3): `acceptance.py`, what it uses of the domain, the tables.

    Runs nothing of it. Raises OSError or SyntaxError where a source is missing or is none.
    """
    from hub.domain.reference import tables_digest

    hasher = hashlib.new("sm3", tables_digest(domain / "reference").encode())
    for path in sorted(_sources(domain / "acceptance.py", domain, set())):
        hasher.update(path.read_bytes())
    return hasher.digest()


def _sources(path: Path, domain: Path, found: set[Path]) -> set[Path]:
    """Follows the imports of a module within the domain."""
    if path in found:
        return found
    found.add(path)
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hub.domain"):
            package = domain.joinpath(*str(node.module).split(".")[2:])
            for candidate in (package, *(package / alias.name for alias in node.names)):
                for source in (candidate.with_suffix(".py"), candidate / "__init__.py"):
                    if source.exists() and candidate != domain:
                        _sources(source, domain, found)
    return found
