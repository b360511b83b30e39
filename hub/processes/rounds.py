"""The rounds of a process that follows the views: a page of the journal each, in one transaction with its checkpoint.

A round never goes beyond what the views have folded. Of several processes one works at a time; whichever goes on after another waits
until the views have folded what that one recorded.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg


@dataclass(slots=True)
class Round:
    """Positions: where the last round ended, what the views have folded, the journal's head; *end* is set to where this one ended."""

    after: int
    seen: int
    head: int
    end: int


class Rounds:
    """Used from one thread."""

    def __init__(self, connection: psycopg.Connection, checkpoint: str, views: Iterable[str]) -> None:
        """*checkpoint* is the name of the process's own one, *views* are those that it rests on."""
        self._connection, self._names = connection, {"checkpoint": checkpoint, "views": list(views)}
        self.after = -1
        self._barrier = 0
        connection.execute("INSERT INTO views.checkpoint (view, position) VALUES (%s, 0) ON CONFLICT (view) DO NOTHING", (checkpoint,))

    @contextmanager
    def begin(self) -> Iterator[Round | None]:
        """Gives the next round, and records where it ended; None while another process works or the views are behind."""
        with self._connection.transaction():
            row = self._connection.execute(_ROUND, self._names).fetchone()
            if row is None:
                yield None
                return
            after, seen, head = row
            if after != self.after:
                # It starts, or another process was at work: the views must have folded whatever that one recorded.
                self.after, self._barrier = after, head
            if seen < self._barrier or seen < after:
                yield None
                return
            current = Round(after, seen, head, after)
            yield current
            if current.end > after:
                update = "UPDATE views.checkpoint SET position = %s WHERE view = %s"
                self._connection.execute(update, (current.end, self._names["checkpoint"]))
        self.after = current.end

    def saved(self, positions: Iterable[int]) -> None:
        """Has the next rounds wait until the views have folded what was recorded there."""
        self._barrier = max([self._barrier, *positions])


_ROUND = """
    SELECT c.position, (SELECT min(position) FROM views.checkpoint WHERE view = ANY (%(views)s)), (SELECT position FROM journal.head)
    FROM views.checkpoint c WHERE c.view = %(checkpoint)s FOR NO KEY UPDATE OF c SKIP LOCKED"""
