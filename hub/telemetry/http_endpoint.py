"""The page for machines that watch: /metrics for Prometheus, /livez and /readyz for what starts processes and routes calls.

It runs in a thread with an event loop of its own, so that a slow scrape is nobody else's business, and it has no secrets: it still
belongs on an address that only operators reach.
"""

import logging
import select
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import uvicorn

log = logging.getLogger(__name__)

# Says for each service why it is not ready, "" if it is.
Readiness = Callable[[], Mapping[str, str]]
# Says whether the process gets on at all: one that does not should be started again.
Liveness = Callable[[], bool]


class Endpoint:
    """The page's server and its thread."""

    def __init__(self, listen: str, ready: Readiness, is_live: Liveness = lambda: True) -> None:
        """Listens at once on host:port (port 0 for a free one); raises OSError when the address is taken."""
        host, _, port = listen.rpartition(":")
        self._socket = socket.create_server((host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = int(self._socket.getsockname()[1])
        self._server: uvicorn.Server | None = None
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, args=(ready, is_live), name="metrics-page", daemon=True)
        self._thread.start()

    def _run(self, ready: Readiness, is_live: Liveness) -> None:
        # To load what makes the pages takes a tenth of a start, so who asks first waits for it.
        select.select([self._socket], [], [])
        if self._is_stopping:
            return
        from hub.telemetry.http_pages import server_of

        self._server = server_of(ready, is_live)
        if not self._is_stopping:
            self._server.run([self._socket])

    def stop(self) -> None:
        """Ends the server."""
        self._is_stopping = True
        if self._server is not None:
            self._server.should_exit = True
        else:
            # Wakes who waits for the first to ask.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(3.0)
        with suppress(OSError):
            self._socket.close()


def open_endpoint(listen: str, ready: Readiness, is_live: Liveness) -> Endpoint | None:
    """Opens the page; where the address is taken the hub goes on without it, and says so."""
    try:
        return Endpoint(listen, ready, is_live)
    except OSError as failure:
        log.warning("telemetry: no metrics page on %s (%s); set HUB_METRICS_LISTEN to a free address", listen, failure.strerror)
        return None
