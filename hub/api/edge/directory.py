"""Who may speak, and which feed is whose: participants from their aggregates, feeds from their rows, each at most a second old."""

import asyncio
import time
from datetime import UTC, datetime
from typing import NamedTuple

from eventsourcing.persistence import PersistenceError

from hub.api.edge.client_certificate import Peer
from hub.api.edge.quota import Allowance, Quotas
from hub.api.edge.turns import Turns
from hub.domain.errors import (
    CertificateEnded,
    CertificateUnregistered,
    CertificateWithdrawn,
    FeedUnknown,
    HubError,
    JournalUnavailable,
    NotFeedOwner,
    ParticipantSuspended,
    ParticipantUnknown,
)
from hub.domain.participant import OPERATOR, Participant, Signing
from hub.domain.roles import NO_RIGHTS, Rights
from hub.journal.reader import Feed, reading
from hub.journal.recorder import AggregateStore
from hub.telemetry.spans import Call

FRESH_FOR_S = 1.0
# A gate that asks while the database is away must hear so at once; shorter than FRESH_FOR_S, so that waits do not pile up.
AWAY_AFTER_S = 0.5


class CurrentRights:
    """What a participant may do by now: calls and open streams of it share one, which follows its roles and its keys."""

    __slots__ = ("rights", "signing")

    def __init__(self, rights: Rights = NO_RIGHTS) -> None:
        """*rights* hold until the directory looks the participant up again."""
        self.rights = rights
        self.signing = Signing()


class Caller(NamedTuple):
    """A registered participant that calls: URI name, province ("" for the hub's own), call, certificate, quota, and its rights by now.

    *operator* is the person behind an operators' tool, "" for every other participant.
    """

    urn: str
    province: str
    call: Call
    peer: Peer
    allowance: Allowance
    current: CurrentRights
    operator: str = ""

    @property
    def rights(self) -> Rights:
        """What it may do by now."""
        return self.current.rights

    def may_call(self) -> None:
        """Raises RoleMissing if it may not make its call, or not any more."""
        self.current.rights.require(self.call.name)


class Directory:
    """Looks participants and feeds up; one participant is asked for at most once a second."""

    def __init__(self, dsn: str, quotas: Quotas) -> None:
        """*dsn* names a login that may read the journal."""
        self._dsn, self._quotas = dsn, quotas
        self._store = AggregateStore(dsn, AWAY_AFTER_S)
        # Everybody's calls wait for this one: it shares its threads with nothing else.
        self._looks = Turns("hub-directory", 2)
        self._participants: dict[str, tuple[float, Participant]] = {}
        self._loads: dict[str, asyncio.Task[Participant]] = {}
        self._current: dict[str, CurrentRights] = {}
        self._feeds: dict[str, Feed] = {}

    def close(self) -> None:
        """Closes the connections."""
        self._looks.close()
        self._store.close()

    def known_caller(self, peer: Peer, call: Call) -> Caller | None:
        """Returns a caller that was looked up less than FRESH_FOR_S ago and may speak, None otherwise: then ask `caller`."""
        loaded_at, participant = self._participants.get(peer.participant, (0.0, None))
        if participant is None or time.monotonic() - loaded_at > FRESH_FOR_S or _refusal(participant, peer) is not None:
            return None
        return self._caller(participant, peer, call)

    async def caller(self, peer: Peer, call: Call) -> Caller:
        """Returns the caller; raises as `admitted` does."""
        return self._caller(await self.admitted(peer), peer, call)

    def _caller(self, participant: Participant, peer: Peer, call: Call) -> Caller:
        urn = peer.participant
        return Caller(urn, participant.province, call, peer, self._quotas.of(participant), self._current[urn])

    async def admitted(self, peer: Peer) -> Participant:
        """Returns the participant if it may speak with its certificate.

        Raises ParticipantUnknown, ParticipantSuspended, CertificateWithdrawn, CertificateEnded, CertificateUnregistered or
        JournalUnavailable.
        """
        urn = peer.participant
        loaded_at, participant = self._participants.get(urn, (0.0, None))
        if participant is None or time.monotonic() - loaded_at > FRESH_FOR_S:
            if urn not in self._loads:
                self._loads[urn] = asyncio.create_task(self._load(urn))
            # Calls that come together ask once, and one that is given up takes nothing from the others.
            participant = await asyncio.shield(self._loads[urn])
        if (refusal := _refusal(participant, peer)) is not None:
            raise refusal
        return participant

    async def _load(self, urn: str) -> Participant:
        _, known = self._participants.get(urn, (0.0, None))
        try:
            participant: Participant | None = await self._looks.run(urn, self._store.get, Participant, Participant.create_id(urn))
        except PersistenceError:
            # While the journal is away nothing is recorded or read, so a known participant goes on, and its calls say so.
            if known is None:
                raise JournalUnavailable from None
            participant = known
        finally:
            del self._loads[urn]
        if participant is None:
            if urn != OPERATOR:
                raise ParticipantUnknown
            participant = Participant.operators(datetime.now(UTC))
        self._participants[urn] = (time.monotonic(), participant)
        current = self._current.setdefault(urn, CurrentRights())
        current.rights, current.signing = participant.rights, participant.signing
        return participant

    async def feed_of(self, caller: Caller, name: str) -> Feed:
        """Returns a feed of the caller's; raises FeedUnknown or NotFeedOwner."""
        feed = self._feeds.get(name)
        if feed is None:
            self._feeds.update(await self._looks.run(caller.urn, self._load_feeds))
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
        with reading(self._dsn, "hub_reader", "hub-directory") as connection:
            rows = connection.execute("SELECT name, stream_id, owner FROM journal.stream WHERE is_feed").fetchall()
        return {name: Feed(stream_id, owner) for name, stream_id, owner in rows}


def _refusal(participant: Participant, peer: Peer) -> type[HubError] | None:
    """Returns why a participant may not speak with a certificate, None if it may."""
    if peer.fingerprint in participant.withdrawn:
        return CertificateWithdrawn
    if peer.ends_at_s < time.time():
        return CertificateEnded
    if peer.needs_registration and peer.fingerprint not in participant.certificates:
        return CertificateUnregistered
    return ParticipantSuspended if participant.is_suspended else None
