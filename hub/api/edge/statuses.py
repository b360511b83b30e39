"""The one table from our errors to gRPC statuses: a code, a reason of the documented enum, at most one further detail."""

from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from hub.domain import audit_errors, errors, reconciliation_errors, settlement_errors
from hub.domain.archiving import SequenceArchived
from hub.domain.errors import NothingSealed, NotSealedYet, SizeUnknown
from hub.domain.indicators import errors as indicator_errors
from hub.domain.quarantine import meaning_of
from hub.domain.receipt_book import ReceiptBookAltered
from hub.domain.unusual_use import errors as finding_errors
from hub.journal.archived import SegmentAway
from hub.meeting import errors as meeting_errors

DOMAIN = "chuanyu.exchange"
RETRY_AFTER_S = 0.2

CODES: dict[type[errors.HubError], tuple[int, str]] = {
    errors.CertificateRequired: (code_pb2.UNAUTHENTICATED, "CERTIFICATE_REQUIRED"),
    errors.ClientCertificateUnfit: (code_pb2.UNAUTHENTICATED, "CERTIFICATE_UNFIT"),
    errors.ParticipantUnknown: (code_pb2.PERMISSION_DENIED, "PARTICIPANT_UNKNOWN"),
    errors.ParticipantSuspended: (code_pb2.PERMISSION_DENIED, "PARTICIPANT_SUSPENDED"),
    errors.CertificateWithdrawn: (code_pb2.UNAUTHENTICATED, "CERTIFICATE_WITHDRAWN"),
    errors.CertificateEnded: (code_pb2.UNAUTHENTICATED, "CERTIFICATE_ENDED"),
    errors.CertificateUnregistered: (code_pb2.UNAUTHENTICATED, "CERTIFICATE_UNREGISTERED"),
    errors.FeedUnknown: (code_pb2.NOT_FOUND, "FEED_UNKNOWN"),
    errors.NotFeedOwner: (code_pb2.PERMISSION_DENIED, "NOT_FEED_OWNER"),
    errors.NotPermitted: (code_pb2.PERMISSION_DENIED, "NOT_PERMITTED"),
    errors.RoleMissing: (code_pb2.PERMISSION_DENIED, "ROLE_MISSING"),
    errors.SequenceGap: (code_pb2.FAILED_PRECONDITION, "SEQUENCE_GAP"),
    SequenceArchived: (code_pb2.FAILED_PRECONDITION, "SEQUENCE_ARCHIVED"),
    errors.SequenceConflict: (code_pb2.ALREADY_EXISTS, "SEQUENCE_CONFLICT"),
    errors.BatchTooLarge: (code_pb2.INVALID_ARGUMENT, "BATCH_TOO_LARGE"),
    errors.RequestTooLarge: (code_pb2.INVALID_ARGUMENT, "REQUEST_TOO_LARGE"),
    errors.BatchEmpty: (code_pb2.INVALID_ARGUMENT, "BATCH_EMPTY"),
    errors.RequestInvalid: (code_pb2.INVALID_ARGUMENT, "REQUEST_INVALID"),
    errors.Unstorable: (code_pb2.INVALID_ARGUMENT, "REQUEST_INVALID"),
    errors.RequestMalformed: (code_pb2.INVALID_ARGUMENT, "REQUEST_MALFORMED"),
    errors.RequestLate: (code_pb2.DEADLINE_EXCEEDED, "REQUEST_LATE"),
    errors.RequestIdReused: (code_pb2.ALREADY_EXISTS, "REQUEST_ID_REUSED"),
    errors.QueueFull: (code_pb2.RESOURCE_EXHAUSTED, "QUEUE_FULL"),
    errors.QuotaExceeded: (code_pb2.RESOURCE_EXHAUSTED, "QUOTA_EXCEEDED"),
    errors.HeldBack: (code_pb2.RESOURCE_EXHAUSTED, "HELD_BACK"),
    errors.ViewBehind: (code_pb2.UNAVAILABLE, "VIEW_BEHIND"),
    errors.ViewsLate: (code_pb2.UNAVAILABLE, "VIEW_BEHIND"),
    errors.ClockDrift: (code_pb2.UNAVAILABLE, "CLOCK_DRIFT"),
    errors.NotRecorded: (code_pb2.UNAVAILABLE, "NOT_RECORDED"),
    errors.JournalUnavailable: (code_pb2.UNAVAILABLE, "JOURNAL_UNAVAILABLE"),
    errors.RuleVersionUnknown: (code_pb2.NOT_FOUND, "RULE_VERSION_UNKNOWN"),
    errors.RuleVersionDamaged: (code_pb2.DATA_LOSS, "RULE_VERSION_DAMAGED"),
    ReceiptBookAltered: (code_pb2.DATA_LOSS, "RECEIPT_BOOK_ALTERED"),
    errors.RuleVersionFailed: (code_pb2.FAILED_PRECONDITION, "RULE_VERSION_FAILED"),
    errors.DecisionNotFound: (code_pb2.NOT_FOUND, "DECISION_NOT_FOUND"),
    errors.CardNotFound: (code_pb2.NOT_FOUND, "CARD_NOT_FOUND"),
    errors.CursorAhead: (code_pb2.OUT_OF_RANGE, "CURSOR_AHEAD"),
    errors.CursorTooOld: (code_pb2.OUT_OF_RANGE, "CURSOR_TOO_OLD"),
    errors.HotlistEpochUnknown: (code_pb2.NOT_FOUND, "HOTLIST_EPOCH_UNKNOWN"),
    errors.HotlistUnpublished: (code_pb2.NOT_FOUND, "HOTLIST_EPOCH_UNKNOWN"),
    errors.HotlistEpochOld: (code_pb2.FAILED_PRECONDITION, "HOTLIST_EPOCH_OLD"),
    errors.AgreementUnknown: (code_pb2.NOT_FOUND, "AGREEMENT_UNKNOWN"),
    errors.AgreementExists: (code_pb2.ALREADY_EXISTS, "AGREEMENT_EXISTS"),
    errors.AgreementNotSigned: (code_pb2.FAILED_PRECONDITION, "AGREEMENT_NOT_SIGNED"),
    errors.NothingToSign: (code_pb2.FAILED_PRECONDITION, "NOTHING_TO_SIGN"),
    errors.SideSignedAlready: (code_pb2.FAILED_PRECONDITION, "SIDE_SIGNED_ALREADY"),
    errors.OfficerRepeated: (code_pb2.FAILED_PRECONDITION, "OFFICER_REPEATED"),
    errors.AgreementOverlap: (code_pb2.FAILED_PRECONDITION, "AGREEMENT_OVERLAP"),
    errors.ScenarioUnknown: (code_pb2.INVALID_ARGUMENT, "SCENARIO_UNKNOWN"),
    errors.RegionNotInForce: (code_pb2.INVALID_ARGUMENT, "REGION_NOT_IN_FORCE"),
    errors.ValidityReversed: (code_pb2.INVALID_ARGUMENT, "VALIDITY_REVERSED"),
    errors.AgreementHasEnded: (code_pb2.FAILED_PRECONDITION, "AGREEMENT_HAS_ENDED"),
    errors.AgreementSuspendedAlready: (code_pb2.FAILED_PRECONDITION, "AGREEMENT_SUSPENDED"),
    errors.AgreementNotSuspended: (code_pb2.FAILED_PRECONDITION, "AGREEMENT_NOT_SUSPENDED"),
    errors.AgreementChanged: (code_pb2.ABORTED, "AGREEMENT_CHANGED"),
    errors.UnknownItem: (code_pb2.NOT_FOUND, "UNKNOWN_ITEM"),
    errors.BeforeCatalogue: (code_pb2.OUT_OF_RANGE, "BEFORE_CATALOGUE"),
    errors.CatalogueChanged: (code_pb2.ABORTED, "CATALOGUE_CHANGED"),
    errors.CaseNotFound: (code_pb2.NOT_FOUND, "CASE_NOT_FOUND"),
    errors.SettlementNotFound: (code_pb2.NOT_FOUND, "SETTLEMENT_NOT_FOUND"),
    errors.BatchKeyUnknown: (code_pb2.PERMISSION_DENIED, "BATCH_KEY_UNKNOWN"),
    errors.BatchKeyRevoked: (code_pb2.PERMISSION_DENIED, "BATCH_KEY_REVOKED"),
    errors.BatchSignatureWrong: (code_pb2.INVALID_ARGUMENT, "BATCH_SIGNATURE_WRONG"),
    errors.BatchUnsigned: (code_pb2.FAILED_PRECONDITION, "BATCH_UNSIGNED"),
    errors.DigestsClosed: (code_pb2.FAILED_PRECONDITION, "DIGESTS_CLOSED"),
    errors.ReceiptNotFound: (code_pb2.NOT_FOUND, "RECEIPT_NOT_FOUND"),
    settlement_errors.SchemeUnknown: (code_pb2.INVALID_ARGUMENT, "SCHEME_UNKNOWN"),
    settlement_errors.CouponNotFound: (code_pb2.NOT_FOUND, "COUPON_NOT_FOUND"),
    settlement_errors.CouponsTooMany: (code_pb2.FAILED_PRECONDITION, "COUPONS_TOO_MANY"),
    settlement_errors.FundBatchNotFound: (code_pb2.NOT_FOUND, "FUND_BATCH_NOT_FOUND"),
    settlement_errors.StatementUnknown: (code_pb2.NOT_FOUND, "STATEMENT_UNKNOWN"),
    settlement_errors.StatementAcknowledgedAlready: (code_pb2.FAILED_PRECONDITION, "STATEMENT_ACKNOWLEDGED"),
    settlement_errors.StatementDiffers: (code_pb2.FAILED_PRECONDITION, "STATEMENT_DIFFERS"),
    settlement_errors.StatementStep: (code_pb2.FAILED_PRECONDITION, "STATEMENT_STEP"),
    settlement_errors.StatementDisputeOpen: (code_pb2.FAILED_PRECONDITION, "STATEMENT_STEP"),
    settlement_errors.StatementNotAcknowledged: (code_pb2.FAILED_PRECONDITION, "STATEMENT_STEP"),
    settlement_errors.StatementNotPayable: (code_pb2.FAILED_PRECONDITION, "STATEMENT_STEP"),
    settlement_errors.StatementNotDisputable: (code_pb2.FAILED_PRECONDITION, "STATEMENT_STEP"),
    settlement_errors.StatementLineUnknown: (code_pb2.INVALID_ARGUMENT, "STATEMENT_LINE"),
    settlement_errors.LineDisputedAlready: (code_pb2.INVALID_ARGUMENT, "STATEMENT_LINE"),
    settlement_errors.LineNotDisputed: (code_pb2.INVALID_ARGUMENT, "STATEMENT_LINE"),
    settlement_errors.DisputeEndsOtherwise: (code_pb2.INVALID_ARGUMENT, "STATEMENT_LINE"),
    settlement_errors.DisputeReasonUnknown: (code_pb2.INVALID_ARGUMENT, "DISPUTE_REASON"),
    settlement_errors.PaymentDiffers: (code_pb2.FAILED_PRECONDITION, "PAYMENT_DIFFERS"),
    settlement_errors.StatementChanged: (code_pb2.ABORTED, "STATEMENT_CHANGED"),
    reconciliation_errors.TotalsOutOfOrder: (code_pb2.FAILED_PRECONDITION, "TOTALS_OUT_OF_ORDER"),
    reconciliation_errors.TotalsDayStated: (code_pb2.FAILED_PRECONDITION, "TOTALS_DAY_STATED"),
    reconciliation_errors.UnknownCell: (code_pb2.INVALID_ARGUMENT, "UNKNOWN_CELL"),
    reconciliation_errors.ReachUnknown: (code_pb2.INVALID_ARGUMENT, "REACH_UNKNOWN"),
    reconciliation_errors.BreakUnknown: (code_pb2.NOT_FOUND, "BREAK_UNKNOWN"),
    reconciliation_errors.BreakStep: (code_pb2.FAILED_PRECONDITION, "BREAK_STEP"),
    reconciliation_errors.BreakReasonUnknown: (code_pb2.INVALID_ARGUMENT, "BREAK_REASON"),
    reconciliation_errors.BreakOfOtherSide: (code_pb2.PERMISSION_DENIED, "NOT_PERMITTED"),
    reconciliation_errors.BreakChanged: (code_pb2.ABORTED, "BREAK_CHANGED"),
    indicator_errors.IndicatorUnknown: (code_pb2.NOT_FOUND, "INDICATOR_UNKNOWN"),
    indicator_errors.IndicatorBreakdownUnknown: (code_pb2.INVALID_ARGUMENT, "INDICATOR_BREAKDOWN"),
    indicator_errors.IndicatorOutOfRange: (code_pb2.OUT_OF_RANGE, "INDICATOR_OUT_OF_RANGE"),
    indicator_errors.PopulationUnknown: (code_pb2.INVALID_ARGUMENT, "POPULATION_UNKNOWN"),
    indicator_errors.ReportUnknown: (code_pb2.NOT_FOUND, "REPORT_UNKNOWN"),
    indicator_errors.ReportDefinitionChanged: (code_pb2.FAILED_PRECONDITION, "REPORT_DEFINITION_CHANGED"),
    indicator_errors.ReportChanged: (code_pb2.ABORTED, "REPORT_CHANGED"),
    indicator_errors.IndicatorTooLong: (code_pb2.FAILED_PRECONDITION, "INDICATOR_TOO_LONG"),
    indicator_errors.IndicatorNotRecorded: (code_pb2.FAILED_PRECONDITION, "INDICATOR_NOT_RECORDED"),
    meeting_errors.MeetingReportUnknown: (code_pb2.NOT_FOUND, "MEETING_REPORT_UNKNOWN"),
    finding_errors.FindingUnknown: (code_pb2.NOT_FOUND, "FINDING_UNKNOWN"),
    finding_errors.FindingStep: (code_pb2.FAILED_PRECONDITION, "FINDING_STEP"),
    finding_errors.FindingReasonUnknown: (code_pb2.INVALID_ARGUMENT, "FINDING_REASON"),
    finding_errors.FindingChanged: (code_pb2.ABORTED, "FINDING_CHANGED"),
    finding_errors.FindingRuleUnknown: (code_pb2.NOT_FOUND, "FINDING_RULE_UNKNOWN"),
    finding_errors.FindingRuleParameter: (code_pb2.INVALID_ARGUMENT, "FINDING_RULE_PARAMETER"),
    finding_errors.FindingRuleFloods: (code_pb2.FAILED_PRECONDITION, "FINDING_RULE_FLOODS"),
    finding_errors.FindingDays: (code_pb2.OUT_OF_RANGE, "FINDING_DAYS"),
    finding_errors.FindingDaysTooLong: (code_pb2.FAILED_PRECONDITION, "FINDING_DAYS_TOO_LONG"),
    audit_errors.AuditUnknown: (code_pb2.NOT_FOUND, "AUDIT_UNKNOWN"),
    audit_errors.FilingUnknown: (code_pb2.NOT_FOUND, "FILING_UNKNOWN"),
    audit_errors.LoanUnknown: (code_pb2.NOT_FOUND, "LOAN_UNKNOWN"),
    audit_errors.AuditSamePerson: (code_pb2.FAILED_PRECONDITION, "AUDIT_SAME_PERSON"),
    audit_errors.AuditSameLogin: (code_pb2.FAILED_PRECONDITION, "AUDIT_SAME_PERSON"),
    audit_errors.AuditDecided: (code_pb2.FAILED_PRECONDITION, "AUDIT_DECIDED"),
    audit_errors.AuditOver: (code_pb2.FAILED_PRECONDITION, "AUDIT_OVER"),
    audit_errors.AuditNotDelivered: (code_pb2.FAILED_PRECONDITION, "AUDIT_NOT_DELIVERED"),
    audit_errors.AuditPartMissing: (code_pb2.NOT_FOUND, "AUDIT_PART_MISSING"),
    audit_errors.AuditChanged: (code_pb2.ABORTED, "AUDIT_CHANGED"),
    audit_errors.AuditBeyondRight: (code_pb2.PERMISSION_DENIED, "AUDIT_BEYOND_RIGHT"),
    audit_errors.AuditWindowReversed: (code_pb2.INVALID_ARGUMENT, "AUDIT_WINDOW_REVERSED"),
    audit_errors.AuditWindowAhead: (code_pb2.OUT_OF_RANGE, "AUDIT_WINDOW_AHEAD"),
    audit_errors.AuditWindowBefore: (code_pb2.OUT_OF_RANGE, "AUDIT_WINDOW_BEFORE"),
    audit_errors.AuditNameUnknown: (code_pb2.INVALID_ARGUMENT, "AUDIT_NAME_UNKNOWN"),
    audit_errors.AuditChangeUnfit: (code_pb2.INVALID_ARGUMENT, "AUDIT_CHANGE_UNFIT"),
    SizeUnknown: (code_pb2.NOT_FOUND, "SIZE_UNKNOWN"),
    NotSealedYet: (code_pb2.UNAVAILABLE, "NOT_SEALED_YET"),
    NothingSealed: (code_pb2.UNAVAILABLE, "NOT_SEALED_YET"),
}


