"""Calls to logs, witnesses and mirrors over HTTP: a time and a size that an answer may take, and no proxy to this machine itself."""

import http.client
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hub.domain.errors import HubError
from hub.loopback import is_loopback

TIMEOUT_S = 10.0
# How many times as long the whole answer may take: who sends a byte now and then keeps nobody waiting for the next one.
_WHOLE = 3
MOST_BYTES = 1 << 25
_AGENT = "chuanyu-exchange-hub"


class AddressInvalid(HubError):
    """The address is not one of HTTP; it begins with http:// or https:// and a host."""


class Unreachable(HubError):
    """The other side cannot be reached; it will be tried again."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    content_type: str
    body: bytes


def call(url: str, body: bytes | None = None, *, timeout_s: float = TIMEOUT_S, most_bytes: int = MOST_BYTES) -> Answer:
    """Fetches an address, or posts a body to it; every status is an answer. Raises AddressInvalid, Unreachable."""
    try:
        parts = urlsplit(url)
        is_fit = url.isascii() and parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_fit = False
    if not is_fit:
        raise AddressInvalid(ascii(url))
    request = urllib.request.Request(url, body, {"User-Agent": _AGENT, "Content-Type": "text/plain; charset=utf-8"})  # noqa: S310 (checked above)
    try:
        with _within(_WHOLE * timeout_s) as opened, _opener(parts.hostname or "", opened).open(request, timeout=timeout_s) as answer:
            found = _read(answer, most_bytes)
            if opened.is_over:
                raise Unreachable(f"{url}: its answer takes longer than {_WHOLE * timeout_s:g} s.")
            return found
    except (OSError, http.client.HTTPException) as failure:
        raise Unreachable(f"{url}: {failure}") from None


class _EveryStatus(urllib.request.HTTPErrorProcessor):
    """Every status is an answer, a redirect as well: an address in a policy is where its owner said it is."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        """Takes it as it came."""
        return response

    https_response = http_response


class _Opened:
    """The connections of a call; *is_over* once they were ended because the call took too long."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []
        self.is_over = False

    def end(self) -> None:
        """Ends them: what waits for them goes on, and gets no more."""
        self.is_over = True
        for one in self.sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def _within(most_s: float) -> Iterator[_Opened]:
    """Ends the connections of what is done meanwhile when the time is over."""
    opened = _Opened()
    timer = threading.Timer(most_s, opened.end)
    timer.daemon = True
    timer.start()
    try:
        yield opened
    finally:
        timer.cancel()
        for one in opened.sockets:
            one.close()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, opened: _Opened) -> None:
        super().__init__()
        self._opened = opened

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_noted, http.client.HTTPConnection, self._opened), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, opened: _Opened) -> None:
        super().__init__()
        self._opened = opened

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_noted, http.client.HTTPSConnection, self._opened), req)


def _noted(kind: type[http.client.HTTPConnection], opened: _Opened, host: str, **settings: Any) -> http.client.HTTPConnection:
    """Returns a connection whose socket is noted as soon as it is there, before anything comes over it."""
    connection = kind(host, **settings)
    connect: Any = connection._create_connection  # type: ignore[attr-defined]

    def connected(*address: Any) -> socket.socket:
        found: socket.socket = connect(*address)
        # Another handle of the same connection: TLS takes the first one over.
        opened.sockets.append(found.dup())
        return found

    connection._create_connection = connected  # type: ignore[attr-defined]
    return connection


def _opener(host: str, opened: _Opened) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_EveryStatus(), _Http(opened), _Https(opened)]
    if is_loopback(f"{host}:0"):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _read(answer: http.client.HTTPResponse, most_bytes: int) -> Answer:
    body = answer.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise Unreachable(f"{answer.url}: its answer is longer than {most_bytes} bytes.")
    if answer.length:
        raise Unreachable(f"{answer.url}: its answer ends {answer.length} bytes early.")
    return Answer(answer.status or 0, answer.headers.get("Content-Type", ""), body)
