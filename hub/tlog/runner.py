"""Seals live: one process of a database, about once a second where something was recorded. It survives restarts of the database."""

import contextlib
import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.journal.persisting import Words, persist
from hub.journal.sessions import locks, session
from hub.telemetry import names
from hub.tlog.sealer import KeyUnknown, Round, Sealer, begin
from hub.trust.log_keys import open_log_keys

log = logging.getLogger(__name__)

# Each round with something to seal is a commit and a signed head of four kilobytes.
ROUND_S = 1.0
TAKE_OVER_WAIT_S = 0.2
_LOCK = "hub.seal"
# What is signed must never be lost: a head that was given out and is not there any more is a fork.
_SETTINGS = {"synchronous_commit": "on", "idle_in_transaction_session_timeout": "60s"}


class MayNotSeal(HubError):
    """此登录不能封存可验证日志 this login may not seal the log: it is an edge's; log in as hub_app (docs/database.md)"""


class SealedElsewhere(HubError):
    """另一进程正在封存 another process seals this log: `hub project`, `hub serve --project` or `hub seal`"""


class LogSettings(NamedTuple):
    """The folder of the log's keys, and the name that a first log begins with."""

    keys_dir: Path
    name: str


def connect(dsn: str) -> psycopg.Connection:
    """Opens a session that may seal; raises MayNotSeal."""
    try:
        return session(dsn, "hub_sealer", "hub-sealer", _SETTINGS)
    except psycopg.errors.InsufficientPrivilege:
        raise MayNotSeal from None


def sealer(connection: psycopg.Connection, settings: LogSettings) -> Sealer:
    """Returns what seals the log on a session; raises SealedElsewhere while another session does, KeyUnknown or KeysExposed."""
    if not locks(connection, _LOCK):
        raise SealedElsewhere
    return Sealer(connection, open_log_keys(settings.keys_dir), begin(connection, settings.name))


def run(dsn: str, stop: threading.Event, settings: LogSettings) -> None:
    """Seals until *stop* is set; while another process does, it waits to take over."""

    def work(connection: psycopg.Connection) -> None:
        if (mine := _alone(connection, stop, settings)) is not None:
            _rounds(mine, connection, stop)

    persist(log, Words("sealer", "nothing is signed"), stop, partial(connect, dsn), work)


def _alone(connection: psycopg.Connection, stop: threading.Event, settings: LogSettings) -> Sealer | None:
    """Waits until no other process seals, and a first hub has left its fingerprint; None if *stop* was set before."""
    while not stop.is_set():
        with contextlib.suppress(SealedElsewhere, KeyUnknown):
            return sealer(connection, settings)
        stop.wait(TAKE_OVER_WAIT_S)
    return None


def _rounds(sealer: Sealer, connection: psycopg.Connection, stop: threading.Event) -> None:
    # A process that does not move must not keep the others from it.
    connection.execute("SET idle_session_timeout = '30s'")
    while not stop.is_set():
        began = time.monotonic()
        done = sealer.seal()
        if done.added:
            _count(done, time.monotonic() - began)
        if not done.unsealed:
            stop.wait(max(0.0, ROUND_S - (time.monotonic() - began)))


def _count(done: Round, took_s: float) -> None:
    names.LOG_SEALED.add(count=done.added)
    names.LOG_SEAL_DURATION.record(took_s)
