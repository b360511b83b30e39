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
