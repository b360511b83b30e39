"""Cuts windows and reconciles days when their time has come, in one process of all, by a lock.

A scheme is stated by itself once an operator has had its first statement issued, and days are reconciled by themselves once a side has
reported totals: until then the provinces have not begun. What an operator does in between is seen, and not done twice.
"""

import logging
import threading
import time
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import NamedTuple

import psycopg

from hub.domain.errors import ViewBehind
from hub.domain.instants import LOCAL
from hub.domain.reconciliation.day_book import DayBook
from hub.domain.reconciliation_errors import BreakChanged
from hub.domain.settlement.lines import SIDES
from hub.domain.settlement_errors import StatementChanged
from hub.journal.persisting import Words, persist
from hub.journal.sessions import locks, session
from hub.reconciliation import desk as books
from hub.reconciliation.comparing import LAGGING, due_at
from hub.reconciliation.reading import day_books
from hub.settlement import desk as statements
from hub.settlement import reading
from hub.settlement.issuing import ends_at, scheme_on

log = logging.getLogger(__name__)

LOCK = "hub.settlement"
ROUND_S = 15.0
# Days are followed so long; later a break is compared by `hub reconcile --day`.
DAYS = 31
# A day with open breaks is compared again so often, to see whether what they come of is settled.
AGAIN_S = 1_800.0
_DAY = timedelta(days=1)


class Look(NamedTuple):
    """How a day with a side was when it was compared last: the version of its totals, whether they were due, and when."""

    version: int
    is_due: bool
    at_s: float


def run(dsn: str, stop: threading.Event) -> None:
    """Works until *stop* is set; survives restarts of the database."""

    def work(connection: psycopg.Connection) -> None:
        while not locks(connection, LOCK):
            if stop.wait(ROUND_S):
                return
        runner = Runner(dsn, connection)
        while not stop.is_set():
            runner.round(datetime.now(UTC))
            stop.wait(ROUND_S)

    words = Words("settlement", "no window is cut and no day is reconciled")
    persist(log, words, stop, partial(session, dsn, "hub_reader", "hub-settlement-runner"), work)


class Runner:
    """What one runner knows: how the days were when it compared them last."""

    def __init__(self, dsn: str, connection: psycopg.Connection) -> None:
        """*connection* reads the journal and the counts."""
        self._dsn, self._connection = dsn, connection
        self._looks: dict[tuple[str, date], Look] = {}

    def round(self, now: datetime) -> None:
        """States what is due and reconciles what has changed; what the counts have not reached waits for the next round."""
        try:
            self._settle(now)
            self._reconcile(now)
        except (ViewBehind, StatementChanged, BreakChanged) as later:
            log.info("settlement goes on in the next round: %s", type(later).__name__)

    def _settle(self, now: datetime) -> None:
        """Cuts the windows whose time has come, of schemes that have a statement."""
        today = now.astimezone(LOCAL).date()
        for code in reading.schemes_named("", today):
            last = reading.last(self._connection, code)
            if last is None:
                continue
            day = today - _DAY if ends_at(scheme_on(code, today - _DAY), today - _DAY) <= now else today - 2 * _DAY
            if day.isoformat() > last.issued.business_day:
                with statements.opened(self._dsn, self._connection) as desk:
                    for made in desk.issue(code, day, now):
                        log.info("statement %s is issued", made.code)

    def _reconcile(self, now: datetime) -> None:
        """Compares each day that has other totals, has become due, or has had open breaks for a while."""
        today = now.astimezone(LOCAL).date()
        known = {(side, day): book for side, day, book in day_books(self._connection, today - DAYS * _DAY, today)}
        if not known:
            return
        first = min(day for _, day in known)
        for ordinal in range(first.toordinal(), today.toordinal() + 1):
            for side in SIDES:
                self._look(side, date.fromordinal(ordinal), known.get((side, date.fromordinal(ordinal))), now)

    def _look(self, side: str, day: date, book: DayBook | None, now: datetime) -> None:
        newest = book.newest if book is not None else None
        look = Look(newest.version if newest is not None else 0, now >= due_at(day), time.monotonic())
        before = self._looks.get((side, day))
        is_open = book is not None and any(one.is_open for one in book.breaks.values())
        has_changed = before is None or (before.version, before.is_due) != (look.version, look.is_due)
        if not has_changed and not (is_open and before is not None and look.at_s - before.at_s > AGAIN_S):
            return
        if look.version or look.is_due:
            with books.opened(self._dsn, self._connection) as desk:
                if desk.reconcile(side, day, now).state == LAGGING:
                    return
        self._looks[side, day] = look
