"""The policy parameters that the fold of a card needs, as each issuing province has them on each day (reference/policy.csv).

A fact runs by the policy of its own day: a loss reported in 2024 runs by the days of 2024, whenever it is asked about.
"""

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from hub.domain.instants import day_of, epoch_day, epoch_day_of, midnight_us
from hub.domain.reference import Reference

_LAST_DAY = epoch_day_of(date.max)


class Policy(NamedTuple):
    """The parameters of one province on one day; the defaults are in force where its table is silent."""

    temp_loss_days: int = 7
    formal_loss_releasable: bool = True
    social_pin_max_tries: int = 6
    provisional_block_hours: int = 72
    ecard_while_temp_lost: str = "REAUTHORISE"
    one_per_province: bool = True
    temp_card_validity_days: int = 60
    card_validity_years: int = 10
    renew_window_days: int = 60
    # Pairs of codes of a region before and after a split or merger.
    kin: frozenset[tuple[str, str]] = frozenset()


PolicyAt = Callable[[int], Policy]
# The name in policy.csv of each parameter.
PARAMETERS = {
    "temp_loss_days": "tempLossDays",
    "formal_loss_releasable": "formalLossReleasable",
    "social_pin_max_tries": "socialPinMaxTries",
    "provisional_block_hours": "provisionalBlockHours",
    "ecard_while_temp_lost": "ecardWhileTempLost",
    "one_per_province": "onePerProvince",
    "temp_card_validity_days": "tempCardValidityDays",
    "card_validity_years": "cardValidityYears",
    "renew_window_days": "renewWindowDays",
}


def policy_of(reference: Reference, province: str, at_us: int) -> Policy:
    """Returns the policy of an issuing province on the local day of an instant (microseconds since 1970)."""
    return _policy_on(reference, province, min(max(0, epoch_day(at_us)), _LAST_DAY))


@lru_cache(4_096)
def _policy_on(reference: Reference, province: str, day: int) -> Policy:
    on = day_of(day)
    said: dict[str, Any] = {}
    for name, parameter in PARAMETERS.items():
        row = reference.policy(parameter, province, on)
        if row is not None and row.value:
            default = Policy._field_defaults[name]
            said[name] = row.flag if isinstance(default, bool) else row.number if isinstance(default, int) else row.value
    return Policy(**said, kin=_kin(reference))


@lru_cache(64)
def _kin(reference: Reference) -> frozenset[tuple[str, str]]:
    return frozenset((code, other) for code, others in reference.kin.items() for other in others)


@lru_cache(64)
def policies_of(reference: Reference, province: str) -> PolicyAt:
    """Returns what gives the policy of an issuing province at any instant; it is asked on the way of every answer."""
    known: dict[int, Policy] = {}

    def policy_at(at_us: int) -> Policy:
        day = epoch_day(at_us)
        if day not in known:
            known[day] = policy_of(reference, province, at_us)
        return known[day]

    return policy_at


@lru_cache(64)
def always(policy: Policy | int) -> PolicyAt:
    """Returns what gives one policy at every instant; a number is its days of a temporary loss."""
    fixed = policy if isinstance(policy, Policy) else Policy(temp_loss_days=policy)
    return lambda _: fixed


def renews_too_early(at_us: int, expires_on: str, issued_on: str, policy: Policy) -> bool:
    """Whether a renewal for expiry is applied for before its window [S16]; a card without days is never too early.

    The bank function lapses on the day that was reported, else by the years from the day of issue.
    """
    if not expires_on and not issued_on:
        return False
    year, month, day = (int(part) for part in (expires_on or issued_on).split("-"))
    if not expires_on:
        year += policy.card_validity_years
    # A card of 29 February lapses with that month.
    last = epoch_day_of(date(year, month, min(day, monthrange(year, month)[1])))
    return epoch_day(at_us) < last - policy.renew_window_days


def temporary_until_us(occurred_us: int, issued_on: str, policy: Policy) -> int:
    """Returns the local midnight at which a temporary card is no longer good."""
    day = epoch_day_of(date.fromisoformat(issued_on)) if issued_on else epoch_day(occurred_us)
    return midnight_us(day + policy.temp_card_validity_days)
