"""Loans of the joint libraries (通借通还): by the branch that owns the item and its barcode, not by card; from lending to return.

A book is returned anywhere, without a card and by anyone. Whether a return is one to another library follows from the branches, and is
compared with what the report says of it. A loan is overdue from the day after its due day on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from hub.domain.instants import local_day
from hub.domain.reported import LedgerFinding, Person, Reported, has_waited, in_order

BORROWED, RENEWED, RETURNED, LOST = (f"library_item_{what}" for what in ("borrowed", "renewed", "returned", "lost"))
READER_REGISTERED = "library_reader_registered"
LOAN_KINDS = frozenset({BORROWED, RENEWED, RETURNED, LOST})
LENT_AGAIN, RENEWAL_ALONE, END_ALONE = "ITEM_LENT_TWICE", "RENEWAL_WITHOUT_LOAN", "RETURN_WITHOUT_LOAN"
CROSS_FLAG, RETURNED_AGAIN = "CROSS_RETURN_FLAG", "ITEM_RETURNED_TWICE"


class Loan(NamedTuple):
    """One loan on a day; *lent* is None where only its end was reported. *owner* is the branch that owns the item."""

    owner: str
    barcode: str
    lent: Reported | None
    renewals: tuple[Reported, ...]
    ended: Reported | None
    is_replaced: bool
    due_on: str
    days_overdue: int
    findings: tuple[LedgerFinding, ...]

    @property
    def state(self) -> str:
        """How far it is."""
        if self.ended is not None:
            return "LOST" if self.ended.kind == LOST else "RETURNED"
        if self.is_replaced:
            return "RETURN_UNKNOWN"
        return "RENEWED" if self.renewals else "OUT"

    @property
    def is_open(self) -> bool:
        """Whether the reader still has the item."""
        return self.state in ("OUT", "RENEWED")

    @property
    def is_unpaid(self) -> bool:
        """Whether the item is lost, and nobody has reported that it was paid for."""
        return self.state == "LOST" and self.ended is not None and not self.ended.message.compensated

    @property
    def is_cross_return(self) -> bool:
        """Whether it was returned to a library that does not own the item."""
        return self.state == "RETURNED" and self.ended is not None and self.owner not in ("", self.ended.message.branch_code)

    def is_of(self, person: Person) -> bool:
        """Whether a person borrowed the item; who returns it does not matter."""
        return self.lent is not None and person.is_of(self.lent)


@dataclass(slots=True)
class _Open:
    """A loan while it is folded."""

    owner: str
    lent: Reported | None
    renewals: list[Reported] = field(default_factory=list)
    ended: Reported | None = None
    is_replaced: bool = False
    findings: list[LedgerFinding] = field(default_factory=list)

    @property
    def branch(self) -> str:
        return str(self.lent.message.branch_code) if self.lent is not None else ""

    @property
    def is_open(self) -> bool:
        return self.lent is not None and self.ended is None and not self.is_replaced


def loans_at(reports: Iterable[Reported], at_us: int) -> list[Loan]:
    """Returns the loans that reports make, with what had happened by an instant, by when they began."""
    items: dict[str, list[Reported]] = {}
    for one in in_order(reports, at_us):
        items.setdefault(one.message.barcode, []).append(one)
    found = [loan for barcode, told in items.items() for loan in _item(barcode, told, at_us)]
    return sorted(found, key=lambda loan: ((loan.lent or loan.ended or loan.renewals[0]).when, loan.barcode))


def _item(barcode: str, told: list[Reported], at_us: int) -> Iterator[Loan]:
    loans: list[_Open] = []
    for one in told:
        if one.kind == BORROWED:
            _lend(loans, one)
        elif one.kind == RENEWED:
            _renew(loans, one, at_us)
        else:
            _end(loans, one, at_us)
    for loan in loans:
        yield _closed(barcode, loan, local_day(at_us))


def _lend(loans: list[_Open], one: Reported) -> None:
    """Opens a loan; the same one by another report changes nothing, a second one of an item ends the first."""
    owner = one.message.owner_branch or one.message.branch_code
    before = next((loan for loan in reversed(loans) if loan.is_open and loan.owner == owner), None)
    if before is not None and before.lent is not None:
        if _is_same(before.lent, one):
            before.lent = one if one.message.due_on and not before.lent.message.due_on else before.lent
            return
        before.is_replaced = True
    loan = _Open(owner, one)
    if before is not None and before.lent is not None:
        loan.findings.append(LedgerFinding(LENT_AGAIN, one.position, before.lent.position))
    loans.append(loan)


def _is_same(one: Reported, other: Reported) -> bool:
    """Whether two reports are of one loan: the same branch and reader on the same day."""
    same_day = local_day(one.occurred_us) == local_day(other.occurred_us)
    return same_day and one.message.branch_code == other.message.branch_code and _reader(one) == _reader(other)


def _reader(one: Reported) -> bytes:
    return bytes(one.event.holder.key or one.card)


def _renew(loans: list[_Open], one: Reported, at_us: int) -> None:
    loan = _open_loan(loans, one, "")
    if loan is not None:
        loan.renewals.append(one)
        return
    alone = _Open("", None, [one], is_replaced=True)
    alone.findings.extend([LedgerFinding(RENEWAL_ALONE, one.position)] if has_waited(one, at_us) else [])
    loans.append(alone)


def _open_loan(loans: list[_Open], one: Reported, owner: str) -> _Open | None:
    """Returns the open loan that a report is about: by the owning branch, by the reader, by the lending branch, else the only one."""
    found = [loan for loan in loans if loan.is_open]
    for fits in (
        lambda loan: bool(owner) and loan.owner == owner,
        lambda loan: bool(_reader(one)) and loan.lent is not None and _reader(loan.lent) == _reader(one),
        lambda loan: one.message.branch_code in (loan.owner, loan.branch),
    ):
        if (fitting := [loan for loan in found if fits(loan)]) and (not owner or fitting[-1].owner == owner):
            return fitting[-1]
    return found[0] if len(found) == 1 and (not owner or found[0].owner == owner) else None


def _end(loans: list[_Open], one: Reported, at_us: int) -> None:
    """Ends a loan by a return or a loss; an item that was lost may still be returned."""
    owner = getattr(one.message, "owner_branch", "")
    loan = _open_loan(loans, one, owner)
    if loan is None and one.kind == RETURNED:
        loan = next((known for known in reversed(loans) if _is_lost(known) and owner in ("", known.owner)), None)
    if loan is not None:
        loan.ended = one
        _compare_flag(loan, one)
        return
    last = next((known for known in reversed(loans) if known.ended is not None and known.ended.kind == one.kind), None)
    if last is not None and last.ended is not None and owner in ("", last.owner):
        if one.message.branch_code != last.ended.message.branch_code or local_day(one.occurred_us) != local_day(last.ended.occurred_us):
            last.findings.append(LedgerFinding(RETURNED_AGAIN, one.position, last.ended.position))
        return
    alone = _Open(owner, None, ended=one)
    alone.findings.extend([LedgerFinding(END_ALONE, one.position)] if has_waited(one, at_us) else [])
    _compare_flag(alone, one)
    loans.append(alone)


def _is_lost(loan: _Open) -> bool:
    return loan.ended is not None and loan.ended.kind == LOST


def _compare_flag(loan: _Open, one: Reported) -> None:
    """Adds a finding where a report says of a return to another library what its own branches do not say."""
    owner = one.message.owner_branch if one.kind == RETURNED else ""
    if owner and one.message.cross_return != (one.message.branch_code != owner):
        loan.findings.append(LedgerFinding(CROSS_FLAG, one.position, loan.lent.position if loan.lent is not None else 0))


def _closed(barcode: str, loan: _Open, today: date) -> Loan:
    due = next((one.message.due_on for one in reversed(loan.renewals) if one.message.due_on), "")
    due = due or (loan.lent.message.due_on if loan.lent is not None else "")
    until = local_day(loan.ended.occurred_us) if loan.ended is not None else today
    days = max(0, (until - date.fromisoformat(due)).days) if due and not loan.is_replaced else 0
    return Loan(loan.owner, barcode, loan.lent, tuple(loan.renewals), loan.ended, loan.is_replaced, due, days, tuple(loan.findings))


class Reader(NamedTuple):
    """A reader over the libraries of both provinces: where registered, the loans, and what stops further ones."""

    registrations: tuple[Reported, ...]
    loans: tuple[Loan, ...]

    @property
    def overdue(self) -> list[Loan]:
        """Loans that are open and past their due day."""
        return [loan for loan in self.loans if loan.is_open and loan.days_overdue]

    @property
    def unpaid(self) -> list[Loan]:
        """Lost items that are not paid for."""
        return [loan for loan in self.loans if loan.is_unpaid]

    @property
    def is_stopped(self) -> bool:
        """Whether no further item is lent, in either province, until the overdue ones are back and the lost ones are paid for."""
        return bool(self.overdue or self.unpaid)


def reader_at(registrations: Iterable[Reported], reports: Iterable[Reported], person: Person, at_us: int) -> Reader:
    """Returns a person as a reader; a branch that registered the person twice is there once."""
    branches: dict[str, Reported] = {}
    for one in in_order(registrations, at_us):
        if person.is_of(one):
            branches.setdefault(one.message.branch_code, one)
    return Reader(tuple(branches.values()), tuple(loan for loan in loans_at(reports, at_us) if loan.is_of(person)))
