"""A business day with a side: the totals that the side reported, version by version, and the breaks between its book and the hub's.

A break is closed by the hub once its difference is gone, whatever settled it, or by a side that leaves the difference; then what is left
counts as explained, and the break is open again when that changes.
"""

import re
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from chuanyu.exchange.v1 import settlements_pb2 as parties
from google.protobuf.message import Message

from hub.domain.aggregate import SteppedAggregate
from hub.domain.reconciliation.books import NOTHING, Cell, Figure
from hub.domain.reconciliation.differences import Refs, part_of
from hub.domain.reconciliation_errors import BreakOfOtherSide, BreakReasonUnknown, BreakStep, BreakUnknown, TotalsOutOfOrder

OPEN, ASSIGNED, EXPLAINED, CLOSED, REOPENED = "OPEN", "ASSIGNED", "EXPLAINED", "CLOSED", "REOPENED"
TIMING, CORRECTED = protos.BREAK_CAUSE_TIMING, protos.BREAK_CAUSE_CORRECTED
LEFT = frozenset({protos.BREAK_CAUSE_WRITTEN_OFF, protos.BREAK_CAUSE_ACCEPTED})
# What a side says that a break comes of. A break of before may have another.
EXPLANATIONS = (
    "ENTERED_WRONG", "NOT_SENT", "SENT_LATE", "SENT_TWICE", "NOT_REVERSED", "OTHER_DAY", "OTHER_CELL", "ROUNDED", "TEST_CARD", "OTHER",
)  # fmt: skip
_CODE = re.compile(r"BR-(5[01])-([0-9]{8})-([1-9][0-9]{0,5})")
_FIRST = {protos.ReconTotalsRecorded: "recon_totals_recorded", protos.ReconBreakFound: "recon_break_found"}


