"""A row of a batch: its attempts, each sent once and answered once, what came back late, what was recovered; pure and in any order.

The bank answers an attempt: by its serial where that is known, else the attempt of the account that it names, else the last one that was
sent by then and is not answered. An act of the bank may be reported by the payer as well, which knows no serial: that is no further act,
and no answer to an attempt that was sent after it. What does not go together is a finding; no report is lost.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.domain.reported import LedgerFinding

SENT, PAID, RETURNED, REPAID, RECOVERED = "fund_row_sent", "fund_row_paid", "fund_row_returned", "fund_row_repaid", "fund_row_recovered"
# In the order in which they follow each other where they are of the same instant.
ROW_ORDER = {SENT: 0, PAID: 1, RETURNED: 2, REPAID: 3, RECOVERED: 4}
UNANSWERED, PAID_OUT, CAME_BACK, CAME_BACK_LATE = "UNANSWERED", "PAID", "RETURNED", "LATE_RETURNED"

PAID_TWICE, AMOUNT_DIFFERS, ACCOUNT_DIFFERS = "PAID_TWICE", "AMOUNT_DIFFERS", "ACCOUNT_DIFFERS"
SENT_DIFFERS, SENT_WHILE_PAID, RETURN_OF_NOTHING = "SENT_DIFFERS", "SENT_WHILE_PAID", "RETURN_OF_NO_PAYMENT"
RESULT_DIFFERS, RECOVERED_BEYOND, REASON_DIFFERS = "RESULT_DIFFERS", "RECOVERED_BEYOND", "REASON_DIFFERS"


class Said(NamedTuple):
    """What one report says of a row; *account* is the key in hex, *attempt* only where a row is sent."""

    kind: str
    occurred_us: int
    position: int
    fen: int
    account: str = ""
    serial: str = ""
    reason: int = 0
    attempt: int = 0


class Attempt(NamedTuple):
    """One time that a row was sent: how much to which account, and what the bank answered; *sent_us* is 0 where nobody reported it sent."""

    number: int
    sent_us: int
    sent_fen: int
    account: str
    outcome: str
    answered_us: int
    result_fen: int
    paid_us: int
    serial: str
    reason: str

    @property
    def differs_fen(self) -> int:
        """By how much more was sent than the bank answered for; 0 while it has not answered."""
        return self.sent_fen - self.result_fen if self.outcome != UNANSWERED else 0


class RowFold(NamedTuple):
    """A row: its attempts in order, what was recovered, and what does not go together."""

    attempts: tuple[Attempt, ...]
    recovered_fen: int
    findings: tuple[LedgerFinding, ...]

    @property
    def paid_fen(self) -> int:
        """What is paid and did not come back."""
        return sum(one.result_fen for one in self.attempts if one.outcome == PAID_OUT)

    @property
    def is_sent_by_row(self) -> bool:
        """Whether anybody reported that this row was sent with its batch; that it was sent again says nothing of that."""
        return any(one.number == 1 and one.sent_us for one in self.attempts)

    @property
    def state(self) -> str:
        """How far it is."""
        paid = [one for one in self.attempts if one.outcome == PAID_OUT]
        if not self.attempts:
            return "WAITING"
        if paid:
            # Of two payments one may be recovered: then the row is paid once.
            beyond = self.paid_fen - max(one.result_fen for one in paid)
            if len(paid) > 1 and (not self.recovered_fen or self.recovered_fen < beyond):
                return "PAID_TWICE"
            left = self.paid_fen - self.recovered_fen
            return "PAID" if self.recovered_fen == beyond else "PARTLY_RECOVERED" if left > 0 else "RECOVERED"
        last = self.attempts[-1]
        if last.outcome == UNANSWERED:
            return "SENT" if len(self.attempts) == 1 else "RESENT"
        return last.outcome

    @property
    def reason(self) -> str:
        """Why it came back last, where it is not paid."""
        return self.attempts[-1].reason if self.attempts and self.attempts[-1].outcome in (CAME_BACK, CAME_BACK_LATE) else ""


@dataclass(slots=True)
class _Open:
    """An attempt while the reports are gone through."""

    number: int
    sent: Said | None = None
    paid: Said | None = None
    returned: Said | None = None
    serials: set[str] = field(default_factory=set)

    @property
    def is_paid(self) -> bool:
        return self.paid is not None and self.returned is None

    @property
    def is_open(self) -> bool:
        return self.paid is None and self.returned is None

    @property
    def account(self) -> str:
        said = self.sent or self.paid or self.returned
        return said.account if said is not None else ""

    def is_sent_by(self, at_us: int) -> bool:
        """Whether it was sent by an instant; one that nobody reported as sent went with its batch, or before a later one."""
        return self.sent is None or self.sent.occurred_us <= at_us

    def may_be_of(self, said: Said) -> bool:
        """Whether an act of the bank may be of this attempt: neither serial is known, or they are equal."""
        return not said.serial or not self.serials or said.serial in self.serials


def fold_row(reports: Iterable[Said], at_us: int | None = None) -> RowFold:
    """Returns what the reports of a row come to, in any order; with *at_us* only what had happened by then."""
    told = _in_order(reports, at_us)
    findings: list[LedgerFinding] = []
    attempts = _sent([one for one in told if one.kind == SENT], findings)
    for one in told:
        if one.kind in (PAID, REPAID):
            _pay(attempts, one, findings)
        elif one.kind == RETURNED:
            _return(attempts, one, findings)
    made = tuple(_made(one) for one in attempts if one.sent is not None or not one.is_open)
    recovered = [one for one in told if one.kind == RECOVERED]
    folded = RowFold(made, sum(one.fen for one in recovered), ())
    _compare(attempts, findings)
    if folded.recovered_fen > folded.paid_fen:
        findings.append(LedgerFinding(RECOVERED_BEYOND, recovered[-1].position))
    return folded._replace(findings=tuple(sorted(findings, key=lambda one: (one.position, one.code))))


def _in_order(reports: Iterable[Said], at_us: int | None) -> list[Said]:
    """Returns each report once by when it happened: one that is reported again says nothing new.

    Of one instant they are in an order of what they say: which came first to the hub changes no money.
    """
    kept: dict[tuple[object, ...], Said] = {}
    for one in sorted(reports, key=lambda one: (one.occurred_us, ROW_ORDER[one.kind], *one[3:], one.position)):
        if at_us is None or one.occurred_us <= at_us:
            kept.setdefault(one._replace(position=0), one)
    return list(kept.values())


def _sent(told: Sequence[Said], findings: list[LedgerFinding]) -> list[_Open]:
    """Returns the attempts up to the last that was reported as sent, as each was reported first; of those before it nobody may have."""
    attempts: dict[int, _Open] = {}
    for one in told:
        known = attempts.setdefault(one.attempt, _Open(one.attempt, one)).sent
        if known is not None and (known.fen, known.account or one.account) != (one.fen, one.account or known.account):
            findings.append(LedgerFinding(SENT_DIFFERS, one.position, known.position))
    # A batch that was sent as a whole says nothing of each row: what is sent again was sent before.
    return [attempts.get(number) or _Open(number) for number in range(1, max(attempts, default=0) + 1)]


def _candidates(attempts: Iterable[_Open], one: Said) -> list[_Open]:
    """Narrows attempts down to those of the account that a report names, where any is."""
    found = [attempt for attempt in attempts if attempt.may_be_of(one)]
    return [attempt for attempt in found if one.account and attempt.account == one.account] or found


def _open_for(attempts: Sequence[_Open], one: Said) -> _Open | None:
    """Returns the attempt that a result answers, of those that were sent by then."""
    found = _candidates((attempt for attempt in attempts if attempt.is_open and attempt.is_sent_by(one.occurred_us)), one)
    return found[-1] if found else None


def _sent_after(attempts: Sequence[_Open], one: Said) -> _Open | None:
    """Returns the attempt of a result that is of nothing that was sent by then: clocks differ, so the first that was sent later."""
    found = _candidates((attempt for attempt in attempts if attempt.is_open), one)
    return found[0] if found else None


def _further(attempts: list[_Open]) -> _Open:
    """Adds an attempt that nobody reported as sent."""
    attempts.append(_Open(attempts[-1].number + 1 if attempts else 1))
    return attempts[-1]


def _named(attempts: Iterable[_Open], one: Said) -> _Open | None:
    """Returns the attempt that the bank answered under this serial already."""
    return next((attempt for attempt in attempts if one.serial and one.serial in attempt.serials), None)


def _pay(attempts: list[_Open], one: Said, findings: list[LedgerFinding]) -> None:
    known = _named(attempts, one)
    if known is not None and known.paid is not None:
        if known.paid.fen != one.fen:
            findings.append(LedgerFinding(AMOUNT_DIFFERS, one.position, known.paid.position))
        return
    if known is not None and known.returned is not None:
        # The bank's own answer contradicts itself: what it said last of the serial counts until it is corrected.
        findings.append(LedgerFinding(RESULT_DIFFERS, one.position, known.returned.position))
        return
    again = [paid for paid in attempts if paid.is_paid]
    attempt = _open_for(attempts, one)
    if attempt is None:
        same = next((paid for paid in again if paid.may_be_of(one) and paid.paid is not None and paid.paid.fen == one.fen), None)
        if same is not None:
            same.serials |= {one.serial} - {""}
            return
    if again and again[-1].paid is not None:
        findings.append(LedgerFinding(PAID_TWICE, one.position, again[-1].paid.position))
    attempt = attempt or _sent_after(attempts, one) or _further(attempts)
    attempt.paid = one
    attempt.serials |= {one.serial} - {""}


def _return(attempts: list[_Open], one: Said, findings: list[LedgerFinding]) -> None:
    known = _named(attempts, one)
    if known is not None and known.returned is not None:
        if known.returned.reason != one.reason:
            findings.append(LedgerFinding(REASON_DIFFERS, one.position, known.returned.position))
        return
    attempt = known or _open_for(attempts, one)
    if attempt is None:
        paid = _candidates((paid for paid in attempts if paid.is_paid), one)
        attempt = paid[-1] if paid else None
    if attempt is None:
        same = next((back for back in attempts if back.returned is not None and back.may_be_of(one)), None)
        if same is not None:
            same.serials |= {one.serial} - {""}
            return
        attempt = _sent_after(attempts, one)
    if attempt is None and attempts:
        findings.append(LedgerFinding(RETURN_OF_NOTHING, one.position))
        return
    attempt = attempt or _further(attempts)
    attempt.returned = one
    attempt.serials |= {one.serial} - {""}


def _made(one: _Open) -> Attempt:
    result = one.returned or one.paid
    said = one.sent or result
    assert said is not None, "an attempt is sent or answered"
    outcome = UNANSWERED if result is None else PAID_OUT if one.returned is None else CAME_BACK if one.paid is None else CAME_BACK_LATE
    reason = fund.FundReturnReason.Name(one.returned.reason) if one.returned is not None else ""  # type: ignore[arg-type]
    return Attempt(
        number=one.number,
        sent_us=one.sent.occurred_us if one.sent is not None else 0,
        sent_fen=said.fen,
        account=said.account,
        outcome=outcome,
        answered_us=result.occurred_us if result is not None else 0,
        result_fen=result.fen if result is not None else 0,
        paid_us=one.paid.occurred_us if one.paid is not None else 0,
        serial=(result.serial or (one.paid.serial if one.paid is not None else "")) if result is not None else "",
        reason=reason.removeprefix("FUND_RETURN_REASON_"),
    )


def _compare(attempts: Sequence[_Open], findings: list[LedgerFinding]) -> None:
    """Compares each answer with what was sent: to the fen, and to the account."""
    for one in attempts:
        first = one.sent or one.paid
        for result in (one.paid, one.returned):
            if first is None or result is None or result is first:
                continue
            if result.fen != first.fen:
                findings.append(LedgerFinding(AMOUNT_DIFFERS, result.position, first.position))
            if result.account and first.account and result.account != first.account:
                findings.append(LedgerFinding(ACCOUNT_DIFFERS, result.position, first.position))
        if one.sent is not None and one.is_open and (before := next((paid.paid for paid in attempts if paid.is_paid), None)) is not None:
            findings.append(LedgerFinding(SENT_WHILE_PAID, one.sent.position, before.position))