def code_and_reason(error: errors.HubError) -> tuple[int, str]:
    """Returns the gRPC code and the reason of an error."""
    return CODES[next(kind for kind in type(error).__mro__ if kind in CODES)]


def to_status(error: errors.HubError) -> status_pb2.Status:
    """Makes the google.rpc.Status of an error."""
    code, reason = code_and_reason(error)
    # Where on this machine a segment is missing is for its operators.
    said = errors.JournalUnavailable() if isinstance(error, SegmentAway) else error
    status = status_pb2.Status(code=code, message=str(said))
    _add(status, error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=error.metadata))
    if isinstance(error, errors.RequestInvalid):
        _add(status, error_details_pb2.BadRequest(field_violations=[_in_words(path, rule) for path, rule in error.violations]))
    if isinstance(error, errors.QueueFull | errors.QuotaExceeded | errors.HeldBack):
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int((RETRY_AFTER_S if isinstance(error, errors.QueueFull) else error.retry_after_s) * 1e9))
        _add(status, error_details_pb2.RetryInfo(retry_delay=delay))
    return status


def internal(trace_id: str) -> status_pb2.Status:
    """Makes the status of a fault of our own: nothing from inside leaks but the id to look it up by."""
    status = status_pb2.Status(code=code_pb2.INTERNAL, message="The fault is the hub's; tell the operators the trace id.")
    _add(status, error_details_pb2.ErrorInfo(reason="INTERNAL", domain=DOMAIN, metadata={"trace_id": trace_id}))
    return status


def _in_words(path: str, rule: str) -> error_details_pb2.BadRequest.FieldViolation:
    """Returns a broken rule with what it means; machines go by its reason."""
    meaning = meaning_of(rule, path)
    chinese = error_details_pb2.LocalizedMessage(locale="zh-CN", message=meaning.text_zh)
    return error_details_pb2.BadRequest.FieldViolation(field=path, reason=rule, description=meaning.text_en, localized_message=chinese)


def _add(
    status: status_pb2.Status, detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo
) -> None:
    packed = any_pb2.Any()
    packed.Pack(detail)
    status.details.append(packed)
