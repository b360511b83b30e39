"""What live pages show is made once for all tabs that ask for the same, about every two seconds, and before it is asked for again.

A tab that had to wait until its page is made would wait for the database and, on a busy machine, for its turn. So a page that somebody has
open is made again by a thread of its own, and a tab gets the newest one as bytes that are compressed already. What is older than a few
seconds is not given to anybody: then the page is made while its tab waits, and says why where it cannot be made.
"""

import gzip
import logging
import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

log = logging.getLogger(__name__)

FRESH_S, OLDEST_S = 2.0, 5.0
# A page that nobody asked for so long is no longer open anywhere.
ASKED_S = 5.0
LOOK_EVERY_S = 0.1
# So many different pages are remembered; a page that is asked for again is made again.
MOST = 512
# A better one takes five times as long for a tenth less.
_LEVEL = 4

Key = tuple[str, ...]


class Made(NamedTuple):
    """A page's inner part, the tag that names its bytes, when it was made, and what a refresh of it sends, compressed."""

    body: str
    tag: str
    made_s: float
    sent: bytes = b""


class Ways(NamedTuple):
    """How a page is made, and how its inner part is wrapped for a refresh."""

    make: Callable[[], str]
    wrap: Callable[[Made], str]


class _Open:
    """A page that somebody has open."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.made: Made | None = None
        self.ways: Ways | None = None
        self.asked_s = 0.0


class SharedPages:
    """Used from many threads."""

    def __init__(self, *, makes_ahead: bool = False) -> None:
        """Nothing is made yet; with *makes_ahead* open pages are made again before they are asked for, until `stop`."""
        self._open: dict[Key, _Open] = {}
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._oldest_s = OLDEST_S if makes_ahead else FRESH_S
        self._thread = threading.Thread(target=self._make_ahead, name="console-ahead", daemon=True) if makes_ahead else None
        if self._thread is not None:
            self._thread.start()

    def stop(self) -> None:
        """Makes nothing ahead any more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def get(self, key: Key, ways: Ways) -> Made:
        """Returns what was made lately, or makes it: once, however many ask at the same time."""
        with self._lock:
            if len(self._open) > MOST:
                self._open.clear()
            one = self._open.setdefault(key, _Open())
        one.asked_s, one.ways, made = time.monotonic(), ways, one.made
        return made if made is not None and _age_s(made) <= self._oldest_s else self._made(one, ways, self._oldest_s)

    def at_hand(self, key: Key) -> Made | None:
        """Returns what was made lately, None where it would have to be made."""
        one = self._open.get(key)
        if one is None or one.ways is None:
            return None
        one.asked_s, made = time.monotonic(), one.made
        return made if made is not None and _age_s(made) <= self._oldest_s else None

    def _made(self, one: _Open, ways: Ways, oldest_s: float) -> Made:
        with one.lock:
            if one.made is None or _age_s(one.made) > oldest_s:
                body, began_s = ways.make(), time.monotonic()
                made = Made(body, tag_of(body), began_s)
                one.made = made._replace(sent=gzip.compress(ways.wrap(made).encode(), _LEVEL))
            return one.made

    def _make_ahead(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            with self._lock:
                waiting = [one for one in self._open.values() if one.ways is not None and time.monotonic() - one.asked_s < ASKED_S]
            for one in waiting:
                try:
                    assert one.ways is not None
                    self._made(one, one.ways, FRESH_S)
                except Exception as error:
                    # The tab that asks next is answered with the reason.
                    log.warning("console: a page could not be made ahead", extra={"error": type(error).__name__})
                    if self._stopping.wait(FRESH_S):
                        return


def _age_s(made: Made) -> float:
    return time.monotonic() - made.made_s


def tag_of(body: str) -> str:
    """Returns the tag of a page's bytes."""
    return blake2b(body.encode(), digest_size=9).hexdigest()
