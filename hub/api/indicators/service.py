"""IndicatorService: what each indicator counts and came to, reports that are frozen, and a report beside now."""

import hashlib
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import psycopg
from chuanyu.exchange.v1 import indicator_service_pb2 as protos

from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, unary
from hub.api.edge.turns import Reads
from hub.audit.requests.windows import position_of
from hub.domain.errors import RequestInvalid
from hub.domain.indicators.definition import Definition, Target, Words, definitions
from hub.indicators import desk
from hub.indicators.asking import Answer, Question, ask, day_of_position, newest
from hub.indicators.desk import Compared, IndicatorDesk, Officer
from hub.indicators.record import Known, at_most
from hub.indicators.report import FrozenReport
from hub.intake.message_reader import reader
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.meeting import report as meeting
from hub.meeting.files import FIGURES, as_csv
from hub.meeting.files import figures as rows_of_figures
from hub.meeting.report import MeetingReport

MEETING_REPORTS = 50
# Some three seconds of an edge's interpreter, which others' answers share.
MOST_EVENTS = 200_000


class IndicatorService:
    """Used from one event loop; close it when done."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may SET ROLE hub_reader."""
        self._dsn, self._reads = dsn, Reads(dsn, "hub_reader", "hub-indicators")

    def close(self) -> None:
        """Closes what was opened."""
        self._reads.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.IndicatorService",
            {
                "ListIndicators": unary(gate, reader(protos.ListIndicatorsRequest), self.list),
                "GetIndicator": unary(gate, reader(protos.GetIndicatorRequest), self.get),
                "FreezeReport": unary(gate, reader(protos.FreezeReportRequest), self.freeze),
                "CompareReports": unary(gate, reader(protos.CompareReportsRequest), self.compare),
                "ListMeetingReports": unary(gate, reader(protos.ListMeetingReportsRequest), self.list_meeting_reports),
                "GetMeetingReport": unary(gate, reader(protos.GetMeetingReportRequest), self.get_meeting_report),
            },
        )

    async def list(self, _: protos.ListIndicatorsRequest, __: Caller) -> protos.ListIndicatorsResponse:
        """Lists the definitions."""
        return protos.ListIndicatorsResponse(indicators=map(definition_message, definitions().values()))

    async def get(self, request: protos.GetIndicatorRequest, caller: Caller) -> protos.GetIndicatorResponse:
        """Answers; raises RequestInvalid, and as `ask`."""
        refuse_invalid(request)

        def answered(connection: psycopg.Connection) -> Answer:
            question = _question(connection, request)
            with at_most(MOST_EVENTS):
                return ask(Known(connection, question.position), question)

        return protos.GetIndicatorResponse(answer=answer_message(await self._reads.read(caller.urn, answered)))

    async def freeze(self, request: protos.FreezeReportRequest, caller: Caller) -> protos.FreezeReportResponse:
        """Freezes a report; raises RequestInvalid, and as `IndicatorDesk.freeze`."""
        refuse_invalid(request)
        refuse_identifiers(request, "person")
        by = Officer(caller.urn, request.person)

        def frozen(opened: IndicatorDesk) -> FrozenReport:
            with at_most(MOST_EVENTS):
                return opened.freeze(_question(opened.connection, request.question), by, datetime.now(UTC))

        found = await self._reads.decide(caller.urn, partial(desk.opened, self._dsn), frozen)
        return protos.FreezeReportResponse(report=report_message(found))

    async def compare(self, request: protos.CompareReportsRequest, caller: Caller) -> protos.CompareReportsResponse:
        """Shows a report beside what is known later; raises RequestInvalid, and as `hub.indicators.desk.compare`."""
        refuse_invalid(request)

        def compared(connection: psycopg.Connection) -> Compared:
            with at_most(MOST_EVENTS):
                return desk.compare(connection, request.report_code, _position(connection, request))

        return compared_message(await self._reads.read(caller.urn, compared))

    async def list_meeting_reports(self, request: protos.ListMeetingReportsRequest, caller: Caller) -> protos.ListMeetingReportsResponse:
        """Lists reports for the joint meeting; raises RequestInvalid."""
        refuse_invalid(request)
        size = request.page_size or MEETING_REPORTS

        def listed(connection: psycopg.Connection) -> list[MeetingReport]:
            return meeting.newest(connection, size, int(request.page_token or 0))

        found = await self._reads.read(caller.urn, listed)
        last = int(found[-1].code.rpartition("-")[2]) if len(found) == size else 1
        return protos.ListMeetingReportsResponse(reports=map(meeting_message, found), next_page_token=str(last) if last > 1 else "")

    async def get_meeting_report(self, request: protos.GetMeetingReportRequest, caller: Caller) -> protos.GetMeetingReportResponse:
        """Gives a report for the joint meeting; raises RequestInvalid and MeetingReportUnknown."""
        refuse_invalid(request)
        return meeting_answer(await self._reads.read(caller.urn, meeting.find, request.report_code))


