"""Runs all views live in one process: a round folds a page of each, those that answers rest on first; an idle round waits a moment.

However much comes in, what answers rest on gets at least half of the time, and the others are never left behind without end.
"""

import logging
import threading
import time

import psycopg

from hub.domain.errors import HubError
from hub.journal.sessions import locks, session
from hub.projections import DECIDED_BY, PROJECTIONS
from hub.projections.engine import PAGE_EVENTS, Projection, advance, create_views
from hub.projections.together import advance_as_one, advance_together
from hub.projections.views.findings import FINDINGS
from hub.projections.views.person_cards import PERSON_CARDS
from hub.telemetry.outage import Outage

log = logging.getLogger(__name__)

# A round of all views takes two milliseconds even if each has one event to fold; without a pause they would take a core.
ROUND_S = 0.02
# What answers rest on is seen a page at a time: on a slow machine the pages are small, so that it is seen within half a second.
PAGE_S = 0.5
LEAST_PAGE_EVENTS = 500
# No answer rests on these, and they touch a row for each use: they follow at their own pace, so that no answer waits for them.
BACKGROUND = frozenset({FINDINGS.name, PERSON_CARDS.name})
BACKGROUND_EVENTS = 1_000
BACKGROUND_EVERY_S = 0.25
# How often it is looked whether one of the other views is behind while nothing comes in: after a rebuild it is.
OTHERS_EVERY_S = 1.0
RECONNECT_WAIT_S = 0.5
MOST_WAIT_S = 4.0
TAKE_OVER_WAIT_S = 0.2
FAULT_WAIT_S = 2.0
# Views are disposable and carry their checkpoint with them: losing the last moments in a crash costs a re-fold, not a fact.
_SETTINGS = {"synchronous_commit": "off", "idle_in_transaction_session_timeout": "60s"}


class MayNotFold(HubError):
    """This login may not write views: it is an edge's; log in as hub_app (docs/database.md)."""


def connect(dsn: str, application_name: str = "hub-projector") -> psycopg.Connection:
    """Opens a connection that may write views and their checkpoints, and read the journal; raises MayNotFold."""
    try:
        return session(dsn, "hub_projector", application_name, _SETTINGS)
    except psycopg.errors.InsufficientPrivilege:
        raise MayNotFold from None


def run(dsn: str, stop: threading.Event) -> None:
    """Folds until *stop* is set; survives restarts of the database."""
    outage = Outage(log, "projections")
    while not stop.is_set():
        try:
            with connect(dsn) as connection:
                outage.over()
                create_views(connection, PROJECTIONS)
                if _alone(connection, stop):
                    _rounds(connection, stop)
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as lost:
            outage.failed(lost)
            stop.wait(outage.wait_s(RECONNECT_WAIT_S, MOST_WAIT_S))
        except Exception:
            # Such as a server that is read-only after a failover: the projector must be there when it takes writes again.
            log.exception("projections: fault; trying again")
            stop.wait(FAULT_WAIT_S)


def _alone(connection: psycopg.Connection, stop: threading.Event) -> bool:
    """Waits until no other process folds: two releases must not fold one view in turns. Returns False if *stop* was set before."""
    is_told = False
    while not stop.is_set():
        if locks(connection, "hub.project"):
            # A process that does not move must not keep the others from it.
            connection.execute("SET idle_session_timeout = '30s'")
            if is_told:
                log.warning("projections: the other process has ended; this one folds now")
            return True
        if not is_told:
            log.info("projections: another process folds; this one waits to take over")
            is_told = True
        stop.wait(TAKE_OVER_WAIT_S)
    return False


def _rounds(connection: psycopg.Connection, stop: threading.Event) -> None:
    others = [projection for projection in PROJECTIONS if projection not in DECIDED_BY and projection.name not in BACKGROUND]
    background = [projection for projection in PROJECTIONS if projection.name in BACKGROUND]
    page_events, others_at, background_at = LEAST_PAGE_EVENTS, 0.0, 0.0
    while not stop.is_set():
        began = time.monotonic()
        decided = advance_as_one(connection, DECIDED_BY, page_events=page_events, waits=False)
        has_more = decided.moved == page_events
        page_events = _next_page(page_events, time.monotonic() - began, has_more)
        if decided.page is not None and advance_together(connection, others, decided.page):
            pass
        elif (now := time.monotonic()) >= others_at or (decided.moved and not has_more):
            moved = _a_page_of_each(connection, others)
            took_s = time.monotonic() - now
            others_at = now + took_s + (took_s if has_more else 0 if moved else OTHERS_EVERY_S)
            has_more |= moved == PAGE_EVENTS
        if has_more:
            continue
        if began >= background_at:
            background_at = _background(connection, background)
        time.sleep(max(0.0, ROUND_S - (time.monotonic() - began)))


def _next_page(page_events: int, took_s: float, was_full: bool) -> int:
    """Returns how many events to fold next, from how long the last page took."""
    if took_s > PAGE_S:
        return max(LEAST_PAGE_EVENTS, page_events // 2)
    return min(PAGE_EVENTS, 2 * page_events) if was_full and took_s < PAGE_S / 3 else page_events


def _a_page_of_each(connection: psycopg.Connection, projections: list[Projection], page_events: int = PAGE_EVENTS) -> int:
    """Folds a page of each view that no rebuild has taken, and returns the most positions that one moved."""
    return max(advance(connection, projection, page_events=page_events, waits=False) for projection in projections)


def _background(connection: psycopg.Connection, background: list[Projection]) -> float:
    """Folds a small page of each background view and returns when to do so again: never for more than a tenth of the time."""
    began = time.monotonic()
    _a_page_of_each(connection, background, BACKGROUND_EVENTS)
    ended = time.monotonic()
    return ended + max(BACKGROUND_EVERY_S, 9 * (ended - began))


def catch_up(connection: psycopg.Connection) -> None:
    """Folds every view up to the head, once."""
    while advance_as_one(connection, DECIDED_BY).moved:
        pass
    for projection in PROJECTIONS:
        while advance(connection, projection):
            pass
