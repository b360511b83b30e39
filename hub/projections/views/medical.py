"""Views: reports of filings 备案 by insured side and number, of settlements and their refunds by setl_id, of institutions by code."""

from hub.domain.medical.filings import FILING_KINDS, filing_name
from hub.domain.medical.institutions import INSTITUTION_KINDS
from hub.domain.medical.settlements import REVERSED, SETTLEMENT_KINDS, settlement_names
from hub.journal.reader import Recorded
from hub.projections.views.reports import reports_view

_BY_PERSON = ("card WHERE card <> ''", "holder WHERE holder <> ''")


def _filing(recorded: Recorded) -> tuple[str, str]:
    return filing_name(recorded.event, recorded.kind), ""


def _settlement(recorded: Recorded) -> tuple[str, str]:
    return settlement_names(getattr(recorded.event, recorded.kind))


def _institution(recorded: Recorded) -> tuple[str, str]:
    return getattr(recorded.event, recorded.kind).institution_code, ""


FILINGS = reports_view("medical_filing", FILING_KINDS, _filing, _BY_PERSON)
SETTLEMENTS = reports_view(
    "medical_settlement", SETTLEMENT_KINDS, _settlement, (*_BY_PERSON, "also WHERE also <> ''"), gives_back=frozenset({REVERSED})
)
INSTITUTIONS = reports_view("institution", INSTITUTION_KINDS, _institution)
