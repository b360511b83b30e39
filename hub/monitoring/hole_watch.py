"""Watches what is newly committed for holes: counts the events of each new range of positions and compares with its length.

A hole is never normal. `hub fsck` looks at the whole journal; this looks once at each range, soon after it was committed.
"""

import psycopg

from hub.journal.archived import here_from
from hub.journal.reader import head_position

LOOK_BACK = 1_000_000
RANGE_POSITIONS = 100_000


class HoleWatch:
    """Goes on where it ended; *holes* counts what was found missing since it began."""

    def __init__(self) -> None:
        """Begins LOOK_BACK positions behind the head, or where the rows do."""
        self._seen: int | None = None
        self.holes = 0

    def look(self, connection: psycopg.Connection) -> int:
        """Counts the next range, of RANGE_POSITIONS at most, and returns all holes found so far."""
        head = head_position(connection)
        if self._seen is None:
            self._seen = max(0, head - LOOK_BACK, here_from(connection) - 1)
        through = min(head, self._seen + RANGE_POSITIONS)
        if through > self._seen:
            self.holes += holes_in(connection, self._seen, through)
            self._seen = through
        return self.holes


def holes_in(connection: psycopg.Connection, after: int, through: int) -> int:
    """Counts the positions with after < position <= through that have no event."""
    row = connection.execute("SELECT count(*) FROM journal.event WHERE position > %s AND position <= %s", (after, through)).fetchone()
    assert row is not None
    return through - after - int(row[0])
