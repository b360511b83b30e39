"""Rows as nearly all of them are: sent once, or sent and then answered once, for the same money. `rows` folds these without going through
attempts; what is anything else goes the long way, and both must agree.
"""

from collections.abc import Sequence

from hub.domain.funds.attempts import PAID, RETURNED, SENT, Said

_ANSWERS = frozenset({PAID, RETURNED})
# A row that was sent, and what the bank answered, None where it has not.
Plain = tuple[Said, Said | None]


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


def _is_first_sent(one: Said) -> bool:
    return one.kind == SENT and one.attempt == 1 and not one.undone_at and not one.reverses
