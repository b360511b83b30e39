"""A raw connection whose prepared queries are awaited on the event loop: no thread, so no fight for the interpreter."""

import asyncio
import struct
from collections.abc import Sequence

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hub.domain.errors import ClockDrift
from hub.journal.sessions import CONNECT_WITHIN_S, raw_session
from hub.journal.statements import ANSWER_WITHIN_S, ConnectionLost, GroupFailed, check, refuse_unconfirmed

_INT4, _INT8 = struct.Struct(">i"), struct.Struct(">q")


class LoopConnection:
    """Runs one of its statements, a call at a time. Opens by itself, and again after a loss."""

    def __init__(self, dsn: str, application_name: str, session: str, *statements: str, confirms: bool = False) -> None:
        """*session* is run once on each new connection, *statements* are prepared there; *confirms* as in `primary.arrive`."""
        self._conninfo = make_conninfo(dsn, application_name=application_name, connect_timeout=CONNECT_WITHIN_S)
        self._session, self._statements, self._confirms = session, statements, confirms
        self._connection: pq.abc.PGconn | None = None
        self._watched: int | None = None
        self._waiter: asyncio.Future[None] | None = None

    def close(self) -> None:
        """Closes the connection."""
        if self._connection is not None:
            if self._watched is not None:
                # A connection that was lost no longer knows its socket.
                asyncio.get_running_loop().remove_reader(self._watched)
                self._watched = None
            self._connection.finish()
            self._connection = None

    async def query(self, *parameters: bytes, number: int = 0) -> pq.abc.PGresult:
        """Returns the result of the statement with a *number*; parameters and values are in binary.

        Raises ConnectionLost, ClockDrift or GroupFailed (it was refused).
        """
        if self._connection is None:
            self._connection = await asyncio.to_thread(self._open)
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._answer(self._connection, _name(number), parameters)
        except (psycopg.OperationalError, ConnectionLost, TimeoutError):
            self.close()
            raise ConnectionLost from None
        except (asyncio.CancelledError, GroupFailed, ClockDrift):
            # What is left of the answer would be taken for the next one's.
            self.close()
            raise

    async def _answer(self, connection: pq.abc.PGconn, name: bytes, parameters: Sequence[bytes]) -> pq.abc.PGresult:
        formats = [pq.Format.BINARY] * len(parameters)
        connection.send_query_prepared(name, parameters, param_formats=formats, result_format=pq.Format.BINARY)
        while connection.flush():
            await self._readable(connection)
            connection.consume_input()
        answer: pq.abc.PGresult | None = None
        while True:
            while connection.is_busy():
                await self._readable(connection)
                connection.consume_input()
            if (result := connection.get_result()) is None:
                break
            answer = check(connection, result)
        # An answer comes before its commit.
        refuse_unconfirmed(connection)
        assert answer is not None
        return answer

    def _open(self) -> pq.abc.PGconn:
        connection = raw_session(self._conninfo, self._session, confirms=self._confirms)
        for number, statement in enumerate(self._statements):
            check(connection, connection.prepare(_name(number), statement.encode()))
        return connection

    async def _readable(self, connection: pq.abc.PGconn) -> None:
        """Waits until there is something to read. The socket stays registered: two system calls a wait would show."""
        loop = asyncio.get_running_loop()
        if self._watched is None:
            self._watched = connection.socket
            loop.add_reader(self._watched, self._wake, connection)
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self, connection: pq.abc.PGconn) -> None:
        if self._waiter is not None:
            if not self._waiter.done():
                self._waiter.set_result(None)
            return
        # Nobody waits: either the rest of what was just read, or the server has closed the connection.
        try:
            connection.consume_input()
            is_open = connection.status == pq.ConnStatus.OK
        except psycopg.OperationalError:
            is_open = False
        if not is_open and connection is self._connection:
            self.close()


def _name(number: int) -> bytes:
    return b"query%d" % number


def bytea_array(values: Sequence[bytes]) -> bytes:
    """Packs a bytea[] in PostgreSQL's binary format."""
    return _array(17, values)


def text_array(values: Sequence[str]) -> bytes:
    """Packs a text[]."""
    return _array(25, [value.encode() for value in values])


def bigint_array(values: Sequence[int]) -> bytes:
    """Packs a bigint[]."""
    return _array(20, [_INT8.pack(value) for value in values])


def boolean_array(values: Sequence[bool]) -> bytes:
    """Packs a boolean[]."""
    return _array(16, [b"\x01" if value else b"\x00" for value in values])


def bigint(value: int) -> bytes:
    """Packs a bigint."""
    return _INT8.pack(value)


def _array(element_type: int, values: Sequence[bytes]) -> bytes:
    head, lengths = struct.pack(">iiIii", 1, 0, element_type, len(values), 1), set(map(len, values))
    if len(lengths) == 1:
        # Each value has its length before it: where all have the same, that is what lies between them.
        length = _INT4.pack(lengths.pop())
        return head + length + length.join(values)
    return head + b"".join([part for value in values for part in (_INT4.pack(len(value)), value)])
