"""The rule book: which version of rules and reference data took effect when. A change of either is an event of its own."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.aggregate import HubAggregate

BOOK = uuid5(NAMESPACE_URL, "urn:chuanyu:rule-book")


class RuleBook(HubAggregate):
    """One for the whole hub; *digest* is the version in effect, *archives* the digest of what was kept of each version, by its own."""

    def __init__(self, published: decisions.RulesPublished) -> None:
        """Starts from the first version."""
        self.archives: dict[bytes, bytes] = {}
        self.apply("rules_published", published)

    @staticmethod
    def create_id() -> UUID:
        """There is one rule book."""
        return BOOK

    @classmethod
    def open(cls, digest: bytes, archive: bytes, at: datetime) -> "RuleBook":
        """Begins the book with its first version."""
        return cls.begin("rules_published", _published(digest, archive), cls.create_id(), at)

    def publish(self, digest: bytes, archive: bytes, at: datetime) -> None:
        """Puts a version into effect; the one that is in effect already, with its archive's digest on record, changes nothing."""
        if digest != self.digest or digest not in self.archives:
            self.record("rules_published", _published(digest, archive), at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.RulesPublished):
            self.digest = message.rules_digest
            if message.archive_digest:
                self.archives[message.rules_digest] = message.archive_digest


def _published(digest: bytes, archive: bytes) -> decisions.RulesPublished:
    return decisions.RulesPublished(rules_digest=digest, label=digest.hex()[:12], archive_digest=archive)