@dataclass(frozen=True, slots=True)
class Break:
    """A break as it is now; *version* is that of the totals by which its figures are, *cause* how it was closed, 0 while it is open.

    *reason* and *evidence* are what the record shows, *said_reason* and *said_evidence* what its owner has said of these
    figures, if it has.
    """

    code: str
    cell: Cell
    break_class: control.BreakClass.ValueType
    ours: Figure
    theirs: Figure
    owner: str
    due_on: str
    reason: str
    evidence: Refs
    version: int
    said_reason: str = ""
    said_evidence: Refs = ()
    state: str = OPEN
    cause: protos.BreakCause.ValueType = protos.BREAK_CAUSE_UNSPECIFIED

    @property
    def key(self) -> tuple[Cell, str]:
        """By what it is the same on another day."""
        return self.cell, part_of(self.break_class)

    @property
    def side(self) -> str:
        """The side whose book differs from the hub's."""
        return day_of_code(self.code)[0]

    @property
    def is_silence(self) -> bool:
        """Whether it is of a side that has not reported in time."""
        return self.key[1] == part_of(control.BREAK_CLASS_MISSING_TOTALS)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be settled."""
        return self.state != CLOSED

    @property
    def amount(self) -> Figure:
        """What it explains: its difference while it is open, or was left; nothing once that is gone."""
        return self.ours.less(self.theirs) if self.is_open or self.cause in LEFT else NOTHING


def code_of(side: str, day: date, number: int) -> str:
    """Returns the code of a break."""
    return f"BR-{side}-{day:%Y%m%d}-{number}"


def day_of_code(code: str) -> tuple[str, date]:
    """Returns the side and the day of a break; raises BreakUnknown."""
    found = _CODE.fullmatch(code.upper())
    try:
        return (found[1], date.fromisoformat(found[2])) if found else _unknown()
    except ValueError:
        return _unknown()


def _refuse_other(by: parties.StatementParty, *sides: str) -> None:
    if by.province not in sides:
        raise BreakOfOtherSide(side=" ".join(sorted(set(sides))))


def _unknown() -> tuple[str, date]:
    raise BreakUnknown


class DayBook(SteppedAggregate):
    """Begins with the first totals, or with the first break."""

    def __init__(self, created: Any) -> None:
        """Starts from the first event."""
        self.versions: list[protos.ReconTotalsRecorded] = []
        self.breaks: dict[str, Break] = {}
        self.apply(_FIRST[type(created)], created)

    @staticmethod
    def create_id(side: str, day: date) -> UUID:
        """The id follows from the side and the day."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:reconciliation:{side}:{day.isoformat()}")

    @property
    def newest(self) -> protos.ReconTotalsRecorded | None:
        """The totals that count, None before the first."""
        return self.versions[-1] if self.versions else None

    def break_of(self, code: str) -> Break:
        """Returns a break; raises BreakUnknown."""
        found = self.breaks.get(code.upper())
        if found is None:
            raise BreakUnknown
        return found

    @property
    def explained(self) -> Figure:
        """What breaks explain together; while a side is silent, its silence explains the whole day."""
        standing = [one for one in self.breaks.values() if one.is_open or one.cause in LEFT]
        total = NOTHING
        for one in [one for one in standing if one.is_silence] or standing:
            total = total.plus(one.amount)
        return total

    def found_at(self, code: str) -> datetime | None:
        """Returns when a break was found, None for one that is not saved yet."""
        return next((at for kind, at, message in self.steps if kind == "recon_break_found" and message.break_code == code), None)

    def assign(self, by: parties.StatementParty, code: str, owner: str, at: datetime) -> None:
        """Makes a side the owner of an open break: so say its owner and the side whose book differs.

        Raises BreakUnknown, BreakStep or BreakOfOtherSide.
        """
        found = self._open(code)
        _refuse_other(by, found.owner, found.side)
        self.record("recon_break_assigned", protos.ReconBreakAssigned(by=by, break_code=found.code, owner=owner), at)

    def explain(self, by: parties.StatementParty, code: str, reason: str, evidence: Refs, at: datetime) -> None:
        """The owner of an open break says what it comes of; raises as `assign`, and BreakReasonUnknown."""
        found = self._open(code)
        _refuse_other(by, found.owner)
        if reason not in EXPLANATIONS:
            raise BreakReasonUnknown(known=" ".join(EXPLANATIONS))
        said = protos.ReconBreakExplained(by=by, break_code=found.code, reason_code=reason, evidence=evidence)
        self.record("recon_break_explained", said, at)

    def leave(self, by: parties.StatementParty, code: str, cause: protos.BreakCause.ValueType, evidence: Refs, at: datetime) -> None:
        """The side whose book differs closes an open break and leaves the difference; raises as `assign`."""
        found = self._open(code)
        _refuse_other(by, found.side)
        if cause not in LEFT:
            raise BreakStep(state=found.state)
        self.record("recon_break_settled", protos.ReconBreakSettled(break_code=found.code, cause=cause, by=by, evidence=evidence), at)

    def _open(self, code: str) -> Break:
        found = self.break_of(code)
        if not found.is_open:
            raise BreakStep(state=found.state)
        return found

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event."""
        match kind:
            case "recon_totals_recorded":
                self.versions.append(message)
            case "recon_break_found":
                cell = Cell(message.issuer_province, message.service_region, message.scenario)
                self._keep(Break(message.break_code, cell, owner=message.owner, due_on=message.due_on, **self._figures(message)))
            case "recon_break_moved":
                # What was said of other figures explains these no more.
                known = self.breaks[message.break_code]
                before = OPEN if known.owner == known.side else ASSIGNED
                self._change(message, state=before if known.state == EXPLAINED else known.state, **self._figures(message))
            case "recon_break_reopened":
                self._change(message, state=REOPENED, cause=0, due_on=message.due_on, **self._figures(message))
            case "recon_break_assigned":
                self._change(message, state=ASSIGNED, owner=message.owner)
            case "recon_break_explained":
                self._change(message, state=EXPLAINED, said_reason=message.reason_code, said_evidence=tuple(message.evidence))
            case "recon_break_settled":
                self._change(message, state=CLOSED, cause=message.cause)

    def _figures(self, message: Any) -> dict[str, Any]:
        figures = message.figures
        return {
            "break_class": message.break_class,
            "ours": Figure(figures.our_uses, figures.our_fen),
            "theirs": Figure(figures.their_uses, figures.their_fen),
            "reason": message.reason_code,
            "evidence": tuple(message.evidence),
            "said_reason": "",
            "said_evidence": (),
            "version": self.newest.version if self.newest is not None else 0,
        }

    def _keep(self, one: Break) -> None:
        self.breaks[one.code] = one

    def _change(self, message: Any, **changes: Any) -> None:
        self._keep(replace(self.breaks[message.break_code], **changes))


def repeated(book: DayBook | None, totals: protos.ReconTotalsRecorded) -> bool:
    """Whether totals were reported already; raises TotalsOutOfOrder for a version that does not follow."""
    for known in book.versions if book is not None else ():
        if known.version == totals.version and (list(known.totals), list(known.through)) == (list(totals.totals), list(totals.through)):
            return True
    newest = book.newest if book is not None else None
    if newest is not None and totals.version <= newest.version:
        raise TotalsOutOfOrder(version=newest.version)
    return False


def recorded(book: DayBook | None, side: str, day: date, kind: str, message: Message, at: datetime) -> DayBook:
    """Adds an event to a day, which may begin with it."""
    if book is None:
        return DayBook.begin(kind, message, DayBook.create_id(side, day), at)
    book.record(kind, message, at)
    return book
