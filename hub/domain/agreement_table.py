"""The historical agreements: rows of the reference table as aggregates, signed on record, and what an edited row corrects."""

from collections.abc import Iterable
from datetime import datetime

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.agreement import SIDES, Agreement
from hub.domain.agreement_history import TABLE_OFFICER
from hub.domain.instants import local_midnight
from hub.domain.reference import Agreement as AgreementRow


def seed_agreements(rows: Iterable[AgreementRow], at: datetime) -> list[Agreement]:
    """Makes the historical agreements of the reference table, signed by both sides on record."""
    return [seed_agreement(row, f"{row.agreement_id}/{row.version}", at) for row in rows]


def seed_agreement(row: AgreementRow, code: str, at: datetime) -> Agreement:
    """Makes one historical agreement under a code."""
    draft = decisions.AgreementDrafted(agreement_code=code, terms=table_terms(row), officer=TABLE_OFFICER)
    agreement = Agreement.begin("agreement_drafted", draft, Agreement.create_id(row.agreement_id, row.valid_from), at)
    _sign_on_record(agreement, at)
    return agreement


def correct_from_table(agreement: Agreement, row: AgreementRow, at: datetime) -> None:
    """Brings in what the reference table says differently now: the earlier terms were recorded wrongly."""
    drafted = decisions.AgreementAmendmentDrafted(terms=table_terms(row), officer=TABLE_OFFICER)
    agreement.record("agreement_amendment_drafted", drafted, at)
    _sign_on_record(agreement, at)


def _sign_on_record(agreement: Agreement, at: datetime) -> None:
    for side in SIDES:
        signed = decisions.AgreementSigned(side=side, maker=f"historical-record-{side}", checker=f"published-text-{side}")
        agreement.take_signature(signed, at)


def table_terms(row: AgreementRow) -> decisions.AgreementTerms:
    """Returns the terms of a row of the reference table."""
    terms = decisions.AgreementTerms(
        scenarios=sorted(row.scenarios),
        issuer_provinces=sorted(row.issuer_provinces),
        serving_provinces=sorted(row.serving_provinces),
        serving_regions=sorted(row.serving_regions),
        venues=sorted(row.venues),
        media=sorted(acceptance.Medium.Value(f"MEDIUM_{medium}") for medium in row.media),
        concession=decisions.ConcessionTerms.Value(f"CONCESSION_TERMS_{row.concession}"),
        settlement=decisions.SettlementTerms.Value(f"SETTLEMENT_TERMS_{row.settlement}"),
        legal_basis=row.legal_basis,
        source=row.source,
    )
    terms.valid_from.FromDatetime(local_midnight(row.valid_from))
    if row.valid_to is not None:
        terms.valid_to.FromDatetime(local_midnight(row.valid_to))
    return terms
