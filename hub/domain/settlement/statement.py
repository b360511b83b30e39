"""A statement: issued once and never changed; acknowledged by both sides, disputed by line, and paid where it is payable."""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import settlements_pb2 as protos

from hub.domain.aggregate import SteppedAggregate
from hub.domain.settlement.lines import SIDES, net_fen
from hub.domain.settlement_errors import (
    DisputeEndsOtherwise,
    DisputeReasonUnknown,
    LineDisputedAlready,
    LineNotDisputed,
    PaymentDiffers,
    StatementAcknowledgedAlready,
    StatementDiffers,
    StatementDisputeOpen,
    StatementLineUnknown,
    StatementNotAcknowledged,
    StatementNotDisputable,
    StatementNotPayable,
    StatementUnknown,
)

ISSUED, DISPUTED, ACKNOWLEDGED, PAID = "ISSUED", "DISPUTED", "ACKNOWLEDGED", "PAID"
# Why a side disputes a line. A statement of before may have another.
REASONS = ("AMOUNT_DIFFERS", "USES_DIFFER", "COUNTED_TWICE", "NOT_OURS", "WRONG_DAY", "WRONG_SCENARIO", "OTHER")
WITHDRAWN, UPHELD = protos.DISPUTE_OUTCOME_WITHDRAWN, protos.DISPUTE_OUTCOME_UPHELD


class Dispute(NamedTuple):
    """A dispute about a line: who raised it and why, and how it ended, 0 while it is open."""

    raised: protos.StatementLineDisputed
    outcome: protos.DisputeOutcome.ValueType = protos.DISPUTE_OUTCOME_UNSPECIFIED


def code_of(scheme: str, number: int) -> str:
    """Returns the code of a statement by its number in its scheme."""
    return f"ST-{scheme}-{number}"


def number_of(code: str) -> tuple[str, int]:
    """Returns the scheme and number of a code; raises StatementUnknown."""
    scheme, _, digits = code.upper().removeprefix("ST-").rpartition("-")
    if not (scheme and digits.isascii() and digits.isdigit() and len(digits) <= 9 and int(digits) > 0):
        raise StatementUnknown
    return scheme, int(digits)


class Statement(SteppedAggregate):
    """Issued with all its lines; what both sides say of it follows."""

    def __init__(self, issued: protos.StatementIssued) -> None:
        """Starts as it was issued."""
        self.issued = issued
        self.acknowledged: dict[str, protos.StatementParty] = {}
        self.disputes: list[Dispute] = []
        self.payment: protos.StatementPaymentReported | None = None

    @staticmethod
    def create_id(code: str) -> UUID:
        """The id follows from the code, so that no window is stated twice."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:statement:{code}")

    @property
    def code(self) -> str:
        """The code people use."""
        return self.issued.statement_code

    @property
    def is_memo(self) -> bool:
        """Whether its money is cleared elsewhere."""
        return bool(self.issued.route == protos.SETTLEMENT_ROUTE_NATIONAL)

    @property
    def state(self) -> str:
        """How far it is."""
        if self.payment is not None:
            return PAID
        if any(not one.outcome for one in self.disputes):
            return DISPUTED
        return ACKNOWLEDGED if set(self.acknowledged) == set(SIDES) else ISSUED

    def acknowledge(self, by: protos.StatementParty, digest: bytes, at: datetime) -> None:
        """A side finds it right; raises StatementDiffers, StatementAcknowledgedAlready, or StatementDisputeOpen by this side."""
        if digest != self.issued.digest:
            raise StatementDiffers
        if by.province in self.acknowledged:
            raise StatementAcknowledgedAlready
        if any(not one.outcome and one.raised.by.province == by.province for one in self.disputes):
            raise StatementDisputeOpen(state=self.state)
        self.record("statement_acknowledged", protos.StatementAcknowledged(by=by, digest=digest), at)

    def dispute(self, by: protos.StatementParty, line: int, reason_code: str, at: datetime) -> None:
        """A side disputes a line; raises StatementLineUnknown, DisputeReasonUnknown, LineDisputedAlready, or StatementNotDisputable."""
        self._refuse_unknown(line)
        if reason_code not in REASONS:
            raise DisputeReasonUnknown(known=" ".join(REASONS))
        if self._open(line) is not None:
            raise LineDisputedAlready(line=line)
        if self.payment is not None or by.province in self.acknowledged:
            raise StatementNotDisputable(state=self.state)
        self.record("statement_line_disputed", protos.StatementLineDisputed(by=by, line=line, reason_code=reason_code), at)

    def resolve(self, by: protos.StatementParty, line: int, outcome: protos.DisputeOutcome.ValueType, at: datetime) -> None:
        """Ends a dispute: its own side withdraws it, the other says that it is right.

        Raises StatementLineUnknown, LineNotDisputed, or DisputeEndsOtherwise.
        """
        self._refuse_unknown(line)
        found = self._open(line)
        if found is None:
            raise LineNotDisputed(line=line)
        if (found.raised.by.province == by.province) != (outcome == WITHDRAWN):
            raise DisputeEndsOtherwise(line=line, raised_by=found.raised.by.province)
        self.record("statement_dispute_resolved", protos.StatementDisputeResolved(by=by, line=line, outcome=outcome), at)

    def pay(self, by: protos.StatementParty, reference: str, amount_fen: int, at: datetime) -> None:
        """The side that owes the net has paid it.

        Raises StatementNotPayable, StatementDisputeOpen, StatementNotAcknowledged, or PaymentDiffers.
        """
        net = net_fen(self.issued, by.province)
        if self.is_memo or net == 0 or self.state == PAID:
            raise StatementNotPayable(state="MEMO" if self.is_memo else self.state)
        if self.state == DISPUTED:
            raise StatementDisputeOpen(state=self.state)
        if self.state != ACKNOWLEDGED:
            raise StatementNotAcknowledged(state=self.state, acknowledged_by=" ".join(sorted(self.acknowledged)))
        if amount_fen != net:
            raise PaymentDiffers(net_fen=net)
        paid = protos.StatementPaymentReported(by=by, payment_reference=reference, amount_fen=amount_fen)
        self.record("statement_payment_reported", paid, at)

    def _refuse_unknown(self, line: int) -> None:
        if not 1 <= line <= len(self.issued.lines):
            raise StatementLineUnknown(line=line)

    def _open(self, line: int) -> Dispute | None:
        return next((one for one in self.disputes if one.raised.line == line and not one.outcome), None)

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event after the first."""
        match kind:
            case "statement_acknowledged":
                self.acknowledged[message.by.province] = message.by
            case "statement_line_disputed":
                self.disputes.append(Dispute(message))
            case "statement_dispute_resolved":
                self.disputes = [
                    one._replace(outcome=message.outcome) if one.raised.line == message.line and not one.outcome else one
                    for one in self.disputes
                ]
            case "statement_payment_reported":
                self.payment = message
