"""Calls to logs, witnesses and mirrors over HTTP: a time and a size that an answer may take, and no proxy to this machine itself."""

import http.client
import urllib.error
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit

from hub.domain.errors import HubError
from hub.loopback import is_loopback

TIMEOUT_S = 10.0
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
        with _opener(parts.hostname or "").open(request, timeout=timeout_s) as answer:
            return _read(answer, most_bytes)
    except urllib.error.HTTPError as refused:
        with refused:
            return _read(refused, most_bytes)
    except (OSError, http.client.HTTPException) as failure:
        raise Unreachable(f"{url}: {failure}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer like another: an address in a policy is where its owner said it is."""

    def redirect_request(self, *_: object) -> None:
        return None


def _opener(host: str) -> urllib.request.OpenerDirector:
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if is_loopback(f"{host}:0"):
        handlers.append(urllib.request.ProxyHandler({}))
    return urllib.request.build_opener(*handlers)


def _read(answer: http.client.HTTPResponse | urllib.error.HTTPError, most_bytes: int) -> Answer:
    body = answer.read(most_bytes + 1)
    if len(body) > most_bytes:
        raise Unreachable(f"{answer.url}: its answer is longer than {most_bytes} bytes.")
    return Answer(answer.status or 0, answer.headers.get("Content-Type", ""), body)
