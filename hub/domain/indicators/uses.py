"""What is counted of an answer or a tap (K10), a loss (K11), a row of a fund batch (K19), and an item of a library (K20)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.culture.loans import loans_at
from hub.domain.funds.attempts import Said
from hub.domain.funds.rows import CAME_BACK, CAME_BACK_LATE, PAID_OUT, fold_row
from hub.domain.indicators.counted import Asked, Counts, One
from hub.domain.indicators.places import said
from hub.domain.instants import SECOND_US, local_day, microseconds
from hub.domain.reported import Reported

TAPS = ("transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete")
ANSWER = "decision_made"
OPENED, CLOSED = "loss_opened", "loss_closed"
DIRECTIONS = ("50>51", "51>50")
# Within one province; and where nobody said whose card it was, as in a bank's answer.
WITHIN, UNKNOWN = "WITHIN", "UNKNOWN"
_ACCEPTED = frozenset({acceptance.ACCEPTANCE_OUTCOME_ACCEPT, acceptance.ACCEPTANCE_OUTCOME_ACCEPT_NO_CONCESSION})
_ANSWERED = frozenset({PAID_OUT, CAME_BACK, CAME_BACK_LATE})


def direction(issuer: str, serving: str) -> str:
    """Returns from which province's cards to which province's places."""
    way = f"{issuer}>{serving[:2]}"
    return way if way in DIRECTIONS else WITHIN if issuer and issuer == serving[:2] else UNKNOWN


def of_answer(one: Reported) -> One:
    """K10: an answer, and whether it accepts."""
    event, outcome = one.event, one.event.decision_made.outcome
    way = direction(event.card.issuing_province, event.service_region)
    name = acceptance.AcceptanceOutcome.Name(outcome).removeprefix("ACCEPTANCE_OUTCOME_")
    return One(one.position, outcome in _ACCEPTED, {"scenario": event.scenario, "direction": way, "outcome": name})


def _losses(told: Sequence[Reported], asked: Asked) -> Iterator[One]:
    """K11: a loss across the border in the window, and whether the issuer confirmed it."""
    for opened, end in _requested(told, asked):
        yield One(opened.position, end is not None, {"province": opened.event.loss_opened.card.issuing_province})


def _seconds(told: Sequence[Reported], asked: Asked) -> Iterator[One]:
    """After how many seconds a loss was confirmed; by two clocks that may be before it was asked for."""
    for opened, end in _requested(told, asked):
        if end is not None:
            seconds = (end.occurred_us - microseconds(opened.event.loss_opened.requested_at)) // SECOND_US
            yield One(opened.position, places={"seconds": str(seconds)})


def _requested(told: Sequence[Reported], asked: Asked) -> Iterator[tuple[Reported, Reported | None]]:
    """Yields what was asked for in the window, with its end where the issuer confirmed it."""
    end = next((one for one in reversed(told) if one.kind == CLOSED and one.occurred_us <= asked.end_us), None)
    is_confirmed = end is not None and end.event.loss_closed.outcome == decisions.LOSS_OUTCOME_CONFIRMED
    for one in told:
        if one.kind == OPENED and asked.has(microseconds(one.event.loss_opened.requested_at)):
            yield one, end if is_confirmed else None


class PaidRow(NamedTuple):
    """A row of a fund batch: the province that pays, and what was reported of it."""

    province: str
    reports: Sequence[Said]


def _payments(row: PaidRow, asked: Asked) -> Iterator[One]:
    """K19: a row that the bank first answered in the window, and whether it was paid at once and did not come back."""
    folded = fold_row(row.reports, asked.end_us)
    if folded.attempts and folded.attempts[0].outcome in _ANSWERED and asked.has(folded.attempts[0].answered_us):
        first = folded.attempts[0]
        yield One(row, first.outcome == PAID_OUT, {"province": row.province, "reason": str(first.reason or "PAID")})


def _returns(told: Sequence[Reported], asked: Asked) -> Iterator[One]:
    """K20: each return of an item in the window, and whether to another library than the one that owns it."""
    for loan in loans_at(told, asked.end_us):
        end = loan.ended
        if loan.state == "RETURNED" and end is not None and asked.has(end.occurred_us):
            region = end.event.service_region
            meant = said(asked.reference, region, local_day(end.occurred_us))
            yield One(end.position, loan.is_cross_return, {"province": region[:2], **meant})


def _volumes(told: Sequence[Reported], asked: Asked) -> Iterator[One]:
    """A volume that was returned to another library, once."""
    for loan in loans_at(told, asked.end_us):
        end = loan.ended
        if loan.state == "RETURNED" and end is not None and asked.has(end.occurred_us) and loan.is_cross_return:
            yield One((loan.owner, loan.barcode))


OF_A_LOSS: Counts[Sequence[Reported]] = {"K11": _losses, "K11:seconds": _seconds}
OF_A_ROW: Counts[PaidRow] = {"K19": _payments}
OF_AN_ITEM: Counts[Sequence[Reported]] = {"K20": _returns, "K20:volumes": _volumes}
