"""What both native formats say for indicators: the same in either, and refused by its field where it is wrong."""

import pytest
from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import indicator_facts_pb2 as facts
from chuanyu.exchange.v1.card_lifecycle_pb2 import SocialStatus
from chuanyu.exchange.v1.card_service_pb2 import CardLives
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.errors import IssuerOnly, MalformedCall, ReplyCode
from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.standing import judge
from adapters.chongqing.translate_call import card_of, translate_call
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.translate import translate
from tests.adapters.test_cases import CALL
from tests.adapters.test_sichuan import asked

WHO = {"aab301": "510199", "aac002": "51019919900307002X", "aaz500": "S00000123"}
DAYS, TERM = {"qsrq": "20260301", "zzrq": "20281231"}, {"生效日期": "20260301", "截止日期": "20281231"}
OUTLET = facts.OutletRegistered(
    outlet_code="W510199001", operator=facts.OUTLET_OPERATOR_BANK, stars=3, valid_from="2026-03-01", valid_to="2028-12-31"
)
ELIGIBLE = facts.PayeeBecameEligible(project_code="NCDB", eligible_from="2026-03-01")
BASIS = control.GroupBasisRegistered(
    group_code="VETERAN", legal_basis="退役军人保障法", services=["LANE", "VISIT"], valid_from="2026-03-01", valid_to="2028-12-31"
)
GIVEN = facts.GroupServiceGiven(service="LANE")


def sichuan(code: str, **says: str) -> Event:
    (event,) = translate(asked(code), {"fssj": "20260304090000", **says}).events
    return event


def chongqing(operation: str, **fields: str) -> Event:
    ((_, event),) = translate_call(NativeCall({**CALL, "操作": operation, **fields}, ""))
    return event


def test_an_outlet_is_about_a_place_and_no_card_in_either_format() -> None:
    told = sichuan("SBK5001", wdqh="510199", wddm="W510199001", jblx="01", xj="3", **DAYS)
    call = {"操作": "网点登记", "受理地": "500199", "网点代码": "W510199001", "经办类型": "银行", "星级": "3", **TERM}
    plain = NativeCall({tag: CALL[tag] for tag in ("用户名", "时间戳", "流水号")} | call, "")
    ((_, other),) = translate_call(plain)
    assert (told.outlet_registered, told.service_region) == (OUTLET, "510199")
    assert (other.outlet_registered, other.service_region) == (OUTLET, "500199")
    assert card_of(plain) is None
    assert not any(one.HasField(name) for one in (told, other) for name in ("card", "holder"))


def test_what_is_of_a_person_is_the_same_in_either_format() -> None:
    told = sichuan("SBK5002", ffqh="510199", xmdm="NCDB", qsrq="20260301", **WHO)
    other = chongqing("新增领取登记", 项目代码="NCDB", 生效日期="20260301")
    assert told.payee_became_eligible == other.payee_became_eligible == ELIGIBLE
    assert told.holder == other.holder
    told = sichuan("SBK5003", qtdm="VETERAN", flyj="退役军人保障法", fwdm="LANE,VISIT", **DAYS, **WHO)
    other = chongqing("群体依据登记", 所属区县="500199", 群体代码="VETERAN", 法律依据="退役军人保障法", 服务代码="LANE、VISIT", **TERM)
    assert told.group_basis_registered == other.group_basis_registered == BASIS
    told = sichuan("SBK5004", fwqh="510199", yydm="GOV.ID", fwdm="LANE", **WHO)
    other = chongqing("群体服务提供", 服务代码="LANE")
    assert told.group_service_given == other.group_service_given == GIVEN
    assert (told.card, told.scenario) == (other.card, other.scenario)


def test_a_basis_is_its_issuers_to_say_and_any_card_has_it() -> None:
    says = {"群体代码": "VETERAN", "法律依据": "退役军人保障法", "服务代码": "LANE", **TERM}
    with pytest.raises(IssuerOnly):
        chongqing("群体依据登记", **says)
    with pytest.raises(ParameterInvalid, match="发卡地"):
        sichuan("SBK5003", qtdm="VETERAN", flyj="退役军人保障法", fwdm="LANE", **DAYS, **{**WHO, "aab301": "500199"})
    assert judge("群体依据登记", CardLives(social_status=SocialStatus.SOCIAL_STATUS_CANCELLED)).code is ReplyCode.DONE


@pytest.mark.parametrize(("field", "says"), [("wddm", ""), ("jblx", "03"), ("xj", "三"), ("qsrq", ""), ("zzrq", "20281301"), ("wdqh", "")])
def test_what_sichuan_cannot_have_meant_is_refused_by_its_field(field: str, says: str) -> None:
    with pytest.raises(ParameterInvalid, match=field):
        sichuan("SBK5001", **{"wdqh": "510199", "wddm": "W1", "jblx": "01", "xj": "3", **DAYS, field: says})


@pytest.mark.parametrize(("code", "lacks"), [("SBK5002", "aaz500"), ("SBK5003", "fwdm"), ("SBK5004", "fwdm")])
def test_a_fact_of_nobody_or_without_its_field_is_refused(code: str, lacks: str) -> None:
    with pytest.raises(ParameterInvalid, match=lacks):
        says = {"ffqh": "510199", "xmdm": "NCDB", "qtdm": "VETERAN", "flyj": "法", **DAYS, "aab301": "510199"}
        sichuan(code, **says, **({} if code == "SBK5002" else {"aaz500": "S00000123"}))


@pytest.mark.parametrize(
    ("field", "says"), [("网点代码", ""), ("经办类型", "邮局"), ("星级", "三"), ("生效日期", ""), ("截止日期", "2028")]
)
def test_what_chongqing_cannot_have_meant_is_refused_by_its_field(field: str, says: str) -> None:
    with pytest.raises(MalformedCall, match=field):
        chongqing("网点登记", **{"网点代码": "W1", "经办类型": "银行", "星级": "3", **TERM, field: says})
