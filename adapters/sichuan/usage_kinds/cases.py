"""Cases 办件: GOV.CASE, one report a message, by the step that `bjzt` names.

bjbh 办件编号 · sxbm 事项编码 · blf 办理方 · jdf 决定方 · yjsbh 一件事编号 · bjzt 办件状态
blms 办理模式 · rzfs 认证方式 · mbd 免表单 · mcl 免交材料 · bzcl 补正材料 (both separated by commas) · cnts 承诺工作日
bslyy 不予受理原因 · zzyy 中止原因 · mdsf 目的省份 · mdqh 目的区划 · mdjg 目的机构 · jg 结果 · cnrq 承诺日期 · xj 星级
"""

from typing import Any

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
PAUSES = {"01": "HEARING", "02": "INSPECTION", "03": "APPRAISAL"}


def case(_native: Fields, extension: Fields) -> Event:
    """Returns the report that a message is."""
    ref = government.CaseRef(
        case_no=extension.text("bjbh"),
        item_code=extension.text("sxbm"),
        handling_province=extension.text("blf"),
        deciding_province=extension.text("jdf"),
        package_no=extension.text("yjsbh"),
    )
    reason_code = extension.text("bslyy")
    pause = extension.code("zzyy", PAUSES, "")
    asked = _papers(extension, "bzcl")
    there = {"to_province": extension.text("mdsf"), "to_agency": extension.text("mdjg")}
    transferred = government.CaseTransferred(case_ref=ref, to_region=extension.text("mdqh"), **there)
    decided = government.CaseDecided(case_ref=ref, granted=extension.flag("jg"), promised_on=extension.day("cnrq"))
    states = {
        "01": Event(case_submitted=_submission(ref, extension)),
        "02": Event(case_received=government.CaseReceived(case_ref=ref)),
        "03": Event(case_supplement_requested=government.CaseSupplementRequested(case_ref=ref, materials=asked)),
        "04": Event(case_accepted=government.CaseAccepted(case_ref=ref, **_promised(extension))),
        "05": Event(case_not_accepted=government.CaseNotAccepted(case_ref=ref, reason_code=reason_code)),
        "06": Event(case_transferred=transferred),
        "07": Event(case_decided=decided),
        "08": Event(case_delivered=government.CaseDelivered(case_ref=ref)),
        "09": Event(case_withdrawn=government.CaseWithdrawn(case_ref=ref)),
        "10": Event(case_rated=government.CaseRated(case_ref=ref, stars=extension.count("xj"))),
        "11": Event(case_supplemented=government.CaseSupplemented(case_ref=ref, materials=asked)),
        "12": Event(case_clock_paused=government.CaseClockPaused(case_ref=ref, reason_code=pause)),
        "13": Event(case_clock_resumed=government.CaseClockResumed(case_ref=ref)),
        "14": Event(case_forwarded=government.CaseForwarded(case_ref=ref, **there)),
    }
    extension.required("bjzt")
    return extension.code("bjzt", states, Event())


def _submission(ref: government.CaseRef, extension: Fields) -> government.CaseSubmitted:
    return government.CaseSubmitted(
        case_ref=ref,
        mode=extension.code("blms", MODES, government.CASE_MODE_UNSPECIFIED),
        auth_method=extension.code("rzfs", AUTH_METHODS, government.CASE_AUTH_METHOD_UNSPECIFIED),
        form_waived=extension.flag("mbd"),
        materials_waived=_papers(extension, "mcl"),
        **_promised(extension),
    )


def _promised(extension: Fields) -> dict[str, Any]:
    """Returns the promised working days; null is not said, and 0 is on the same day."""
    return {"promised_working_days": extension.count("cnts", 4)} if extension.text("cnts") else {}


def _papers(extension: Fields, name: str) -> list[str]:
    return [paper for paper in extension.text(name).split(",") if paper]
