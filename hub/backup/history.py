"""Copies all events of some positions: the rows of the database, and those of archived partitions from their segments.

A backup must not need the segments: an archived partition may come back, or its segments may be elsewhere on the day of a restore. So
each segment of a backup has every event, whatever was archived when it was read.
"""

from collections.abc import Iterator

import psycopg

from hub.backup.tables import END, EVENTS, HEAD, TableCopy, of_positions
from hub.export.shelf import rows
from hub.journal.archived import LOCK, ROW_COLUMNS, segments

# A row in PostgreSQL's binary format: how many fields it has, the length of the first, which is the position, and so on. The leaf is
# left empty, as it is made from the row where it is asked for.
COLUMNS = (*ROW_COLUMNS.split(", "), "leaf")
_FIELDS, _POSITION, _NULL = len(COLUMNS).to_bytes(2), slice(6, 14), b"\xff\xff\xff\xff"


class HistoryCopy(TableCopy):
    """The events after < position <= last, by COLUMNS, as one stream in binary format; *rows* is how many have been read.

    Reading raises SegmentAway, ExportDamaged, SegmentForeign or SegmentSchemaUnknown where an archived segment cannot be read.
    """

    def __init__(self, connection: psycopg.Connection, after: int, last: int) -> None:
        """Reads nothing yet."""
        super().__init__(connection, of_positions(EVENTS, COLUMNS, after, last))
        self._run = (after + 1, last)

    def __iter__(self) -> Iterator[bytes]:
        yield HEAD
        # No partition leaves or comes back between the rows that are here and those that are not.
        with self._connection.transaction():
            self._connection.execute("SELECT pg_advisory_xact_lock_shared(hashtext(%s))", (LOCK,))
            for select in self._selects:
                yield from self.read(select)
            yield from self._archived()
        yield END

    def _archived(self) -> Iterator[bytes]:
        away = segments(self._connection, [self._run])
        if not away:
            return
        here = {at for (at,) in self._connection.execute(_HERE, (away[0].first, away[-1].last))}
        for row in rows(away, [self._run]):
            if int.from_bytes(row[_POSITION]) not in here:
                self.rows += 1
                yield _FIELDS + row[2:] + _NULL


# Some rows of an archived partition stay, and all of one that is being archived are still there.
_HERE = "SELECT position FROM journal.event WHERE position BETWEEN %s AND %s"
