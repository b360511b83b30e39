"""The book of the hub's own changes of the catalogue: a side's officer drafts how it handles an item, another one approves it.

There is one book, so its version keeps two operators from changing the catalogue at once. What an approved draft says holds from its
day on, over the table and over what was approved before; how a side ends, suspends or resumes an item is one more such version.
"""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import service_items_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.errors import NothingToSign, OfficerRepeated

BOOK = uuid5(NAMESPACE_URL, "urn:chuanyu:service-items")
DRAFTED, APPROVED = "service_item_drafted", "service_item_approved"

Key = tuple[str, str]


class CatalogueBook(HubAggregate):
    """One for the whole hub: *proposals* that wait, and *approved* in order, both by item and side."""

    def __init__(self, drafted: protos.ServiceItemDrafted) -> None:
        """Starts from the first draft."""
        self.proposals: dict[Key, protos.ServiceItemDrafted] = {}
        self.approved: dict[Key, list[protos.ServiceItemDrafted]] = {}
        self.apply(DRAFTED, drafted)

    @staticmethod
    def create_id() -> UUID:
        """There is one book."""
        return BOOK

    def draft(self, drafted: protos.ServiceItemDrafted, at: datetime) -> None:
        """Proposes a version; an earlier proposal for the same item and side lapses."""
        self.record(DRAFTED, drafted, at)

    def approve(self, approved: protos.ServiceItemApproved, at: datetime) -> None:
        """Approves what waits; raises NothingToSign, or OfficerRepeated where the drafter would approve it."""
        proposal = self.proposals.get((approved.item_id, approved.province))
        if proposal is None:
            raise NothingToSign(item=approved.item_id, province=approved.province)
        if proposal.officer == approved.checker:
            raise OfficerRepeated(field="checker", rule="is_maker")
        self.record(APPROVED, approved, at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, protos.ServiceItemDrafted):
            self.proposals[message.item_id, message.province] = message
        elif isinstance(message, protos.ServiceItemApproved):
            key = message.item_id, message.province
            if (proposal := self.proposals.pop(key, None)) is not None:
                self.approved.setdefault(key, []).append(proposal)
