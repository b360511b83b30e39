"""What runs as long as a process of the hub does, on a session of its own: it survives restarts of the database, and refusals."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import psycopg
from eventsourcing.persistence import PersistenceError

from hub.domain.errors import HubError
from hub.telemetry.outage import Outage

RECONNECT_WAIT_S = 0.5
MOST_WAIT_S = 4.0
FAULT_WAIT_S = 5.0

Connect = Callable[[], AbstractContextManager[psycopg.Connection]]


class Words(NamedTuple):
    """What the log says of the work: its name, and what is not done where something is refused."""

    name: str
    refused: str


def persist(log: logging.Logger, words: Words, stop: threading.Event, connect: Connect, work: Callable[[psycopg.Connection], None]) -> None:
    """Does the work on a session again and again until *stop* is set. The same refusal is logged once: what is not done is an alarm."""
    outage, said = Outage(log, words.name), ""
    while not stop.is_set():
        try:
            with connect() as connection:
                outage.over()
                work(connection)
        except (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout, PersistenceError) as lost:
            outage.failed(lost)
            stop.wait(outage.wait_s(RECONNECT_WAIT_S, MOST_WAIT_S))
        except (HubError, OSError) as refusal:
            if said != (said := str(refusal)):
                log.error("%s: %s", *words, extra={"reason": said, "error": type(refusal).__name__})
            stop.wait(FAULT_WAIT_S)
        except Exception:
            log.exception("%s: fault of the hub; trying again", words.name)
            stop.wait(FAULT_WAIT_S)
