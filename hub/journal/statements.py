"""Runs statements on a raw connection and says what their failure means: nothing is written, or nobody knows.

A server that does not answer in time counts as lost. No time-out of its own reaches a commit that waits for a standby, and a machine that
hangs keeps its connections open: then another may be the primary by now.
"""

import select
import time
import weakref

import psycopg
from psycopg import pq

from hub.domain.errors import ClockDrift, JournalUnavailable

# Beyond what a writer waits for the head.
ANSWER_WITHIN_S = 15.0
# Insufficient resources, errors of the system, a server that only reads: no batch is at fault.
_UNFIT = ("53", "58", "25006")
# Data exceptions and broken constraints: the batch is at fault, and will be again.
_DATA = ("22", "23")
# Our own: the time to record would be ahead of the hub's clock (migrations/0010).
_TIME_AHEAD = "HC001"


# Connections on which a commit was answered that its standby may not have.
_unconfirmed: "weakref.WeakSet[pq.abc.PGconn]" = weakref.WeakSet()


class GroupFailed(Exception):
    """The database refused the group; nothing of it is in the journal."""


class DatabaseUnfit(GroupFailed):
    """The database takes no writes now, from any participant: its disk is full, its memory is out, or it only reads."""


class DataRefused(GroupFailed):
    """The database cannot store a value of the group, now or ever: to send it again is of no use."""


class ConnectionLost(JournalUnavailable):
    """The connection broke; whether the group was committed is looked up, never guessed."""


class Answers:
    """The answers of the server on one connection, each awaited on the socket: inside libpq a wait would stop every other thread.

    The connection must be non-blocking.
    """

    def __init__(self, connection: pq.abc.PGconn, within_s: float) -> None:
        """All that is awaited must come *within_s* from now."""
        self._connection, self._give_up_at = connection, time.monotonic() + within_s
        self._poller = select.poll()
        self._poller.register(connection.socket, select.POLLIN | select.POLLOUT)

    def flush(self) -> None:
        """Sends what is to be sent; raises ConnectionLost or psycopg.OperationalError."""
        while self._connection.flush():
            if self._wait() & select.POLLIN:
                self._connection.consume_input()
        self._poller.modify(self._connection.socket, select.POLLIN)

    def following(self) -> pq.abc.PGresult | None:
        """Returns the next result, None after the last; raises ConnectionLost or psycopg.OperationalError."""
        while self._connection.is_busy():
            self._wait()
            self._connection.consume_input()
        return self._connection.get_result()

    def _wait(self) -> int:
        events = self._poller.poll(max(0.0, self._give_up_at - time.monotonic()) * 1_000)
        if not events:
            raise ConnectionLost
        return events[0][1]


def note_warning(connection: pq.abc.PGconn, function: str | None) -> None:
    """Notes a warning of the server by the name of the function there that gives it."""
    if function == "SyncRepWaitForLSN":
        # Somebody has cancelled the wait for the standby; the server then answers as if it had been waited for.
        _unconfirmed.add(connection)


def refuse_unconfirmed(connection: pq.abc.PGconn) -> None:
    """Raises ConnectionLost if a commit was answered that the standby may not have: it is looked up, and waited for, on another one."""
    if connection in _unconfirmed:
        raise ConnectionLost


def run(connection: pq.abc.PGconn, sql: bytes, within_s: float = ANSWER_WITHIN_S) -> pq.abc.PGresult:
    """Runs one string of statements and returns the last result; raises GroupFailed, ClockDrift or ConnectionLost."""
    try:
        answers = Answers(connection, within_s)
        # What is left of a statement that failed would be taken for the answer of this one.
        while answers.following() is not None:
            pass
        connection.send_query(sql)
        answers.flush()
        last = answers.following()
        while last is not None and last.status != pq.ExecStatus.COPY_IN and (result := answers.following()) is not None:
            last = result
    except psycopg.OperationalError:
        # libpq notices some broken connections only when the next statement is sent.
        raise ConnectionLost from None
    if last is None:
        raise ConnectionLost
    return check(connection, last)


def check(connection: pq.abc.PGconn, result: pq.abc.PGresult) -> pq.abc.PGresult:
    """Raises GroupFailed, ClockDrift or ConnectionLost if *result* is an error; the server's text stays out of the message's values."""
    refuse_unconfirmed(connection)
    if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.COPY_IN):
        return result
    sqlstate = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode()
    # 57P0x: terminated by an administrator or a crash; 25P0x: an idle or long transaction was ended.
    if connection.status != pq.ConnStatus.OK or sqlstate[:4] in ("57P0", "25P0"):
        raise ConnectionLost
    if sqlstate == _TIME_AHEAD:
        raise ClockDrift(drift_s=f"-{(result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or b'').decode()}")
    kind = DatabaseUnfit if sqlstate.startswith(_UNFIT) else DataRefused if sqlstate.startswith(_DATA) else GroupFailed
    raise kind(f"SQLSTATE {sqlstate}")
