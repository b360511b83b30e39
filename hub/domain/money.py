"""Sums that a province's money must keep, to the fen: a settlement's parts are its whole, and nobody pays more than the full fare.

Sources: the national platform's parts of a settlement [S26], fares [K-h]. What a batch of payments
sent, paid and returned comes in several events, so the views compare it, not these rules. 0 means that the source does not say.
"""

from collections.abc import Callable
from typing import Any

from chuanyu.exchange.v1 import usage_medical_pb2 as medical

_FUND_PARTS = (
    "pooled_fund_fen",
    "civil_servant_fen",
    "enterprise_supplement_fen",
    "resident_critical_fen",
    "employee_large_sum_fen",
    "medical_aid_fen",
    "other_fund_fen",
)
_PERSON_PARTS = ("personal_account_fen", "cash_fen", "family_account_fen")


def _wrong_fare(message: Any) -> list[str]:
    """The full fare is what was paid and the discount, so it is never the smaller."""
    return ["fare_full_fen"] if 0 < message.fare_full_fen < message.fare_paid_fen else []


def _wrong_settlement(message: Any) -> list[str]:
    """The fund's parts make the fund, the person's make the person's, and both with the hospital's share the whole."""
    money: medical.MedicalMoney = message.money
    fund_parts = sum(getattr(money, name) for name in _FUND_PARTS)
    person_parts = sum(getattr(money, name) for name in _PERSON_PARTS)
    fund, person = money.fund_total_fen or fund_parts, money.person_total_fen or person_parts
    wrong = []
    if fund_parts and fund_parts != fund:
        wrong.append("money.fund_total_fen")
    if person_parts and person_parts != person:
        wrong.append("money.person_total_fen")
    parts = fund + person + money.hospital_share_fen
    if parts and parts != money.total_fen:
        wrong.append("money.total_fen")
    return wrong


# For the kinds of event whose sums are checked: returns the paths, below the kind's message, of those that their parts do not make.
SUMS: dict[str, Callable[[Any], list[str]]] = {
    "transit_exit_recorded": _wrong_fare,
    "transit_journey_completed": _wrong_fare,
    "medical_settlement_precomputed": _wrong_settlement,
    "medical_settlement_completed": _wrong_settlement,
    "medical_settlement_reversed": _wrong_settlement,
}


def wrong_sums(kind: str, message: Any) -> list[str]:
    """Returns the paths, below the kind's message, of the sums that its parts do not make."""
    check = SUMS.get(kind)
    return check(message) if check is not None else []
