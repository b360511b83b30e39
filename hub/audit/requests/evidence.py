"""The outcome and the report of a delivered audit, as they go into its bundle: those whose digests were recorded when it was delivered."""

import hashlib

from chuanyu.exchange.v1 import audit_requests_pb2 as protos

from hub.audit import outcome as outcomes
from hub.audit.report import pages, pdf
from hub.audit.requests.folder import NAMES, Folder
from hub.domain.errors import HubError


class AuditFilesDiffer(HubError):
    """审计文件与交付时入账的摘要不符 the files of the audit are not those that were delivered; see `hub audit check-report`:"""


def files_of(folder: Folder, delivered: protos.AuditDelivered) -> tuple[tuple[str, bytes], ...]:
    """Returns the files by name, the report made again without a signature; raises AuditPartMissing, AuditFilesDiffer, FontsMissing."""
    outcome = folder.file(protos.AUDIT_PART_OUTCOME).read_bytes()
    if hashlib.sha256(outcome).digest() != delivered.outcome_digest:
        raise AuditFilesDiffer(NAMES[protos.AUDIT_PART_OUTCOME])
    found = (NAMES[protos.AUDIT_PART_OUTCOME], outcome)
    if not delivered.report_digest:
        return (found,)
    for part, make in ((protos.AUDIT_PART_REPORT_HTML, pages.page), (protos.AUDIT_PART_REPORT_PDF, pdf.render)):
        made = make(outcomes.read(outcome))
        if hashlib.sha256(made).digest() == delivered.report_digest:
            return (found, (NAMES[part], made))
    raise AuditFilesDiffer(NAMES[protos.AUDIT_PART_REPORT_PDF])
