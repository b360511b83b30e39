"""Facts that provinces report for indicators, as an edge judges them: what is wrong of place, day, scale or reporter goes to quarantine."""

from typing import Any

import pytest
from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.json_format import ParseDict

from hub.domain import reference
from hub.domain.event_rules import Context
from hub.domain.roles import Grant, Scope, rights_of
from hub.intake.batch import faults
from tests.indicators.history import NOVEMBER_S
from tests.recording import key_of

SAYS: dict[str, dict[str, Any]] = {
    "outlet_registered": {"outlet_code": "W1", "operator": "OUTLET_OPERATOR_BANK", "stars": 3, "valid_from": "2025-11-01"},
    "payee_became_eligible": {"project_code": "NCDB", "eligible_from": "2025-11-01"},
    "group_service_given": {"service": "PRIORITY_LANE"},
}
GRANTS = (Grant("BANK"), Grant("FUND_PAYER"), Grant("SERVICE_POINT", Scope(("CARD.*", "GOV.*"), ("50",))))


def broken(kind: str, region: str = "500199", scenario: str = "", grants: tuple[Grant, ...] = GRANTS, **says: Any) -> list[tuple[str, str]]:
    event = event_pb2.Event(service_region=region, scenario=scenario)
    event.occurred_at.seconds = NOVEMBER_S
    if kind != "outlet_registered":
        event.holder.id_type, event.holder.key = references_pb2.ID_TYPE_RESIDENT_ID, key_of("P")
    ParseDict({kind: SAYS[kind] | says}, event)
    context = Context(rights_of("50", grants), NOVEMBER_S, reference.load(), lambda _: True)
    return faults(event, kind, getattr(event, kind), context)


@pytest.mark.parametrize("kind", SAYS)
def test_what_a_province_says_of_its_own_passes_and_who_has_no_role_may_not(kind: str) -> None:
    assert broken(kind) == []
    assert broken(kind, grants=(Grant("READER", Scope(reads=("USES",))),)) == [(kind, "role_missing")]


@pytest.mark.parametrize(
    ("kind", "says", "fault"),
    [
        ("outlet_registered", {"region": "500998"}, ("service_region", "unknown_region")),
        ("outlet_registered", {"region": "510199"}, ("service_region", "other_province")),
        ("outlet_registered", {"region": ""}, ("service_region", "required")),
        ("outlet_registered", {"stars": 6}, ("outlet_registered.stars", "uint32.lte")),
        ("outlet_registered", {"valid_to": "2025-10-31"}, ("outlet_registered.valid_to", "ends_before_it_begins")),
        ("outlet_registered", {"valid_from": "2025-11-31"}, ("outlet_registered.valid_from", "impossible_date")),
        ("outlet_registered", {"outlet_code": "网点"}, ("outlet_registered.outlet_code", "string.pattern")),
        ("outlet_registered", {"operator": 0}, ("outlet_registered.operator", "enum.not_in")),
        ("payee_became_eligible", {"project_code": ""}, ("payee_became_eligible.project_code", "string.min_len")),
        ("payee_became_eligible", {"scenario": "FND.NONE"}, ("scenario", "unknown_scenario")),
        ("payee_became_eligible", {"region": "510199"}, ("service_region", "other_province")),
        ("group_service_given", {"service": "lane"}, ("group_service_given.service", "string.pattern")),
        ("group_service_given", {"region": "510199"}, ("service_region", "role_scope")),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(kind: str, says: dict[str, Any], fault: tuple[str, str]) -> None:
    assert fault in broken(kind, **says)
