"""A few sessions on the database, each kept open, for what answers requests from a web server: one is waited for a second at most."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psycopg

from hub.domain.errors import HubError
from hub.journal.sessions import Role, session

WAIT_S = 1.0
# A session that was not used for so long is asked whether it still is one.
ASK_AFTER_S = 1.0


class SessionsBusy(HubError):
    """All sessions on the database that this server may have are in use; try again in a few seconds."""


class DatabaseAway(HubError):
    """The database does not answer; this page comes back by itself once it does."""


class Pool:
    """Gives sessions of one role to threads."""

    def __init__(self, dsn: str, role: Role, name: str, size: int, settings: Mapping[str, str] = {}) -> None:
        """Opens nothing yet."""
        self._dsn, self._role, self._name, self._settings = dsn, role, name, settings
        self._turns = threading.BoundedSemaphore(size)
        self._idle: list[tuple[float, psycopg.Connection]] = []

    @contextmanager
    def session(self) -> Iterator[psycopg.Connection]:
        """Gives a session; raises SessionsBusy, or DatabaseAway where the database is away."""
        if not self._turns.acquire(timeout=WAIT_S):
            raise SessionsBusy
        try:
            connection = self._take()
            try:
                yield connection
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, psycopg.errors.QueryCanceled):
                    raise
                raise DatabaseAway from None
            finally:
                self._give_back(connection)
        finally:
            self._turns.release()

    def _take(self) -> psycopg.Connection:
        while self._idle:
            since_s, connection = self._idle.pop()
            if time.monotonic() - since_s < ASK_AFTER_S:
                return connection
            try:
                connection.execute("SELECT 1")
            except psycopg.Error:
                connection.close()
            else:
                return connection
        try:
            return session(self._dsn, self._role, self._name, self._settings, connect_timeout_s=1)
        except psycopg.Error:
            raise DatabaseAway from None

    def _give_back(self, connection: psycopg.Connection) -> None:
        if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.close()
        else:
            self._idle.append((time.monotonic(), connection))

    def close(self) -> None:
        """Closes what is idle."""
        while self._idle:
            with suppress(psycopg.Error):
                self._idle.pop()[1].close()
