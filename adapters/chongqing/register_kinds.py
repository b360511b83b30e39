"""What B1 operations say for indicators: outlets, who became eligible for payments, bases of priority groups, services that were given.

The published calls have none of these; the operations and words are this adapter's own. 网点登记 is about no card.
群体服务提供 names the service and no group.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from chuanyu.exchange.v1 import control_pb2 as control
from chuanyu.exchange.v1 import indicator_facts_pb2 as facts
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import Fields, choice, count, iso_date, need

_OPERATORS: Final = {"银行": facts.OUTLET_OPERATOR_BANK, "社保经办": facts.OUTLET_OPERATOR_AGENCY}
_BETWEEN: Final = re.compile("[、,]")


def _outlet(fields: Fields) -> list[Event]:
    outlet = facts.OutletRegistered(
        outlet_code=need(fields, "网点代码"),
        operator=choice(fields, "经办类型", _OPERATORS),
        stars=count(fields, "星级", 2),
        valid_from=_first_day(fields),
        valid_to=iso_date(fields, "截止日期"),
    )
    return [Event(outlet_registered=outlet)]


def _eligible(fields: Fields) -> list[Event]:
    return [Event(payee_became_eligible=facts.PayeeBecameEligible(project_code=need(fields, "项目代码"), eligible_from=_first_day(fields)))]


def _basis(fields: Fields) -> list[Event]:
    basis = control.GroupBasisRegistered(
        group_code=need(fields, "群体代码"),
        legal_basis=need(fields, "法律依据"),
        services=_BETWEEN.split(need(fields, "服务代码")),
        valid_from=_first_day(fields),
        valid_to=iso_date(fields, "截止日期"),
    )
    return [Event(group_basis_registered=basis)]


def _service(fields: Fields) -> list[Event]:
    return [Event(group_service_given=facts.GroupServiceGiven(service=need(fields, "服务代码")))]


def _first_day(fields: Fields) -> str:
    need(fields, "生效日期")
    return iso_date(fields, "生效日期")


Build = Callable[[Fields], list[Event]]
OUTLETS: Final[Mapping[str, Build]] = {"网点登记": _outlet}
# The issuer's word on who has one of its cards.
BASES: Final[Mapping[str, Build]] = {"群体依据登记": _basis}
# Of a person, whichever province issued the card; and the scenario.
OF_ANYBODY: Final[Mapping[str, tuple[Build, str]]] = {"新增领取登记": (_eligible, ""), "群体服务提供": (_service, "GOV.ID")}
