"""The archiving of a partition of the journal: asked for by one operator, approved by another, undone when its rows are brought back."""

from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import archiving_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.errors import HubError

REQUESTED, APPROVED, UNDONE = "REQUESTED", "APPROVED", "UNDONE"


class ArchivingNotRequested(HubError):
    """没有待核准的归档申请，见 `hub archive list` nobody asked for this partition to be archived; see `hub archive list`."""


class ArchivingRequestedAlready(HubError):
    """该分区的归档已申请或已核准，见 `hub archive list` the partition is asked for or archived already; see `hub archive list`."""


class ArchivingSamePerson(HubError):
    """申请人不得核准自己的申请 who asked for a partition to be archived does not approve it; another person has to."""


class SequenceArchived(HubError):
    """These numbers are recorded, and their events archived, so that they cannot be compared; send from next_sequence on."""


class Archiving(HubAggregate):
    """Asked for, approved, undone, and asked for again; one of each partition."""

    def __init__(self, requested: protos.ArchivingRequested) -> None:
        """Starts from the first request."""
        self.requested, self.state, self.approved_by = requested, REQUESTED, ""

    @staticmethod
    def create_id(first_position: int) -> UUID:
        """The id follows from the first position of the partition."""
        return uuid5(NAMESPACE_URL, f"urn:chuanyu:archiving:{first_position}")

    def request(self, requested: protos.ArchivingRequested, at: datetime) -> None:
        """Asks again for a partition that was brought back; raises ArchivingRequestedAlready."""
        if self.state != UNDONE:
            raise ArchivingRequestedAlready
        self.record("archiving_requested", requested, at)

    def check_open_for(self, operator: str) -> None:
        """Raises ArchivingNotRequested or ArchivingSamePerson unless this person may approve; who goes on with it may be anybody."""
        if self.state == UNDONE:
            raise ArchivingNotRequested
        if self.state == REQUESTED and operator == self.requested.operator:
            raise ArchivingSamePerson

    def approve(self, operator: str, at: datetime) -> None:
        """Approves it; the rows go after this record. What was approved before is gone on with."""
        self.check_open_for(operator)
        if self.state == REQUESTED:
            self.record("archiving_approved", protos.ArchivingApproved(operator=operator), at)

    def undo(self, operator: str, at: datetime) -> None:
        """Records that the rows are back; raises ArchivingNotRequested."""
        if self.state != APPROVED:
            raise ArchivingNotRequested
        self.record("archiving_undone", protos.ArchivingUndone(operator=operator), at)

    def apply(self, kind: str, message: Any) -> None:
        """Folds one event."""
        if kind == "archiving_requested":
            self.requested, self.state, self.approved_by = message, REQUESTED, ""
        elif kind == "archiving_approved":
            self.state, self.approved_by = APPROVED, message.operator
        elif kind == "archiving_undone":
            self.state = UNDONE
