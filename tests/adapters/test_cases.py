"""Cases in both native formats: each step says the same in either, and what cannot be read is refused by its field."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import usage_government_pb2 as government
from google.protobuf.message import Message

from adapters.chongqing.case_kinds import CASES
from adapters.chongqing.errors import MalformedCall
from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.translate_call import card_of, translate_call
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.translate import translate
from hub.projections.views.cases import CASE_KINDS
from tests.adapters.test_sichuan import asked, sample

REF = {"case_no": "N1", "item_code": "TB057", "handling_province": "51", "deciding_province": "50", "package_no": "P1"}
SICHUAN = {"bjbh": "N1", "sxbm": "TB057", "blf": "51", "jdf": "50", "yjsbh": "P1"}
CHONGQING = {"办件编号": "N1", "事项编码": "TB057", "办理方": "51", "决定方": "50", "一件事编号": "P1"}
CALL = {
    "操作": "办件收件", "用户名": "CQWIN01", "时间戳": "2026-03-04 09:00:00", "所属区县": "510199", "社保卡号": "S00000123",
    "社会保障号码": "51019919900307002X", "姓名": "测试乙", "受理地": "500103", "流水号": "CQ2026030400000001",
}  # fmt: skip
SUBMITTED = government.CaseSubmitted(
    mode=government.CASE_MODE_COLLECT_FORWARD,
    auth_method=government.CASE_AUTH_METHOD_PHYSICAL_CARD,
    form_waived=True,
    materials_waived=["身份证明", "参保证明"],
    promised_working_days=0,
)
# Of each step: what Sichuan and Chongqing write, and what it is.
STEPS: list[tuple[dict[str, str], str, dict[str, str], Message]] = [
    (
        {"bjzt": "01", "blms": "D", "rzfs": "03", "mbd": "1", "mcl": "身份证明,参保证明", "cnts": "0"},
        "办件提交",
        {"办理模式": "异地代收代办", "认证方式": "实体社保卡", "免表单": "是", "免交材料": "身份证明、参保证明", "承诺工作日": "0"},
        SUBMITTED,
    ),
    ({"bjzt": "02"}, "办件收件", {}, government.CaseReceived()),
    ({"bjzt": "03", "bzcl": "户口簿"}, "办件补正通知", {"补正材料": "户口簿"}, government.CaseSupplementRequested(materials=["户口簿"])),
    ({"bjzt": "04", "cnts": "5"}, "办件受理", {"承诺工作日": "5"}, government.CaseAccepted(promised_working_days=5)),
    ({"bjzt": "04"}, "办件受理", {}, government.CaseAccepted()),
    ({"bjzt": "05", "bslyy": "NOT_OURS"}, "办件不予受理", {"不予受理原因": "NOT_OURS"}, government.CaseNotAccepted(reason_code="NOT_OURS")),
    (
        {"bjzt": "06", "mdqh": "500103", "mdjg": "YB-02", "mdsf": "50"},
        "办件转办",
        {"目的区划": "500103", "目的机构": "YB-02", "目的省份": "50"},
        government.CaseTransferred(to_region="500103", to_agency="YB-02", to_province="50"),
    ),
    ({"bjzt": "07", "jg": "1"}, "办件办结", {"办理结果": "准予"}, government.CaseDecided(granted=True)),
    ({"bjzt": "07", "jg": "0"}, "办件办结", {"办理结果": "不予"}, government.CaseDecided(granted=False)),
    ({"bjzt": "08"}, "办件送达", {}, government.CaseDelivered()),
    ({"bjzt": "09"}, "办件撤回", {}, government.CaseWithdrawn()),
    ({"bjzt": "10", "xj": "2"}, "办件评价", {"星级": "2"}, government.CaseRated(stars=2)),
    ({"bjzt": "11", "bzcl": "户口簿"}, "办件补正", {"补正材料": "户口簿"}, government.CaseSupplemented(materials=["户口簿"])),
    ({"bjzt": "12", "zzyy": "01"}, "办件中止", {"中止原因": "听证"}, government.CaseClockPaused(reason_code="HEARING")),
    ({"bjzt": "13"}, "办件恢复", {}, government.CaseClockResumed()),
    (
        {"bjzt": "14", "mdsf": "50", "mdjg": "YB-01"},
        "办件转递",
        {"目的省份": "50", "目的机构": "YB-01"},
        government.CaseForwarded(to_province="50", to_agency="YB-01"),
    ),
]


def sichuan(extension: dict[str, str]) -> Any:
    native = {**sample("SBK2104-library-borrow"), "yydm": "GOV.CASE", "yyqh": "510100", "kzxx": {**SICHUAN, **extension}}
    [event] = translate(asked("SBK2104"), native).events
    return event


def chongqing(operation: str, fields: dict[str, str]) -> Any:
    [(_, event)] = translate_call(NativeCall({**CALL, **CHONGQING, "操作": operation, **fields}, ""))
    return event


@pytest.mark.parametrize(("extension", "operation", "fields", "expected"), STEPS)
def test_a_step_says_the_same_in_either_format(
    extension: dict[str, str], operation: str, fields: dict[str, str], expected: Message
) -> None:
    expected = type(expected).FromString(expected.SerializeToString())
    expected.case_ref.CopyFrom(government.CaseRef(**REF))  # type: ignore[attr-defined]
    events = (sichuan(extension), chongqing(operation, fields))
    assert [getattr(event, event.WhichOneof("kind")) for event in events] == [expected, expected]
    assert {event.scenario for event in events} == {"GOV.CASE"}
    assert [event.service_region for event in events] == ["510100", "500103"]


def test_every_step_has_its_word_in_both_formats() -> None:
    assert {sichuan(extension).WhichOneof("kind") for extension, *_ in STEPS} == CASE_KINDS
    assert {operation for _, operation, *_ in STEPS} == set(CASES)


def test_the_standing_of_the_card_has_no_say_in_the_reply() -> None:
    assert card_of(NativeCall({**CALL, **CHONGQING}, "")) is None


@pytest.mark.parametrize(
    ("operation", "fields", "says"),
    [
        ("办件收件", {"办件编号": ""}, "缺少办件编号"),
        ("办件收件", {"办理方": "52"}, "办理方取值错误"),
        ("办件受理", {"承诺工作日": "-1"}, "承诺工作日格式错误"),
        ("办件受理", {"承诺工作日": "3651"}, "承诺工作日格式错误"),
        ("办件评价", {"星级": "6"}, "星级取值错误"),
        ("办件办结", {}, "缺少办理结果"),
        ("办件中止", {"中止原因": "放假"}, "中止原因取值错误"),
        ("办件转办", {}, "缺少目的区划"),
        ("办件转递", {"目的省份": "60"}, "目的省份取值错误"),
    ],
)
def test_what_chongqing_cannot_have_meant_is_refused_by_its_field(operation: str, fields: dict[str, str], says: str) -> None:
    with pytest.raises(MalformedCall, match=says):
        chongqing(operation, fields)


@pytest.mark.parametrize(("extension", "field"), [({"bjzt": "15"}, "bjzt"), ({}, "bjzt"), ({"bjzt": "04", "cnts": "-1"}, "cnts")])
def test_what_sichuan_cannot_have_meant_is_refused_by_its_field(extension: dict[str, str], field: str) -> None:
    with pytest.raises(ParameterInvalid, match=field):
        sichuan(extension)
