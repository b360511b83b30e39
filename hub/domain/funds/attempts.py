"""Attempts of a row of a batch while its reports are gone through: which of them the bank answers, and what is said of one act twice.

The bank answers an attempt: by its serial where that is known, else the attempt of the account that it names, else the last one that was
sent by then and is not answered. An act of the bank may be reported by the payer as well, which knows no serial: that is no further act,
and no answer to an attempt that was sent after it. A row that is paid again says that its payment before came back, whether that was
reported or not; one that is paid under another serial is paid twice.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from hub.domain.reported import LedgerFinding

SENT, PAID, RETURNED, REPAID, RECOVERED = "fund_row_sent", "fund_row_paid", "fund_row_returned", "fund_row_repaid", "fund_row_recovered"
GIVES_BACK = frozenset({RETURNED, RECOVERED})
# In the order in which they follow each other where they are of the same instant.
ROW_ORDER = {SENT: 0, PAID: 1, RETURNED: 2, REPAID: 3, RECOVERED: 4}

PAID_TWICE, AMOUNT_DIFFERS, ACCOUNT_DIFFERS = "PAID_TWICE", "AMOUNT_DIFFERS", "ACCOUNT_DIFFERS"
SENT_DIFFERS, SENT_WHILE_PAID, RETURN_OF_NOTHING = "SENT_DIFFERS", "SENT_WHILE_PAID", "RETURN_OF_NO_PAYMENT"
RESULT_DIFFERS, RECOVERED_BEYOND, REASON_DIFFERS = "RESULT_DIFFERS", "RECOVERED_BEYOND", "REASON_DIFFERS"
REPAID_WITHOUT_RETURN = "REPAID_WITHOUT_RETURN"


class Said(NamedTuple):
    """What one report says of a row; *account* is the key in hex, *attempt* only where a row is sent.

    *name* is its number where it gives back; the rest is as `given_back` has it.
    """

    kind: str
    occurred_us: int
    position: int
    fen: int
    account: str = ""
    serial: str = ""
    reason: int = 0
    attempt: int = 0
    changed_at: int = 0
    undone_at: int = 0
    name: str = ""
    reverses: str = ""

    @property
    def content(self) -> tuple[object, ...]:
        """What it says, apart from who reports it and where it is recorded."""
        return *self[:2], *self[3:8]

    def undone_by(self, position: int) -> Self:
        """Returns it as one that the reversal at a position gives back of."""
        return self._replace(undone_at=position)


@dataclass(slots=True)
class Open:
    """An attempt while the reports are gone through."""

    number: int
    sent: Said | None = None
    paid: Said | None = None
    returned: Said | None = None
    serials: set[str] = field(default_factory=set)
    # All reports of the two acts, those of another witness too.
    paid_in: list[Said] = field(default_factory=list)
    returned_in: list[Said] = field(default_factory=list)
    # The row was paid again, and nobody reported that this payment came back.
    is_superseded: bool = False

    @property
    def is_paid(self) -> bool:
        """Whether its payment is in force."""
        return self.paid is not None and self.returned is None and not self.is_superseded

    @property
    def is_open(self) -> bool:
        """Whether the bank has not answered it."""
        return self.paid is None and self.returned is None

    @property
    def account(self) -> str:
        """The account that it was sent to, as far as a report names it."""
        said = self.sent or self.paid or self.returned
        return said.account if said is not None else ""

    def is_sent_by(self, at_us: int) -> bool:
        """Whether it was sent by an instant; one that nobody reported as sent went with its batch, or before a later one."""
        return self.sent is None or self.sent.occurred_us <= at_us

    def may_be_of(self, said: Said) -> bool:
        """Whether an act of the bank may be of this attempt: neither serial is known, or they are equal."""
        return not said.serial or not self.serials or said.serial in self.serials

    def is_also_paid_by(self, said: Said) -> bool:
        """Whether a payment is this one, reported again: a row that is paid again was not paid by its first payment."""
        if self.paid is None or self.paid.fen != said.fen or not self.may_be_of(said):
            return False
        return said.kind != REPAID or self.number > 1 or any(one.kind == REPAID for one in self.paid_in)


def attempts_sent(told: Sequence[Said], findings: list[LedgerFinding]) -> list[Open]:
    """Returns the attempts up to the last that was reported as sent, as each was reported first; of those before it nobody may have."""
    attempts: dict[int, Open] = {}
    for one in told:
        known = attempts.setdefault(one.attempt, Open(one.attempt, one)).sent
        if known is not None and (known.fen, known.account or one.account) != (one.fen, one.account or known.account):
            findings.append(LedgerFinding(SENT_DIFFERS, one.position, known.position))
    # A batch that was sent as a whole says nothing of each row: what is sent again was sent before.
    return [attempts.get(number) or Open(number) for number in range(1, max(attempts, default=0) + 1)]


def _candidates(attempts: Iterable[Open], one: Said) -> list[Open]:
    """Narrows attempts down to those of the account that a report names, where any is."""
    found = [attempt for attempt in attempts if attempt.may_be_of(one)]
    return [attempt for attempt in found if one.account and attempt.account == one.account] or found


def _open_for(attempts: Sequence[Open], one: Said) -> Open | None:
    """Returns the attempt that a result answers, of those that were sent by then."""
    found = _candidates((attempt for attempt in attempts if attempt.is_open and attempt.is_sent_by(one.occurred_us)), one)
    return found[-1] if found else None


def _sent_after(attempts: Sequence[Open], one: Said) -> Open | None:
    """Returns the attempt of a result that is of nothing that was sent by then: clocks differ, so the first that was sent later."""
    found = _candidates((attempt for attempt in attempts if attempt.is_open), one)
    return found[0] if found else None


def _further(attempts: list[Open]) -> Open:
    """Adds an attempt that nobody reported as sent."""
    attempts.append(Open(attempts[-1].number + 1 if attempts else 1))
    return attempts[-1]


def _named(attempts: Iterable[Open], one: Said) -> Open | None:
    """Returns the attempt that the bank answered under this serial already."""
    return next((attempt for attempt in attempts if one.serial and one.serial in attempt.serials), None)


def pay(attempts: list[Open], one: Said, findings: list[LedgerFinding]) -> None:
    """Takes a payment into the attempt that it answers."""
    known = _named(attempts, one)
    if known is not None and known.paid is not None:
        known.paid_in.append(one)
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
        same = next((paid for paid in again if paid.is_also_paid_by(one)), None)
        if same is not None:
            same.serials |= {one.serial} - {""}
            same.paid_in.append(one)
            return
    if again and again[-1].paid is not None:
        again[-1].is_superseded = one.kind == REPAID
        code = REPAID_WITHOUT_RETURN if one.kind == REPAID else PAID_TWICE
        findings.append(LedgerFinding(code, one.position, again[-1].paid.position))
    attempt = attempt or _sent_after(attempts, one) or _further(attempts)
    attempt.paid = one
    attempt.paid_in.append(one)
    attempt.serials |= {one.serial} - {""}


def give_back(attempts: list[Open], one: Said, findings: list[LedgerFinding]) -> None:
    """Takes a return into the attempt that it answers, or whose payment it gives back."""
    known = _named(attempts, one)
    if known is not None and known.returned is not None:
        known.returned_in.append(one)
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
            same.returned_in.append(one)
            return
        attempt = _sent_after(attempts, one)
    if attempt is None and attempts:
        findings.append(LedgerFinding(RETURN_OF_NOTHING, one.position))
        return
    attempt = attempt or _further(attempts)
    attempt.returned = one
    attempt.returned_in.append(one)
    attempt.serials |= {one.serial} - {""}
