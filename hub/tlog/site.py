"""The log over HTTP, read-only, as C2SP tlog-tiles lays it out: below the root the log that is written now, below /incarnation/N each one.

    /checkpoint · /tile/<L>/<N>[.p/<W>] · /tile/entries/<N>[.p/<W>] · /incarnation/genesis

It needs no sign-in: entries have headers and hashes alone. For whom these are meant is the operator's choice, by where it listens.
"""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from hub.domain.errors import HubError, NothingSealed
from hub.journal.archived import SegmentAway
from hub.journal.session_pool import Pool
from hub.tlog.files import GENESIS, FileUnknown, content, log_of
from hub.tlog.paths import CHECKPOINT, PathRefused
from hub.web_server import Server

log = logging.getLogger(__name__)

SESSIONS = 4
REQUESTS_AT_ONCE = 64
STATEMENT_MS = 5_000
# A full tile never changes; the others may be gone tomorrow.
_FOR_GOOD, _FOR_NOW = "public, max-age=31536000, immutable", "no-cache"


class AddressTaken(HubError):
    """日志网站的地址不能监听 the address of the log's site cannot be listened on:"""


class Site:
    """The application."""

    def __init__(self, dsn: str) -> None:
        """*dsn* is a login that has hub_reader. Nothing is asked of the database yet."""
        self._pool = Pool(dsn, "hub_reader", "hub-log-site", SESSIONS, {"statement_timeout": str(STATEMENT_MS)})

    def starlette(self) -> Starlette:
        """Returns what a server runs."""
        return Starlette(
            routes=[
                Route("/incarnation/{number:int}/{path:path}", self._file),
                Route("/{path:path}", self._file),
            ]
        )

    def close(self) -> None:
        """Closes the sessions on the database."""
        self._pool.close()

    def _file(self, request: Request) -> Response:
        """Gives a file; it runs in a thread."""
        path, number = request.path_params["path"], request.path_params.get("number")
        if number is not None and path == "genesis":
            path = GENESIS
        try:
            with self._pool.session() as connection:
                found = content(connection, log_of(connection, number), path)
        except (PathRefused, FileUnknown, NothingSealed) as refusal:
            return PlainTextResponse(f"{refusal}\n", 404, {"Cache-Control": _FOR_NOW})
        except SegmentAway:
            # Where it is expected is no stranger's business.
            return PlainTextResponse(f"{SegmentAway.__doc__}\n", 503, {"Retry-After": "60"})
        except HubError as refusal:
            return PlainTextResponse(f"{refusal}\n", 503, {"Retry-After": "1"})
        is_text = path in (CHECKPOINT, GENESIS)
        kept = path.startswith("tile/") and ".p/" not in path
        headers = {"Cache-Control": _FOR_GOOD if kept else _FOR_NOW, "X-Content-Type-Options": "nosniff"}
        return Response(found, headers=headers, media_type="text/plain; charset=utf-8" if is_text else "application/octet-stream")


@contextmanager
def serving(dsn: str, listen: str) -> Iterator[str]:
    """Serves the site in a thread meanwhile, and gives its address; raises AddressTaken. With an empty *listen* it serves nothing."""
    if not listen:
        yield ""
        return
    host, _, port = listen.rpartition(":")
    try:
        opened = socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as failure:
        raise AddressTaken(f"{listen}: {failure.strerror}") from None
    site = Site(dsn)
    server = Server(site.starlette(), limit_concurrency=REQUESTS_AT_ONCE, timeout_graceful_shutdown=1)
    thread = threading.Thread(target=_served(server, opened), name="log-site")
    thread.start()
    try:
        yield f"http://{host}:{opened.getsockname()[1]}"
    finally:
        server.end()
        thread.join()
        opened.close()
        site.close()


def _served(server: Server, opened: socket.socket) -> Callable[[], None]:
    return lambda: asyncio.run(server.serve([opened]))
