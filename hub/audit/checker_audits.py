"""Checks the bundle of an audit: its events from the request to the delivery, and that its outcome and report are those delivered."""

import hashlib
from collections.abc import Iterable, Iterator

from chuanyu.exchange.v1 import audit_requests_pb2, event_pb2
from google.protobuf.message import DecodeError

from hub.audit.checker_file import BundleRefused, Shown

OUTCOME, REPORTS = "outcome.json", ("report.html", "report.pdf")


class OfAudit:
    """The events of one request, each following the one before, the last of which delivers."""

    archive = b""
    batches: None = None

    def __init__(self, code: str) -> None:
        """*code* is that of the audit, such as AU-12."""
        self._code, self._stream, self._count = code, "", 0
        self._delivered: audit_requests_pb2.AuditDelivered | None = None

    def take(self, shown: Shown) -> None:
        """Takes an entry; raises BundleRefused."""
        self._stream = self._stream or shown.stream
        if shown.stream != self._stream or self._delivered is not None:
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        if shown.sequence != self._count + 1:
            raise BundleRefused("FEED_INCOMPLETE", f"{self._count + 1}")
        if shown.data is None:
            raise BundleRefused("CONTENT_MISSING", f"position {shown.position}")
        try:
            event = event_pb2.Event.FromString(shown.data)
        except DecodeError:
            raise BundleRefused("ENTRY_MALFORMED", f"position {shown.position}") from None
        if event.WhichOneof("kind") != shown.kind or (not self._count and event.audit_requested.audit_code != self._code):
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        self._count += 1
        if shown.kind == "audit_delivered":
            self._delivered = event.audit_delivered

    def finish(self) -> Iterator[tuple[str, str]]:
        """Yields what was found; raises BundleRefused where nothing was delivered."""
        if self._delivered is None:
            raise BundleRefused("FEED_INCOMPLETE", "audit_delivered")
        yield f"审计 {self._code} 自申请至交付共 {self._count} 步", f"audit {self._code}: {self._count} steps from request to delivery"

    def check_files(self, files: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, str]]:
        """Compares the outcome and the report with the digests that were recorded when they were delivered."""
        assert self._delivered is not None, "finish() was called"
        found = dict(files)
        report = next((name for name in REPORTS if name in found), "")
        for name in found.keys() - {OUTCOME, report}:
            raise BundleRefused("MEMBER_UNKNOWN", name)
        if OUTCOME not in found:
            raise BundleRefused("MEMBER_MISSING", OUTCOME)
        if hashlib.sha256(found[OUTCOME]).digest() != self._delivered.outcome_digest:
            raise BundleRefused("OUTCOME_DIFFERS")
        yield "审计结果与交付时入账的摘要相符", "the outcome is the one that was delivered, by its digest"
        if bool(report) != bool(self._delivered.report_digest):
            raise BundleRefused("MEMBER_UNKNOWN" if report else "MEMBER_MISSING", report or "report")
        if report and hashlib.sha256(found[report]).digest() != self._delivered.report_digest:
            raise BundleRefused("REPORT_DIFFERS", report)
        if report:
            yield "报告与交付时入账的摘要相符", "the report is the one that was delivered, by its digest"
