"""Sessions whose pages refresh themselves: all of them are asked about together every two seconds, not each one at each refresh.

A session that has ended refreshes nothing any more a few seconds later; here and at once where this process ends it. Whole pages and forms
ask for their session each time.
"""

import threading
import time

from hub.admin.accounts.sessions import Session, digest_of, find_sessions
from hub.journal.session_pool import Pool

# A session that was not confirmed for so long is asked about again, and one that asked nothing for so long is no longer confirmed.
OLDEST_S, ASKED_S = 5.0, 30.0
MOST = 2_000


class _Seen:
    """A session, when it was last confirmed and when its tab last asked."""

    def __init__(self, session: Session) -> None:
        self.session, self.confirmed_s, self.asked_s = session, time.monotonic(), time.monotonic()


class SeenSessions:
    """Used from many threads."""

    def __init__(self, rows: Pool) -> None:
        """Nobody is known yet."""
        self._rows, self._lock = rows, threading.Lock()
        self._seen: dict[bytes, _Seen] = {}

    def get(self, secret: str) -> Session | None:
        """Returns the session of a secret if it was confirmed lately."""
        seen = self._seen.get(digest_of(secret))
        if seen is None:
            return None
        seen.asked_s = time.monotonic()
        return seen.session if seen.asked_s - seen.confirmed_s <= OLDEST_S else None

    def put(self, session: Session) -> None:
        """Remembers a session that was found just now."""
        with self._lock:
            if len(self._seen) >= MOST:
                self._seen.clear()
            self._seen[session.digest] = _Seen(session)

    def forget(self, account: str) -> None:
        """Forgets the sessions of an account."""
        with self._lock:
            self._seen = {digest: seen for digest, seen in self._seen.items() if seen.session.account.name != account}

    def confirm(self) -> None:
        """Asks which of them still are; raises SessionsBusy, DatabaseAway or psycopg.Error."""
        began_s = time.monotonic()
        with self._lock:
            self._seen = {digest: seen for digest, seen in self._seen.items() if began_s - seen.asked_s < ASKED_S}
            known = dict(self._seen)
        if not known:
            return
        with self._rows.session() as connection:
            found = {session.digest: session for session in find_sessions(connection, list(known))}
        with self._lock:
            for digest, seen in known.items():
                if self._seen.get(digest) is not seen:
                    continue
                if digest in found:
                    seen.session, seen.confirmed_s = found[digest], began_s
                else:
                    del self._seen[digest]