def _question(connection: psycopg.Connection, request: protos.GetIndicatorRequest) -> Question:
    position = _position(connection, request)
    try:
        as_of = date.fromisoformat(request.as_of) if request.as_of else day_of_position(connection, position)
    except ValueError:
        raise RequestInvalid([("as_of", "impossible_date")]) from None
    return Question(request.indicator, as_of, position, request.by, request.population)


def _position(connection: psycopg.Connection, request: Any) -> int:
    return position_of(connection, request.as_known) if request.HasField("as_known") else newest(connection)


def _text(words: Words | None) -> protos.IndicatorText | None:
    return None if words is None else protos.IndicatorText(zh=words.zh, en=words.en)


def definition_message(said: Definition) -> protos.IndicatorDefinition:
    """Returns a definition."""
    return protos.IndicatorDefinition(
        indicator=said.id, version=said.version, digest=said.digest, name=_text(said.name), numerator=_text(said.numerator),
        denominator=_text(said.denominator), additivity=said.additivity, counts=said.counts, window=said.window, by=said.by,
        population=said.population, missing=_text(said.missing), traps=[protos.IndicatorText(zh=one.zh, en=one.en) for one in said.traps],
        published=map(_published, said.targets),
    )  # fmt: skip


def _published(one: Target) -> protos.IndicatorTarget:
    said = protos.IndicatorTarget(is_target=one.kind == "TARGET", province=one.province, on=one.on, source=one.source)
    if one.count is not None:
        said.count = one.count
    else:
        said.share_of_10000 = one.share_of_10000 or 0
    return said


def answer_message(found: Answer) -> protos.IndicatorAnswer:
    """Returns an answer."""
    asked, said = found.question, found.definition
    return protos.IndicatorAnswer(
        indicator=said.id, definition_version=said.version, definition_digest=said.digest, as_of=asked.as_of.isoformat(),
        as_known_position=asked.position, by=asked.by, population=asked.population, is_recorded=said.missing is None,
        is_population_unknown=found.is_population_unknown,
        figures=[protos.IndicatorFigure(**one._asdict()) for one in found.figures],
        beside=[protos.IndicatorBeside(name=name, value=value) for name, value in sorted(found.beside.items())],
    )  # fmt: skip


def report_message(one: FrozenReport) -> protos.FrozenIndicatorReport:
    """Returns a report."""
    said = one.frozen
    return protos.FrozenIndicatorReport(
        report_code=said.report_code, before_code=said.before_code, content=said.content, person=said.person
    )


def meeting_message(one: MeetingReport) -> protos.MeetingReport:
    """Returns which report for the joint meeting it is."""
    said = one.frozen
    return protos.MeetingReport(
        report_code=said.report_code, period=said.period, as_of=said.as_of, as_known_position=said.as_known_position,
        before_code=said.before_code, person=said.person, content_digest=hashlib.sha256(said.content).digest(),
    )  # fmt: skip


def meeting_answer(one: MeetingReport) -> protos.GetMeetingReportResponse:
    """Returns a report for the joint meeting with its figures as CSV."""
    figures = as_csv(FIGURES, rows_of_figures(one.outcome))
    return protos.GetMeetingReportResponse(report=meeting_message(one), content=one.frozen.content, figures_csv=figures)


def compared_message(found: Compared) -> protos.CompareReportsResponse:
    """Returns a report beside now."""
    return protos.CompareReportsResponse(
        report=report_message(found.then), now=answer_message(found.now),
        causes=[protos.ReportCause(**one._asdict()) for one in found.causes], is_same=found.is_same,
    )  # fmt: skip
