"""Which views wait for a segment of archived events: said once in the log when it changes, and in `views.waiting` for as long."""

import logging
from collections.abc import Mapping, Sequence

import psycopg

from hub.projections.projection import View

log = logging.getLogger(__name__)

# What each view waits for, by its name.
Waits = Mapping[str, str]


class Waiting:
    """What a loop that folds some views knows of those that wait."""

    def __init__(self, views: Sequence[View]) -> None:
        """A loop before this one may have noted some."""
        self._names = [view.name for view in views]
        self._known: Waits | None = None

    def note(self, connection: psycopg.Connection, waits: Waits) -> None:
        """Notes which of the views wait now, and for what."""
        if waits == self._known:
            return
        with connection.transaction():
            connection.execute("DELETE FROM views.waiting WHERE view = ANY (%s)", (self._names,))
            connection.execute(
                "INSERT INTO views.waiting (view, text) SELECT * FROM unnest(%s::text[], %s::text[])", (list(waits), list(waits.values()))
            )
        if waits:
            said = {"views": ", ".join(sorted(waits)), "segments": "; ".join(sorted(set(waits.values())))}
            log.warning("projections: views wait for archived events that cannot be read", extra=said)
        elif self._known:
            log.info("projections: archived events can be read again; the views go on")
        self._known = dict(waits)


def waiting(connection: psycopg.Connection) -> dict[str, str]:
    """Returns what each view waits for, of those that wait for a segment."""
    row = connection.execute("SELECT to_regclass('views.waiting')").fetchone()
    # A release before did not make it.
    if row is None or row[0] is None:
        return {}
    return dict(connection.execute("SELECT view, text FROM views.waiting ORDER BY view").fetchall())
