"""Where totals are taken and breaks are found, assigned, explained and closed: commands, the API and the console come here."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from typing import Final, TypeVar

import psycopg
from chuanyu.exchange.v1 import reconciliation_pb2 as protos
from chuanyu.exchange.v1 import references_pb2 as references
from chuanyu.exchange.v1 import settlements_pb2 as parties
from eventsourcing.persistence import IntegrityError
from google.protobuf.message import Message

from hub.domain import reference
from hub.domain.errors import RequestInvalid
from hub.domain.instants import LOCAL
from hub.domain.reconciliation.books import refuse_cells
from hub.domain.reconciliation.day_book import Break, DayBook, recorded, repeated
from hub.domain.reconciliation.differences import WORKING_DAYS, Difference
from hub.domain.reconciliation.moving import reconciled
from hub.domain.reconciliation_errors import BreakChanged, ReachUnknown, TotalsDayStated
from hub.domain.settlement_errors import StatementUnknown
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.projections.views.usage_counts import reached_by
from hub.reconciliation.comparing import COMPARED, LAGGING, Comparison, compare, due_at
from hub.reconciliation.reading import day_book, find_break, streams
from hub.settlement import reading as statements

Done = TypeVar("Done")
# The hub itself compares days all the while, and an operator or a province may do so with it.
TRIES: Final = 5


class ReconciliationDesk:
    """Works on one session and one store; used from one thread."""

    def __init__(self, connection: psycopg.Connection, store: AggregateStore) -> None:
        """*connection* reads the journal and the counts."""
        self._connection, self._store = connection, store

    def submit(self, totals: protos.ReconTotalsRecorded, at: datetime) -> Comparison:
        """Takes the totals of a side and compares them; the same once more changes nothing.

        Raises RequestInvalid, UnknownCell, ReachUnknown, TotalsDayStated, TotalsOutOfOrder and BreakChanged.
        """
        refuse_invalid(totals)
        refuse_identifiers(totals.by, "name")
        side, day = totals.by.province, _day(totals.business_day, at)
        refuse_cells(totals.totals, day, reference.load())
        self._refuse_feeds(side, totals.through)
        self._anew(lambda: self._record_totals(totals, side, day, at))
        return compare(self._connection, side, day)

    def _record_totals(self, totals: protos.ReconTotalsRecorded, side: str, day: date, at: datetime) -> None:
        book = day_book(self._connection, side, day)
        if not repeated(book, totals):
            self._refuse_stated(side, day)
            totals.counted_position = reached_by(self._connection)
            self._save(recorded(book, side, day, "recon_totals_recorded", totals, at))

    def reconcile(self, side: str, day: date, at: datetime) -> Comparison:
        """Compares a day with a side and records what became of its breaks; a side that has not reported in time is a break, too.

        Nothing is recorded while the hub's own count lags behind the totals. Raises BreakChanged.
        """
        return self._anew(lambda: self._reconciled(side, day, at))

    def _reconciled(self, side: str, day: date, at: datetime) -> Comparison:
        found = compare(self._connection, side, day)
        if found.state == LAGGING or (found.state != COMPARED and at < due_at(day)):
            return found
        book = reconciled(found.book, side, day, found.differences, _due(at), at)
        if book is not None:
            self._save(book)
        return found._replace(book=day_book(self._connection, side, day))

    def assign(self, code: str, by: parties.StatementParty, owner: str, at: datetime) -> Break:
        """Makes a side the owner of a break; raises RequestInvalid, BreakUnknown, BreakStep, BreakOfOtherSide, BreakChanged."""
        said = protos.ReconBreakAssigned(by=by, break_code=code, owner=owner)
        return self._change(said, lambda book: book.assign(by, code, owner, at))

    def explain(self, code: str, by: parties.StatementParty, reason: str, evidence: Sequence[references.EventRef], at: datetime) -> Break:
        """A side says what a break comes of; raises as `assign`, and BreakReasonUnknown."""
        said = protos.ReconBreakExplained(by=by, break_code=code, reason_code=reason, evidence=evidence)
        refuse_identifiers(said, "reason_code")
        return self._change(said, lambda book: book.explain(by, code, reason, tuple(evidence), at))

    def leave(
        self,
        code: str,
        by: parties.StatementParty,
        cause: protos.BreakCause.ValueType,
        evidence: Sequence[references.EventRef],
        at: datetime,
    ) -> Break:
        """A side closes a break whose difference stays; raises as `assign`."""
        said = protos.ReconBreakSettled(by=by, break_code=code, cause=cause, evidence=evidence)
        return self._change(said, lambda book: book.leave(by, code, cause, tuple(evidence), at))

    def _change(self, said: Message, change: Callable[[DayBook], None]) -> Break:
        refuse_invalid(said)
        refuse_identifiers(said.by, "name")  # type: ignore[attr-defined]
        code: str = said.break_code  # type: ignore[attr-defined]
        book, _ = find_break(self._connection, code)
        change(book)
        self._save(book)
        return find_break(self._connection, code)[1]

    def _anew(self, work: Callable[[], Done]) -> Done:
        """Does what rests on the day alone once more where another recorded something of it meanwhile; raises BreakChanged in the end."""
        for _ in range(TRIES - 1):
            with suppress(BreakChanged):
                return work()
        return work()

    def _save(self, book: DayBook) -> None:
        try:
            self._store.save(book)
        except IntegrityError:
            raise BreakChanged from None

    def _refuse_feeds(self, side: str, through: Sequence[protos.FeedReach]) -> None:
        own = {one.name for one in streams(self._connection).values() if one.province == side}
        for one in through:
            if one.feed not in own:
                raise ReachUnknown(feed=one.feed)

    def _refuse_stated(self, side: str, day: date) -> None:
        """Raises TotalsDayStated if the side has acknowledged a statement of the day."""
        for scheme in statements.schemes_named("", day):
            try:
                found = statements.find_day(self._connection, scheme, day.isoformat())
            except StatementUnknown:
                continue
            if side in found.acknowledged:
                raise TotalsDayStated(statement=found.code)


def _due(at: datetime) -> Callable[[Difference], str]:
    """Returns by when a break that is found at an instant is to be settled: so many working days later as its class has."""
    working = reference.load().working_days

    def due(one: Difference) -> str:
        day = at.astimezone(LOCAL).date()
        for _ in range(WORKING_DAYS[one.break_class]):
            day = working.next_working(day)
        return day.isoformat()

    return due


def _day(text: str, at: datetime) -> date:
    """Returns the business day of totals; raises RequestInvalid for none, or one that has not begun."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise RequestInvalid([("business_day", "impossible_date")]) from None
    if day > at.astimezone(LOCAL).date():
        raise RequestInvalid([("business_day", "in_the_future")])
    return day


@contextmanager
def opened(dsn: str, connection: psycopg.Connection) -> Iterator[ReconciliationDesk]:
    """Opens the desk on a session that reads, with a store of its own."""
    with closing(AggregateStore(dsn)) as store:
        yield ReconciliationDesk(connection, store)
