"""What live pages show is made once for all tabs that ask for the same, at most every two seconds."""

import threading
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

FRESH_S = 2.0
# So many different pages are remembered; a page that is asked for again is made again.
MOST = 512


class Made(NamedTuple):
    """A page's inner part, and the tag that names its bytes."""

    body: str
    tag: str
    made_s: float


class SharedPages:
    """Used from many threads."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._made: dict[tuple[str, ...], Made] = {}
        self._locks: dict[tuple[str, ...], threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, ...], make: Callable[[], str]) -> Made:
        """Returns what was made lately, or makes it: once, however many ask at the same time."""
        with self._lock:
            if len(self._locks) > MOST:
                self._made.clear()
                self._locks.clear()
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            made = self._made.get(key)
            if made is None or time.monotonic() - made.made_s > FRESH_S:
                body = make()
                made = Made(body, tag_of(body), time.monotonic())
                self._made[key] = made
            return made


def tag_of(body: str) -> str:
    """Returns the tag of a page's bytes."""
    return blake2b(body.encode(), digest_size=9).hexdigest()
