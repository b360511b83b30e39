"""Where cases are read: one, a list, the timeline of one, and those that changed. The service and the command ask here.

What depends on the day or on the catalogue is found here, by the fold of a case's reports; the view has what follows from these alone.
A question reads in one snapshot, and says at which position that is.
"""

from collections.abc import Callable, Iterable
from datetime import date
from itertools import pairwise
from typing import Any, LiteralString, NamedTuple

import psycopg
from chuanyu.exchange.v1 import case_service_pb2 as protos

from hub.admin.snapshots import Asked, snapshot
from hub.domain.errors import CaseNotFound, CursorAhead, NotPermitted
from hub.domain.instants import local_day, timestamp
from hub.domain.joint_services.answers import day_asked, version_of
from hub.domain.joint_services.case_answers import (
    PAGE,
    Place,
    depends_on_the_day,
    is_wanted,
    last_due_from,
    package_of,
    place_of,
    record_of,
    token_of,
)
from hub.domain.joint_services.cases import CaseFact, CaseKey, fold
from hub.domain.joint_services.catalogue import Catalogue
from hub.journal.times import recorded_at
from hub.projections.views.cases import CASES, Report, Reports, facts_at, unpacked

# So many rows a page looks at where the filter needs more than their columns: then the page ends, however few it found.
MOST_LOOKED_AT = 1_000
MOST_ENTRIES = 1_000
WATCHED_AT_ONCE = 200
_CHUNK = 500
# The packages of sides are small; this bounds what a fault makes of them.
_MOST_OF_A_PACKAGE = 1_000


class CaseRow(NamedTuple):
    """A row of the view, as far as answers need it."""

    key: CaseKey
    reports: Reports
    sides: str
    changed_at: int

    def record(self, catalogue: Catalogue, on: date, wanted: protos.CaseFilter) -> protos.CaseRecord | None:
        """Returns its case, None if the filter does not want it; of one without a report in force only the name."""
        facts = [report.fact for report in self.reports if not report.until]
        if not facts:
            name = protos.CaseRecord(key=protos.CaseKey(**self.key._asdict()), changed_position=self.changed_at)
            return None if depends_on_the_day(wanted) else name
        case = fold(facts, catalogue)
        return record_of(case, catalogue, on, self.changed_at) if is_wanted(case, catalogue.reference.working_days, on, wanted) else None


def get_case(connection: psycopg.Connection, catalogue: Catalogue, request: protos.GetCaseRequest, asked: Asked) -> protos.GetCaseResponse:
    """Returns a case, now or as of a position or day; raises CaseNotFound, NotPermitted, RequestInvalid, or ViewBehind."""
    at, on = request.as_of_position, asked.today
    with snapshot(connection, CASES, max(request.min_position, at)) as position:
        row = permitted(_one(connection, request.key), request.key, asked)
        if at:
            recorded_us = recorded_at(connection, at)
            assert recorded_us is not None, "the view is not ahead of the journal"
            on = local_day(recorded_us)
        package_nos = {report.fact.message.case_ref.package_no for report in row.reports} - {""}
        parts = [part for package_no in sorted(package_nos) for part in _package(connection, row.key.handling_province, package_no)]
    return case_answer(row, parts, catalogue, request, on, at or position)


def case_answer(
    row: CaseRow, parts: Iterable[CaseRow], catalogue: Catalogue, request: protos.GetCaseRequest, today: date, position: int
) -> protos.GetCaseResponse:
    """Returns the answer about a row, *parts* being those of its packages; raises CaseNotFound, or RequestInvalid for an impossible day."""
    on = day_asked(request.on, "on", today)
    last_day = on if request.on else None
    facts = _facts(row.reports, position, last_day)
    if not facts:
        raise CaseNotFound
    case = fold(facts, catalogue)
    changed = max(moved for one in row.reports for moved in (one.since, one.until) if moved <= position)
    answer = protos.GetCaseResponse(
        record=record_of(case, catalogue, on, changed), as_of_position=position, as_of=on.isoformat(), version=version_of(catalogue)
    )
    if case.package_no:
        known = [fold(found, None) for part in parts if (found := _facts(part.reports, position, last_day))]
        answer.package.CopyFrom(package_of(case.package_no, [part for part in known if part.package_no == case.package_no]))
    return answer


