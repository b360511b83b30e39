"""What certificates there are and how long they last: those a participant's events name, those on file, the hub's own, its authorities'."""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.domain.participant import Certificate, Participant
from hub.trust.authority import certificate_files

_DAY = timedelta(days=1)


def days_left(directory: Path, participants: Sequence[Participant], now: datetime) -> dict[str, float]:
    """Returns the days until certificates end, below zero once they have: of "server", "ca", and each participant's newest by its name.

    What is not there has no entry: a folder without certificates, a participant that has none or whose are all withdrawn.
    """
    ends = {participant.name: known[-1].not_after for participant in participants if (known := in_force(directory, participant))}
    if authorities := own_authorities(directory):
        ends["ca"] = min(certificate.not_valid_after_utc for certificate in authorities)
    if server := read_certificates(directory / "server.crt"):
        ends["server"] = server[0].not_valid_after_utc
    return {name: (not_after - now) / _DAY for name, not_after in ends.items()}


def in_force(directory: Path, participant: Participant) -> list[Certificate]:
    """Returns the certificates of a participant that are not withdrawn: those on file that no event names, then the others as issued."""
    known = participant.standing_certificates()
    return [one for one in unrecorded(directory, participant) if one.fingerprint not in participant.withdrawn] + known


def unrecorded(directory: Path, participant: Participant) -> list[Certificate]:
    """Returns the certificates on file that no event of the participant names: issued before this was recorded."""
    found = (certificate for path in certificate_files(directory, participant.urn) for certificate in read_certificates(path)[:1])
    return [one for one in map(entry, found) if one.fingerprint not in participant.certificates]


def own_authorities(directory: Path) -> list[x509.Certificate]:
    """Returns the authorities whose certificates open the hub by their name alone: nearly always one."""
    return read_certificates(directory / "ca.crt")


def trusted_authorities(directory: Path) -> list[x509.Certificate]:
    """Returns the authorities that are trusted besides; each of their certificates must be registered."""
    return [one for path in trusted_files(directory) for one in read_certificates(path)]


def trusted_files(directory: Path) -> list[Path]:
    """Returns the files of `trusted_authorities`."""
    return sorted(trusted_dir(directory).glob("*.crt"))


def trusted_dir(directory: Path) -> Path:
    """Names the folder of `trusted_authorities`."""
    return directory / "trusted"


def is_issued_by_any(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    """Whether one of the authorities signed the certificate, with no other between them."""
    for authority in authorities:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return True
    return False


def uri_names(certificate: x509.Certificate) -> list[str]:
    """Returns the URIs among the alternative names of a certificate."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def is_for_clients(certificate: x509.Certificate) -> bool:
    """Whether a certificate says that it is for clients of TLS; one that names no purpose does not."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    return ExtendedKeyUsageOID.CLIENT_AUTH in purposes


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Returns the certificates of a PEM file in order; none if the file is missing or broken."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return []


def entry(certificate: x509.Certificate) -> Certificate:
    """Returns what the book says of a certificate."""
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    return Certificate(fingerprint, f"{certificate.serial_number:x}", certificate.not_valid_after_utc)
