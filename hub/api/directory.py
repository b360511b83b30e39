"""Who may speak, and which feed is whose: participants from their aggregates, feeds from their rows, each at most a second old."""

import asyncio
import time
from dataclasses import dataclass
from typing import NamedTuple

from eventsourcing.persistence import PersistenceError

from hub.domain.errors import FeedUnknown, JournalUnavailable, NotFeedOwner, ParticipantSuspended, ParticipantUnknown
from hub.domain.participant import Participant
from hub.journal.reader import reading
from hub.journal.recorder import AggregateStore

FRESH_FOR_S = 1.0
# A gate that asks while the database is away must hear so at once; shorter than FRESH_FOR_S, so that waits do not pile up.
AWAY_AFTER_S = 0.5


class Caller(NamedTuple):
    """A registered participant that calls: its URI name, its province ("" for the hub's own) and the call's trace parent."""

    urn: str
    province: str
    trace_parent: str = ""


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's row id and owner, which never change."""

    stream_id: int
    owner: str


class Directory:
    """Looks participants and feeds up; one participant is asked for at most once a second."""

    def __init__(self, dsn: str) -> None:
        """*dsn* names a login that may read the journal."""
        self._dsn = dsn
        self._store = AggregateStore(dsn, AWAY_AFTER_S)
        self._participants: dict[str, tuple[float, Participant]] = {}
        self._feeds: dict[str, Feed] = {}

    def close(self) -> None:
        """Closes the connections."""
        self._store.close()

    def known_caller(self, urn: str, trace_parent: str) -> Caller | None:
        """Returns a caller that was looked up less than FRESH_FOR_S ago and may speak, None otherwise: then ask `caller`."""
        loaded_at, participant = self._participants.get(urn, (0.0, None))
        if participant is None or participant.is_suspended or time.monotonic() - loaded_at > FRESH_FOR_S:
            return None
        return Caller(urn, participant.province, trace_parent)

    async def caller(self, urn: str, trace_parent: str) -> Caller:
        """Returns the caller; raises ParticipantUnknown, ParticipantSuspended or JournalUnavailable."""
        loaded_at, participant = self._participants.get(urn, (0.0, None))
        if participant is None or time.monotonic() - loaded_at > FRESH_FOR_S:
            # Marked first, so that calls that come together ask once.
            if participant is not None:
                self._participants[urn] = (time.monotonic(), participant)
            try:
                participant = await asyncio.to_thread(self._store.get, Participant, Participant.create_id(urn))
            except PersistenceError:
                # While the journal is away nothing is recorded or read, so who was known before may go on to hear so.
                if participant is None:
                    raise JournalUnavailable from None
            if participant is None:
                raise ParticipantUnknown
            self._participants[urn] = (time.monotonic(), participant)
        if participant.is_suspended:
            raise ParticipantSuspended
        return Caller(urn, participant.province, trace_parent)

    async def feed_of(self, caller: Caller, name: str) -> Feed:
        """Returns a feed of the caller's; raises FeedUnknown or NotFeedOwner."""
        feed = self._feeds.get(name)
        if feed is None:
            self._feeds.update(await asyncio.to_thread(self._load_feeds))
            feed = self._feeds.get(name)
        if feed is None:
            raise FeedUnknown
        if feed.owner != caller.urn:
            raise NotFeedOwner
        return feed

    def known_feed(self, name: str) -> Feed | None:
        """Returns a feed that was loaded before, None otherwise; all feeds are loaded together."""
        return self._feeds.get(name)

    def _load_feeds(self) -> dict[str, Feed]:
        with reading(self._dsn, "hub-directory") as connection:
            rows = connection.execute("SELECT name, stream_id, owner FROM journal.stream WHERE is_feed").fetchall()
        return {name: Feed(stream_id, owner) for name, stream_id, owner in rows}
