"""Threads that serve participants in turn: one that asks for much waits for its own, and a newcomer for one piece of work at most.

Each kind of work has threads of its own, so that explanations, for one, do not delay the look at who may call at all.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import psycopg
from eventsourcing.persistence import PersistenceError

from hub.domain.errors import HubError, JournalUnavailable
from hub.journal.sessions import Role, session


class _Job(NamedTuple):
    """A piece of work and the calls that wait for it."""

    done: asyncio.Future[Any]
    work: Callable[..., Any]
    arguments: tuple[Any, ...]


class Turns:
    """A few threads, used from one event loop; close it when done."""

    def __init__(self, name: str, threads: int = 1, rest: float = 0.0) -> None:
        """*name* is that of the threads; each rests after a piece of work, so many times as long as that took."""
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._free, self._rest = threads, rest
        # The participants that wait, in the order of turns; a participant has an entry only while it has something there.
        self._waiting: dict[str, deque[_Job]] = {}

    async def run(self, whose: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Does a piece of a participant's work in its turn and returns the result; what is given up while it waits is never begun."""
        job = _Job(asyncio.get_running_loop().create_future(), work, arguments)
        self._waiting.setdefault(whose, deque()).append(job)
        self._serve()
        return await job.done

    def _serve(self) -> None:
        while self._free and self._waiting:
            whose = next(iter(self._waiting))
            jobs = self._waiting.pop(whose)
            job = jobs.popleft()
            if jobs:
                self._waiting[whose] = jobs
            if not job.done.done():
                self._free -= 1
                # Before the thread can begin: it may end before this goes on.
                began = time.monotonic()
                working = asyncio.get_running_loop().run_in_executor(self._pool, job.work, *job.arguments)
                working.add_done_callback(partial(self._ended, job.done, began))

    def _ended(self, waiting: asyncio.Future[Any], began: float, ended: asyncio.Future[Any]) -> None:
        if not waiting.done():
            if ended.cancelled():
                waiting.cancel()
            elif (fault := ended.exception()) is not None:
                waiting.set_exception(fault)
            else:
                waiting.set_result(ended.result())
        elif not ended.cancelled():
            ended.exception()
        if self._rest:
            asyncio.get_running_loop().call_later(self._rest * (time.monotonic() - began), self._rested)
        else:
            self._rested()

    def _rested(self) -> None:
        self._free += 1
        self._serve()

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)


class Reads(Turns):
    """Turns whose threads each keep a connection to read with: opening one costs the database more than most reads."""

    def __init__(
        self,
        dsn: str,
        role: Role,
        name: str,
        threads: int = 1,
        settings: Mapping[str, str] = {},
        refused: Callable[[], HubError | None] = lambda: None,
        rest: float = 0.0,
    ) -> None:
        """*name* is that of the threads and of their sessions, which have *role* and *settings*; *refused* says why nothing is read now."""
        super().__init__(name, threads, rest)
        self._refused = refused
        self._open = partial(session, dsn, role, name, settings)
        self._own = threading.local()
        self._opened: list[psycopg.Connection] = []

    async def read(self, whose: str, work: Callable[..., Any], *arguments: Any) -> Any:
        """Returns what *work* does with a connection; raises JournalUnavailable when the database is away, or why nothing is read now."""
        if (refusal := self._refused()) is not None:
            raise refusal
        return await self.run(whose, self._with_connection, work, arguments)

    async def decide(
        self, whose: str, opened: Callable[[psycopg.Connection], contextlib.AbstractContextManager[Any]], act: Callable[[Any], Any]
    ) -> Any:
        """Returns what *act* does at a desk that is *opened* on a connection, and what it records with it; raises as `read`."""

        def work(connection: psycopg.Connection) -> Any:
            try:
                with opened(connection) as desk:
                    return act(desk)
            except PersistenceError:
                raise JournalUnavailable from None

        return await self.read(whose, work)

    def _with_connection(self, work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        kept = getattr(self._own, "connection", None)
        try:
            with self._connection() as connection:
                return work(connection, *arguments)
        except JournalUnavailable:
            if kept is None or not kept.broken:
                raise
        # The server ended the connection while nobody used it, by a restart for one; that shows only when it is used.
        with self._connection() as connection:
            return work(connection, *arguments)

    @contextlib.contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            connection = getattr(self._own, "connection", None)
            if connection is None or connection.closed:
                connection = self._open()
                self._opened = [*(one for one in self._opened if not one.closed), connection]
                self._own.connection = connection
            yield connection
        except psycopg.OperationalError:
            self._own.connection = None
            raise JournalUnavailable from None

    def close(self) -> None:
        """Ends the threads and closes their connections."""
        super().close()
        for connection in self._opened:
            connection.close()
