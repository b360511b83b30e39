"""Rows as nearly all of them are: sent once, or sent and then answered once, for the same money. `rows` folds these without going through
attempts; what is anything else goes the long way, and both must agree.
"""

from collections.abc import Sequence

from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.funds.attempts import PAID, RETURNED, SENT, Said

REASONS: dict[int, str] = {number: name.removeprefix("FUND_RETURN_REASON_") for name, number in fund.FundReturnReason.items()}

_ANSWERS = frozenset({PAID, RETURNED})
# A row that was sent, and what the bank answered, None where it has not.
Plain = tuple[Said, Said | None]
# The state of a row, and why it came back.
Result = tuple[str, str]


def plain_of(reports: Sequence[Said]) -> Plain | None:
    """Returns the two reports of a row, None where it is not as nearly all are."""
    if len(reports) == 1:
        sent = reports[0]
        return (sent, None) if _is_first_sent(sent) else None
    if len(reports) != 2:
        return None
    sent, answer = reports if reports[0].kind == SENT else reversed(reports)
    is_answer = answer.kind in _ANSWERS and answer.occurred_us >= sent.occurred_us and not answer.undone_at and not answer.reverses
    if not is_answer or not _is_first_sent(sent) or answer.fen != sent.fen:
        return None
    return (sent, answer) if not answer.account or not sent.account or answer.account == sent.account else None


def result_of(plain: Plain) -> Result:
    """Returns what such a row has come to."""
    answer = plain[1]
    if answer is None:
        return "SENT", ""
    return ("PAID", "") if answer.kind == PAID else ("RETURNED", REASONS[answer.reason])


def _is_first_sent(one: Said) -> bool:
    is_first = one.kind == SENT and one.attempt == 1
    # One that was sent at no instant was sent by nobody.
    return is_first and not one.undone_at and not one.reverses and one.occurred_us != 0
