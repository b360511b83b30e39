"""The register of medical institutions: for what each is open, by kinds of treatment and days, as insurers report it."""

from collections.abc import Iterable
from datetime import date

from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.domain.reported import Reported

OPENED, CLOSED = "institution_opened", "institution_closed"
INSTITUTION_KINDS = frozenset({OPENED, CLOSED})
CONTRACTED, CROSS_PROVINCE = medical.INSTITUTION_SERVICE_CONTRACTED, medical.INSTITUTION_SERVICE_CROSS_PROVINCE
# Which kind of treatment each scenario is; an emergency is one of its own.
VISIT_TYPES: dict[str, int] = {
    "MED.OP": medical.MEDICAL_VISIT_TYPE_OUTPATIENT,
    "MED.REG": medical.MEDICAL_VISIT_TYPE_OUTPATIENT,
    "MED.CHR": medical.MEDICAL_VISIT_TYPE_CHRONIC,
    "MED.IP": medical.MEDICAL_VISIT_TYPE_INPATIENT,
    "MED.RX": medical.MEDICAL_VISIT_TYPE_PHARMACY,
}


def last_word(reports: Iterable[Reported], service: int, visit_type: int, day: date) -> Reported | None:
    """Returns the report that holds on a day for a service and a kind of treatment: the one with the newest first day, then the newest.

    A report that names no kind of treatment is about all of them.
    """
    begun = (one for one in reports if one.message.service == service and one.message.from_on <= day.isoformat())
    about = (one for one in begun if visit_type in (one.message.visit_types or (visit_type,)))
    return max(about, key=lambda one: (one.message.from_on, *one.when), default=None)
