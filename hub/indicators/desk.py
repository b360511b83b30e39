"""Where reports of indicators are frozen and compared with now: commands, the API and the console come here."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import indicators_pb2 as protos
from eventsourcing.persistence import IntegrityError

from hub.domain.indicators.definition import definition
from hub.domain.indicators.errors import IndicatorNotRecorded, ReportChanged, ReportDefinitionChanged
from hub.domain.instants import local_day
from hub.domain.small_counts import LEAST
from hub.indicators import report
from hub.indicators.asking import Answer, Question, ask, frozen_before
from hub.indicators.record import Known
from hub.indicators.report import FrozenReport
from hub.indicators.sources import kinds_of
from hub.indicators.tables import Report
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore


class Officer(NamedTuple):
    """Who freezes a report: the participant whose certificate was shown, or the hub's operators; and the person."""

    participant: str
    person: str


class Cause(NamedTuple):
    """Why figures moved: how many events of a kind came later for days of the report, None for a few; LATE, CORRECTS or REVERSES."""

    kind: str
    how: str
    events: int | None


class Compared(NamedTuple):
    """A report beside the same question as known later; *is_same* says whether the record of then still gives the report's bytes."""

    then: FrozenReport
    now: Answer
    causes: tuple[Cause, ...]
    is_same: bool


class IndicatorDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal and the counts."""
        self.connection, self._store = connection, store

    def freeze(self, question: Question, by: Officer, at: datetime) -> FrozenReport:
        """Freezes a report, beside the one before it; raises as `ask`, IndicatorNotRecorded, ReportChanged and RequestInvalid."""
        known = Known(self.connection, question.position)
        answer = ask(known, question)
        if answer.definition.missing is not None:
            raise IndicatorNotRecorded(indicator=answer.definition.id)
        before = self._before(answer)
        if before is not None:
            answer = ask(known, question, given_out(self.connection, before))
        frozen = _frozen(self.connection, answer, before, by)
        refuse_invalid(frozen)
        refuse_identifiers(frozen, "person")
        made = FrozenReport.begin(report.KIND, frozen, FrozenReport.create_id(frozen.report_code), at)
        try:
            self._store.save(made)
        except IntegrityError:
            raise ReportChanged from None
        return made

    def _before(self, answer: Answer) -> FrozenReport | None:
        """Returns the newest report of the same indicator, breakdown and definition."""
        asked, said = answer.question, answer.definition
        same = (one for one in report.listed(self.connection, said.id) if one.frozen.by == asked.by)
        return next((one for one in same if one.frozen.definition_digest == said.digest), None)


def _frozen(connection: psycopg.Connection, answer: Answer, before: FrozenReport | None, by: Officer) -> protos.IndicatorReportFrozen:
    asked, said = answer.question, answer.definition
    number = report.reports_of(said.id).count(connection) + 1
    return protos.IndicatorReportFrozen(
        report_code=report.code_of(said.id, number), indicator=said.id, as_of=asked.as_of.isoformat(), as_known_position=asked.position,
        by=asked.by, population=asked.population, definition_version=said.version, definition_digest=said.digest,
        content=answer.as_bytes(), before_code=before.frozen.report_code if before is not None else "",
        participant=by.participant, person=by.person,
    )  # fmt: skip


def question_of(one: FrozenReport) -> Question:
    """Returns the question that a report answers."""
    said = one.frozen
    return Question(said.indicator, date.fromisoformat(said.as_of), said.as_known_position, said.by, said.population)


def given_out(connection: psycopg.Connection, one: FrozenReport) -> Report:
    """Returns a report with its figures, counted again; raises ReportDefinitionChanged."""
    if definition(one.frozen.indicator).digest != one.frozen.definition_digest:
        raise ReportDefinitionChanged(report=one.frozen.report_code, version=one.frozen.definition_version)
    return frozen_before(Known(connection, one.frozen.as_known_position), question_of(one), one.shown)


def counted_again(connection: psycopg.Connection, one: FrozenReport) -> bytes:
    """Returns what the record of then gives today; raises ReportDefinitionChanged."""
    before = report.find(connection, one.frozen.before_code) if one.frozen.before_code else None
    given = given_out(connection, before) if before is not None else None
    given_out(connection, one)
    return ask(Known(connection, one.frozen.as_known_position), question_of(one), given).as_bytes()


def compare(connection: psycopg.Connection, code: str, position: int) -> Compared:
    """Returns a report beside what is known at a later position; raises as `ask`, ReportUnknown and ReportDefinitionChanged."""
    then = report.find(connection, code)
    known = Known(connection, position)
    now = ask(known, question_of(then)._replace(position=position), given_out(connection, then))
    return Compared(then, now, causes(known, then), counted_again(connection, then) == then.frozen.content)


def causes(known: Known, then: FrozenReport) -> tuple[Cause, ...]:
    """Returns what came after a report for days of it, by kind, of the kinds that the indicator is counted from."""
    as_of = date.fromisoformat(then.frozen.as_of)
    found: Counter[tuple[str, str]] = Counter()
    for one in known.since(then.frozen.as_known_position, kinds_of(then.frozen.indicator)):
        if local_day(one.occurred_us) <= as_of:
            how = "REVERSES" if one.is_reversal else "CORRECTS" if one.event.HasField("corrects") else "LATE"
            found[one.kind, how] += 1
    return tuple(Cause(kind, how, count if count >= LEAST else None) for (kind, how), count in sorted(found.items()))


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[IndicatorDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield IndicatorDesk(connection, store)
