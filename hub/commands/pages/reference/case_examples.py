"""Examples of the calls about cases: one that was filed in Chengdu and is decided in Chongqing, folded as the service folds it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from chuanyu.exchange.v1 import case_service_pb2 as protos
from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import usage_government_pb2 as government

from hub.commands.pages.reference.samples import Example
from hub.domain import reference
from hub.domain.instants import LOCAL, microseconds_of, timestamp
from hub.domain.joint_services.answers import version_of
from hub.domain.joint_services.case_answers import record_of
from hub.domain.joint_services.cases import CaseFact, fold
from hub.domain.joint_services.catalogue import Catalogue

_DAY = date(2026, 3, 5)
_KEY = protos.CaseKey(handling_province="51", case_no="TB0572603020001")
_POSITION = 180_251


def _catalogue() -> Catalogue:
    return Catalogue(reference.load(), None)


def _facts() -> list[CaseFact]:
    """Returns what both sides reported: submitted and received in Chengdu, accepted in Chongqing."""
    event = event_pb2.Event()
    ref = government.CaseRef(case_no=_KEY.case_no, item_code="TB057", handling_province="51", deciding_province="50")
    event.case_submitted.mode = government.CASE_MODE_FULL_ONLINE
    submitted = event.case_submitted
    received = government.CaseReceived(case_ref=ref)
    accepted = government.CaseAccepted(case_ref=ref, promised_working_days=5)
    submitted.case_ref.CopyFrom(ref)
    return [
        CaseFact("case_submitted", submitted, _us(2, 9), 180_239, "51", "510100"),
        CaseFact("case_received", received, _us(2, 10), 180_240, "51", "510100"),
        CaseFact("case_accepted", accepted, _us(4, 9), _POSITION, "50", "500103"),
    ]


def _us(day: int, hour: int) -> int:
    return microseconds_of(datetime(2026, 3, day, hour, tzinfo=LOCAL))


def _record() -> protos.CaseRecord:
    return record_of(fold(_facts(), _catalogue()), _catalogue(), _DAY, _POSITION)


def _get_case() -> Example:
    answer = protos.GetCaseResponse(record=_record(), as_of_position=180_260, as_of=_DAY.isoformat(), version=version_of(_catalogue()))
    return Example(protos.GetCaseRequest(key=_KEY), answer)


def _list_cases() -> Example:
    wanted = protos.CaseFilter(next_province="50", states=[protos.CASE_STATE_ACCEPTED])
    answer = protos.ListCasesResponse(records=[_record()], as_of_position=180_260, as_of=_DAY.isoformat(), version=version_of(_catalogue()))
    return Example(protos.ListCasesRequest(filter=wanted, page_size=1), answer)


def _timeline() -> Example:
    accepted = _facts()[-1]
    entry = protos.CaseTimelineEntry(
        kind=accepted.kind,
        occurred_at=timestamp(accepted.occurred_us),
        recorded_at=timestamp(accepted.occurred_us + 2_000_000),
        position=accepted.position,
        province=accepted.province,
        region=accepted.region,
        promised_working_days=5,
    )
    entry.recorded_as.feed, entry.recorded_as.sequence = "cq.card-center", 41_207
    return Example(
        protos.GetCaseTimelineRequest(key=_KEY), protos.GetCaseTimelineResponse(entries=[entry], total=1, as_of_position=180_260)
    )


def _watch() -> Example:
    return Example(protos.WatchCasesRequest(from_position=180_240), protos.WatchCasesResponse(record=_record(), position=_POSITION))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetCase": _get_case,
    "ListCases": _list_cases,
    "GetCaseTimeline": _timeline,
    "WatchCases": _watch,
}
