"""Medical use by B1 call: filings 备案, settlements 结算 and refunds 退费, on the person's card of either province.

The fields are this adapter's convention, in the words of the card-management system and, for the parts of a settlement, in those of the
national platform; money is in yuan with two decimals, days are yyyyMMdd. The published format has none of it.
"""

from collections.abc import Callable, Mapping
from typing import Final

from chuanyu.exchange.v1 import usage_medical_pb2 as medical
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import Fields, choice, fen, iso_date, need

KINDS_OF_FILING: Final = {
    "异地安置退休": medical.MEDICAL_FILING_KIND_RETIREE_RESETTLED,
    "长期居住": medical.MEDICAL_FILING_KIND_LONG_TERM_RESIDENT,
    "常驻异地工作": medical.MEDICAL_FILING_KIND_STATIONED_WORKER,
    "异地转诊": medical.MEDICAL_FILING_KIND_REFERRAL,
    "临时外出": medical.MEDICAL_FILING_KIND_TEMPORARY_TRAVEL,
}
VISITS: Final = {
    "普通门诊": ("MED.OP", medical.MEDICAL_VISIT_TYPE_OUTPATIENT),
    "急诊": ("MED.OP", medical.MEDICAL_VISIT_TYPE_EMERGENCY),
    "门诊慢特病": ("MED.CHR", medical.MEDICAL_VISIT_TYPE_CHRONIC),
    "住院": ("MED.IP", medical.MEDICAL_VISIT_TYPE_INPATIENT),
    "药店购药": ("MED.RX", medical.MEDICAL_VISIT_TYPE_PHARMACY),
    "生育": ("MED.IP", medical.MEDICAL_VISIT_TYPE_MATERNITY),
}
MONEY: Final = {
    "total_fen": "总费用",
    "pooled_fund_fen": "统筹基金",
    "civil_servant_fen": "公务员补助",
    "enterprise_supplement_fen": "企业补充",
    "resident_critical_fen": "居民大病",
    "employee_large_sum_fen": "职工大额",
    "medical_aid_fen": "医疗救助",
    "other_fund_fen": "其他基金",
    "fund_total_fen": "基金合计",
    "person_total_fen": "个人合计",
    "personal_account_fen": "个人账户",
    "cash_fen": "现金",
    "family_account_fen": "家庭共济",
    "hospital_share_fen": "医院承担",
}


def _filed(fields: Fields) -> list[Event]:
    need(fields, "生效日期")
    registered = medical.MedicalFilingRegistered(
        filing_no=need(fields, "备案编号"),
        filing_kind=choice(fields, "备案类型", KINDS_OF_FILING),
        insured_region=need(fields, "参保地"),
        treatment_region=need(fields, "就医地"),
        valid_from=iso_date(fields, "生效日期"),
        valid_to=iso_date(fields, "截止日期"),
    )
    return [Event(medical_filing_registered=registered)]


def _expired(fields: Fields) -> list[Event]:
    number, insured = need(fields, "备案编号"), fields.get("参保地", "")
    return [Event(medical_filing_expired=medical.MedicalFilingExpired(filing_no=number, insured_region=insured))]


def _cancelled(fields: Fields) -> list[Event]:
    cancelled = medical.MedicalFilingCancelled(
        filing_no=need(fields, "备案编号"), insured_region=fields.get("参保地", ""), reason_code=fields.get("撤销原因", "")
    )
    return [Event(medical_filing_cancelled=cancelled)]


def _settled(fields: Fields) -> list[Event]:
    scenario, visit_type = choice(fields, "就诊类别", VISITS)
    settled = medical.MedicalSettlementCompleted(
        institution_code=need(fields, "医药机构"),
        visit_id=need(fields, "就诊编号"),
        settlement_id=need(fields, "结算编号"),
        visit_type=visit_type,
        money=_money(fields),
        insured_region=fields.get("参保地", ""),
        treatment_region=fields.get("就医地", ""),
        insurance_type=fields.get("险种", ""),
        clearing_type=fields.get("清算类别", ""),
    )
    return [Event(medical_settlement_completed=settled, scenario=scenario)]


def _given_back(fields: Fields) -> list[Event]:
    scenario, _ = choice(fields, "就诊类别", VISITS)
    back = medical.MedicalSettlementReversed(
        institution_code=need(fields, "医药机构"),
        settlement_id=need(fields, "结算编号"),
        original_settlement_id=need(fields, "原结算编号"),
        money=_money(fields),
    )
    return [Event(medical_settlement_reversed=back, scenario=scenario)]


def _money(fields: Fields) -> medical.MedicalMoney:
    need(fields, "总费用")
    return medical.MedicalMoney(**{part: fen(fields, tag) for part, tag in MONEY.items()})


# What each operation builds, from the fields of its call.
MEDICAL: Final[Mapping[str, Callable[[Fields], list[Event]]]] = {
    "异地就医备案": _filed,
    "备案到期": _expired,
    "备案撤销": _cancelled,
    "医保结算": _settled,
    "医保退费": _given_back,
}
