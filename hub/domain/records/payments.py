"""Payments on record: rows paid to a person for a project and period, net of what came back, and what banks said of the account."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.card_facts import Fact

REPOINTED = "fund_account_repointed"
# In the order in which they follow each other where they are of the same instant.
PAYMENT_ORDER = {"fund_row_paid": 0, "fund_row_returned": 1, "fund_row_repaid": 2, "fund_row_recovered": 3}


def payment(message: Any) -> dict[str, Any]:
    """Keeps of a report which row it is about, how much and to which account; its payment says for which project and period."""
    named = {name: value for name in ("project_code", "period") if (value := getattr(message, name, ""))}
    if hasattr(message, "account") and message.account.key:
        named["account"] = message.account.key.hex()
    if isinstance(message, fund.FundRowReturned):
        named["reason"] = fund.FundReturnReason.Name(message.reason).removeprefix("FUND_RETURN_REASON_")
    return {"row": [message.batch_no, message.row_no], "fen": message.amount_fen, **named}


def repointing(message: fund.FundAccountRepointed) -> dict[str, Any]:
    """Keeps which account gave way to which."""
    return {"from": message.from_account.key.hex(), "to": message.to_account.key.hex()}


def last_word(facts: Iterable[Fact], account: str) -> Fact | None:
    """Returns what banks said last of an account: a payment that arrived or came back; of any account where none is named."""
    told = [fact for fact in facts if fact.kind != "fund_row_recovered" and account in ("", fact.detail.get("account", account))]
    return max(told, key=lambda fact: (fact.occurred_us, PAYMENT_ORDER[fact.kind], fact.position), default=None)


def given_up(facts: Iterable[Fact], account: str) -> Fact | None:
    """Returns by which report an account gave way to another, None where it did not or is in use again."""
    changes = [fact for fact in facts if account in (fact.detail["from"], fact.detail["to"])]
    return changes[-1] if changes and changes[-1].detail["from"] == account else None


def rows_paid(facts: Iterable[Fact], project: str, period: str) -> list[tuple[Fact, bool]]:
    """Returns each row of a project and period: the newest report of it, and whether it is paid.

    A row whose payment does not name its period may be of any.
    """
    ordered = sorted(facts, key=lambda fact: (_row(fact), fact.occurred_us, PAYMENT_ORDER[fact.kind], fact.position))
    found = []
    for _, reports in groupby(ordered, _row):
        row = list(reports)
        named = next((fact.detail for fact in row if fact.kind == "fund_row_paid"), {})
        if named.get("project_code") == project and named.get("period", period) == period:
            found.append((row[-1], _left_fen(row) > 0))
    return found


def _row(fact: Fact) -> tuple[str, str, int]:
    """Rows of one batch number in the other province are others."""
    batch_no, row_no = fact.detail["row"]
    return fact.detail["by"], batch_no, row_no


def _left_fen(reports: Iterable[Fact]) -> int:
    """Returns what is paid after all reports of a row: it is paid once at most, and what is reported twice counts once."""
    left, taken = 0, set()
    for fact in reports:
        fen = fact.detail["fen"]
        if fact.kind == "fund_row_returned":
            left = 0
        elif fact.kind != "fund_row_recovered":
            left = fen
        elif (fact.occurred_us, fen) not in taken:
            taken.add((fact.occurred_us, fen))
            left -= fen
    return left
