"""The key and certificate that sign reports of audits, of the hub's own authority: `hub.report.key`, `.crt` beside the other certificates.

A further one has the next number, as a participant's has; the newest signs. It opens nothing: its purpose is to sign documents.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from hub.domain.errors import HubError
from hub.domain.participant import HUB
from hub.trust.authority import DOCUMENT_SIGNING, VALID_FOR, CertificateFiles, alone, is_due, issue, next_files, participant_files
from hub.trust.certificates import read_certificates
from hub.trust.keyring import read_or_make

REPORTS = f"{HUB}.report"
_RENEWED_AT = timedelta(days=30)


class ReportCertificateEnded(HubError):
    """报告签名证书已过期：请放入新证书 the certificate that signs reports has ended; put a newer hub.report_N.crt and .key beside it."""


class ReportSigner:
    """A private key in PEM and its certificate, with the authorities above it."""

    def __init__(self, files: CertificateFiles) -> None:
        """Raises KeysExposed where others can read the key."""
        self.name = files.certificate.stem
        self.key = read_or_make(files.key, bytes)
        self.certificate = read_certificates(files.certificate)[0]
        self.authorities = read_certificates(files.authority)


def open_report_signer(directory: Path) -> ReportSigner:
    """Reads the newest key, making the first, and a further one 30 days before a certificate ends.

    Raises AuthorityKeyMissing where certificates are issued elsewhere and none is here, KeysExposed, ReportCertificateEnded.
    """
    with alone(directory):
        files = participant_files(directory, REPORTS)
        if is_due(files, _RENEWED_AT):
            files = _issued(directory)
    signer = ReportSigner(files)
    if signer.certificate.not_valid_after_utc <= datetime.now(UTC):
        raise ReportCertificateEnded
    return signer


def rotate_report_key(directory: Path) -> ReportSigner:
    """Makes a further key, which signs from now on; reports that the former ones signed stay as they are."""
    with alone(directory):
        return ReportSigner(_issued(directory))


def _issued(directory: Path, valid_for: timedelta = VALID_FOR) -> CertificateFiles:
    files = next_files(directory, REPORTS)
    issue(files, [x509.UniformResourceIdentifier(REPORTS)], DOCUMENT_SIGNING, valid_for)
    return files
