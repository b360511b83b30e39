"""An agreement that a scenario brings, and the aggregate both sides sign for it: what an operator would draft, suspend and end."""

from dataclasses import dataclass
from datetime import UTC
from uuid import uuid4

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.agreement import Agreement
from hub.domain.instants import timestamp


@dataclass(frozen=True, slots=True)
class Agreed:
    """An agreement of a scenario besides the historical ones, and from when to when it is suspended or has ended; 0 is never."""

    code: str
    terms: decisions.AgreementTerms
    suspended_us: int = 0
    resumed_us: int = 0
    ended_us: int = 0


def signed(agreed: Agreed) -> Agreement:
    """Makes an agreement that both sides signed on the day it begins, suspended, resumed and ended as the file says.

    Raises what an operator would see, such as ValidityReversed.
    """
    at = agreed.terms.valid_from.ToDatetime(UTC)
    drafted = decisions.AgreementDrafted(agreement_code=agreed.code, terms=agreed.terms, side="50", officer="scenario-drafter")
    agreement = Agreement.begin("agreement_drafted", drafted, uuid4(), at)
    for side in ("50", "51"):
        agreement.sign(decisions.AgreementSigned(side=side, maker=f"scenario-maker-{side}", checker=f"scenario-checker-{side}"), at)
    if agreed.suspended_us:
        agreement.suspend(decisions.AgreementSuspended(from_at=timestamp(agreed.suspended_us), reason_code="SCENARIO"), at)
    if agreed.resumed_us:
        agreement.resume(decisions.AgreementResumed(from_at=timestamp(agreed.resumed_us)), at)
    if agreed.ended_us:
        agreement.end(decisions.AgreementEnded(ended_at=timestamp(agreed.ended_us), reason_code="SCENARIO"), at)
    return agreement
