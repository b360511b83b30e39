"""A small certificate authority in the data directory: for the demo, for tests and for a first installation.

A participant is the URI name in its client certificate. A province that has its own authority brings its own certificates instead.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.domain.errors import HubError
from hub.domain.participant import OPERATOR, PREFIX
from hub.file_lock import await_lock
from hub.loopback import channel_options

AUTHORITY = "川渝一卡通互通枢纽 Chuanyu Exchange Hub CA"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
VALID_FOR = timedelta(days=365)
# What a certificate is for that signs documents (RFC 9336).
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
SERVER_RENEWED_AT, _PARTICIPANT_RENEWED_AT = timedelta(days=30), timedelta(days=7)
_BACKDATED = timedelta(minutes=5)


class AuthorityKeyMissing(HubError):
    """The authority's key is not here, so certificates are issued elsewhere; register them with --certificate-file."""


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of PEM files: the authority, a certificate and its key (mode 0600)."""

    authority: Path
    certificate: Path
    key: Path

    def client_credentials(self) -> grpc.ChannelCredentials:
        """What a client presents with them, and the authority it trusts."""
        return grpc.ssl_channel_credentials(self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes())

    def channel(self, target: str, options: Sequence[tuple[str, int | str]] = ()) -> grpc.Channel:
        """Opens a channel of a client that presents them."""
        return grpc.secure_channel(target, self.client_credentials(), channel_options(target, options))


def participant_files(directory: Path, urn: str) -> CertificateFiles:
    """Names the files of a participant's newest certificate whose key is here too, or of the next where there is none yet."""
    stems = [path.stem for path in certificate_files(directory, urn) if path.with_suffix(".key").exists()]
    return files_of(directory, stems[-1]) if stems else next_files(directory, urn)


def next_files(directory: Path, urn: str) -> CertificateFiles:
    """Names the files of a participant's next certificate."""
    there = certificate_files(directory, urn)
    if not there:
        return files_of(directory, urn.removeprefix(PREFIX))
    name, _, number = there[-1].stem.partition("_")
    return files_of(directory, f"{name}_{int(number or 1) + 1}")


def certificate_files(directory: Path, urn: str) -> list[Path]:
    """Returns a participant's certificate files, oldest first: NAME.crt, NAME_2.crt, … (no participant's name has an underscore)."""
    name = urn.removeprefix(PREFIX)
    further = {int(number): path for path in directory.glob(f"{name}_*.crt") if (number := path.stem[len(name) + 1 :]).isdecimal()}
    first = directory / f"{name}.crt"
    return [path for path in (first, *(further[number] for number in sorted(further))) if path.exists()]


def files_of(directory: Path, stem: str) -> CertificateFiles:
    """Names the files of a certificate."""
    # A name may hold dots, so the ending is added, never replaced.
    return CertificateFiles(directory / "ca.crt", directory / f"{stem}.crt", directory / f"{stem}.key")


def open_authority(directory: Path, name: str = AUTHORITY) -> None:
    """Makes the authority's key and certificate if they are not there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (directory / "ca.crt").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(name), _name(name), key.public_key(), timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(directory / "ca.key", key)
    write(directory / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM))


def issue_server(directory: Path, hosts: tuple[str, ...] = LOCAL_HOSTS, valid_for: timedelta = VALID_FOR) -> CertificateFiles:
    """Issues the hub's own certificate for the host names and addresses; one with 30 days to run stays."""
    files = files_of(directory, "server")
    with alone(directory):
        if is_due(files, SERVER_RENEWED_AT):
            names = _names_in(files.certificate) or [_host_name(host) for host in hosts]
            issue(files, names, ExtendedKeyUsageOID.SERVER_AUTH, valid_for)
    return files


def issue_participant(directory: Path, urn: str, valid_for: timedelta = VALID_FOR) -> CertificateFiles:
    """Issues a participant's certificate; one with a week to run stays."""
    files = participant_files(directory, urn)
    with alone(directory):
        if is_due(files, _PARTICIPANT_RENEWED_AT):
            issue(files, [x509.UniformResourceIdentifier(urn)], ExtendedKeyUsageOID.CLIENT_AUTH, valid_for)
    return files


def issue_operator(directory: Path) -> None:
    """Issues the certificate that operators' tools ask with; where the authority's key is not here it is brought, as the hub's own is."""
    if (directory / "ca.key").exists():
        issue_participant(directory, OPERATOR)


def is_due(files: CertificateFiles, before_end: timedelta) -> bool:
    """Whether a certificate must be issued: it or its key is missing, or it ends soon and the authority's key is here."""
    if not files.certificate.exists() or not files.key.exists():
        return True
    current = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    # Without the authority's key, certificates come from elsewhere and are renewed there.
    return current.not_valid_after_utc <= datetime.now(UTC) + before_end and (files.authority.parent / "ca.key").exists()


def _names_in(certificate: Path) -> list[x509.GeneralName]:
    """Returns the names that a certificate has, so that its successor has the same; none if there is no certificate."""
    if not certificate.exists():
        return []
    extensions = x509.load_pem_x509_certificate(certificate.read_bytes()).extensions
    return list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def issue(files: CertificateFiles, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier, valid_for: timedelta) -> None:
    """Makes a key and has the authority issue its certificate; raises AuthorityKeyMissing."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(files, names, purpose, key.public_key(), valid_for)
    _write_key(files.key, key)
    write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM))


def sign(
    files: CertificateFiles,
    names: list[x509.GeneralName],
    purpose: x509.ObjectIdentifier,
    key: CertificatePublicKeyTypes,
    valid_for: timedelta,
) -> x509.Certificate:
    """Issues a certificate for a key; raises AuthorityKeyMissing where the authority is elsewhere."""
    open_authority(files.authority.parent)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    try:
        authority_key = serialization.load_pem_private_key((files.authority.parent / "ca.key").read_bytes(), None)
    except FileNotFoundError:
        raise AuthorityKeyMissing from None
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    return (
        _builder(_name(files.certificate.stem.partition("_")[0]), authority.subject, key, valid_for)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(commits=purpose == DOCUMENT_SIGNING), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, valid_for: timedelta) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + valid_for)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*, signs_certificates: bool = False, commits: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=commits,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    write(path, key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()), 0o600)


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Puts a whole file in the place of another, so that nobody reads half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.touch(mode)
    fresh.chmod(mode)
    fresh.write_bytes(content)
    fresh.replace(path)


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Keeps other processes on the same folder from issuing meanwhile."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (directory / ".lock").open("wb") as lock:
        await_lock(lock)
        yield
