"""Makes statements: cuts the windows of a scheme at positions of the journal and adds up what changed between two cuts.

A window belongs to a business day and is cut on the day after, at the hour of the scheme. What is recorded later is in the next
statement, under its own business day. So statements hold each change once: the one after another begins where that one was cut.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import settlements_pb2 as protos

from hub.domain import reference
from hub.domain.instants import LOCAL, microseconds_of, set_timestamp
from hub.domain.reference.settlement_rows import Scheme
from hub.domain.settlement.lines import digest_of, lines_of, owed_fen
from hub.domain.settlement.statement import Statement, code_of, number_of
from hub.domain.settlement_errors import SchemeUnknown, WindowAlreadyStated, WindowBefore, WindowNotEnded
from hub.domain.usage import UsageCell
from hub.journal.times import last_position_by
from hub.projections.views.usage_counts import changed, reached_by
from hub.settlement import reading

_DAY = timedelta(days=1)


class Window(NamedTuple):
    """A business day of a scheme, the number of its statement, the positions between which it lies, and when it was cut."""

    scheme: Scheme
    day: date
    number: int
    after: int
    cut: int
    cut_at: datetime


def ends_at(scheme: Scheme, day: date) -> datetime:
    """Returns when the window of a business day is cut: on the day after, at the hour of the scheme, in +08:00."""
    return datetime.combine(day + _DAY, time.fromisoformat(scheme.cut), LOCAL)


def windows(connection: psycopg.Connection, code: str, day: date, now: datetime, *, early: bool = False) -> Iterator[Window]:
    """Yields the windows of a scheme that are to be stated, through a business day, each after the one before.

    Days that were left out are made up for, each cut where it would have been; the first statement holds all that was before it, too.
    *early* cuts the last window now, where the counts are. Raises SchemeUnknown, WindowAlreadyStated, WindowNotEnded and WindowBefore.
    """
    before = reading.last(connection, code)
    number, after, following = 0, 0, day
    if before is not None:
        stated = date.fromisoformat(before.issued.business_day)
        if day <= stated:
            raise WindowAlreadyStated(through=before.issued.business_day, statement=before.code)
        number, after, following = number_of(before.code)[1], before.issued.cut_position, stated + _DAY
    while following <= day:
        scheme = scheme_on(code, following)
        is_early = early and following == day
        cut_at = now if is_early else ends_at(scheme, following)
        if cut_at > now:
            raise WindowNotEnded(ends_at=cut_at.isoformat())
        cut = last_position_by(connection, microseconds_of(cut_at))
        if is_early:
            # An early cut needs no position of its own: it is where the counts are.
            cut = min(cut, reached_by(connection))
        if cut == 0:
            raise WindowBefore
        number, cut = number + 1, max(cut, after)
        yield Window(scheme, following, number, after, cut, cut_at)
        after, following = cut, following + _DAY


def scheme_on(code: str, day: date) -> Scheme:
    """Returns a scheme as it was on a day; raises SchemeUnknown."""
    scheme = reference.load().schemes.scheme(code, day)
    if scheme is None:
        raise SchemeUnknown(schemes=" ".join(reading.schemes_named("", day)))
    return scheme


def stated(window: Window, changes: Mapping[UsageCell, tuple[int, int]]) -> protos.StatementIssued:
    """Returns the statement of a window, by what changed in it."""
    lines = lines_of(changes, window.scheme)
    issued = protos.StatementIssued(
        statement_code=code_of(window.scheme.scheme, window.number),
        scheme=window.scheme.scheme,
        route=protos.SettlementRoute.Value(f"SETTLEMENT_ROUTE_{window.scheme.route}"),
        business_day=window.day.isoformat(),
        after_position=window.after,
        cut_position=window.cut,
        lines=lines,
        owed_by_50_fen=owed_fen(lines, "50"),
        owed_by_51_fen=owed_fen(lines, "51"),
    )
    set_timestamp(issued.cut_at, microseconds_of(window.cut_at))
    issued.digest = digest_of(issued)
    return issued


def stated_again(connection: psycopg.Connection, statement: Statement) -> protos.StatementIssued:
    """Returns a statement as the journal gives it today, by the scheme as it was on its business day: equal, or something is wrong."""
    issued = statement.issued
    scheme = scheme_on(issued.scheme, date.fromisoformat(issued.business_day))
    number = number_of(issued.statement_code)[1]
    window = Window(
        scheme, date.fromisoformat(issued.business_day), number, issued.after_position, issued.cut_position,
        issued.cut_at.ToDatetime(UTC),
    )  # fmt: skip
    return stated(window, changed(connection, window.after, window.cut))
