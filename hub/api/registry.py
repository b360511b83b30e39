"""What operators decide: participants with their feeds, and the historical agreements of the reference table. Each is an event."""

from datetime import datetime

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain import reference
from hub.domain.agreement import Agreement, seed_agreements
from hub.domain.errors import HubError, NotFeedOwner
from hub.domain.participant import Participant
from hub.journal.recorder import AggregateStore


class ParticipantDiffers(HubError):
    """The participant is registered with another province; a name speaks for one province for ever."""


def register_participant(store: AggregateStore, urn: str, province: str, title: str, feeds: list[str], at: datetime) -> bool:
    """Registers a participant or gives it further feeds; tells whether anything changed. Raises NotFeedOwner for another's feed."""
    owners = store.feed_owners(feeds)
    if any(owner != urn for owner in owners.values()):
        raise NotFeedOwner
    participant = store.get(Participant, Participant.create_id(urn))
    if participant is None:
        registered = decisions.ParticipantRegistered(participant=urn, province=province, title=title, feeds=feeds)
        participant = Participant.begin("participant_registered", registered, Participant.create_id(urn), at)
    elif participant.province != province:
        raise ParticipantDiffers
    else:
        for feed in feeds:
            participant.add_feed(feed, at)
    changed = bool(store.save(participant))
    store.ensure_feeds([(feed, urn) for feed in participant.feeds])
    return changed


def load_agreements(store: AggregateStore, at: datetime) -> int:
    """Appends the historical agreements that are not in the journal yet, and returns how many those were."""
    missing = [a for a in seed_agreements(reference.load().agreements, at) if store.get(Agreement, a.id) is None]
    store.save(*missing)
    return len(missing)
