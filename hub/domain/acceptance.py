"""May this card be used here, for this, now? One small function a rule, and `decide`, which asks them all.

`decide` is pure: facts, agreements in force, reference data, the question and its instant go in, the answer comes out. Rules A01 to
A05 of the domain dossier 3.3. All reasons are returned, in the order of the rules; the strictest one gives the outcome.
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from hub.domain import agreement, card
from hub.domain.agreement import Agreements, Terms
from hub.domain.card import Fact, Standing
from hub.domain.reference import Reference

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
OUTCOMES = ("ACCEPT", "ACCEPT_NO_CONCESSION", "STEP_UP", "REFER_ISSUER", "DENY")  # from the mildest to the strictest


class Question(NamedTuple):
    """What a service point asks; *at_us* in microseconds since 1970, *medium* as in the protos."""

    issuing_province: str
    scenario: str
    service_region: str
    medium: int
    at_us: int
    venue_code: str = ""


class Answer(NamedTuple):
    """The outcome with all reasons in the order of the rules, and the agreements it rests on."""

    outcome: str
    reason_codes: tuple[str, ...]
    agreement_codes: tuple[str, ...]


class Case(NamedTuple):
    """All a rule may look at; *about* are the agreements that speak of this scenario, direction and place, in force or not."""

    question: Question
    standing: Standing
    about: list[Terms]

    @property
    def is_cross_province(self) -> bool:
        """Whether the card is used outside the province that issued it."""
        return self.question.issuing_province != self.question.service_region[:2]


def a01_card_known(case: Case) -> str | None:
    """A01: the card is known to the hub."""
    return "CARD_UNKNOWN" if case.standing.social_status is None else None


_STATUS_REASONS = {
    "SEALED": "CARD_SEALED",
    "TEMP_LOST": "LOST_TEMP",
    "FORMALLY_LOST": "LOST_FORMAL",
    "APP_LOCKED": "LOCKED",
    "CANCELLED": "CANCELLED",
}


def a02_social_function_active(case: Case) -> str | None:
    """A02, all but CARD.*: the social function is active."""
    status = case.standing.social_status
    if status in (None, "ACTIVE") or case.question.scenario.startswith("CARD."):
        return None
    return _STATUS_REASONS.get(status, "CARD_NOT_ISSUED")


def a03_no_provisional_block(case: Case) -> str | None:
    """A03: no provisional block stands at the instant."""
    return "PROVISIONAL_BLOCK" if case.standing.block_until_us is not None else None


def a04_agreement_in_force(case: Case) -> str | None:
    """A04, all cross-province: an agreement covers scenario, direction, place and medium at the instant."""
    if not case.is_cross_province:
        return None
    question = case.question
    in_force = [terms for terms in case.about if terms.is_in_force(question.at_us)]
    if not in_force:
        has_ended = any(terms.to_us is not None and terms.to_us <= question.at_us for terms in case.about)
        return "AGREEMENT_EXPIRED" if has_ended else "NO_AGREEMENT"
    return None if _covering(in_force, question.medium) else "MEDIUM_NOT_COVERED"


def a05_no_temporary_card_abroad(case: Case) -> str | None:
    """A05, all cross-province: a temporary card is good at home only."""
    return "TEMP_CARD_LOCAL_ONLY" if case.is_cross_province and case.standing.card_kind == "TEMPORARY" else None


RULES: tuple[Callable[[Case], str | None], ...] = (
    a01_card_known,
    a02_social_function_active,
    a03_no_provisional_block,
    a04_agreement_in_force,
    a05_no_temporary_card_abroad,
)


def decide(facts: Iterable[Fact], agreements: Agreements, reference: Reference, question: Question) -> Answer:
    """Answers a question from the card's facts and the agreements; total and deterministic."""
    days = temp_loss_days(reference, question.issuing_province, question.at_us)
    about = agreements.about(question.scenario, question.issuing_province, question.service_region, question.venue_code)
    case = Case(question, card.standing(facts, question.at_us, days), about)
    reasons = tuple(code for rule in RULES if (code := rule(case)) is not None)
    outcome = max((reference.reason(code).outcome for code in reasons), key=OUTCOMES.index, default="ACCEPT")
    return Answer(outcome, reasons, _rests_on(case))


def _rests_on(case: Case) -> tuple[str, ...]:
    if not case.is_cross_province:
        return ()
    question = case.question
    return tuple(terms.code for terms in _covering(case.about, question.medium) if terms.is_in_force(question.at_us))


def _covering(agreements: Iterable[Terms], medium: int) -> list[Terms]:
    return [terms for terms in agreements if not terms.media or medium in terms.media]


def temp_loss_days(reference: Reference, province: str, at_us: int) -> int:
    """Returns tempLossDays of the issuing province on the local day of an instant; 7 where the table is silent."""
    return _temp_loss_days(reference, province, epoch_day(at_us))


@lru_cache(1_024)
def _temp_loss_days(reference: Reference, province: str, day: int) -> int:
    policy = reference.policy("tempLossDays", province, date.fromordinal(_EPOCH_ORDINAL + day))
    return int(policy.value) if policy is not None and policy.value else 7


def local_day(at_us: int) -> date:
    """Returns the calendar day in +08:00 of an instant."""
    return date.fromordinal(_EPOCH_ORDINAL + epoch_day(at_us))


def epoch_day(at_us: int) -> int:
    """Returns the calendar day in +08:00 of an instant, counted from 1970-01-01."""
    return (at_us + 8 * 3_600_000_000) // card.DAY_US


@cache
def rules_digest() -> bytes:
    """Names this version of rules and data (SM3): the rules' own source, the fold's, and the reference tables."""
    from hub.domain.reference import load

    hasher = hashlib.new("sm3", load().digest.encode())
    for module in (__file__, card.__file__, agreement.__file__):
        hasher.update(Path(module).read_bytes())
    return hasher.digest()
