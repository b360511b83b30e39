"""Where operators keep participants and their certificates: each act is an event of the participant's aggregate."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from eventsourcing.persistence import IntegrityError

from hub.domain.errors import HubError
from hub.domain.participant import OPERATOR, PREFIX, Certificate, Participant
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore
from hub.trust.certificates import unrecorded

# Fewer digits of a fingerprint could be a slip that names another certificate.
FINGERPRINT_DIGITS = 8


class ParticipantNotFound(HubError):
    """There is no such participant; see `hub participants list`."""


class ParticipantChanged(HubError):
    """Someone changed the participant meanwhile; look at it and try again."""


class CertificateUnknown(HubError):
    """The participant has no such certificate; see `hub participants list`."""


class CertificateWithdrawnBefore(HubError):
    """The certificate was withdrawn, and a withdrawn one never comes back; take another."""


class NothingOlder(HubError):
    """Nothing older is in force: the participant has one certificate or none; see `hub participants list`."""


class LastCertificate(HubError):
    """The participant could not call any more; rotate first, or say --all."""


def all_participants(store: AggregateStore) -> list[Participant]:
    """Returns every participant, in the order in which they were registered."""
    return store.all_begun_with("participant_registered", Participant)


def find_participant(store: AggregateStore, name: str) -> Participant:
    """Returns the participant with a name, with or without its prefix; raises ParticipantNotFound."""
    urn = PREFIX + name.removeprefix(PREFIX)
    participant = store.get(Participant, Participant.create_id(urn))
    if participant is not None:
        return participant
    if urn == OPERATOR:
        return Participant.operators(datetime.now(UTC))
    raise ParticipantNotFound


@contextmanager
def changing(store: AggregateStore, name: str) -> Iterator[Participant]:
    """Yields a participant and saves what is recorded on it; raises ParticipantNotFound, or ParticipantChanged if another was first."""
    participant = find_participant(store, name)
    yield participant
    try:
        store.save(participant)
    except IntegrityError:
        raise ParticipantChanged from None


def take_in(participant: Participant, directory: Path, at: datetime) -> None:
    """Makes the certificates on file known that were issued before this was recorded."""
    for certificate in unrecorded(directory, participant):
        participant.add_certificate(certificate, at)


def take_up(participant: Participant, certificate: Certificate, at: datetime) -> None:
    """Makes a certificate known that is to be used from now on; raises CertificateWithdrawnBefore."""
    if certificate.fingerprint in participant.withdrawn:
        raise CertificateWithdrawnBefore
    participant.add_certificate(certificate, at)


def running(participant: Participant, at: datetime) -> set[str]:
    """Returns the fingerprints of the known certificates that are neither withdrawn nor ended."""
    return {certificate.fingerprint for certificate in participant.standing_certificates() if certificate.not_after > at}


def named_certificate(participant: Participant, digits: str) -> str:
    """Returns the fingerprint that begins with the digits, or all of one not known; raises CertificateUnknown if it is not one."""
    wanted = digits.replace(":", "").lower()
    found = [fingerprint for fingerprint in participant.certificates if fingerprint.startswith(wanted)]
    if len(found) == 1 and len(wanted) >= FINGERPRINT_DIGITS:
        return found[0]
    if len(wanted) == 64 and set(wanted) <= set("0123456789abcdef"):
        return wanted
    raise CertificateUnknown


def all_but_newest(participant: Participant) -> list[str]:
    """Returns the fingerprints of all certificates in force but the one issued last; raises NothingOlder if there are none."""
    if older := [certificate.fingerprint for certificate in participant.standing_certificates()[:-1]]:
        return older
    raise NothingOlder


def all_but(participant: Participant, kept: Certificate) -> list[str]:
    """Returns the fingerprints of all certificates in force but one."""
    return [one.fingerprint for one in participant.standing_certificates() if one.fingerprint != kept.fingerprint]


def withdraw(participant: Participant, fingerprints: Collection[str], reason_code: str, at: datetime, *, even_last: bool = False) -> None:
    """Withdraws certificates; raises LastCertificate if that takes the last one which runs, unless *even_last*, and RequestInvalid."""
    in_force = running(participant, at)
    if in_force and in_force <= set(fingerprints) and not even_last:
        raise LastCertificate
    for fingerprint in fingerprints:
        withdrawn = decisions.ParticipantCertificateWithdrawn(fingerprint=fingerprint, reason_code=reason_code)
        refuse_invalid(withdrawn)
        refuse_identifiers(withdrawn, "reason_code")
        participant.withdraw_certificate(fingerprint, reason_code, at)


def suspend(participant: Participant, reason_code: str, at: datetime) -> None:
    """Takes the right to speak away; raises ParticipantSuspendedAlready or RequestInvalid."""
    suspended = decisions.ParticipantSuspended(participant=participant.urn, reason_code=reason_code)
    refuse_invalid(suspended)
    refuse_identifiers(suspended, "reason_code")
    participant.suspend(reason_code, at)
