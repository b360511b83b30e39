"""The one way to open a database session: as a role, under a name, with its settings; and locks among sessions, by name.

A session logs in as what the process may be at most, and takes the one role that its work needs. Its name is what an operator sees.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import psycopg

Role = Literal["hub_reader", "hub_writer", "hub_projector"]


def set_up(role: Role | None, settings: Mapping[str, str] = {}) -> str:
    """Returns the statements that a new session begins with; without a role it stays what it logged in as."""
    begin = [] if role is None else [f"SET ROLE {role}"]
    return "; ".join([*begin, *(f"SET {name} = '{value}'" for name, value in settings.items())])


def session(
    dsn: str, role: Role | None, name: str, settings: Mapping[str, str] = {}, *, connect_timeout_s: int | None = None
) -> psycopg.Connection:
    """Opens a session in autocommit; the server knows it by *name*. Raises psycopg.Error, with nothing left open."""
    connection = psycopg.connect(dsn, autocommit=True, application_name=name, connect_timeout=connect_timeout_s)
    try:
        if begin := set_up(role, settings):
            connection.execute(begin.encode())
    except BaseException:
        connection.close()
        raise
    return connection


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
