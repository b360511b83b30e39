"""What a rule is, and all that it may look at: the question with its claims, the card's standing, the agreements that speak of it."""

from calendar import isleap
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance

from hub.domain.agreement import Terms
from hub.domain.card import DAY_US, Standing
from hub.domain.reference import Reference

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
OF_THE_CARD = ("standing.", "holder.")
# The hub's own: it places the block, whatever it knows of the card.
PROVISIONAL_BLOCK = "standing.block_until_us"
_NO_CLAIMS = acceptance.AcceptanceClaims()


class Question(NamedTuple):
    """What a service point asks; *at_us* in microseconds since 1970, *medium* as in the protos."""

    issuing_province: str
    scenario: str
    service_region: str
    medium: int
    at_us: int
    venue_code: str = ""
    claims: acceptance.AcceptanceClaims = _NO_CLAIMS

    @property
    def is_cross_province(self) -> bool:
        """Whether the card is used outside the province that issued it."""
        return self.issuing_province != self.service_region[:2]


class Case(NamedTuple):
    """All a rule may look at.

    *about* are the agreements that speak of this scenario, direction and place; *in_force* those of them that hold at the instant.
    """

    question: Question
    standing: Standing
    about: list[Terms]
    in_force: list[Terms]
    reference: Reference

    def policy(self, parameter: str, place: str) -> str:
        """Returns a policy parameter of a province or region on the question's day, empty where the table is silent."""
        return _policy(self.reference, parameter, place, epoch_day(self.question.at_us))

    def serving_policy(self, parameter: str) -> str:
        """Returns a policy parameter of the place where the card is used: its city's or, where there is none, its province's."""
        return self.policy(parameter, self.question.service_region)

    def issuing_policy(self, parameter: str) -> str:
        """Returns a policy parameter of the province that issued the card."""
        return self.policy(parameter, self.question.issuing_province)

    def age(self) -> int | None:
        """Returns the holder's age in whole years on the local day by the serving city's rule, None if the birth date is unknown."""
        born = self.standing.birth_date
        if not born:
            return None
        return age_on(born, local_day(self.question.at_us), self.serving_policy("leapDayBirthday") if born.endswith("02-29") else "")

    def denies(self, claim: str) -> bool:
        """Whether the service point says that the claim does not hold; what it does not say is not denied."""
        claims: Any = self.question.claims
        return claims.HasField(claim) and not getattr(claims, claim)


Ask = Callable[[Case], str | None]


class Rule(NamedTuple):
    """One rule: which scenarios it is asked for, the function that gives a reason's code or None, and what `explain` shows of the case."""

    rule_id: str
    title_zh: str
    title_en: str
    ask: Ask
    scenarios: tuple[str, ...]
    unless: tuple[str, ...]
    cross_province_only: bool
    sees: tuple[str, ...]

    @property
    def looks_at_card(self) -> bool:
        """Whether it looks at what only the issuing province knows: the card's lives and its holder's age."""
        return any(path.startswith(OF_THE_CARD) and path != PROVISIONAL_BLOCK for path in self.sees)

    def is_asked(self, scenario: str, is_cross_province: bool) -> bool:
        """Whether it is asked for a scenario and direction."""
        if self.cross_province_only and not is_cross_province:
            return False
        return matches(scenario, self.scenarios) and not matches(scenario, self.unless)


def matches(scenario: str, patterns: tuple[str, ...]) -> bool:
    """Whether a scenario is named by a pattern: itself, a group such as MED.*, or * for all."""
    return any(pattern in (scenario, "*") or (pattern.endswith(".*") and scenario.startswith(pattern[:-1])) for pattern in patterns)


def local_day(at_us: int) -> date:
    """Returns the calendar day in +08:00 of an instant."""
    return date.fromordinal(EPOCH_ORDINAL + epoch_day(at_us))


def epoch_day(at_us: int) -> int:
    """Returns the calendar day in +08:00 of an instant, counted from 1970-01-01."""
    return (at_us + 8 * 3_600_000_000) // DAY_US


def age_on(birth_date: str, day: date, leap_day_birthday: str = "") -> int:
    """Returns the whole years on a day of who was born on *birth_date* (yyyy-MM-dd): a birthday begins at local midnight.

    *leap_day_birthday* (MM-dd) is when a birthday of 29 February is in a common year; empty is 03-01.
    """
    year, month, of_month = (int(part) for part in birth_date.split("-"))
    if leap_day_birthday and (month, of_month) == (2, 29) and not isleap(day.year):
        month, of_month = (int(part) for part in leap_day_birthday.split("-"))
    return day.year - year - ((day.month, day.day) < (month, of_month))


@lru_cache(4_096)
def _policy(reference: Reference, parameter: str, place: str, day: int) -> str:
    policy = reference.policy(parameter, place, date.fromordinal(EPOCH_ORDINAL + day))
    return policy.value if policy is not None else ""
