"""How the hub's pages for people and programs are served over HTTP: one uvicorn server that leaves signals and logs to its process.

The console, the log's site and a witness have one each.
"""

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

# How long a request may take to come, from when it is waited for to its last byte.
REQUEST_S = 15.0


class _Prompt(H11Protocol):
    """Closes a connection on which no whole request comes in time: those who only hold one would keep all others from theirs."""

    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A first request is waited for."""
        super().connection_made(transport)
        self._follow()

    def data_received(self, data: bytes) -> None:
        """Takes what came."""
        super().data_received(data)
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        super().connection_lost(exc)
        if self._due is not None:
            self._due.cancel()

    @property
    def _is_waiting(self) -> bool:
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    def _follow(self) -> None:
        if not self._is_waiting and self._due is not None:
            self._due.cancel()
            self._due = None
        elif self._is_waiting and self._due is None:
            self._due = self.loop.call_later(REQUEST_S, self._late)

    def _late(self) -> None:
        self._due = None
        if self._is_waiting:
            self.transport.abort()


class Server(uvicorn.Server):
    """A server that a signal ends, and not the process: what was opened is closed after it."""

    def __init__(self, pages: Starlette, **settings: Any) -> None:
        """*settings* are uvicorn's, beside those that all servers of the hub have."""
        config = uvicorn.Config(
            pages,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            server_header=False,
            http=_Prompt,
            # Nothing is believed of who asks but the connection itself.
            proxy_headers=False,
            **settings,
        )
        super().__init__(config)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whom started it."""
        yield

    def end(self) -> None:
        """Ends it."""
        self.should_exit = True

    async def serve_until_signal(self, opened: socket.socket) -> None:
        """Serves until SIGINT or SIGTERM comes."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self.end)
        await self.serve([opened])
