"""Where reports for the joint meeting are frozen and made again: commands and the demo come here."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from itertools import islice

import psycopg
from chuanyu.exchange.v1 import indicators_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.audit.outcome import OutcomeForeign, OutcomeMalformed, as_json
from hub.domain.indicators.definition import Definition, definition, definitions
from hub.domain.indicators.errors import IndicatorOutOfRange, ReportChanged
from hub.indicators import desk as indicator_desk
from hub.indicators import report as indicator_reports
from hub.indicators.asking import Question, ask, day_of_position
from hub.indicators.desk import Cause, IndicatorDesk, Officer, causes, question_of
from hub.indicators.record import Known
from hub.indicators.report import FrozenReport
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.journal.times import recorded_at
from hub.meeting import report
from hub.meeting.composing import Head, compose
from hub.meeting.errors import KnownBeforeTheLast, PeriodNotBegun, ReportOfAnotherRelease
from hub.meeting.facts import Part, breakdown, facts_by_indicator
from hub.meeting.periods import period
from hub.meeting.report import MeetingReport

# So many reports before one are looked at: for what was shown, and for the figures over time.
MOST_BEFORE = 24


class MeetingDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal and the counts."""
        self._connection, self._store = connection, store
        self._indicators = IndicatorDesk(connection, store)

    def freeze(self, text: str, position: int, by: Officer, at: datetime) -> MeetingReport:
        """Freezes the report of a period as known at a position, and the reports of indicators in it.

        Until the period is over it reaches to the newest business day that was known. Raises PeriodUnfit, PeriodNotBegun,
        KnownBeforeTheLast, ReportChanged, RequestInvalid, and as `IndicatorDesk.freeze`.
        """
        asked, newest_day = period(text), day_of_position(self._connection, position)
        if asked.first > newest_day:
            raise PeriodNotBegun(period=asked.code, newest_day=newest_day.isoformat())
        as_of = min(asked.last, newest_day)
        number = report.REPORTS.count(self._connection) + 1
        before = report.newest(self._connection, MOST_BEFORE)
        if before and position < before[0].frozen.as_known_position:
            raise KnownBeforeTheLast(report=before[0].code, position=str(before[0].frozen.as_known_position))
        frozen = protos.MeetingReportFrozen(
            report_code=report.code_of(number), period=asked.code, as_of=as_of.isoformat(), as_known_position=position,
            before_code=before[0].code if before else "", content=b"{}", participant=by.participant, person=by.person,
        )  # fmt: skip
        refuse_invalid(frozen)
        refuse_identifiers(frozen, "person")
        last = facts_by_indicator(before[0]) if before else {}
        for said in definitions().values():
            # What was shown before comes first, as known now, so that the new one is safe beside it.
            then = last.get(said.id)
            if then is not None and then["report"] and then["figures"] and then["definition_digest"] == said.digest:
                one = indicator_reports.find(self._connection, then["report"])
                frozen.restated_reports.append(self._frozen(question_of(one)._replace(position=position), by, at))
            if said.missing is None and (
                code := self._if_any(Question(said.id, as_of, position, breakdown(said), said.population), by, at)
            ):
                frozen.indicator_reports.append(code)
        frozen.content = _content(self._connection, frozen, before)
        refuse_invalid(frozen)
        made = MeetingReport.begin(report.KIND, frozen, report.id_of(number), at)
        try:
            self._store.save(made)
        except IntegrityError:
            raise ReportChanged from None
        return made

    def _if_any(self, question: Question, by: Officer, at: datetime) -> str:
        try:
            return self._frozen(question, by, at)
        except IndicatorOutOfRange:
            return ""

    def _frozen(self, question: Question, by: Officer, at: datetime) -> str:
        """Returns the code of the report of a question: of one that was frozen before, if there is one."""
        digest = definition(question.indicator).digest
        for one in indicator_reports.listed(self._connection, question.indicator):
            if one.frozen.definition_digest == digest and question_of(one) == question:
                return one.frozen.report_code
        return self._indicators.freeze(question, by, at).frozen.report_code


def _head(connection: psycopg.Connection, frozen: protos.MeetingReportFrozen) -> Head:
    recorded_us = recorded_at(connection, frozen.as_known_position) or 0
    return Head(frozen.report_code, frozen.period, frozen.as_of, frozen.as_known_position, recorded_us, frozen.person)


def _content(connection: psycopg.Connection, frozen: protos.MeetingReportFrozen, before: Sequence[MeetingReport]) -> bytes:
    """Returns what a report says, from the reports of indicators that it names; raises ReportOfAnotherRelease."""
    last = facts_by_indicator(before[0]) if before else {}
    reports, restated = (_by_indicator(connection, codes) for codes in (frozen.indicator_reports, frozen.restated_reports))
    parts = []
    for said in definitions().values():
        one, now = reports.get(said.id), restated.get(said.id)
        _refuse_another(said, one, now)
        since = _since(connection, last[said.id]["report"], frozen.as_known_position) if now is not None else ()
        parts.append(Part(said, one, now, since))
    return as_json(compose(_head(connection, frozen), parts, before))


def _since(connection: psycopg.Connection, code: str, position: int) -> tuple[Cause, ...]:
    """Returns what came since a report of an indicator, of what it is counted from."""
    then, known = indicator_reports.find(connection, code), Known(connection, position)
    ask(known, question_of(then)._replace(position=position))
    return causes(known, then)


def _by_indicator(connection: psycopg.Connection, codes: Sequence[str]) -> dict[str, FrozenReport]:
    found = [indicator_reports.find(connection, code) for code in codes]
    return {one.frozen.indicator: one for one in found}


def _refuse_another(said: Definition, *reports: FrozenReport | None) -> None:
    if any(one is not None and one.frozen.definition_digest != said.digest for one in reports):
        raise ReportOfAnotherRelease(indicator=said.id)


def made_again(connection: psycopg.Connection, found: MeetingReport) -> bytes:
    """Returns what the record of then gives today: each report of an indicator is counted again, and the whole composed of them.

    Raises ReportOfAnotherRelease where a definition has changed since, or another release wrote a report before it.
    """
    frozen = found.frozen
    try:
        before = list(islice(report.earlier(connection, _number(found)), MOST_BEFORE))
        said = _content(connection, frozen, before)
    except (OutcomeForeign, OutcomeMalformed):
        raise ReportOfAnotherRelease from None
    for code in (*frozen.indicator_reports, *frozen.restated_reports):
        one = indicator_reports.find(connection, code)
        if indicator_desk.counted_again(connection, one) != one.frozen.content:
            return b""
    return said


def _number(found: MeetingReport) -> int:
    return int(found.code.rpartition("-")[2])


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[MeetingDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield MeetingDesk(connection, store)
