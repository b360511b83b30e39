"""Simulated cases: they go over to the other side and back, and no report contradicts another."""

from datetime import datetime

from adapters.kit.values import LOCAL
from adapters.simulator.events import events
from hub.domain import reference
from hub.domain.joint_services.cases import CaseFact, CaseKey, fold, key_of
from hub.domain.joint_services.catalogue import Catalogue
from hub.projections.views.cases import CASE_KINDS


def test_cases_go_over_to_the_other_side_and_back_and_contradict_nothing() -> None:
    facts: dict[CaseKey, list[CaseFact]] = {}
    for position, (_, event) in enumerate(events(1, 10_000, datetime(2026, 3, 2, 21, 30, tzinfo=LOCAL)), 1):
        kind, region = event.WhichOneof("kind") or "", event.service_region
        if kind in CASE_KINDS:
            fact = CaseFact(kind, getattr(event, kind), event.occurred_at.ToMicroseconds(), position, region[:2], region)
            facts.setdefault(key_of(fact), []).append(fact)
    cases = [fold(reports, Catalogue(reference.load(), None)) for reports in facts.values()]
    decided = {(case.key.handling_province, fact.province) for case in cases if (fact := case.last("case_decided")) is not None}
    handed_over = {(fact.province, case.deciding_province) for case in cases if (fact := case.last("case_delivered")) is not None}
    assert decided >= {("51", "50"), ("50", "51")}
    assert ("51", "50") in handed_over
    assert [case.findings for case in cases if case.findings] == []
