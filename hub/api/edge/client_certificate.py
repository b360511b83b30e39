"""The certificate that a call came with, taken apart once and kept: every call asks for it."""

import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from hub.domain.participant import OPERATOR, PROBE, is_participant_name
from hub.trust.certificates import entry, is_for_clients, is_issued_by_any, own_authorities, uri_names


class Peer(NamedTuple):
    """Who showed which certificate: the participant's URI name in it; *needs_registration* if the hub's own authority did not sign it.

    One that names several participants, or is not meant for clients, is unfit: what TLS lets in is more than what it was issued for.
    """

    participant: str
    fingerprint: str = ""
    ends_at_s: float = math.inf
    needs_registration: bool = False
    is_unfit: bool = False

    @property
    def is_tool(self) -> bool:
        """Whether it is an operators' tool, with a certificate of the hub's own authority."""
        return self.participant in (PROBE, OPERATOR) and not self.needs_registration and not self.is_unfit


class Peers:
    """Takes certificates apart that TLS has verified."""

    def __init__(self, directory: Path) -> None:
        """*directory* has the authorities' certificates."""
        self._directory = directory
        # Keyed by the whole text: comparing a kilobyte costs less than anything that would make it shorter.
        self.of = lru_cache(1_024)(self._of)

    def _of(self, pem: bytes) -> Peer | None:
        """Returns the peer of a certificate in PEM, None if it names no participant."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
        except ValueError:
            return None
        participants = list(filter(is_participant_name, uri_names(certificate)))
        if not participants:
            return None
        is_own = is_issued_by_any(certificate, own_authorities(self._directory))
        known = entry(certificate)
        is_unfit = len(participants) > 1 or not is_for_clients(certificate)
        return Peer(participants[0], known.fingerprint, known.not_after.timestamp(), not is_own, is_unfit)
