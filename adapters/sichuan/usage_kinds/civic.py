"""Government windows, human resources and social security; cases are in `cases`, coupons and points in `consumption`.

ckdm 窗口代码 · ytdm 用途代码 · rzfs 认证方式
tyshxydm 用人单位代码 · qsrq 起始日期 · aae140 险种 · aae041/aae042 费款所属期 · aae180 基数 · aae019 金额
dylb 待遇类别 · zq 周期 · btdm 补贴代码 · sqbh 申请编号
"""

from chuanyu.exchange.v1 import usage_employment_pb2 as employment
from chuanyu.exchange.v1 import usage_government_pb2 as government
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.sichuan.fields import Fields
from adapters.sichuan.usage_kinds.cases import case
from adapters.sichuan.usage_kinds.consumption import consumption

CERTIFICATIONS = {
    "01": employment.CERTIFICATION_METHOD_FACE,
    "02": employment.CERTIFICATION_METHOD_VISIT,
    "03": employment.CERTIFICATION_METHOD_DATA_MATCH,
}


def _identity(_native: Fields, extension: Fields) -> Event:
    presented = government.IdentityPresented(window_code=extension.text("ckdm"), purpose_code=extension.text("ytdm"))
    return Event(identity_presented=presented)


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


KINDS = {
    "GOV.ID": _identity,
    "GOV.CASE": case,
    "HR.EMP": _employment,
    "HR.PAY": _contribution,
    "HR.CERT": _certification,
    "HR.SUB": _subsidy,
    "CON.CPN": consumption,
}
WITH_AMOUNT = {"contribution_paid", "coupon_redeemed"}
