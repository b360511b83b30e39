"""Government windows and cases, human resources and social security, coupons.

ckdm 窗口代码 · ytdm 用途代码 · bjbh 办件编号 · sxbm 事项编码 · blf 办理方 · jdf 决定方 · bjzt 办件状态
blms 办理模式 · rzfs 认证方式 · mbd 免表单 · mcl 免交材料 (separated by commas) · bslyy 不予受理原因
mdqh 目的区划 · jg 结果 · cnrq 承诺日期 · xj 星级
tyshxydm 用人单位代码 · qsrq 起始日期 · aae140 险种 · aae041/aae042 费款所属期 · aae180 基数 · aae019 金额
dylb 待遇类别 · zq 周期 · btdm 补贴代码 · sqbh 申请编号 · qid 券号 · shbh 商户编号
"""

from chuanyu.exchange.v1 import usage_coupon_pb2 as coupon
from chuanyu.exchange.v1 import usage_employment_pb2 as employment
from chuanyu.exchange.v1 import usage_government_pb2 as government
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields

MODES = {
    "W": government.CASE_MODE_FULL_ONLINE,
    "D": government.CASE_MODE_COLLECT_FORWARD,
    "L": government.CASE_MODE_JOINT,
}
AUTH_METHODS = {
    "01": government.CASE_AUTH_METHOD_NATIONAL_SSO,
    "02": government.CASE_AUTH_METHOD_ECARD_LOGIN,
    "03": government.CASE_AUTH_METHOD_PHYSICAL_CARD,
    "04": government.CASE_AUTH_METHOD_ID_CARD,
    "05": government.CASE_AUTH_METHOD_FACE,
}
CERTIFICATIONS = {
    "01": employment.CERTIFICATION_METHOD_FACE,
    "02": employment.CERTIFICATION_METHOD_VISIT,
    "03": employment.CERTIFICATION_METHOD_DATA_MATCH,
}


def _identity(_native: Fields, extension: Fields) -> Event:
    presented = government.IdentityPresented(window_code=extension.text("ckdm"), purpose_code=extension.text("ytdm"))
    return Event(identity_presented=presented)


def _case(_native: Fields, extension: Fields) -> Event:
    case = government.CaseRef(
        case_no=extension.text("bjbh"),
        item_code=extension.text("sxbm"),
        handling_province=extension.text("blf"),
        deciding_province=extension.text("jdf"),
    )
    reason_code = extension.text("bslyy")
    rated = government.CaseRated(case_ref=case, stars=extension.count("xj"))
    decided = government.CaseDecided(case_ref=case, granted=extension.flag("jg"), promised_on=extension.day("cnrq"))
    states = {
        "01": Event(case_submitted=_submission(case, extension)),
        "02": Event(case_received=government.CaseReceived(case_ref=case)),
        "03": Event(case_supplement_requested=government.CaseSupplementRequested(case_ref=case)),
        "04": Event(case_accepted=government.CaseAccepted(case_ref=case)),
        "05": Event(case_not_accepted=government.CaseNotAccepted(case_ref=case, reason_code=reason_code)),
        "06": Event(case_transferred=government.CaseTransferred(case_ref=case, to_region=extension.text("mdqh"))),
        "07": Event(case_decided=decided),
        "08": Event(case_delivered=government.CaseDelivered(case_ref=case)),
        "09": Event(case_withdrawn=government.CaseWithdrawn(case_ref=case)),
        "10": Event(case_rated=rated),
    }
    extension.required("bjzt")
    return extension.code("bjzt", states, Event())


def _submission(case: government.CaseRef, extension: Fields) -> government.CaseSubmitted:
    return government.CaseSubmitted(
        case_ref=case,
        mode=extension.code("blms", MODES, government.CASE_MODE_UNSPECIFIED),
        auth_method=extension.code("rzfs", AUTH_METHODS, government.CASE_AUTH_METHOD_UNSPECIFIED),
        form_waived=extension.flag("mbd"),
        materials_waived=[paper for paper in extension.text("mcl").split(",") if paper],
    )


def _employment(_native: Fields, extension: Fields) -> Event:
    registered = employment.EmploymentRegistered(employer_code=extension.text("tyshxydm"), from_date=extension.day("qsrq"))
    return Event(employment_registered=registered)


def _contribution(_native: Fields, extension: Fields) -> Event:
    paid = employment.ContributionPaid(
        insurance_kind=extension.text("aae140"),
        period_from=extension.text("aae041"),
        period_to=extension.text("aae042"),
        base_fen=extension.fen("aae180"),
        amount_fen=extension.fen("aae019"),
    )
    return Event(contribution_paid=paid)


def _certification(_native: Fields, extension: Fields) -> Event:
    certified = employment.BenefitQualificationCertified(
        benefit_kind=extension.text("dylb"),
        method=extension.code("rzfs", CERTIFICATIONS, employment.CERTIFICATION_METHOD_UNSPECIFIED),
        cycle=extension.text("zq"),
    )
    return Event(benefit_qualification_certified=certified)


def _subsidy(_native: Fields, extension: Fields) -> Event:
    applied = employment.SubsidyApplied(subsidy_code=extension.text("btdm"), application_no=extension.text("sqbh"))
    return Event(subsidy_applied=applied)


def _coupon(native: Fields, extension: Fields) -> Event:
    redeemed = coupon.CouponRedeemed(coupon_id=extension.text("qid"), merchant_id=extension.text("shbh"), used_fen=native.fen("je"))
    return Event(coupon_redeemed=redeemed)


KINDS = {
    "GOV.ID": _identity,
    "GOV.CASE": _case,
    "HR.EMP": _employment,
    "HR.PAY": _contribution,
    "HR.CERT": _certification,
    "HR.SUB": _subsidy,
    "CON.CPN": _coupon,
}
WITH_AMOUNT = {"contribution_paid", "coupon_redeemed"}
