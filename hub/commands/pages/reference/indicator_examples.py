"""Examples of the calls about indicators: the share of answers that accept, frozen, and beside what came late."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from chuanyu.exchange.v1 import audit_question_pb2 as times
from chuanyu.exchange.v1 import indicator_service_pb2 as protos
from chuanyu.exchange.v1 import indicators_pb2 as events

from hub.api.indicators.service import (
    answer_message,
    compared_message,
    definition_message,
    meeting_answer,
    meeting_message,
    report_message,
)
from hub.audit.outcome import as_json
from hub.commands.pages.reference.samples import Example
from hub.domain.indicators.definition import definition
from hub.domain.instants import microseconds_of
from hub.indicators.asking import Answer, Figure, Question
from hub.indicators.desk import Cause, Compared
from hub.indicators.report import KIND, FrozenReport, code_of
from hub.indicators.tables import Report
from hub.meeting import report as meeting
from hub.meeting.composing import Head, compose
from hub.meeting.facts import Part
from hub.meeting.report import MeetingReport

_DAY, _AT, _PERSON = date(2026, 3, 31), datetime(2026, 4, 5, 2, 0, tzinfo=UTC), "han.mei"
_THEN, _NOW = 180_260, 180_311


def _answer(position: int, accepted: int, answered: int) -> Answer:
    figures = (Figure("", accepted, answered, is_hidden=False), Figure("GOV.ID", None, None, is_hidden=True))
    question = Question("K10", _DAY, position, "scenario")
    return Answer(question, definition("K10"), figures, {"offline_taps": 1_204}, (), is_population_unknown=False, report=Report({}, {}))


def _report() -> FrozenReport:
    found = _answer(_THEN, 90_112, 94_020)
    frozen = events.IndicatorReportFrozen(
        report_code=code_of("K10", 1), indicator="K10", as_of=_DAY.isoformat(), as_known_position=_THEN, by="scenario",
        definition_version=1, definition_digest=found.definition.digest, content=found.as_bytes(), participant="operator", person=_PERSON,
    )  # fmt: skip
    return FrozenReport.begin(KIND, frozen, FrozenReport.create_id(frozen.report_code), _AT)


def _question() -> protos.GetIndicatorRequest:
    known = times.RecordedAsOf(position=_THEN)
    return protos.GetIndicatorRequest(indicator="K10", as_of=_DAY.isoformat(), as_known=known, by="scenario")


def _list() -> Example:
    answer = protos.ListIndicatorsResponse(indicators=[definition_message(definition("K10"))])
    return Example(protos.ListIndicatorsRequest(), answer)


def _get() -> Example:
    return Example(_question(), protos.GetIndicatorResponse(answer=answer_message(_answer(_THEN, 90_112, 94_020))))


def _freeze() -> Example:
    request = protos.FreezeReportRequest(question=_question(), person=_PERSON)
    return Example(request, protos.FreezeReportResponse(report=report_message(_report())))


def _compare() -> Example:
    causes = (Cause("decision_made", "LATE", 51),)
    found = Compared(_report(), _answer(_NOW, 90_160, 94_071), causes, is_same=True)
    return Example(protos.CompareReportsRequest(report_code=code_of("K10", 1)), compared_message(found))


def _meeting() -> MeetingReport:
    head = Head("MR-4", "2026-Q1", _DAY.isoformat(), _THEN, microseconds_of(_AT), _PERSON)
    content = as_json(compose(head, [Part(definition("K10"), _report())], ()))
    frozen = events.MeetingReportFrozen(
        report_code=head.code, period=head.period, as_of=head.as_of, as_known_position=_THEN, before_code="MR-3",
        indicator_reports=["IR-K10-1"], content=content, participant="operator", person=_PERSON,
    )  # fmt: skip
    return MeetingReport.begin(meeting.KIND, frozen, meeting.id_of(4), _AT)


def _list_meeting() -> Example:
    return Example(protos.ListMeetingReportsRequest(page_size=1), protos.ListMeetingReportsResponse(reports=[meeting_message(_meeting())]))


def _get_meeting() -> Example:
    # What it says is longer than an example should be.
    answer = meeting_answer(_meeting())
    answer.content = answer.content[:64]
    return Example(protos.GetMeetingReportRequest(report_code="MR-4"), answer)


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "ListIndicators": _list,
    "GetIndicator": _get,
    "FreezeReport": _freeze,
    "CompareReports": _compare,
    "ListMeetingReports": _list_meeting,
    "GetMeetingReport": _get_meeting,
}
