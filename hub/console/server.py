"""Runs the console: over HTTP on this machine alone, elsewhere over TLS, or behind a proxy on this machine that has it."""

import asyncio
import socket
from pathlib import Path
from typing import NamedTuple

from hub.console.app import Application
from hub.console.workings import Workings
from hub.domain.errors import HubError
from hub.loopback import is_loopback
from hub.web_server import Server


class TlsNeeded(HubError):
    """Beyond this machine the console needs a certificate: --certificate and --key."""


class Listening(NamedTuple):
    """Where it listens, and the certificate and key files, if any."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """How browsers reach it."""
        return "https" if self.certificate is not None else "http"


def open_socket(listening: Listening) -> socket.socket:
    """Listens; raises TlsNeeded, or OSError where the address is taken."""
    if listening.certificate is None and not is_loopback(f"{listening.host}:{listening.port}"):
        raise TlsNeeded
    family = socket.AF_INET6 if ":" in listening.host else socket.AF_INET
    return socket.create_server((listening.host, listening.port), family=family)


def serve(workings: Workings, listening: Listening, opened: socket.socket) -> None:
    """Serves until a signal comes."""
    asyncio.run(_serve(workings, listening, opened))


async def _serve(workings: Workings, listening: Listening, opened: socket.socket) -> None:
    application = Application(workings, makes_ahead=True)
    # A browser keeps its connections open.
    server = Server(application.starlette(), ssl_certfile=listening.certificate, ssl_keyfile=listening.key, timeout_graceful_shutdown=3)
    try:
        await server.serve_until_signal(opened)
    finally:
        application.stop()
