"""Examples of the calls about findings: one chip in two cities within a minute, looked into and confirmed; and a rule tried out."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from chuanyu.exchange.v1 import finding_service_pb2 as protos
from chuanyu.exchange.v1 import findings_pb2 as events
from chuanyu.exchange.v1 import references_pb2 as references

from hub.api.findings.service import finding_message, rule_message, simulated_message, whole_message
from hub.commands.pages.reference.samples import Example
from hub.domain.instants import microseconds_of
from hub.domain.unusual_use.finding import Finding
from hub.domain.unusual_use.patterns import Found
from hub.domain.unusual_use.rule_book import changed, first_version, rule_named
from hub.findings.shown import Evidence, Taken, Whole
from hub.findings.simulating import Simulated
from hub.projections.views.raised_findings import Listed, Tally

_RULE, _KEY, _PERSON = "IMPOSSIBLE_TRAVEL", bytes(range(32)), "han.mei"
_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
_FOUND = Found("2026-03-02", (180_203, 180_260), 932, ("50", "51"))


def _finding() -> Finding:
    card = references.CardRef(issuing_province="50", kind=references.CARD_IDENTIFIER_KIND_CARD_NO, key=_KEY)
    return Finding.raise_of(first_version(rule_named(_RULE)), _KEY, _FOUND, card, _AT)


def _listed(state: str, reason: str = "") -> Listed:
    raised = _finding().raised
    return Listed(raised.finding_code, _RULE, 1, _KEY, raised.day, state, "50 51", 2, 932, reason, 180_311)


def _whole() -> Whole:
    at_us = microseconds_of(_AT)
    evidence = (
        Evidence(180_203, "transit_exit_recorded", at_us, "510104", "TRA.MET", is_in_force=True),
        Evidence(180_260, "transit_exit_recorded", at_us + 30_000_000, "500103", "TRA.MET", is_in_force=True),
    )
    steps = (Taken("finding_raised", at_us + 60_000_000, "", "", ""), Taken("finding_review_begun", at_us + 90_000_000, _PERSON, "", ""))
    return Whole(_listed("UNDER_REVIEW"), _finding(), evidence, steps, (_KEY,), 180_311)


def _list() -> Example:
    answer = protos.ListFindingsResponse(findings=[finding_message(_listed("DETECTED"))], as_of_position=180_311)
    return Example(protos.ListFindingsRequest(state=protos.FINDING_STATE_DETECTED), answer)


def _get() -> Example:
    request = protos.GetFindingRequest(finding_code=_finding().raised.finding_code, purpose_code="INVESTIGATION")
    return Example(request, whole_message(_whole(), lambda province: province == "51"))


def _review() -> Example:
    request = protos.ReviewFindingRequest(
        finding_code=_finding().raised.finding_code, step=events.FINDING_STEP_CONFIRM, reason_code="CARD_COPIED", person=_PERSON
    )
    return Example(request, protos.ReviewFindingResponse(finding=finding_message(_listed("CONFIRMED", "CARD_COPIED"))))


def _rules() -> Example:
    rule = rule_message(first_version(rule_named(_RULE)), [Tally(1, open=2, confirmed=7, cleared=1, stale=0)])
    return Example(protos.ListFindingRulesRequest(), protos.ListFindingRulesResponse(rules=[rule]))


def _simulate() -> Example:
    version = first_version(rule_named(_RULE))
    days = date(2026, 3, 1), date(2026, 3, 31)
    found = Simulated(changed(version, {"speed_kmh": 300}), version, *days, 94_020, 9, 7, 7, 0)
    request = protos.SimulateRuleRequest(
        rule_code=_RULE, parameters=[events.FindingParameter(name="speed_kmh", value=300)], first_day="2026-03-01", last_day="2026-03-31"
    )
    return Example(request, simulated_message(found, 180_311))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "ListFindings": _list,
    "GetFinding": _get,
    "ReviewFinding": _review,
    "ListFindingRules": _rules,
    "SimulateRule": _simulate,
}
