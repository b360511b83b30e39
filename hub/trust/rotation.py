"""A further certificate beside those a participant has: issued here, signed by its request, or registered from its own authority.

An authority that is trusted besides the hub's own opens nothing by itself: each of its certificates is registered by fingerprint, so
that one province's authority cannot speak for the other.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from hub.domain.errors import HubError
from hub.domain.participant import Certificate
from hub.trust.authority import VALID_FOR, CertificateFiles, alone, issue, next_files, sign, write
from hub.trust.certificates import (
    entry,
    is_for_clients,
    is_issued_by_any,
    own_authorities,
    read_certificates,
    trusted_authorities,
    trusted_dir,
    uri_names,
)

_RSA_BITS = 2048


class CertificateUnfit(HubError):
    """The file holds no certificate or request that fits this participant."""


def issue_further(directory: Path, urn: str, valid_for: timedelta = VALID_FOR) -> CertificateFiles:
    """Issues another certificate and key; raises AuthorityKeyMissing."""
    with alone(directory):
        files = next_files(directory, urn)
        issue(files, [x509.UniformResourceIdentifier(urn)], ExtendedKeyUsageOID.CLIENT_AUTH, valid_for)
    return files


def sign_request(directory: Path, urn: str, request: bytes, valid_for: timedelta = VALID_FOR) -> CertificateFiles:
    """Issues another certificate by a request in PEM, so that the key never leaves the participant.

    Raises CertificateUnfit for another name than the participant's, a weak key or a broken request, and AuthorityKeyMissing.
    """
    try:
        asked = x509.load_pem_x509_csr(request)
        names = list(asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except (ValueError, x509.ExtensionNotFound):
        raise CertificateUnfit("no request in PEM with an alternative name") from None
    key = asked.public_key()
    if names != [x509.UniformResourceIdentifier(urn)]:
        raise CertificateUnfit(f"its only alternative name must be URI:{urn}")
    if not asked.is_signature_valid or not _is_strong(key):
        raise CertificateUnfit("its key must sign it, and be of EC or of RSA with 2048 bits or more")
    with alone(directory):
        files = next_files(directory, urn)
        certificate = sign(files, [*names], ExtendedKeyUsageOID.CLIENT_AUTH, key, valid_for)
        write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))
    return files


def check_foreign(directory: Path, urn: str, path: Path) -> Certificate:
    """Returns what the book says of a certificate that another authority issued; raises CertificateUnfit if it would not open the hub."""
    chain = read_certificates(path)
    if not chain:
        raise CertificateUnfit("no certificate in PEM")
    if uri_names(chain[0]) != [urn]:
        raise CertificateUnfit(f"its only URI name must be {urn}")
    if not is_for_clients(chain[0]):
        raise CertificateUnfit("its extended key usage must say clientAuth")
    if chain[0].not_valid_after_utc <= datetime.now(UTC):
        raise CertificateUnfit("it has ended")
    known = own_authorities(directory) + trusted_authorities(directory)
    if not any(is_issued_by_any(one, known) for one in chain):
        raise CertificateUnfit("its authority is not trusted here; trust it first with `hub participants trust`")
    return entry(chain[0])


def trust_authority(directory: Path, path: Path) -> Path:
    """Trusts another authority from the next connection on and returns where its certificate lies; raises CertificateUnfit."""
    found = read_certificates(path)
    if len(found) != 1:
        raise CertificateUnfit("one authority's certificate in PEM is wanted")
    try:
        is_authority = found[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority or found[0].not_valid_after_utc <= datetime.now(UTC):
        raise CertificateUnfit("it is no authority's, or has ended")
    if any(
        found[0].subject == known.subject and found[0] != known for known in own_authorities(directory) + trusted_authorities(directory)
    ):
        raise CertificateUnfit("another authority has the same name, and TLS finds an authority by its name")
    kept = trusted_dir(directory) / f"{entry(found[0]).fingerprint[:16]}.crt"
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write(kept, found[0].public_bytes(serialization.Encoding.PEM))
    return kept


def _is_strong(key: CertificatePublicKeyTypes) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _RSA_BITS)
