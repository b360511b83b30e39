"""Whether a payment is on record: the rows paid to a person for a project and period, net of returns and of what was taken back."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from hub.domain.card_facts import Fact

# In the order in which they follow each other where they are of the same instant.
PAYMENT_ORDER = {"fund_row_paid": 0, "fund_row_returned": 1, "fund_row_repaid": 2, "fund_row_recovered": 3}


def payment(message: Any) -> dict[str, Any]:
    """Keeps of a report which row it is about and how much; its payment says for which project and period."""
    named = {name: value for name in ("project_code", "period") if (value := getattr(message, name, ""))}
    return {"row": [message.batch_no, message.row_no], "fen": message.amount_fen, **named}


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
