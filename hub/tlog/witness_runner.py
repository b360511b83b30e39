"""Has witnesses cosign the log live: one process of a database, about every ten seconds. It survives restarts of the database."""

import logging
import threading
import time
from functools import partial
from pathlib import Path

import psycopg

from hub.journal.persisting import Words, persist
from hub.journal.sessions import locks
from hub.tlog import policy, runner, store
from hub.tlog.policy import Policy
from hub.tlog.runner import LogSettings
from hub.tlog.sealer import signers
from hub.tlog.witnessing import Rounds, withdraw
from hub.trust.log_keys import open_log_keys

log = logging.getLogger(__name__)

ROUND_S = 10.0
WAIT_S = 1.0
_LOCK = "hub.witnessing"


class PolicyFile:
    """A policy file that may change while it is used: who edits it need not start the hub again."""

    def __init__(self, path: Path) -> None:
        """*path* need not be there yet."""
        self._path = path
        self._read: tuple[int, int] | None = None
        self._policy: Policy | None = None

    def changed(self) -> Policy | None:
        """Returns the policy where it is another one than last time, None where it is the same; raises PolicyRefused, OSError."""
        found = self._path.stat()
        read = (found.st_mtime_ns, found.st_size)
        if read == self._read:
            return None
        self._policy, self._read = policy.parse(self._path.read_bytes()), read
        return self._policy


def run(dsn: str, stop: threading.Event, settings: LogSettings, path: Path) -> None:
    """Asks the witnesses of a policy file until *stop* is set; while another process does, it waits to take over."""

    def work(connection: psycopg.Connection) -> None:
        try:
            _follow(connection, stop, settings, PolicyFile(path))
        finally:
            withdraw()

    persist(log, Words("witnessing", "nobody is asked"), stop, partial(runner.connect, dsn), work)


def _follow(connection: psycopg.Connection, stop: threading.Event, settings: LogSettings, file: PolicyFile) -> None:
    """Makes rounds as long as the session has the lock, about the log that is written by then and by the policy as it is by then."""
    while not locks(connection, _LOCK):
        if stop.wait(WAIT_S):
            return
    # A process that does not move must not keep the others from it.
    connection.execute("SET idle_session_timeout = '120s'")
    incarnation, rounds, in_force = None, None, None
    while not stop.is_set():
        began = time.monotonic()
        changed, newest = file.changed(), store.newest_incarnation(connection)
        if newest is not None and (rounds is None or changed is not None or newest != incarnation):
            in_force = changed or in_force
            assert in_force is not None, "the first time it is always another one"
            keys = [key.verifier for key in signers(open_log_keys(settings.keys_dir), newest.origin)]
            incarnation, rounds = newest, Rounds(connection, newest, in_force, keys)
        elif changed is not None:
            in_force = changed
        has_asked = rounds is not None and rounds.ask()
        stop.wait(max(0.0, (ROUND_S if has_asked else WAIT_S) - (time.monotonic() - began)))
