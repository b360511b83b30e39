"""The hub's own certificate while it runs: renewed before it ends, and changed files taken up by new connections; open ones go on.

Files that do not fit together, such as a certificate whose key is still being written, are left until they do.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path

import grpc
from cryptography.hazmat.primitives.serialization import Encoding

from hub.domain.errors import HubError
from hub.trust.authority import CertificateFiles, issue_operator, issue_server
from hub.trust.certificates import trusted_authorities, trusted_files

log = logging.getLogger(__name__)

RENEWAL_EVERY_S = 86_400.0

Stamp = tuple[tuple[Path, int, int], ...]


class ServerCertificateUnfit(HubError):
    """The hub's certificate, its key and ca.crt cannot be read or do not fit together; ask `hub doctor`."""


class ServerCertificate:
    """The files of the hub's certificate, of its authority and of those it trusts besides."""

    def __init__(self, files: CertificateFiles) -> None:
        """*files* are there already."""
        self._files = files
        self._stamp: Stamp = ()

    def credentials(self) -> grpc.ServerCredentials:
        """Returns credentials of mutual TLS that look at the files before each handshake; raises ServerCertificateUnfit."""
        try:
            self._stamp = self._now()
            first = self._read()
        except (OSError, ssl.SSLError):
            raise ServerCertificateUnfit from None
        return grpc.dynamic_ssl_server_credentials(first, self._if_changed, require_client_authentication=True)

    async def keep(self, every_s: float = RENEWAL_EVERY_S) -> None:
        """Renews the certificate in time, looking once a day, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await asyncio.to_thread(issue_server, self._files.authority.parent)
                await asyncio.to_thread(issue_operator, self._files.authority.parent)
            except (OSError, ValueError, HubError):
                log.exception("certificates: the hub's own could not be renewed")

    def _if_changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Runs in a thread of gRPC's and never raises: an exception would refuse the connection."""
        try:
            stamp = self._now()
            if stamp == self._stamp:
                return None
            configuration = self._read()
            if self._now() != stamp:
                return None
        except (OSError, ssl.SSLError) as error:
            log.warning("certificates: the changed files are not taken: %s", error)
            return None
        self._stamp = stamp
        log.info("certificates: the changed files are taken for new connections")
        return configuration

    def _now(self) -> Stamp:
        return tuple((path, (stat := path.stat()).st_mtime_ns, stat.st_size) for path in self._paths())

    def _paths(self) -> Iterator[Path]:
        yield from (self._files.authority, self._files.certificate, self._files.key)
        yield from trusted_files(self._files.authority.parent)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        files = self._files
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.authority)).load_cert_chain(files.certificate, files.key)
        trusted = [authority.public_bytes(Encoding.PEM) for authority in trusted_authorities(files.authority.parent)]
        roots = b"\n".join([files.authority.read_bytes(), *trusted])
        return grpc.ssl_server_certificate_configuration([(files.key.read_bytes(), files.certificate.read_bytes())], roots)
