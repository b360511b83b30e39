"""Faults of a caller or of the surroundings: the docstring is the message, and no value in it could name a person or a card."""


class HubError(Exception):
    """Something the hub refuses."""

    def __init__(self, detail: str = "", **metadata: str | int) -> None:
        """*metadata* is in the ErrorInfo of the answer."""
        message = (type(self).__doc__ or "").strip().splitlines()[0]
        super().__init__(f"{message} {detail}".strip() if detail else message)
        self.metadata = {name: str(value) for name, value in metadata.items()}


class CertificateRequired(HubError):
    """A client certificate with a participant's URI name is required."""


class ClientCertificateUnfit(HubError):
    """The client certificate names several participants, or its extended key usage does not say clientAuth; have it issued again."""


class ParticipantUnknown(HubError):
    """The certificate's participant is not registered; ask an operator for `hub participants add`."""


class ParticipantSuspended(HubError):
    """The participant is suspended; ask an operator."""


class CertificateWithdrawn(HubError):
    """The client certificate was withdrawn; connect with a newer one."""


class CertificateEnded(HubError):
    """The client certificate has ended; connect with a newer one."""


class CertificateUnregistered(HubError):
    """The client certificate is not of the hub's own authority; ask an operator for `hub participants add --certificate-file`."""


class FeedUnknown(HubError):
    """There is no such feed; ask an operator for `hub participants add`."""


class NotFeedOwner(HubError):
    """The feed belongs to another participant."""


class NotPermitted(HubError):
    """The participant may not ask this."""


class RoleMissing(HubError):
    """The participant has no role for this, or its role does not reach so far; ask an operator for `hub participants grant`."""


class SequenceGap(HubError):
    """The batch starts above the feed's next sequence; send from expected_sequence on."""


class SequenceConflict(HubError):
    """An event differs from the one recorded under its number; correct it by a new event that refers to it."""


class BatchTooLarge(HubError):
    """A batch holds at most 500 events and 1 MiB; cut it."""


class RequestTooLarge(HubError):
    """A request of this method is smaller; nothing that it may say needs so many bytes."""


class BatchEmpty(HubError):
    """A batch holds at least one event."""


class RequestInvalid(HubError):
    """The request breaks rules of its fields."""

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        """*violations* are (field path, rule) pairs, never values."""
        super().__init__("; ".join(f"{path}: {rule}" for path, rule in violations))
        self.violations = violations


class Unstorable(RequestInvalid):
    """The database cannot store a value of it; nothing of it is recorded."""

    def __init__(self) -> None:
        """Which value it is, the database does not say."""
        super().__init__([("", "unstorable")])


class RequestMalformed(HubError):
    """The bytes are not the message of this method."""


class RequestLate(HubError):
    """The request did not come in time after its call; send it with the call."""


class RequestIdReused(HubError):
    """The request id was used for another question; take a new id."""


class QueueFull(HubError):
    """Too much is waiting; come back after the delay given."""


class QuotaExceeded(HubError):
    """The participant asks for more than its quota; come back after the delay given, or ask an operator for `hub participants quota`."""

    def __init__(self, quota: str, limit: int, retry_after_s: float) -> None:
        """*quota* is the name of the limit that was reached."""
        super().__init__(quota=quota, limit=limit)
        self.retry_after_s = retry_after_s


class HeldBack(HubError):
    """The views that answers rest on would fall behind by so much at once; send again after the delay given."""

    def __init__(self, retry_after_s: float) -> None:
        """*retry_after_s* is when to come back."""
        super().__init__()
        self.retry_after_s = retry_after_s


class ViewBehind(HubError):
    """The view has not reached min_position in time; come back, or ask without it."""


class ViewsLate(HubError):
    """The views are too far behind the journal to answer by; come back, or use the offline hotlist."""


class ClockDrift(HubError):
    """The clocks of hub, database and journal differ too much to answer or record now; come back, questions use the offline hotlist."""


class NotRecorded(HubError):
    """The answer could not be recorded, so it is not given; use the offline hotlist."""


class JournalUnavailable(HubError):
    """The journal cannot be reached; resend, nothing is lost."""


