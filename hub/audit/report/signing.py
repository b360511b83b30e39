"""Signs a PDF report (PAdES, of the hub's own authority). The signature is appended: the unsigned file is a prefix of the signed one."""

from io import BytesIO

from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.keys import load_private_key_from_pemder_data
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import fields, signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from hub.trust.report_keys import ReportSigner

FIELD = "Hub"


class _AsRendered(IncrementalPdfFileWriter):
    """Appends to a file and leaves its metadata and its version as they are: what is added can then be compared part by part."""

    def _update_meta(self) -> None:
        pass

    def ensure_output_version(self, version: object) -> None:
        """Leaves the version: the signature needs no other, and a file for archives is of this one."""

    def register_extension(self, ext: object) -> None:
        """Names no extension."""


def sign(unsigned: bytes, signer: ReportSigner) -> bytes:
    """Returns the signed file; no change may follow."""
    meta = signers.PdfSignatureMetadata(
        field_name=FIELD,
        subfilter=fields.SigSeedSubFilter.PADES,
        md_algorithm="sha256",
        certify=True,
        docmdp_permissions=fields.MDPPerm.NO_CHANGES,
        reason="审计报告 audit report",
    )
    return bytes(signers.sign_pdf(_AsRendered(BytesIO(unsigned)), meta, simple_signer(signer)).getvalue())


def simple_signer(signer: ReportSigner) -> signers.SimpleSigner:
    """Returns the key that signs as the library of signatures has it, with the authorities above its certificate."""
    chain = SimpleCertificateStore()
    chain.register_multiple(as_asn1(one) for one in signer.authorities)
    key = load_private_key_from_pemder_data(signer.key, None)
    return signers.SimpleSigner(signing_cert=as_asn1(signer.certificate), signing_key=key, cert_registry=chain)


def as_asn1(certificate: x509.Certificate) -> asn1.Certificate:
    """Returns a certificate as the library of signatures has it."""
    return asn1.Certificate.load(certificate.public_bytes(Encoding.DER))
