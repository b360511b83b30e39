"""Runs the process of findings live beside the views, a second behind them at most while it keeps up."""

import contextlib
import logging
import threading
from functools import partial

import psycopg

from hub.findings.process import PAGE_EVENTS, FindingProcess, present
from hub.journal.persisting import Words, persist
from hub.journal.recorder import AggregateStore
from hub.projections import PROJECTIONS
from hub.projections.engine import create_views
from hub.projections.runner import connect

log = logging.getLogger(__name__)

IDLE_S = 1.0


def run(dsn: str, stop: threading.Event) -> None:
    """Works until *stop* is set; survives restarts of the database."""

    def work(connection: psycopg.Connection) -> None:
        create_views(connection, PROJECTIONS)
        with contextlib.closing(AggregateStore(dsn)) as store:
            process = FindingProcess(connection, store)
            while not stop.is_set():
                if process.advance(present()) < PAGE_EVENTS:
                    stop.wait(IDLE_S)

    words = Words("findings", "no finding is raised")
    persist(log, words, stop, partial(connect, dsn, "hub-findings"), work)
