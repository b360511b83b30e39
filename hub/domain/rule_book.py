"""The rule book: which version of rules and reference data took effect when. A change of either is an event of its own."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.aggregate import HubAggregate

BOOK = uuid5(NAMESPACE_URL, "urn:chuanyu:rule-book")


class RuleBook(HubAggregate):
    """One for the whole hub; *digest* is the version in effect."""

    def __init__(self, published: decisions.RulesPublished) -> None:
        """Starts from the first version."""
        self.digest = published.rules_digest

    @staticmethod
    def create_id() -> UUID:
        """There is one rule book."""
        return BOOK

    @classmethod
    def open(cls, digest: bytes, at: datetime) -> "RuleBook":
        """Begins the book with its first version."""
        return cls.begin("rules_published", _published(digest), cls.create_id(), at)

    def publish(self, digest: bytes, at: datetime) -> None:
        """Puts a version into effect; the one that is already changes nothing."""
        if digest != self.digest:
            self.record("rules_published", _published(digest), at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.RulesPublished):
            self.digest = message.rules_digest


def _published(digest: bytes) -> decisions.RulesPublished:
    return decisions.RulesPublished(rules_digest=digest, label=digest.hex()[:12])
