"""Views: reports of filings 备案 by insured side and number, and of settlements and their refunds by setl_id."""

from hub.domain.medical.filings import FILING_KINDS, filing_name
from hub.domain.medical.settlements import REVERSED, SETTLEMENT_KINDS, settlement_names
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view

_BY_PERSON = ("card WHERE card <> ''", "holder WHERE holder <> ''")


def _filing(recorded: Recorded) -> tuple[str, str]:
    return filing_name(recorded.event, recorded.kind), ""


def _settlement(recorded: Recorded) -> tuple[str, str]:
    return settlement_names(getattr(recorded.event, recorded.kind))


FILINGS = reports_view("medical_filing", FILING_KINDS, _filing, _BY_PERSON)
SETTLEMENTS = reports_view(
    "medical_settlement", SETTLEMENT_KINDS, _settlement, (*_BY_PERSON, "also WHERE also <> ''"), gives_back=frozenset({REVERSED})
)
