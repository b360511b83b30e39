"""Payments on record: rows sent and paid to a person for a project and period, net of what came back; what banks said of the account."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.card_facts import Fact

REPOINTED, SENT = "fund_account_repointed", "fund_row_sent"
# In the order in which they follow each other where they are of the same instant.
PAYMENT_ORDER = {"fund_row_paid": 0, "fund_row_returned": 1, "fund_row_repaid": 2, "fund_row_recovered": 3}


def payment(message: Any) -> dict[str, Any]:
    """Keeps of a report which row it is about, how much, to which account, for which project and period, by which act of the bank."""
    named = {name: value for name in ("project_code", "period", "bank_serial") if (value := getattr(message, name, ""))}
    if hasattr(message, "account") and message.account.key:
        named["account"] = message.account.key.hex()
    if isinstance(message, fund.FundRowReturned):
        named["reason"] = fund.FundReturnReason.Name(message.reason).removeprefix("FUND_RETURN_REASON_")
    return {"row": [message.batch_no, message.row_no], "fen": message.amount_fen, **named}


def repointing(message: fund.FundAccountRepointed) -> dict[str, Any]:
    """Keeps which account gave way to which."""
    return {"from": message.from_account.key.hex(), "to": message.to_account.key.hex()}


def last_word(facts: Iterable[Fact], account: str, issuer: str) -> Fact | None:
    """Returns what banks said last of an account: a payment that arrived or came back; one that may be of another account says nothing.

    Where no account is named it is that of the card, which who reports names as well: a person has one card of each issuing province.
    """
    by, named = ("account", account) if account else ("issuer", issuer)
    told = [fact for fact in facts if fact.kind != "fund_row_recovered" and fact.detail.get(by) == named]
    return max(told, key=lambda fact: (fact.occurred_us, PAYMENT_ORDER[fact.kind], fact.position), default=None)


def given_up(facts: Iterable[Fact], account: str) -> Fact | None:
    """Returns by which report an account gave way to another, None where it did not or is in use again."""
    changes = [fact for fact in facts if account in (fact.detail["from"], fact.detail["to"])]
    return changes[-1] if changes and changes[-1].detail["from"] == account else None


def rows_paid(facts: Iterable[Fact], project: str, period: str) -> list[tuple[Fact, bool | None]]:
    """Returns each row of a project and period: the newest report of it, and whether it is paid.

    None is for one that is paid and whose reports do not say for what: it may be this one.
    """
    ordered = sorted(facts, key=lambda fact: (_row(fact), fact.occurred_us, PAYMENT_ORDER[fact.kind], fact.position))
    found: list[tuple[Fact, bool | None]] = []
    for _, reports in groupby(ordered, _row):
        row = list(reports)
        is_paid, asked = _left_fen(row) > 0, {"project_code": project, "period": period}
        said = {name: value for name in asked for fact in row if (value := fact.detail.get(name))}
        if said == asked:
            found.append((row[-1], is_paid))
        elif is_paid and said.items() <= asked.items():
            found.append((row[-1], None))
    return found


def rows_pending(facts: Iterable[Fact], project: str, period: str) -> list[Fact]:
    """Returns when rows of a project and period were sent that the bank has not answered since; *facts* are in order."""
    newest: dict[tuple[str, str, int], Fact] = {}
    for fact in sorted(facts, key=lambda fact: (fact.occurred_us, fact.kind != SENT, fact.position)):
        newest[_row(fact)] = fact
    waiting = (fact for fact in newest.values() if fact.kind == SENT)
    return [fact for fact in waiting if (fact.detail.get("project_code"), fact.detail.get("period")) == (project, period)]


def _row(fact: Fact) -> tuple[str, str, int]:
    """Rows of one batch number in the other province are others."""
    batch_no, row_no = fact.detail["row"]
    return fact.detail["by"], batch_no, row_no


def _left_fen(reports: Iterable[Fact]) -> int:
    """Returns what is paid after all reports of a row: it is paid once at most, and what is reported twice counts once.

    A return that names another act of the bank than the payment in force is of an earlier payment, reported late or again.
    """
    left, taken, serial = 0, set(), ""
    for fact in reports:
        fen, own = fact.detail["fen"], fact.detail.get("bank_serial", "")
        if fact.kind == "fund_row_returned":
            left = left if own and serial and own != serial else 0
        elif fact.kind != "fund_row_recovered":
            left, serial = fen, own
        elif (fact.occurred_us, fen) not in taken:
            taken.add((fact.occurred_us, fen))
            left -= fen
    return left