def _facts(reports: Reports, position: int, last_day: date | None) -> list[CaseFact]:
    """Returns what was in force at a position, and had happened by a day."""
    return [fact for fact in facts_at(reports, position) if last_day is None or local_day(fact.occurred_us) <= last_day]


def list_cases(
    connection: psycopg.Connection, catalogue: Catalogue, request: protos.ListCasesRequest, asked: Asked
) -> protos.ListCasesResponse:
    """Returns a page of the cases that the filter wants; raises ViewBehind, or RequestInvalid for the token of another list."""
    wanted, size = request.filter, request.page_size or PAGE
    place = place_of(request.page_token, wanted)
    with snapshot(connection, CASES, request.min_position) as position:
        answer = protos.ListCasesResponse(as_of_position=position, as_of=asked.today.isoformat(), version=version_of(catalogue))
        looked_at, chunk = 0, _CHUNK if depends_on_the_day(wanted) else size + 1
        while True:
            rows = _rows(connection, _listed, wanted, asked, chunk, after_province=place.handling_province, after_no=place.case_no)
            for row in rows:
                if len(answer.records) == size:
                    answer.next_page_token = token_of(place, wanted)
                    return answer
                record, place = row.record(catalogue, asked.today, wanted), Place(*row.key)
                if record is not None:
                    answer.records.append(record)
            looked_at += len(rows)
            if len(rows) < chunk:
                return answer
            if looked_at >= MOST_LOOKED_AT:
                answer.next_page_token = token_of(place, wanted)
                return answer


def get_timeline(connection: psycopg.Connection, request: protos.GetCaseTimelineRequest, asked: Asked) -> protos.GetCaseTimelineResponse:
    """Returns what was reported of a case, by when it happened; raises CaseNotFound, NotPermitted, or ViewBehind."""
    with snapshot(connection, CASES, request.min_position) as position:
        reports = sorted(
            permitted(_one(connection, request.key), request.key, asked).reports, key=lambda report: (report.fact.when, report.since)
        )
        shown = reports[:MOST_ENTRIES]
        feeds: dict[int, str] = dict(connection.execute(_FEEDS, ([report.stream_id for report in shown],)).fetchall())
    entries = [_entry(report, feeds.get(report.stream_id, "")) for report in shown]
    return protos.GetCaseTimelineResponse(entries=entries, total=len(reports), as_of_position=position)


def changed_cases(
    connection: psycopg.Connection, catalogue: Catalogue, request: protos.WatchCasesRequest, after: int, asked: Asked
) -> list[protos.WatchCasesResponse]:
    """Returns the cases that changed after a position, in that order, and at the end how far that goes; raises CursorAhead."""
    with snapshot(connection, CASES, 0) as position:
        if after > position:
            raise CursorAhead(head_position=position)
        rows = sorted(
            _rows(connection, _changed, request.filter, asked, WATCHED_AT_ONCE, after=after), key=lambda row: (row.changed_at, row.key)
        )
    found = []
    for row in rows:
        record = row.record(catalogue, asked.today, request.filter)
        if record is not None:
            # One event may change two cases: until both are sent, it is not behind the reader.
            found.append(protos.WatchCasesResponse(record=record, position=row.changed_at - 1))
    for one, following in pairwise([*found, protos.WatchCasesResponse()]):
        if one.record.changed_position != following.record.changed_position:
            one.position = one.record.changed_position
    reached = rows[-1].changed_at if len(rows) >= WATCHED_AT_ONCE else position
    return [*found, protos.WatchCasesResponse(position=reached)]


def _one(connection: psycopg.Connection, key: protos.CaseKey) -> CaseRow | None:
    found = _found(connection.execute(_ONE, {"province": key.handling_province, "number": key.case_no}).fetchall())
    return found[0] if found else None


def permitted(row: CaseRow | None, key: protos.CaseKey, asked: Asked) -> CaseRow:
    """Returns the row of a case; raises CaseNotFound, or NotPermitted for another side's, whether there is one or not."""
    sides = row.sides if row is not None else key.handling_province
    if asked.province not in ("", key.handling_province) and asked.province not in sides:
        raise NotPermitted("The caller's province is no side of this case.")
    if row is None:
        raise CaseNotFound
    return row


def _package(connection: psycopg.Connection, province: str, package_no: str) -> list[CaseRow]:
    parts = {"province": province, "package": package_no, "most": _MOST_OF_A_PACKAGE}
    return _found(connection.execute(_PARTS, parts).fetchall())


