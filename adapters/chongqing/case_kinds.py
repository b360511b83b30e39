"""Cases 办件 by B1 call: one operation a step, on the applicant's card of either province.

The fields are this adapter's convention, in the words of the card-management system: 办件编号 and 事项编码, 办理方 and 决定方 (50 or 51),
一件事编号; papers are separated by 、. The published format has no case; its caller names the person and the card as in any other call.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from chuanyu.exchange.v1 import usage_government_pb2 as government
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import Fields, choice, is_yes, need
from adapters.chongqing.errors import MalformedCall

SCENARIO: Final = "GOV.CASE"
MODES: Final = {
    "全程网办": government.CASE_MODE_FULL_ONLINE,
    "异地代收代办": government.CASE_MODE_COLLECT_FORWARD,
    "多地联办": government.CASE_MODE_JOINT,
}
AUTH_METHODS: Final = {
    "统一身份认证": government.CASE_AUTH_METHOD_NATIONAL_SSO,
    "电子社保卡": government.CASE_AUTH_METHOD_ECARD_LOGIN,
    "实体社保卡": government.CASE_AUTH_METHOD_PHYSICAL_CARD,
    "身份证": government.CASE_AUTH_METHOD_ID_CARD,
    "人脸": government.CASE_AUTH_METHOD_FACE,
}
SIDES: Final = {"50": "50", "51": "51"}
PAUSES: Final = {"听证": "HEARING", "检验": "INSPECTION", "鉴定": "APPRAISAL"}
RESULTS: Final = {"准予": True, "不予": False}
STARS: Final = {str(stars): stars for stars in range(1, 6)}
_MOST_DAYS: Final = 3_650


def _ref(fields: Fields) -> government.CaseRef:
    return government.CaseRef(
        case_no=need(fields, "办件编号"),
        item_code=need(fields, "事项编码"),
        handling_province=choice(fields, "办理方", SIDES),
        deciding_province=choice(fields, "决定方", SIDES),
        package_no=fields.get("一件事编号", ""),
    )


def _submitted(ref: government.CaseRef, fields: Fields) -> Event:
    submitted = government.CaseSubmitted(
        case_ref=ref,
        mode=choice(fields, "办理模式", MODES),
        auth_method=choice(fields, "认证方式", AUTH_METHODS),
        form_waived=is_yes(fields, "免表单"),
        materials_waived=_papers(fields, "免交材料"),
        **_promised(fields),
    )
    return Event(case_submitted=submitted)


def _accepted(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_accepted=government.CaseAccepted(case_ref=ref, **_promised(fields)))


def _not_accepted(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_not_accepted=government.CaseNotAccepted(case_ref=ref, reason_code=need(fields, "不予受理原因")))


def _requested(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_supplement_requested=government.CaseSupplementRequested(case_ref=ref, materials=_papers(fields, "补正材料")))


def _supplemented(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_supplemented=government.CaseSupplemented(case_ref=ref, materials=_papers(fields, "补正材料")))


def _forwarded(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_forwarded=government.CaseForwarded(case_ref=ref, **_there(fields)))


def _transferred(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_transferred=government.CaseTransferred(case_ref=ref, to_region=need(fields, "目的区划"), **_there(fields)))


def _paused(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_clock_paused=government.CaseClockPaused(case_ref=ref, reason_code=choice(fields, "中止原因", PAUSES)))


def _decided(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_decided=government.CaseDecided(case_ref=ref, granted=choice(fields, "办理结果", RESULTS)))


def _rated(ref: government.CaseRef, fields: Fields) -> Event:
    return Event(case_rated=government.CaseRated(case_ref=ref, stars=choice(fields, "星级", STARS)))


def _promised(fields: Fields) -> dict[str, Any]:
    """Returns the promised working days, nothing where the call does not say them; raises MalformedCall."""
    said = fields.get("承诺工作日", "")
    if not said:
        return {}
    if not (said.isascii() and said.isdigit() and len(said) <= 4 and int(said) <= _MOST_DAYS):
        raise MalformedCall("承诺工作日格式错误")
    return {"promised_working_days": int(said)}


def _there(fields: Fields) -> dict[str, str]:
    return {"to_province": choice(fields, "目的省份", {**SIDES, "": ""}, ""), "to_agency": fields.get("目的机构", "")}


def _papers(fields: Fields, tag: str) -> list[str]:
    return [paper for paper in fields.get(tag, "").split("、") if paper]


def _plain(arm: str, message: Callable[..., Any], ref: government.CaseRef, _: Fields) -> Event:
    """Returns a step that says nothing but its case."""
    return Event(**{arm: message(case_ref=ref)})


_STEPS: Final[Mapping[str, Callable[[government.CaseRef, Fields], Event]]] = {
    "办件提交": _submitted,
    "办件收件": partial(_plain, "case_received", government.CaseReceived),
    "办件补正通知": _requested,
    "办件补正": _supplemented,
    "办件受理": _accepted,
    "办件不予受理": _not_accepted,
    "办件转递": _forwarded,
    "办件转办": _transferred,
    "办件中止": _paused,
    "办件恢复": partial(_plain, "case_clock_resumed", government.CaseClockResumed),
    "办件办结": _decided,
    "办件送达": partial(_plain, "case_delivered", government.CaseDelivered),
    "办件撤回": partial(_plain, "case_withdrawn", government.CaseWithdrawn),
    "办件评价": _rated,
}


def _built(step: Callable[[government.CaseRef, Fields], Event], fields: Fields) -> list[Event]:
    return [step(_ref(fields), fields)]


# What each operation builds, from the fields of its call.
CASES: Final[Mapping[str, Callable[[Fields], list[Event]]]] = {name: partial(_built, step) for name, step in _STEPS.items()}
