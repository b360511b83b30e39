"""A small certificate authority in the data directory: for the demo, for tests and for a first installation.

A participant is the URI name in its client certificate. A province that has its own authority brings its own certificates instead.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.domain.participant import PREFIX

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
VALID_FOR = timedelta(days=365)
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of PEM files: the authority, a certificate and its key (mode 0600)."""

    authority: Path
    certificate: Path
    key: Path

    def client_credentials(self) -> grpc.ChannelCredentials:
        """What a client presents with them, and the authority it trusts."""
        return grpc.ssl_channel_credentials(self.authority.read_bytes(), self.key.read_bytes(), self.certificate.read_bytes())


def participant_files(directory: Path, urn: str) -> CertificateFiles:
    """Names the files of a participant, whether they are there or not."""
    return _files(directory, urn.removeprefix(PREFIX))


def _files(directory: Path, stem: str) -> CertificateFiles:
    return CertificateFiles(directory / "ca.crt", directory / f"{stem}.crt", directory / f"{stem}.key")


def open_authority(directory: Path) -> None:
    """Makes the authority's key and certificate if they are not there."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (directory / "ca.crt").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("川渝一卡通互通枢纽 Chuanyu Exchange Hub CA")
    certificate = (
        _builder(name, name, key.public_key(), timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(directory / "ca.key", key)
    (directory / "ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def issue_server(directory: Path, hosts: tuple[str, ...] = LOCAL_HOSTS) -> CertificateFiles:
    """Issues the hub's own certificate for the host names and addresses; an unexpired one stays."""
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            names.append(x509.IPAddress(ip_address(host)))
        except ValueError:
            names.append(x509.DNSName(host))
    return _issue(directory, "server", names, ExtendedKeyUsageOID.SERVER_AUTH)


def issue_participant(directory: Path, urn: str) -> CertificateFiles:
    """Issues a participant's certificate; an unexpired one stays."""
    stem = urn.removeprefix(PREFIX)
    return _issue(directory, stem, [x509.UniformResourceIdentifier(urn)], ExtendedKeyUsageOID.CLIENT_AUTH)


def _issue(directory: Path, stem: str, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier) -> CertificateFiles:
    open_authority(directory)
    files = _files(directory, stem)
    if files.certificate.exists() and files.key.exists():
        current = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        # Without the authority's key, certificates come from elsewhere and are renewed there.
        if current.not_valid_after_utc > datetime.now(UTC) + timedelta(days=7) or not (directory / "ca.key").exists():
            return files
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    authority_key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(_name(stem), authority.subject, key.public_key(), VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write_key(files.key, key)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid_for: timedelta) -> x509.CertificateBuilder:
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


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
