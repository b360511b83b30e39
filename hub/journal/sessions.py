"""The one way to open a database session: as a role, under a name, with its settings; and locks among sessions, by name.

A session logs in as what the process may be at most, and takes the one role that its work needs. Its name is what an operator sees.
"""

import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

import psycopg
from psycopg import pq

from hub.journal.primary import arrive, towards
from hub.journal.statements import ConnectionLost, GroupFailed, note_warning, run

# Each server that a conninfo names is waited for as long.
CONNECT_WITHIN_S = 5

Role = Literal["hub_reader", "hub_writer", "hub_projector", "hub_console", "hub_sealer"]


def set_up(role: Role | None, settings: Mapping[str, str] = {}) -> str:
    """Returns the statements that a new session begins with; without a role it stays what it logged in as."""
    begin = [] if role is None else [f"SET ROLE {role}"]
    return "; ".join([*begin, *(f"SET {name} = '{value}'" for name, value in settings.items())])


def session(
    dsn: str, role: Role | None, name: str, settings: Mapping[str, str] = {}, *, connect_timeout_s: int = CONNECT_WITHIN_S
) -> psycopg.Connection:
    """Opens a session in autocommit; the server knows it by *name*. Raises psycopg.Error, with nothing left open.

    With a role it is one that answers rest on: what it reads is on the synchronous standby too, if there is to be one.
    """
    connection = psycopg.connect(towards(dsn), autocommit=True, application_name=name, connect_timeout=connect_timeout_s)
    try:
        if begin := set_up(role, settings):
            connection.execute(begin.encode())
        begin_there(connection, dsn, confirms=role is not None)
    except BaseException:
        connection.close()
        raise
    return connection


def raw_session(conninfo: str, begin: str, *, confirms: bool) -> pq.abc.PGconn:
    """Opens a session on a raw, non-blocking connection that begins with *begin*; *confirms* as in `primary.arrive`.

    Raises ConnectionLost or GroupFailed, with nothing left open.
    """
    connection = pq.PGconn.connect(towards(conninfo).encode())
    try:
        if connection.status != pq.ConnStatus.OK:
            raise ConnectionLost
        connection.nonblocking = 1
        connection.notice_handler = partial(_noted, weakref.ref(connection))
        run(connection, begin.encode())
        arrive(connection, conninfo, confirms=confirms)
    except BaseException as failure:
        connection.finish()
        if isinstance(failure, psycopg.OperationalError):
            raise ConnectionLost from None
        raise
    return connection


def _noted(named: weakref.ref[pq.abc.PGconn], notice: pq.abc.PGresult) -> None:
    if (connection := named()) is not None:
        note_warning(connection, (notice.error_field(pq.DiagnosticField.SOURCE_FUNCTION) or b"").decode())


def begin_there(connection: psycopg.Connection[Any], dsn: str, *, confirms: bool) -> None:
    """Sees that a session is with the primary of today (`primary.arrive`); raises psycopg.OperationalError."""
    raw = connection.pgconn
    connection.add_notice_handler(lambda notice: note_warning(raw, notice.source_function))
    try:
        arrive(raw, dsn, confirms=confirms)
    except ConnectionLost:
        raise psycopg.OperationalError("the server, or its synchronous standby, does not answer") from None
    except GroupFailed as failure:
        raise psycopg.OperationalError(str(failure)) from None


def locks(connection: psycopg.Connection[Any], what: str) -> bool:
    """Takes the one lock of a name until the session ends; False if another session has it."""
    row = connection.execute("SELECT pg_try_advisory_lock(hashtext(%s))", (what,)).fetchone()
    return row is not None and bool(row[0])


@contextmanager
def alone(connection: psycopg.Connection[Any], what: str, refusal: Exception) -> Iterator[None]:
    """Has the one lock of a name meanwhile; raises *refusal* if another session has it. It ends with its session at the latest."""
    if not locks(connection, what):
        raise refusal
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (what,))


@contextmanager
def in_turn(connection: psycopg.Connection[Any], what: str) -> Iterator[None]:
    """Waits for the one lock of a name and has it meanwhile."""
    connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (what,))
    try:
        yield
    finally:
        connection.execute("SELECT pg_advisory_unlock(hashtext(%s))", (what,))


def take_turn(connection: psycopg.Connection[Any], what: str) -> None:
    """Waits for the one lock of a name, which ends with the transaction under way."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (what,))
