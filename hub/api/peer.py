"""The certificate that a call came with, taken apart once and kept: every call asks for it."""

import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from hub.api.certificate_book import entry, is_issued_by_any, own_authorities, uri_names
from hub.domain.participant import is_participant_name


class Peer(NamedTuple):
    """Who showed which certificate: the participant's URI name in it; *needs_registration* if the hub's own authority did not sign it."""

    participant: str
    fingerprint: str = ""
    ends_at_s: float = math.inf
    needs_registration: bool = False


class Peers:
    """Takes certificates apart that TLS has verified."""

    def __init__(self, directory: Path) -> None:
        """*directory* has the authorities' certificates."""
        self._directory = directory
        # Keyed by the whole text: comparing a kilobyte costs less than anything that would make it shorter.
        self.of = lru_cache(1_024)(self._of)

    def _of(self, pem: bytes) -> Peer | None:
        """Returns the peer of a certificate in PEM, None if no participant stands in it."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError:
            return None
        name = next(filter(is_participant_name, uri_names(certificate)), None)
        if name is None:
            return None
        is_own = is_issued_by_any(certificate, own_authorities(self._directory))
        known = entry(certificate)
        return Peer(name, known.fingerprint, known.not_after.timestamp(), not is_own)
