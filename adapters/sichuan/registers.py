"""What Sichuan's interface says for indicators (SBK5001 to SBK5004), as events of feed sc.card-center.

The published interface has no message for these; the codes and fields are this adapter's own, as its makers would abbreviate:

    SBK5001 网点登记: wdqh 网点区划 · wddm 网点代码 · jblx 经办类型 (01 银行, 02 社保经办) · xj 星级 · qsrq 首日 · zzrq 末日
    SBK5002 新增领取资格: ffqh 发放区划 · xmdm 项目代码 · qsrq 首日, and who
    SBK5003 重点群体依据: qtdm 群体代码 · flyj 法律依据 · fwdm 服务代码, with commas between them · qsrq · zzrq, and whose card
    SBK5004 提供群体服务: fwqh 服务区划 · yydm 应用场景 · fwdm 服务代码, and whose card; it names no group
"""

from collections.abc import Callable

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import indicator_facts_pb2 as facts
from chuanyu.exchange.v1.event_pb2 import Event, Source

from adapters.sichuan.fields import Fields
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.subjects import SICHUAN, card_refs, holder, issuing_province

OPERATORS = {"01": facts.OUTLET_OPERATOR_BANK, "02": facts.OUTLET_OPERATOR_AGENCY}


def _outlet(native: Fields) -> Event:
    outlet = facts.OutletRegistered(
        outlet_code=native.required("wddm"),
        operator=native.code("jblx", OPERATORS, facts.OUTLET_OPERATOR_UNSPECIFIED),
        stars=native.count("xj", 2),
        valid_from=_first_day(native),
        valid_to=native.day("zzrq"),
    )
    return Event(outlet_registered=outlet, service_region=native.required("wdqh"))


def _eligible(native: Fields) -> Event:
    eligible = facts.PayeeBecameEligible(project_code=native.required("xmdm"), eligible_from=_first_day(native))
    return _of_person(native, Event(payee_became_eligible=eligible, service_region=native.required("ffqh")))


def _basis(native: Fields) -> Event:
    if issuing_province(native) != SICHUAN:
        raise ParameterInvalid("非四川发卡，须由发卡地登记")
    basis = control.GroupBasisRegistered(
        group_code=native.required("qtdm"),
        legal_basis=native.required("flyj"),
        services=native.required("fwdm").split(","),
        valid_from=_first_day(native),
        valid_to=native.day("zzrq"),
    )
    return _of_person(native, Event(group_basis_registered=basis))


def _service(native: Fields) -> Event:
    given = facts.GroupServiceGiven(service=native.required("fwdm"))
    about = Event(group_service_given=given, service_region=native.required("fwqh"), scenario=native.required("yydm"))
    return _of_person(native, about)


def _first_day(native: Fields) -> str:
    native.required("qsrq")
    return native.day("qsrq")


def _of_person(native: Fields, event: Event) -> Event:
    """Adds whom an event is about: by his card if it is named, by his number if that is."""
    cards = card_refs(native) if native.text("aaz500") else []
    person = holder(native)
    if not cards and person is None:
        raise native.fault("aaz500")
    if cards:
        event.card.CopyFrom(cards[0])
        event.issuer_region = native.text("aab301")
    if person is not None:
        event.holder.CopyFrom(person)
    return event


REGISTERS: dict[str, Callable[[Fields], Event]] = {"SBK5001": _outlet, "SBK5002": _eligible, "SBK5003": _basis, "SBK5004": _service}


def translate_register(trans_code: str, native: Fields, source: Source) -> Event:
    """Returns the fact of a message; raises ParameterInvalid."""
    native.required("fssj")
    event = REGISTERS[trans_code](native)
    event.MergeFrom(Event(occurred_at=native.instant("fssj"), source=source))
    return event
