"""Medical use, in the names of the national medical-insurance platform, which both provinces speak literally.

Field names and codes are those of the platform (fixmedins_code, mdtrt_id, setl_id, med_type, …); money is in yuan with
two decimals, like the rest of this interface. `init_setl_id` names the settlement that a 退费 gives back. A filing 备案 is a use of MED.REG
whose `czlx` is BA, BD or BC: babh 备案编号 · rloc_type 备案类型 · begndate, enddate 起止日期 · cxyy 撤销原因 (*convention*).
"""

from decimal import Decimal, InvalidOperation

from chuanyu.exchange.v1 import usage_medical_pb2 as medical
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields

VISIT_TYPES = {
    "11": medical.MEDICAL_VISIT_TYPE_OUTPATIENT,
    "13": medical.MEDICAL_VISIT_TYPE_EMERGENCY,
    "14": medical.MEDICAL_VISIT_TYPE_CHRONIC,
    "21": medical.MEDICAL_VISIT_TYPE_INPATIENT,
    "41": medical.MEDICAL_VISIT_TYPE_PHARMACY,
    "51": medical.MEDICAL_VISIT_TYPE_MATERNITY,
    "52": medical.MEDICAL_VISIT_TYPE_MATERNITY,
}
CERTIFICATES = {
    "01": medical.MEDICAL_CERTIFICATE_MEDICAL_ECERT,
    "02": medical.MEDICAL_CERTIFICATE_RESIDENT_ID,
    "03": medical.MEDICAL_CERTIFICATE_SOCIAL_CARD,
}
FILINGS = {
    "1": medical.MEDICAL_FILING_KIND_RETIREE_RESETTLED,
    "2": medical.MEDICAL_FILING_KIND_LONG_TERM_RESIDENT,
    "3": medical.MEDICAL_FILING_KIND_STATIONED_WORKER,
    "4": medical.MEDICAL_FILING_KIND_REFERRAL,
    "5": medical.MEDICAL_FILING_KIND_TEMPORARY_TRAVEL,
}
MONEY = {
    "total_fen": "medfee_sumamt",
    "pooled_fund_fen": "hifp_pay",
    "civil_servant_fen": "cvlserv_pay",
    "enterprise_supplement_fen": "hifes_pay",
    "resident_critical_fen": "hifmi_pay",
    "employee_large_sum_fen": "hifob_pay",
    "medical_aid_fen": "maf_pay",
    "other_fund_fen": "oth_pay",
    "fund_total_fen": "fund_pay_sumamt",
    "person_total_fen": "psn_part_amt",
    "personal_account_fen": "acct_pay",
    "cash_fen": "psn_cash_pay",
    "family_account_fen": "acct_mulaid_pay",
    "hospital_share_fen": "hosp_part_amt",
    "deductible_fen": "act_pay_dedc",
    "account_balance_fen": "balc",
}


def _visit_type(extension: Fields) -> medical.MedicalVisitType.ValueType:
    return VISIT_TYPES.get(extension.text("med_type"), medical.MEDICAL_VISIT_TYPE_UNSPECIFIED)


def _registration(native: Fields, extension: Fields) -> Event:
    """Returns a visit; `czlx` says where it is a filing: BA registered, BD ended, BC cancelled."""
    build = extension.code("czlx", {"": _visit, "BA": _filed, "BD": _filing_expired, "BC": _filing_cancelled}, _visit)
    return build(native, extension)


def _filed(_native: Fields, extension: Fields) -> Event:
    registered = medical.MedicalFilingRegistered(
        filing_no=extension.text("babh"),
        filing_kind=FILINGS.get(extension.text("rloc_type"), medical.MEDICAL_FILING_KIND_UNSPECIFIED),
        insured_region=extension.text("insuplc_admdvs"),
        treatment_region=extension.text("mdtrtarea_admvs"),
        valid_from=extension.day("begndate"),
        valid_to=extension.day("enddate"),
    )
    return Event(medical_filing_registered=registered)


def _filing_expired(_native: Fields, extension: Fields) -> Event:
    expired = medical.MedicalFilingExpired(filing_no=extension.text("babh"), insured_region=extension.text("insuplc_admdvs"))
    return Event(medical_filing_expired=expired)


def _filing_cancelled(_native: Fields, extension: Fields) -> Event:
    cancelled = medical.MedicalFilingCancelled(
        filing_no=extension.text("babh"), insured_region=extension.text("insuplc_admdvs"), reason_code=extension.text("cxyy")
    )
    return Event(medical_filing_cancelled=cancelled)


def _visit(_native: Fields, extension: Fields) -> Event:
    certificate = CERTIFICATES.get(extension.text("mdtrt_cert_type"), medical.MEDICAL_CERTIFICATE_UNSPECIFIED)
    visit = medical.MedicalVisitRegistered(
        institution_code=extension.text("fixmedins_code"),
        visit_id=extension.text("mdtrt_id"),
        visit_type=_visit_type(extension),
        certificate=certificate,
        department_code=extension.text("dept"),
    )
    return Event(medical_visit_registered=visit)


def _settlement(_native: Fields, extension: Fields) -> Event:
    institution, settlement_id = extension.text("fixmedins_code"), extension.text("setl_id")
    if original := extension.text("init_setl_id"):
        reversed_ = medical.MedicalSettlementReversed(
            institution_code=institution,
            settlement_id=settlement_id,
            original_settlement_id=original,
            money=_money(extension),
        )
        return Event(medical_settlement_reversed=reversed_)
    completed = medical.MedicalSettlementCompleted(
        institution_code=institution,
        visit_id=extension.text("mdtrt_id"),
        settlement_id=settlement_id,
        visit_type=_visit_type(extension),
        money=_money(extension),
        insured_region=extension.text("insuplc_admdvs"),
        treatment_region=extension.text("mdtrtarea_admvs"),
        insurance_type=extension.text("insutype"),
        clearing_type=extension.text("clr_type"),
    )
    return Event(medical_settlement_completed=completed)


def _money(extension: Fields) -> medical.MedicalMoney:
    money = medical.MedicalMoney(pooled_ratio_e4=_ratio_e4(extension, "pool_prop_selfpay"))
    for ours, theirs in MONEY.items():
        setattr(money, ours, extension.fen(theirs))
    return money


def _ratio_e4(extension: Fields, name: str) -> int:
    try:
        ratio = Decimal(extension.text(name) or "0")
    except InvalidOperation as error:
        raise extension.fault(name) from error
    if not 0 <= ratio <= 1:
        raise extension.fault(name)
    return int(ratio * 10_000)


KINDS = {
    "MED.REG": _registration,
    "MED.OP": _settlement,
    "MED.CHR": _settlement,
    "MED.IP": _settlement,
    "MED.RX": _settlement,
}
WITH_AMOUNT = {"medical_settlement_completed", "medical_settlement_reversed"}
