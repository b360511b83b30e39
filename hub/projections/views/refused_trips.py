"""View: what clearing refused, by the day on which it did. Refusals are few; what it accepts is found by card."""

from hub.domain.instants import local_day
from hub.domain.netting_taps import REFUSED
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view


def _day(recorded: Recorded) -> tuple[str, str]:
    return local_day(recorded.occurred_us).isoformat(), ""


REFUSED_TRIPS = reports_view("refused_trip", {REFUSED}, _day)
