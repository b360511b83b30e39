"""View: reports of who became eligible for payments, by the province that pays, its project and whom; also by the first day."""

from hub.domain.indicators.facts import ELIGIBLE
from hub.domain.indicators.payees import payee_of
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view


def _names(recorded: Recorded) -> tuple[str, str]:
    one = recorded.reported
    payee = payee_of(one)
    return f"{payee.province}/{payee.subject.hex()}/{payee.project}", one.message.eligible_from


ELIGIBLE_PAYEES = reports_view("eligible_payee", {ELIGIBLE}, _names, ("also",))