def _rows(
    connection: psycopg.Connection,
    statement: Callable[[LiteralString], LiteralString],
    wanted: protos.CaseFilter,
    asked: Asked,
    most: int,
    **after: object,
) -> list[CaseRow]:
    """Returns rows by the columns of the view; those that only may be overdue are among them."""
    parameters = {
        "me": asked.province,
        "side": wanted.province,
        "handling": wanted.handling_province,
        "deciding": wanted.deciding_province,
        "states": [protos.CaseState.Name(state).removeprefix("CASE_STATE_") for state in wanted.states],
        "next_actor": protos.CaseActor.Name(wanted.next_actor).removeprefix("CASE_ACTOR_") if wanted.next_actor else "",
        "next_province": wanted.next_province,
        "package": wanted.package_no,
        "due_from": last_due_from(asked.today),
        "most": most,
        **after,
    }
    return _found(
        connection.execute(statement("AND is_open AND due_from <= %(due_from)s" if wanted.overdue else ""), parameters).fetchall()
    )


def _found(rows: list[Any]) -> list[CaseRow]:
    return [CaseRow(CaseKey(province, number), unpacked(reports), *rest) for province, number, reports, *rest in rows]


def _entry(report: Report, feed: str) -> protos.CaseTimelineEntry:
    fact, said = report.fact, report.fact.message
    entry = protos.CaseTimelineEntry(
        kind=fact.kind,
        occurred_at=timestamp(fact.occurred_us),
        recorded_at=timestamp(report.recorded_us),
        position=fact.position,
        province=fact.province,
        region=fact.region,
        until_position=report.until,
    )
    entry.recorded_as.feed, entry.recorded_as.sequence = feed, report.sequence
    for name in ("reason_code", "to_province", "to_region", "to_agency", "stars", "granted", "promised_working_days"):
        field = said.DESCRIPTOR.fields_by_name.get(name)
        if field is not None and (not field.has_presence or said.HasField(name)):
            setattr(entry, name, getattr(said, name))
    entry.materials.extend(getattr(said, "materials", ()) or getattr(said, "materials_waived", ()))
    return entry


_COLUMNS = "handling_province, case_no, reports, sides, changed_at"
_WANTED = """
    (%(me)s::text = '' OR strpos(sides, %(me)s) > 0)
    AND (%(side)s::text = '' OR strpos(sides, %(side)s) > 0)
    AND (%(handling)s::text = '' OR handling_province = %(handling)s)
    AND (%(deciding)s::text = '' OR deciding_province = %(deciding)s)
    AND (%(states)s::text[] = '{}' OR state = ANY (%(states)s))
    AND (%(next_actor)s::text = '' OR strpos(next_actors, %(next_actor)s) > 0)
    AND (%(next_province)s::text = ''
         OR (strpos(next_actors, 'HANDLING') > 0 AND handling_province = %(next_province)s)
         OR (strpos(next_actors, 'DECIDING') > 0 AND deciding_province = %(next_province)s))
    AND (%(package)s::text = '' OR package_no = %(package)s)"""
_ONE = f"SELECT {_COLUMNS} FROM views.joint_case WHERE handling_province = %(province)s AND case_no = %(number)s"  # noqa: S608 (our own text)
_PARTS = f"""SELECT {_COLUMNS} FROM views.joint_case
    WHERE handling_province = %(province)s AND package_no = %(package)s AND package_no <> '' ORDER BY case_no LIMIT %(most)s"""  # noqa: S608
_FEEDS = "SELECT stream_id, name FROM journal.stream WHERE stream_id = ANY (%s)"


def _listed(further: LiteralString) -> LiteralString:
    return f"""SELECT {_COLUMNS} FROM views.joint_case
        WHERE state <> '' AND {_WANTED} {further}
          AND (handling_province, case_no) > (%(after_province)s::text, %(after_no)s::text)
        ORDER BY handling_province, case_no LIMIT %(most)s"""  # noqa: S608


def _changed(further: LiteralString) -> LiteralString:
    return f"""SELECT {_COLUMNS} FROM views.joint_case
        WHERE changed_at > %(after)s AND {_WANTED} {further}
        ORDER BY changed_at FETCH FIRST %(most)s ROWS WITH TIES"""  # noqa: S608
