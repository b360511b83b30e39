"""Accounts of points 积分: earned, spent and adjusted; a balance is never below zero.

What is spent beyond the balance takes what there is, and the rest is not covered. It is folded by when things happened, so an earning
that comes late covers what it was there for.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from hub.domain.consumption.coupons import issuer_of
from hub.domain.reported import LedgerFinding, Reported, has_waited, in_order

EARNED, ADJUSTED, SPENT = "points_earned", "points_adjusted", "points_spent"
# In the order in which they follow each other where they are of the same instant.
_ORDER = {EARNED: 0, ADJUSTED: 1, SPENT: 2}
POINTS_KINDS = frozenset(_ORDER)


class Entry(NamedTuple):
    """One entry: its points, below zero where they go, and the balance after it."""

    said: Reported
    points: int
    balance: int


@dataclass(slots=True)
class Account:
    """An account by an instant: earned + adjusted + uncovered = spent + balance."""

    issuer: str
    account_id: str
    balance: int = 0
    uncovered: int = 0
    entries: list[Entry] = field(default_factory=list)
    findings: list[LedgerFinding] = field(default_factory=list)

    def of(self, kind: str) -> int:
        """Returns the sum of the entries of a kind, below zero where points go."""
        return sum(one.points for one in self.entries if one.said.kind == kind)


def accounts_at(reports: Iterable[Reported], at_us: int) -> list[Account]:
    """Returns the accounts that reports make, with what had happened by an instant, by their first entries."""
    accounts: dict[tuple[str, str], Account] = {}
    for one in sorted(in_order(reports, at_us), key=lambda one: (one.occurred_us, _ORDER[one.kind], one.position)):
        name = issuer_of(one), one.message.account_id
        _enter(accounts.setdefault(name, Account(*name)), one, at_us)
    return list(accounts.values())


def _enter(account: Account, one: Reported, at_us: int) -> None:
    message = one.message
    points = message.points if one.kind == EARNED else -message.points if one.kind == SPENT else message.points_delta
    after = account.balance + points
    if after < 0:
        account.uncovered -= after
        if has_waited(one, at_us):
            account.findings.append(LedgerFinding("SPENT_BEYOND" if one.kind == SPENT else "ADJUSTED_BEYOND", one.position))
    account.balance = max(0, after)
    account.entries.append(Entry(one, points, account.balance))