class RuleVersionUnknown(HubError):
    """The rules that gave this answer are not kept here; restore the journal's table of rule versions."""


class RuleVersionDamaged(HubError):
    """The kept version of the rules is not the one that took effect, so it is not run; restore the journal's table of rule versions."""


class RuleVersionFailed(HubError):
    """The kept version of the rules could not answer; it needs the Python and the packages of its time."""


class DecisionNotFound(HubError):
    """There is no decision at this position; take the position of an answer."""


class CardNotFound(HubError):
    """The hub knows no such card."""


class AgreementUnknown(HubError):
    """There is no agreement under this code; see `hub agreements list`."""


class AgreementExists(HubError):
    """The code is taken by an agreement that is signed; amend that one, or take another code."""


class AgreementNotSigned(HubError):
    """Both sides must have signed the agreement first."""


class NothingToSign(HubError):
    """Nothing waits for a signature."""


class SideSignedAlready(HubError):
    """This side has signed already; the other side's signature is missing."""


class OfficerRepeated(HubError):
    """Makers and checkers of both sides are four people, and who drafts does not check."""


class AgreementOverlap(HubError):
    """Another agreement covers the same scenario, direction, place, medium and time; end or amend it first."""


class ScenarioUnknown(HubError):
    """A scenario is not in the catalogue on the first day of the terms."""


class RegionNotInForce(HubError):
    """A region is not in force on the first day of the terms, or not of a serving side."""


class ValidityReversed(HubError):
    """The end does not lie after the beginning."""


class AgreementHasEnded(HubError):
    """The agreement has ended by then and changes no more; draft a new one."""


class AgreementSuspendedAlready(HubError):
    """The agreement is suspended already; resume it first."""


class AgreementNotSuspended(HubError):
    """The agreement is not suspended."""


class AgreementChanged(HubError):
    """Someone changed the agreement meanwhile; look at it and try again."""


class HotlistEpochUnknown(HubError):
    """No hotlist of this epoch is published, or its file is no longer kept; ask for the newest with epoch 0."""


class HotlistUnpublished(HotlistEpochUnknown):
    """No hotlist is published yet; its operators run `hub hotlist build`."""


class HotlistEpochOld(HubError):
    """A newer snapshot ended the deltas of this epoch; take the snapshot."""


class CursorAhead(HubError):
    """The cursor lies beyond the head of the journal; if it was received from this hub, inform its operators."""


class CursorTooOld(HubError):
    """Events after the cursor are no longer kept here; begin at first_position and fetch older ones from the archive."""


class UnknownItem(HubError):
    """The catalogue of service items has no such id or code; see `hub items list`."""


class CaseNotFound(HubError):
    """No report of such a case is in force; name the side that handles it and its number as they were reported."""


class SettlementNotFound(HubError):
    """No report of such a settlement is in force; name it by its setl_id, and by its institution, as it was reported."""


class BeforeCatalogue(HubError):
    """The day lies before the first batch of service items; ask about a later one."""


class CatalogueChanged(HubError):
    """Someone changed the catalogue meanwhile; look at it and try again."""


class BatchKeyUnknown(HubError):
    """The participant has no such key for signing batches; ask an operator for `hub participants signing-key`."""


class BatchKeyRevoked(HubError):
    """The key that signed the batch was revoked; sign with another."""


class BatchSignatureWrong(HubError):
    """The signature is not one of this batch by this key; sign the text of docs/receipts.md."""


class BatchUnsigned(HubError):
    """The feed takes signed batches alone; sign the batch."""


class DigestsClosed(HubError):
    """The digests of this database are under one key, which nobody gets; ask an operator for `hub receipts open-digests`."""


class ReceiptNotFound(HubError):
    """No receipt can be given for this number: it is not recorded, or was recorded before there were receipts."""


class NotSealedYet(HubError):
    """The log does not go so far yet; ask again in a few seconds, or look at `hub status` whether it is sealed."""


class NothingSealed(HubError):
    """Nothing of this journal is sealed; run `hub seal`."""


class SizeUnknown(HubError):
    """The log has no such size; ask for one up to that of its newest checkpoint."""
