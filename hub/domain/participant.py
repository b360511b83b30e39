"""A participant: a system of one province (or the hub itself) that may speak to the hub, and the feeds it owns."""

import re
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.aggregate import HubAggregate

PREFIX = "urn:chuanyu:participant:"
HUB = f"{PREFIX}hub"
_NAME = re.compile(rf"{PREFIX}[a-z0-9][a-z0-9.-]{{0,62}}")
DECISIONS_FEED = "hub.decisions"


def is_participant_name(name: str) -> bool:
    """Whether a name is a participant's URI name."""
    return _NAME.fullmatch(name) is not None


class Participant(HubAggregate):
    """Registered once; feeds are added, the right to speak is suspended and given back."""

    def __init__(self, registered: decisions.ParticipantRegistered) -> None:
        """Starts from the registration."""
        self.urn = registered.participant
        self.province = registered.province
        self.title = registered.title
        self.feeds = list(registered.feeds)
        self.is_suspended = False

    @staticmethod
    def create_id(urn: str) -> UUID:
        """The id follows from the name, so that one name is registered once."""
        return uuid5(NAMESPACE_URL, urn)

    def add_feed(self, feed: str, at: datetime) -> None:
        """Gives the participant another feed; one it has already changes nothing."""
        if feed not in self.feeds:
            self.record("participant_feed_added", decisions.ParticipantFeedAdded(participant=self.urn, feed=feed), at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.ParticipantFeedAdded):
            self.feeds.append(message.feed)
        elif kind == "participant_suspended":
            self.is_suspended = True
        elif kind == "participant_resumed":
            self.is_suspended = False
