"""What a rule is: a function that gives a reason or None, or what it made of claim and record; and the uses it is asked about."""

from collections.abc import Callable
from typing import NamedTuple

from hub.domain.records.weighing import Weighed
from hub.domain.rule_input import OF_THE_CARD, ON_RECORD, PROVISIONAL_BLOCK, RuleInput

BOOK_RETURN = "CUL.LIB.RET"
LOSS = "CARD.LOSS"
PAYMENT = "FND.PAY"

Ask = Callable[[RuleInput], str | Weighed | None]


class Rule(NamedTuple):
    """One rule: which scenarios it is asked for, its function, and what `explain` shows of its input.

    *where_named*: it needs what is on record only of questions that say so themselves, as for a group's service, or at an exit.
    """

    rule_id: str
    title_zh: str
    title_en: str
    ask: Ask
    scenarios: tuple[str, ...]
    unless: tuple[str, ...]
    cross_province_only: bool
    sees: tuple[str, ...]
    where_named: bool = False

    @property
    def looks_at_card(self) -> bool:
        """Whether it looks at what only the issuing province knows: the card's lives and its holder's age."""
        return any(path.startswith(OF_THE_CARD) and path != PROVISIONAL_BLOCK for path in self.sees)

    @property
    def looks_at_record(self) -> bool:
        """Whether it looks at what is on record of the holder beside the card's lives."""
        return any(path.startswith(ON_RECORD) for path in self.sees)

    def is_asked(self, scenario: str, is_cross_province: bool) -> bool:
        """Whether it is asked for a scenario and direction."""
        if self.cross_province_only and not is_cross_province:
            return False
        return matches(scenario, self.scenarios) and not matches(scenario, self.unless)


def matches(scenario: str, patterns: tuple[str, ...]) -> bool:
    """Whether a scenario is named by a pattern: itself, a group such as MED.*, or * for all."""
    return any(pattern in (scenario, "*") or (pattern.endswith(".*") and scenario.startswith(pattern[:-1])) for pattern in patterns)


def rule(
    rule_id: str,
    title_zh: str,
    title_en: str,
    *scenarios: str,
    unless: tuple[str, ...] = (),
    cross_province_only: bool = False,
    sees: tuple[str, ...] = (),
    where_named: bool = False,
) -> Callable[[Ask], Rule]:
    """Makes a rule of a function; *sees* names what it looks at, as paths such as standing.social_status or claims.filing_valid."""

    def make(ask: Ask) -> Rule:
        return Rule(rule_id, title_zh, title_en, ask, scenarios, (*unless, BOOK_RETURN), cross_province_only, sees, where_named)

    return make
