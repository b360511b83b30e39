"""K7 from the events again: who became eligible, and the rows that name him, as they were known."""

from collections.abc import Iterator

from hub.domain.indicators.counted import Asked, One
from hub.domain.indicators.facts import ELIGIBLE
from hub.domain.indicators.payees import PaidRow, of_payees, payee_of, turns_of_row
from hub.domain.reported import Reported
from hub.indicators.record import Known
from hub.projections.views.funds import FUND_ROWS, ROW_KINDS

# The province that pays, and the key of a person or a card.
_Who = tuple[str, bytes]


def payees(known: Known, asked: Asked) -> Iterator[One]:
    """Yields each payee who became eligible in the window."""
    eligible: dict[_Who, list[Reported]] = {}
    for one in known.events({ELIGIBLE}):
        payee = payee_of(one.reported)
        eligible.setdefault((payee.province, payee.subject), []).append(one.reported)
    # A payment that was given back of by its number is a report of the row, though it is not in force.
    told = {one.position: getattr(getattr(one.event, one.kind), "project_code", "") for one in known.since(0, ROW_KINDS)}
    paid: dict[_Who, list[PaidRow]] = {}
    for row in known.states(FUND_ROWS).values():
        projects = tuple(sorted({told[one.position] for one in row.reports} - {""}))
        for subject in (row.holder, row.card):
            if (row.province, subject) in eligible:
                made = PaidRow(row.batch_no, row.row_no, bool(row.card), projects, turns_of_row(row.reports))
                paid.setdefault((row.province, subject), []).append(made)
    for who, reports in eligible.items():
        yield from of_payees(reports, paid.get(who, ()), asked)
