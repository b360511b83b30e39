"""The one tree of errors for the faults of a caller or of the surroundings; the docstring is the message.

`hub.api.errors` maps each to a gRPC status. An error never carries a value that could name a person or a card.
"""


class HubError(Exception):
    """Something the hub refuses."""

    def __init__(self, detail: str = "", **metadata: str | int) -> None:
        """*metadata* stands in the ErrorInfo of the answer."""
        message = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} {detail}".strip() if detail else message)
        self.metadata = {name: str(value) for name, value in metadata.items()}


class CertificateRequired(HubError):
    """A client certificate with a participant's URI name is required."""


class ParticipantUnknown(HubError):
    """The certificate's participant is not registered; ask an operator for `hub participants add`."""


class ParticipantSuspended(HubError):
    """The participant is suspended; ask an operator."""


class FeedUnknown(HubError):
    """There is no such feed; ask an operator for `hub participants add`."""


class NotFeedOwner(HubError):
    """The feed belongs to another participant."""


class NotPermitted(HubError):
    """The participant may not ask this."""


class SequenceGap(HubError):
    """The batch starts above the feed's next sequence; send from expected_sequence on."""


class SequenceConflict(HubError):
    """An event differs from the one recorded under its number; correct it by a new event that refers to it."""


class BatchTooLarge(HubError):
    """A batch holds at most 500 events and 1 MiB; cut it."""


class BatchEmpty(HubError):
    """A batch holds at least one event."""


class RequestInvalid(HubError):
    """The request breaks rules of its fields."""

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        """*violations* are (field path, rule) pairs, never values."""
        super().__init__("; ".join(f"{path}: {rule}" for path, rule in violations))
        self.violations = violations


class RequestMalformed(HubError):
    """The bytes are not the message of this method."""


class RequestIdReused(HubError):
    """The request id was used for another question; take a new id."""


class QueueFull(HubError):
    """Too much is waiting; come back after the delay given."""


class ViewBehind(HubError):
    """The view has not reached min_position in time; come back, or ask without it."""


class NotRecorded(HubError):
    """The answer could not be recorded, so it is not given; use the offline hotlist."""


class JournalUnavailable(HubError):
    """The journal cannot be reached; resend, nothing is lost."""


class CardNotFound(HubError):
    """The hub knows no such card."""
