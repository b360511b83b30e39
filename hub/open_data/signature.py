"""The signature of a catalogue of open data: CMS beside it, by the key that signs the hub's reports. It names the sums of all files.

What makes and checks signatures takes a while to load: who neither signs nor checks does without.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from asn1crypto.cms import ContentInfo
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes
from pyhanko.sign.validation import async_validate_detached_cms
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from hub.audit.report.signing import as_asn1, simple_signer
from hub.domain.errors import HubError
from hub.trust.authority import DOCUMENT_SIGNING
from hub.trust.certificates import uri_names
from hub.trust.report_keys import REPORTS, ReportSigner

MOST_BYTES = 1 << 20


class CatalogueSignatureWrong(HubError):
    """目录的签名不成立：可能有人重做了文件夹，请向枢纽另取一份 the catalogue's signature does not hold: somebody may have made the folder again; get one from the hub."""  # noqa: E501 (words in two languages)


class SignedBy(NamedTuple):
    """The SHA-256 of the certificate that signed, and when, as the signature says."""

    fingerprint: str
    at: datetime


def sign(catalogue: bytes, signer: ReportSigner) -> bytes:
    """Returns the signature of a catalogue, in DER."""
    attributes = PdfCMSSignedAttributes(signing_time=datetime.now(UTC).replace(microsecond=0))
    made = asyncio.run(simple_signer(signer).async_sign_general_data(catalogue, "sha256", signed_attr_settings=attributes))
    return bytes(made.dump())


def check(catalogue: bytes, signature: bytes, authorities: Sequence[x509.Certificate]) -> SignedBy:
    """Returns who signed a catalogue; raises CatalogueSignatureWrong unless that was the hub's certificate for reports."""
    try:
        signed = ContentInfo.load(signature, strict=True)["content"]
        (info,) = signed["signer_infos"]
        (at,) = (one["values"][0].native for one in info["signed_attrs"] if one["type"].native == "signing_time")
        # As of when it was signed: a folder outlives the certificate.
        context = ValidationContext(trust_roots=[as_asn1(one) for one in authorities], allow_fetching=False, moment=at)
        usage = KeyUsageConstraints(key_usage={"non_repudiation"}, extd_key_usage={DOCUMENT_SIGNING.dotted_string})
        status = asyncio.run(async_validate_detached_cms(catalogue, signed, context, key_usage_settings=usage))
        certificate = x509.load_der_x509_certificate(status.signing_cert.dump())
    except (SignatureValidationError, SigningError, ValueError, TypeError, LookupError, AttributeError):
        raise CatalogueSignatureWrong from None
    if not (status.intact and status.valid and status.trusted) or uri_names(certificate) != [REPORTS]:
        raise CatalogueSignatureWrong
    return SignedBy(certificate.fingerprint(hashes.SHA256()).hex(), at)
