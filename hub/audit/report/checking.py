"""Checks a PDF report: it is made again from the outcome in it and compared byte for byte; then the signature, and what it added.

What a signature adds could draw over a page. So each part that it adds or replaces is looked at, and there may be no other.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from asn1crypto.cms import ContentInfo
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation import EmbeddedPdfSignature, SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko_certvalidator import ValidationContext

from hub.audit import outcome as outcomes
from hub.audit.outcome import Outcome, Text
from hub.audit.report import fonts, pdf
from hub.audit.report.signing import FIELD, as_asn1
from hub.domain.errors import HubError
from hub.trust.authority import DOCUMENT_SIGNING
from hub.trust.certificates import uri_names
from hub.trust.report_keys import REPORTS

MOST_BYTES = 1 << 26
WORDS = {
    "NOT_A_REPORT": Text("不是本系统的审计报告", "it is no report of an audit"),
    "OTHER_OUTCOME": Text("报告出自另一审计结果", "it is the report of another outcome"),
    "FONT_DIFFERS": Text(
        "报告用另一版字体制成，请在有该字体的机器上核对", "it was made with another font; check it on a machine that has that one"
    ),
    "TEMPLATE_DIFFERS": Text("报告由另一版本制成，请用该版本核对", "another version made it; check it with that one"),
    "ALTERED": Text("报告内容被改动，与重新制作的不同", "it was altered: made again from its outcome, it is another file"),
    "UNSIGNED": Text("报告内容无误，但没有签名", "it is as it was made, but nobody signed it"),
    "CHANGED_AFTERWARDS": Text("签名时或之后另有添加", "more than a signature was added to it"),
    "SIGNATURE_WRONG": Text("签名无效", "the signature is wrong"),
    "SIGNER_UNKNOWN": Text("签名者不是枢纽的报告证书", "the signer is not the hub's certificate for reports"),
}
_WIDGET = {"/FT": "/Sig", "/T": FIELD, "/Type": "/Annot", "/Subtype": "/Widget", "/F": 132, "/Rect": [0, 0, 0, 0]}


class ReportRefused(HubError):
    """报告不成立，不可采信 the report does not hold; do not rely on it:"""

    def __init__(self, name: str, detail: str = "") -> None:
        """*name* is one of WORDS."""
        super().__init__(f"{name} {WORDS[name].zh} {WORDS[name].en} {detail}".strip())
        self.name = name


class Checked(NamedTuple):
    """A report that holds: its outcome, who signed, the SHA-256 of that certificate, when, and the size without the signature."""

    outcome: Outcome
    signed_by: str
    fingerprint: str
    signed_at: datetime
    unsigned_size: int


def check(data: bytes, authorities: Sequence[x509.Certificate], folder: Path = fonts.FOLDER, expected: Outcome | None = None) -> Checked:
    """Checks a signed report; raises ReportRefused, OutcomeForeign, OutcomeMalformed, OutcomeTooLarge, FontsMissing."""
    found, unsigned = check_unsigned(data, folder, expected)
    if data == unsigned:
        raise ReportRefused("UNSIGNED")
    with _read_as("CHANGED_AFTERWARDS"):
        reader = PdfFileReader(BytesIO(data))
        if not _only_signed(reader, PdfFileReader(BytesIO(unsigned))) or not _is_in_its_place(data, reader.embedded_signatures[0]):
            raise ReportRefused("CHANGED_AFTERWARDS")
    with _read_as("SIGNATURE_WRONG"):
        certificate, at = _signature(reader, authorities)
    return Checked(found, certificate.subject.rfc4514_string(), certificate.fingerprint(hashes.SHA256()).hex(), at, len(unsigned))


def check_unsigned(data: bytes, folder: Path = fonts.FOLDER, expected: Outcome | None = None) -> tuple[Outcome, bytes]:
    """Makes a report again that may be unsigned; returns its outcome and the file without a signature. Raises as `check`."""
    files = attached(data)
    found = outcomes.read(files["outcome.json"])
    if expected is not None and outcomes.as_json(expected) != files["outcome.json"]:
        raise ReportRefused("OTHER_OUTCOME")
    again = pdf.render(found, folder)
    if not data.startswith(again):
        raise _difference(files["made.json"], pdf.made_with(folder))
    return found, again


def attached(data: bytes) -> dict[str, bytes]:
    """Returns the two files in a report, as they were before it was signed; raises ReportRefused."""
    if len(data) > MOST_BYTES or not data.startswith(b"%PDF-1.7"):
        raise ReportRefused("NOT_A_REPORT")
    with _read_as("NOT_A_REPORT"):
        root = PdfFileReader(BytesIO(data)).get_historical_root(0)
        names = root["/Names"]["/EmbeddedFiles"]["/Names"]
        files = {str(names[at]): names[at + 1]["/EF"]["/F"].data for at in range(0, len(names), 2)}
        return {name: files[name] for name in ("outcome.json", "made.json")}


@contextmanager
def _read_as(name: str) -> Iterator[None]:
    """Refuses, by a name, a file that breaks who reads it: there is no end to what a reader raises at a file that was made for that."""
    try:
        yield
    except HubError:
        raise
    except Exception:
        raise ReportRefused(name) from None


def _difference(said: bytes, here: dict[str, Any]) -> ReportRefused:
    with _read_as("ALTERED"):
        made = dict(json.loads(said))
    if made.get("fonts") != here["fonts"]:
        return ReportRefused("FONT_DIFFERS", " ".join(f"{font['name']} {font['sha256'][:16]}" for font in here["fonts"]))
    if made != here:
        return ReportRefused("TEMPLATE_DIFFERS", f"typst {here['typst']} {here['template'][:16]}")
    return ReportRefused("ALTERED")


def _only_signed(reader: PdfFileReader, before: PdfFileReader) -> bool:
    """Whether a file has one revision more, which adds a signature without an appearance and its field, and nothing else."""
    if reader.xrefs.total_revisions != 2 or len(reader.embedded_signatures) != 1:
        return False
    form = reader.root["/AcroForm"]
    (field,) = (one.reference for one in form.raw_get("/Fields"))
    widget = reader.get_object(field)
    signature, said = widget.raw_get("/V").reference, {key: value for key, value in widget.items() if key not in ("/P", "/V")}
    if said != _WIDGET or form.keys() != {"/Fields", "/SigFlags"}:
        return False
    added = {reader.root.raw_get("/AcroForm").reference, field, signature}
    replaced = reader.xrefs.explicit_refs_in_revision(1) - added
    # All else is read from where it was: a table of places could lead elsewhere.
    kept = before.xrefs.explicit_refs_in_revision(0)
    if kept != reader.xrefs.explicit_refs_in_revision(0) or any(reader.xrefs[one] != before.xrefs[one] for one in kept - replaced):
        return False
    return all(_is_as_before(before.get_object(one), reader.get_object(one), field, signature) for one in replaced)


def _is_as_before(old: Any, new: Any, field: Reference, signature: Reference) -> bool:
    """Whether the root or a page has nothing new but the signature and its field."""
    more = {key: new.raw_get(key) for key in new if key not in old}
    if any(new.raw_get(key) != old.raw_get(key) for key in old):
        return False
    if old["/Type"] == "/Page":
        return more.keys() == {"/Annots"} and [one.reference for one in more["/Annots"]] == [field]
    perms = more.get("/Perms", {})
    return old["/Type"] == "/Catalog" and more.keys() == {"/AcroForm", "/Perms"} and perms.raw_get("/DocMDP").reference == signature


def _is_in_its_place(data: bytes, signature: EmbeddedPdfSignature) -> bool:
    """Whether all that a signature leaves unsigned is itself, in capital hex, with zeros up to the size that was left for it."""
    content, (first, size, second, _) = bytes(signature.pkcs7_content), [int(one) for one in signature.byte_range]
    padding = content[len(ContentInfo.load(content, strict=False).dump()) :]
    return first == 0 and not any(padding) and data[size:second] == b"<%b>" % content.hex().upper().encode()


def _signature(reader: PdfFileReader, authorities: Sequence[x509.Certificate]) -> tuple[x509.Certificate, datetime]:
    signature = reader.embedded_signatures[0]
    at = signature.self_reported_timestamp
    certificate = x509.load_der_x509_certificate(signature.signer_cert.dump())
    if at is None:
        raise ReportRefused("SIGNATURE_WRONG")
    # As of when it was signed: a report outlives the certificate.
    context = ValidationContext(trust_roots=[as_asn1(one) for one in authorities], allow_fetching=False, moment=at)
    usage = KeyUsageConstraints(key_usage={"non_repudiation"}, extd_key_usage={DOCUMENT_SIGNING.dotted_string})
    try:
        status = validate_pdf_signature(signature, context, key_usage_settings=usage, skip_diff=True)
    except (SignatureValidationError, SigningError):
        raise ReportRefused("SIGNATURE_WRONG") from None
    if not status.intact or not status.valid or status.coverage != SignatureCoverageLevel.ENTIRE_FILE:
        raise ReportRefused("SIGNATURE_WRONG")
    if not status.trusted or uri_names(certificate) != [REPORTS]:
        raise ReportRefused("SIGNER_UNKNOWN")
    return certificate, at
