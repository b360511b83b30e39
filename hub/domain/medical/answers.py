"""What answers say of filings and settlements: their messages; the service and the commands share them."""

from collections.abc import Iterable

from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.domain.instants import timestamp
from hub.domain.medical.filings import Filing
from hub.domain.medical.settlements import Settlement
from hub.domain.reference import Reference
from hub.domain.reported import LedgerFinding

MOST, MOST_OF_A_CHAIN, MOST_FINDINGS = 200, 100, 100


def filing_message(filing: Filing, region: str, reference: Reference) -> protos.Filing:
    """Returns a filing as answers have it; *region* is where the person wants to be treated, "" if that was not asked."""
    message = protos.Filing(
        insured_province=filing.province,
        filing_no=filing.filing_no,
        state=protos.FilingState.Value(f"FILING_STATE_{filing.state}"),
        is_late=filing.is_late,
        keeps_insured_place=filing.keeps_insured_place,
        covers_region=bool(region) and filing.covers(region, reference),
        reports=len(filing.reports),
        findings=finding_messages(filing.findings),
    )
    if filing.said is not None:
        said = filing.said.message
        message.kind = said.filing_kind
        message.insured_region, message.treatment_region = said.insured_region, said.treatment_region
        message.valid_from, message.valid_to = said.valid_from, said.valid_to
        message.registered_at.CopyFrom(timestamp(filing.said.occurred_us))
    if filing.ended is not None:
        message.ended_at.CopyFrom(timestamp(filing.ended.occurred_us))
        message.reason_code = getattr(filing.ended.message, "reason_code", "")
    return message


def finding_messages(findings: Iterable[LedgerFinding]) -> list[protos.ReportFinding]:
    """Returns the first findings as answers have them."""
    return [protos.ReportFinding(**one._asdict()) for one in list(findings)[:MOST_FINDINGS]]


def money_message(money: medical.MedicalMoney) -> medical.MedicalMoney:
    """Returns parts that were added up, as a message of their own."""
    message = medical.MedicalMoney()
    message.CopyFrom(money)
    return message


def settlement_message(one: Settlement, beside: Iterable[LedgerFinding]) -> protos.Settlement:
    """Returns a settlement as answers have it; *beside* are findings of the whole chain, of which it gets its own."""
    insured, treated = one.regions
    message = protos.Settlement(
        institution_code=one.institution,
        settlement_id=one.settlement_id,
        state=protos.SettlementState.Value(f"SETTLEMENT_STATE_{one.state}"),
        insured_region=insured if len(insured) == 6 else "",
        treatment_region=treated,
        net=one.net,
    )
    own = [finding for finding in beside if one.said is not None and finding.position == one.said.position]
    message.findings.extend(finding_messages([*one.findings, *own]))
    if one.said is not None:
        said = one.said.message
        message.visit_id, message.visit_type = said.visit_id, said.visit_type
        message.insurance_type, message.clearing_type = said.insurance_type, said.clearing_type
        message.money.CopyFrom(said.money)
        message.settled_at.CopyFrom(timestamp(one.said.occurred_us))
    for refund in one.refunds:
        back = refund.said.message
        message.refunds.add(
            settlement_id=back.settlement_id,
            original_settlement_id=back.original_settlement_id,
            refunded_at=timestamp(refund.said.occurred_us),
            money=back.money,
            is_undone=refund.is_undone,
            position=refund.said.position,
        )
    return message
