"""Runs the processes live in a thread beside the views: a short look whenever these have moved, and on at once while there is more."""

import contextlib
import logging
import threading
import time

import psycopg
from eventsourcing.persistence import PersistenceError

from hub.domain import reference
from hub.journal.recorder import AggregateStore
from hub.processes.losses import PAGE_EVENTS, LossProcess
from hub.projections import PROJECTIONS
from hub.projections.engine import create_views
from hub.projections.runner import connect
from hub.telemetry.outage import Outage

log = logging.getLogger(__name__)

# The views move within 20 ms, so a loss that is asked for is blocked and forwarded within a tenth of a second. Where another process folds
# them, and for blocks that run out, it looks this often.
IDLE_S = 1.0
RECONNECT_WAIT_S = 0.5
MOST_WAIT_S = 4.0
FAULT_WAIT_S = 5.0


def run(dsn: str, stop: threading.Event, moved: threading.Event) -> None:
    """Works until *stop* is set, whenever *moved* says that the views have; survives restarts of the database. Who stops it sets both."""
    outage = Outage(log, "processes")
    while not stop.is_set():
        try:
            with contextlib.closing(AggregateStore(dsn)) as store, connect(dsn, "hub-process") as connection:
                create_views(connection, PROJECTIONS)
                process = LossProcess(connection, store, reference.load())
                outage.over()
                while not stop.is_set():
                    # What moves the views from here on is waited for no more.
                    moved.clear()
                    if process.advance(time.time_ns() // 1_000) < PAGE_EVENTS:
                        moved.wait(IDLE_S)
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout, PersistenceError) as error:
            # A version that is taken means that another process was at work: what it recorded is read again.
            outage.failed(error)
            stop.wait(outage.wait_s(RECONNECT_WAIT_S, MOST_WAIT_S))
        except Exception:
            # Passing over an event would leave a block that no one lifts: it stays here, and says so.
            log.exception("processes: fault of the hub; trying again")
            stop.wait(FAULT_WAIT_S)
