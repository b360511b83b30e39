"""Work of commands that takes a while, such as an export or a rebuild, says what it is in the name of a session of its own.

Every login sees the names of sessions, and a name ends with its session: what was killed is not shown as if it went on, and nothing is
written down.
"""

import time
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import psycopg

from hub.journal.sessions import session

# The work's name, what of it, thousandths done, since when in hexadecimal seconds, whose; 63 characters at most, the last may be cut.
_PREFIX = "hub-work"
_EVERY_S = 1.0
_UNKNOWN = "-"


class Work(NamedTuple):
    """Work under way: its kind, such as export; *what* of it, "" where nothing is said; thousandths done; since when; whose."""

    kind: str
    what: str
    thousandths: int
    since_s: int
    by: str


class Announced:
    """Announces work while it goes on; a database that does not answer ends no work."""

    def __init__(self, dsn: str, kind: str, by: str) -> None:
        """*kind* is a word, *by* whose work it is."""
        self._dsn, self._kind, self._by = dsn, kind, by
        self._since_s, self._said_s = int(time.time()), 0.0
        self._connection: psycopg.Connection | None = None

    def __enter__(self) -> Self:
        """Begins to announce."""
        with suppress(psycopg.Error):
            self._connection = session(self._dsn, "hub_reader", self._name("", 0))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Ends it."""
        if self._connection is not None:
            self._connection.close()

    def __call__(self, what: str, done: int, of: int) -> None:
        """Says how far it is, once a second at most."""
        if self._connection is None or time.monotonic() - self._said_s < _EVERY_S:
            return
        self._said_s = time.monotonic()
        with suppress(psycopg.Error):
            self._connection.execute("SELECT set_config('application_name', %s, false)", (self._name(what, 1_000 * done // max(1, of)),))

    def _name(self, what: str, thousandths: int) -> str:
        return f"{_PREFIX} {self._kind} {_word(what)} {thousandths} {self._since_s:x} {_word(self._by)}"[:63]


def under_way(connection: psycopg.Connection) -> list[Work]:
    """Returns the work that commands announce in this database, the oldest first."""
    rows = connection.execute(_NAMES, (f"{_PREFIX} %",)).fetchall()
    found = [_work(name.split(" ")[1:]) for (name,) in rows]
    return sorted((one for one in found if one is not None), key=lambda work: work.since_s)


def _work(words: list[str]) -> Work | None:
    """Returns what a name says; anybody may call a session what he likes."""
    try:
        kind, what, thousandths, since, by = words
        return Work(kind, "" if what == _UNKNOWN else what, min(1_000, int(thousandths)), int(since, 16), by)
    except ValueError:
        return None


def _word(text: str) -> str:
    """Returns the first word of a text, of the characters that a session's name may have."""
    return "".join(one for one in text.partition(" ")[0] if one.isascii() and one.isprintable()) or _UNKNOWN


_NAMES = "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE %s"
