"""The hub's own feed of what operators do about quarantined events, and whether one has been handled already.

An act is one batch of that feed: all of it is recorded, or nothing. A quarantined event is released once, and never over what its
province said since: both are corrections of its number, and under the lock of the head nothing follows the first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError, JournalUnavailable, SequenceGap, Unstorable
from hub.domain.quarantine import EventNotFound, EventNotQuarantined, FeedNotFound, QuarantineCorrected, QuarantineReleased
from hub.journal.batch import Appended, Batch
from hub.journal.group import commit_group
from hub.journal.joins import NAME_AT
from hub.journal.reader import Recorded, find_event
from hub.journal.sessions import session
from hub.journal.statements import DataRefused, GroupFailed
from hub.journal.writer_connection import SETTINGS

# Operators who act at the same time take a number from each other this often at most.
ATTEMPTS = 50


class Quarantined(NamedTuple):
    """A quarantined event: its feed's name and owner, and what took its number."""

    feed: str
    owner: str
    recorded: Recorded

    @property
    def handle(self) -> tuple[int, int, int]:
        """Names it for `Batch.handles`."""
        return self.recorded.stream_id, self.recorded.sequence, self.recorded.position


@contextmanager
def writing(dsn: str) -> Iterator[psycopg.Connection]:
    """Gives a connection that may append and open the vault; raises JournalUnavailable when the database is away."""
    try:
        with session(dsn, "hub_writer", "hub-writer", SETTINGS) as connection:
            yield connection
    except psycopg.OperationalError:
        raise JournalUnavailable from None


def find_quarantined(connection: psycopg.Connection, feed: str, sequence: int) -> Quarantined:
    """Returns a quarantined event; raises FeedNotFound, EventNotFound or EventNotQuarantined."""
    row = connection.execute("SELECT stream_id, owner FROM journal.stream WHERE name = %s AND is_feed", (feed,)).fetchone()
    if row is None:
        raise FeedNotFound
    recorded = find_event(connection, row[0], sequence)
    if recorded is None:
        raise EventNotFound
    if recorded.kind != "event_quarantined":
        raise EventNotQuarantined
    return Quarantined(feed, row[1], recorded)


def check_unhandled(connection: psycopg.Connection, quarantined: Quarantined, own_stream: int) -> None:
    """Raises QuarantineReleased or QuarantineCorrected, with the position of what replaces the event now."""
    row = connection.execute(_FIRST_CORRECTION, quarantined.handle).fetchone()
    if row is not None:
        raise (QuarantineReleased if row[1] == own_stream else QuarantineCorrected)(position=row[0])


def append_act(connection: psycopg.Connection, batch: Batch) -> Appended:
    """Appends a batch where the feed ends; raises what the batch is refused with, or JournalUnavailable."""
    for _ in range(ATTEMPTS):
        row = connection.execute("SELECT next_sequence FROM journal.stream WHERE stream_id = %s", (batch.stream_id,)).fetchone()
        assert row is not None, "the hub's own feed is made before it is written"
        batch.first_sequence = row[0]
        try:
            [outcome] = commit_group(connection.pgconn, [batch], all_or_nothing=True)
        except DataRefused:
            raise Unstorable from None
        except GroupFailed:
            raise JournalUnavailable from None
        if isinstance(outcome, HubError) and not isinstance(outcome, SequenceGap):
            raise outcome
        if isinstance(outcome, Appended) and not outcome.duplicates:
            return outcome
    raise JournalUnavailable


_FIRST_CORRECTION = f"""
    SELECT o.position, n.stream_id FROM journal.correction o {NAME_AT}
    WHERE o.stream_id = %s AND o.sequence = %s AND o.position > %s ORDER BY o.position LIMIT 1"""  # noqa: S608 (our own text)
