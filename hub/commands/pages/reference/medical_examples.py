"""Examples of the calls about medical use: a filing, and a settlement that is given back in part, folded as the service folds them."""

from collections.abc import Callable, Mapping
from datetime import date, datetime

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import usage_medical_pb2 as medical
from google.protobuf.message import Message

from hub.admin.medical import chain_answer, filings_answer, uses_answer
from hub.admin.snapshots import Asked, Told
from hub.commands.pages.reference.samples import Example, card
from hub.domain import reference
from hub.domain.instants import LOCAL, microseconds_of, timestamp
from hub.domain.reported import Person, Reported

_DAY, _POSITION = date(2026, 3, 5), 180_260
_KEY = bytes(32)
_ASKED, _PERSON = Asked("50", _DAY), Person(frozenset(), frozenset({_KEY}))


def _us(day: int, hour: int) -> int:
    return microseconds_of(datetime(2026, 3, day, hour, tzinfo=LOCAL))


def _reported(kind: str, message: Message, region: str, day: int, position: int) -> Reported:
    event = event_pb2.Event(service_region=region, occurred_at=timestamp(_us(day, 9)))
    event.card.issuing_province, event.card.key = "50", _KEY
    getattr(event, kind).CopyFrom(message)
    return Reported(kind, event, _us(day, 9), position)


def _money(total: int, fund: int) -> medical.MedicalMoney:
    person = total - fund
    return medical.MedicalMoney(total_fen=total, pooled_fund_fen=fund, fund_total_fen=fund, person_total_fen=person, cash_fen=person)


def _filings() -> Example:
    filed = medical.MedicalFilingRegistered(
        filing_no="BA20260302000017",
        filing_kind=medical.MEDICAL_FILING_KIND_TEMPORARY_TRAVEL,
        insured_region="500199",
        treatment_region="510100",
        valid_from="2026-03-02",
        valid_to="2026-08-31",
    )
    told = Told([_reported("medical_filing_registered", filed, "500199", 2, 180_230)], [])
    request = protos.ListFilingsRequest(card=card(), treatment_region="510104", purpose_code="ADMISSION")
    return Example(request, filings_answer(told, _PERSON, reference.load(), request, _us(5, 9), _ASKED, _POSITION))


def _settlements() -> Told:
    settled = medical.MedicalSettlementCompleted(
        institution_code="H51010400351",
        visit_id="V0001",
        settlement_id="S0001",
        visit_type=medical.MEDICAL_VISIT_TYPE_OUTPATIENT,
        money=_money(8_600, 5_000),
        insured_region="500199",
        treatment_region="510104",
        insurance_type="310",
        clearing_type="11",
    )
    given_back = medical.MedicalSettlementReversed(
        institution_code="H51010400351", settlement_id="S0002", original_settlement_id="S0001", money=_money(1_600, 1_000)
    )
    return Told(
        [
            _reported("medical_settlement_completed", settled, "510104", 3, 180_240),
            _reported("medical_settlement_reversed", given_back, "510104", 4, 180_250),
        ],
        [],
    )


def _chain() -> Example:
    request = protos.GetSettlementChainRequest(settlement_id="S0001")
    return Example(request, chain_answer(_settlements(), request, _ASKED, _POSITION))


def _uses() -> Example:
    request = protos.ListMedicalUsesRequest(card=card(), from_on="2026-03-01", to_on="2026-03-31", purpose_code="AUDIT")
    return Example(request, uses_answer(_settlements(), _PERSON, (date(2026, 3, 1), date(2026, 3, 31)), _ASKED, _POSITION))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "ListFilings": _filings,
    "GetSettlementChain": _chain,
    "ListMedicalUses": _uses,
}
