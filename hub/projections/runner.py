"""Runs all views live: what answers and processes rest on in a loop of its own, all others in a second one, each with a session.

So an answer waits for no other view: neither for its transaction nor for its turn. The second loop is in another process (`other_views`).
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg

from hub.domain.errors import HubError
from hub.journal.awaiting import await_head
from hub.journal.sessions import locks, session
from hub.projections import FOLDED_FIRST, PROJECTIONS
from hub.projections.card_epochs import keep_publishing
from hub.projections.engine import PAGE_EVENTS, advance, create_views
from hub.projections.together import advance_as_one, advance_side_by_side, look
from hub.projections.waiting import Waiting
from hub.telemetry.outage import Outage

log = logging.getLogger(__name__)

# A round of the views that answers rest on takes a millisecond even for one event; without a pause they would take a core.
ROUND_S = 0.02
# While nothing comes, the server is asked so often and looks every ROUND_S itself; a stop waits as long.
IDLE_S = 0.2
# What answers rest on is seen a page at a time: on a slow machine the pages are small, so that it is seen within half a second.
PAGE_S = 0.5
LEAST_PAGE_EVENTS = 500
# The others come this often, so that a page is worth its statements, of which each view has some.
OTHERS_ROUND_S = 0.2
RECONNECT_WAIT_S = 0.5
MOST_WAIT_S = 4.0
TAKE_OVER_WAIT_S = 0.2
FAULT_WAIT_S = 2.0
# Views are disposable and carry their checkpoint with them: losing the last moments in a crash costs a re-fold, not a fact.
_SETTINGS = {"synchronous_commit": "off", "idle_in_transaction_session_timeout": "60s"}

_Rounds = Callable[[psycopg.Connection, threading.Event], None]
# What has the other views of a database folded meanwhile.
Beside = Callable[[str], AbstractContextManager[None]]


class MayNotFold(HubError):
    """This login may not write views: it is an edge's; log in as hub_app (docs/database.md)."""


def connect(dsn: str, application_name: str = "hub-projector") -> psycopg.Connection:
    """Opens a connection that may write views and their checkpoints, and read the journal; raises MayNotFold."""
    try:
        return session(dsn, "hub_projector", application_name, _SETTINGS)
    except psycopg.errors.InsufficientPrivilege:
        raise MayNotFold from None


def run(dsn: str, stop: threading.Event, beside: Beside, moved: threading.Event | None = None) -> None:
    """Folds what is folded first until *stop* is set, and has *beside* fold the others; survives restarts of the database.

    *moved* is set whenever it has folded something.
    """
    said = moved or threading.Event()

    def decide(connection: psycopg.Connection, stop: threading.Event) -> None:
        create_views(connection, PROJECTIONS)
        # Only the process that folds the first ones has the others folded.
        with beside(dsn):
            _rounds(connection, stop, said)

    _keep(dsn, stop, "hub.project", decide)


def follow(dsn: str, stop: threading.Event) -> None:
    """Folds the views that nobody waits for, and publishes roots of one, until *stop* is set; survives restarts of the database."""
    following = [view for view in PROJECTIONS if view not in FOLDED_FIRST]

    def rounds(connection: psycopg.Connection, stop: threading.Event) -> None:
        waiting = Waiting(following)
        while not stop.is_set():
            began, waits, moved = time.monotonic(), dict[str, str](), 0
            if look(connection, following).is_behind:
                moved = advance_side_by_side(connection, following, waits=waits)
            waiting.note(connection, waits)
            if moved < PAGE_EVENTS:
                stop.wait(max(0.0, (FAULT_WAIT_S if waits and not moved else OTHERS_ROUND_S) - (time.monotonic() - began)))

    publishing = threading.Thread(target=keep_publishing, args=(dsn, stop, connect), name="card-index")
    publishing.start()
    _keep(dsn, stop, "hub.project.others", rounds)
    publishing.join()


def _keep(dsn: str, stop: threading.Event, lock: str, rounds: _Rounds) -> None:
    """Runs *rounds* on a session that alone has a lock, again after each fault, until *stop* is set."""
    outage = Outage(log, "projections")
    while not stop.is_set():
        try:
            with connect(dsn) as connection:
                outage.over()
                if _alone(connection, lock, stop):
                    rounds(connection, stop)
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout) as lost:
            outage.failed(lost)
            stop.wait(outage.wait_s(RECONNECT_WAIT_S, MOST_WAIT_S))
        except Exception:
            # Such as a server that is read-only after a failover: the projector must be there when it takes writes again.
            log.exception("projections: fault; trying again")
            stop.wait(FAULT_WAIT_S)


def _alone(connection: psycopg.Connection, lock: str, stop: threading.Event) -> bool:
    """Waits until no other process folds: two releases must not fold one view in turns. Returns False if *stop* was set before."""
    is_told = False
    while not stop.is_set():
        if locks(connection, lock):
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


def _rounds(connection: psycopg.Connection, stop: threading.Event, moved: threading.Event) -> None:
    page_events, waiting = LEAST_PAGE_EVENTS, Waiting(FOLDED_FIRST)
    while not stop.is_set():
        began = time.monotonic()
        # Most rounds of most hubs have nothing to fold.
        is_behind, head = look(connection, FOLDED_FIRST)
        if not is_behind:
            waiting.note(connection, {})
            await_head(connection, head, ROUND_S, IDLE_S)
            continue
        try:
            folded = advance_as_one(connection, FOLDED_FIRST, page_events=page_events, waits=False).moved
        except HubError as error:
            # An event that they need cannot be read in its segment.
            waiting.note(connection, {view.name: str(error) for view in FOLDED_FIRST})
            stop.wait(FAULT_WAIT_S)
            continue
        waiting.note(connection, {})
        page_events = _next_page(page_events, time.monotonic() - began, was_full := folded == page_events)
        if folded:
            moved.set()
        if not was_full:
            time.sleep(max(0.0, ROUND_S - (time.monotonic() - began)))


def _next_page(page_events: int, took_s: float, was_full: bool) -> int:
    """Returns how many events to fold next, from how long the last page took."""
    if took_s > PAGE_S:
        return max(LEAST_PAGE_EVENTS, page_events // 2)
    return min(PAGE_EVENTS, 2 * page_events) if was_full and took_s < PAGE_S / 3 else page_events


def catch_up(connection: psycopg.Connection) -> None:
    """Folds every view up to the head, once."""
    while advance_as_one(connection, FOLDED_FIRST).moved:
        pass
    others = [view for view in PROJECTIONS if view not in FOLDED_FIRST]
    while advance_side_by_side(connection, others):
        pass
    # What another process has of them meanwhile is waited for.
    for view in others if look(connection, others).is_behind else ():
        while advance(connection, view):
            pass
