"""What answers say of a case: its message, the filter of a list, and the tokens of its pages; the service and the command share them."""

import hashlib
from datetime import date
from typing import NamedTuple

from chuanyu.exchange.v1 import case_service_pb2 as protos

from hub.domain.errors import BeforeCatalogue, RequestInvalid
from hub.domain.instants import epoch_day_of, local_day, timestamp
from hub.domain.joint_services.case_clock import ALLOWED_NEXT, DECIDING, HANDLING, Clock, clock_of, next_actors
from hub.domain.joint_services.cases import Case, CaseKey, closed_us, regions_as_of
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference import Reference
from hub.domain.reference.working_day_rows import WorkingDays

PAGE = 50
MOST_FINDINGS = 100
_RATED_AGAIN = ("case_rated",)
_DIGEST_LENGTH = 16


class Place(NamedTuple):
    """Where a page begins: after a key, which is empty on the first page."""

    handling_province: str = ""
    case_no: str = ""


def record_of(case: Case, catalogue: Catalogue, on: date, changed_position: int) -> protos.CaseRecord:
    """Returns a case as it is on a day."""
    clock, actors = clock_of(case, catalogue.reference.working_days, on), next_actors(case)
    provinces = {HANDLING: case.key.handling_province, DECIDING: case.deciding_province}
    record = protos.CaseRecord(
        key=key_message(case.key),
        state=protos.CaseState.Value(f"CASE_STATE_{case.state}"),
        next_actors=[protos.CaseActor.Value(f"CASE_ACTOR_{actor}") for actor in actors],
        next_provinces=sorted({provinces[actor] for actor in actors if actor in provinces}),
        allowed_next=_RATED_AGAIN if case.needs_follow_up else ALLOWED_NEXT[case.state],
        item_code=case.item_code,
        item_id=case.item_id,
        item_name_zh=_item_name(case, catalogue),
        item_version=case.version,
        mode=case.mode,  # type: ignore[arg-type]
        deciding_province=case.deciding_province,
        agency=case.agency,
        region=case.region,
        transfers=sum(fact.kind in ("case_forwarded", "case_transferred") for fact in case.facts),
        granted=case.granted,
        stars=case.stars,
        needs_follow_up=case.needs_follow_up,
        clock=_clock_message(clock),
        changed_position=changed_position,
        package_no=case.package_no,
        is_counted=case.is_counted,
        form_waived=case.form_waived,
        materials_waived=case.materials_waived,
    )
    for finding in case.findings[:MOST_FINDINGS]:
        record.findings.add(**finding._asdict())
    if (submitted_us := case.first_us("case_submitted")) is not None:
        record.submitted_at.CopyFrom(timestamp(submitted_us))
    _add_regions(record, case, catalogue.reference, on)
    return record


def key_message(key: CaseKey) -> protos.CaseKey:
    """Returns the name of a case."""
    return protos.CaseKey(handling_province=key.handling_province, case_no=key.case_no)


def _item_name(case: Case, catalogue: Catalogue) -> str:
    submitted_us = case.first_us("case_submitted")
    try:
        day = catalogue.on(local_day(submitted_us if submitted_us is not None else case.facts[0].occurred_us))
    except BeforeCatalogue:
        return ""
    return day.entries[case.item_id].definition.name_zh if case.item_id else ""


def _clock_message(clock: Clock) -> protos.CaseClock:
    return protos.CaseClock(
        started_on=_text(clock.started_on),
        is_deemed=clock.is_deemed,
        promised_working_days=clock.promised_working_days,
        due_on=_text(clock.due_on),
        due_is_provisional=clock.is_provisional,
        paused_days=clock.paused_days,
        is_paused=clock.is_paused,
        is_overdue=clock.is_overdue,
    )


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _add_regions(record: protos.CaseRecord, case: Case, reference: Reference, on: date) -> None:
    """Says where a case was filed, as that was named on the day of the submission, and what it is now."""
    submitted_us = case.first_us("case_submitted")
    if not case.filed_region or submitted_us is None:
        return
    filed = reference.region(case.filed_region, local_day(submitted_us))
    record.filed_region.code, record.filed_region.name_zh = case.filed_region, "" if filed is None else filed.name_zh
    for code in regions_as_of(reference, case.filed_region, on):
        region = reference.region(code, on)
        assert region is not None, "regions_as_of returns regions of the day"
        record.regions_now.add(code=code, name_zh=region.name_zh)


def package_of(package_no: str, cases: list[Case]) -> protos.CasePackage:
    """Returns how far a package is."""
    package = protos.CasePackage(package_no=package_no, cases=len(cases), open=sum(not case.is_closed for case in cases))
    if (at_us := closed_us(cases)) is not None:
        package.closed_at.CopyFrom(timestamp(at_us))
    return package


def is_wanted(case: Case, working: WorkingDays, on: date, wanted: protos.CaseFilter) -> bool:
    """Whether a case passes what of a filter depends on the day or on the catalogue."""
    if wanted.with_findings and not case.findings:
        return False
    return not wanted.overdue or (not case.is_closed and clock_of(case, working, on).is_overdue)


def depends_on_the_day(wanted: protos.CaseFilter) -> bool:
    """Whether a filter needs more than the columns of the view."""
    return wanted.overdue or wanted.with_findings


def last_due_from(on: date) -> int:
    """Returns the last day (counted from 1970-01-01) that a case may be due at the earliest to be overdue on a day."""
    return epoch_day_of(on) - 1


def place_of(token: str, wanted: protos.CaseFilter) -> Place:
    """Returns where the page of a token begins; raises RequestInvalid for the token of another list."""
    if not token:
        return Place()
    digest, _, key = token.partition(".")
    province, _, case_no = key.partition(".")
    if digest != _digest(wanted) or not case_no:
        raise RequestInvalid([("page_token", "page_of_another_list")])
    return Place(province, case_no)


def token_of(place: Place, wanted: protos.CaseFilter) -> str:
    """Returns the token of the page after a key."""
    return f"{_digest(wanted)}.{place.handling_province}.{place.case_no}"


def _digest(wanted: protos.CaseFilter) -> str:
    return hashlib.sha256(wanted.SerializeToString(deterministic=True)).hexdigest()[:_DIGEST_LENGTH]
