"""FindingService over real gRPC: a finding of one side, looked at, reviewed and cleared; nothing of it changes an answer."""

import time
from collections.abc import Iterator

import grpc
import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, finding_service_pb2_grpc
from chuanyu.exchange.v1 import finding_service_pb2 as protos
from chuanyu.exchange.v1 import findings_pb2 as events

from tests.clients import DEADLINE_S, Province, refused
from tests.hub_process import RunningHub
from tests.messages import AT_S, journey, name_card, question, registered

CARD, PERSON = "R00000777", "han.mei"


@pytest.fixture(scope="module")
def desk(chongqing: Province) -> finding_service_pb2_grpc.FindingServiceStub:
    return finding_service_pb2_grpc.FindingServiceStub(chongqing.channel)


@pytest.fixture(scope="module")
def raised(chongqing: Province, desk: finding_service_pb2_grpc.FindingServiceStub) -> Iterator[protos.RaisedFinding]:
    """Five wrong PINs of one card within a minute."""
    failed = [event_pb2.Event() for _ in range(5)]
    for number, event in enumerate(failed):
        event.occurred_at.seconds = AT_S + 10 * number
        name_card(event.card, CARD, "50")
        event.pin_verification_failed.SetInParent()
    chongqing.tell("cq.card-center", registered(CARD), *failed)
    yield found_of(desk, "PIN_BURST")


def found_of(desk: finding_service_pb2_grpc.FindingServiceStub, rule: str) -> protos.RaisedFinding:
    """Waits for the newest finding of a rule."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := desk.ListFindings(protos.ListFindingsRequest(rule_code=rule), timeout=DEADLINE_S).findings):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found[0]


def review(desk: finding_service_pb2_grpc.FindingServiceStub, code: str, step: int, reason: str = "") -> protos.RaisedFinding:
    request = protos.ReviewFindingRequest(finding_code=code, step=step, reason_code=reason, person=PERSON)  # type: ignore[arg-type]
    return desk.ReviewFinding(request, timeout=DEADLINE_S).finding


def test_a_finding_is_shown_once_the_look_is_recorded_reviewed_and_cleared_and_changes_no_answer(
    shared_hub: RunningHub, sichuan: Province, desk: finding_service_pb2_grpc.FindingServiceStub, raised: protos.RaisedFinding
) -> None:
    assert (raised.state, raised.evidence_count, list(raised.provinces)) == (protos.FINDING_STATE_DETECTED, 5, ["50"])
    before = sichuan.cards.CheckAcceptance(question("finding-1", CARD), timeout=DEADLINE_S)
    code = raised.finding_code
    shown = desk.GetFinding(protos.GetFindingRequest(finding_code=code, purpose_code="INVESTIGATION"), timeout=DEADLINE_S)
    assert [(one.kind, one.in_force) for one in shown.evidence] == [("pin_verification_failed", True)] * 5
    assert (shown.card.issuing_province, [one.kind for one in shown.steps]) == ("50", ["finding_raised"])
    with psycopg.connect(shared_hub.dsn) as connection:
        rows = connection.execute("SELECT data FROM journal.event WHERE kind = 'card_record_queried' ORDER BY position DESC LIMIT 1")
        look = event_pb2.Event.FromString(rows.fetchall()[0][0])
    assert (look.card_record_queried.purpose_code, look.card.key) == ("INVESTIGATION", shown.card.key)
    assert review(desk, code, events.FINDING_STEP_REVIEW).state == protos.FINDING_STATE_UNDER_REVIEW
    step = refused(lambda: review(desk, code, events.FINDING_STEP_REVIEW))
    assert (step.code, step.reason, step.metadata["state"]) == (grpc.StatusCode.FAILED_PRECONDITION, "FINDING_STEP", "UNDER_REVIEW")
    assert refused(lambda: review(desk, code, events.FINDING_STEP_CLEAR, "NO_REASON")).reason == "FINDING_REASON"
    cleared = review(desk, code, events.FINDING_STEP_CLEAR, "TRAINING")
    assert (cleared.state, cleared.reason_code) == (protos.FINDING_STATE_CLEARED, "TRAINING")
    after = sichuan.cards.CheckAcceptance(question("finding-2", CARD), timeout=DEADLINE_S)
    assert (after.outcome, list(after.reasons)) == (before.outcome, list(before.reasons))


def test_the_other_side_neither_lists_nor_counts_nor_sees_nor_reviews_what_does_not_concern_it(
    sichuan: Province, desk: finding_service_pb2_grpc.FindingServiceStub, raised: protos.RaisedFinding
) -> None:
    other = finding_service_pb2_grpc.FindingServiceStub(sichuan.channel)
    assert [_raised(one, "PIN_BURST") for one in (desk, other)] == [1, 0]
    assert not other.ListFindings(protos.ListFindingsRequest(rule_code="PIN_BURST"), timeout=DEADLINE_S).findings
    request = protos.GetFindingRequest(finding_code=raised.finding_code)
    assert refused(lambda: other.GetFinding(request, timeout=DEADLINE_S)).reason == "FINDING_UNKNOWN"
    assert refused(lambda: review(other, raised.finding_code, events.FINDING_STEP_REVIEW)).reason == "FINDING_UNKNOWN"


def test_a_participant_that_tries_cards_is_found_and_does_not_decide_about_itself(
    sichuan: Province, chongqing: Province, desk: finding_service_pb2_grpc.FindingServiceStub
) -> None:
    chongqing.tell("cq.usage", journey(CARD))
    for number in range(20):
        sichuan.cards.CheckAcceptance(question(f"tried-{number}", f"A77{number:06d}"), timeout=DEADLINE_S)
    found = found_of(desk, "CARD_ENUMERATION")
    assert (found.measured, list(found.provinces)) == (20, ["50", "51"])
    other = finding_service_pb2_grpc.FindingServiceStub(sichuan.channel)
    assert not other.ListFindings(protos.ListFindingsRequest(rule_code="CARD_ENUMERATION"), timeout=DEADLINE_S).findings
    # Nothing about a caller itself is in a count for it.
    page = protos.ListFindingsRequest(page_size=1)
    assert [one.rule_code for one in desk.ListFindings(page, timeout=DEADLINE_S).findings] == ["CARD_ENUMERATION"]
    days = {"first_day": "2000-01-01", "last_day": "2199-12-31"}
    tried = protos.SimulateRuleRequest(rule_code="CARD_ENUMERATION", **days)
    assert [one.SimulateRule(tried, timeout=DEADLINE_S).findings for one in (desk, other)] == [1, 0]
    assert [_raised(one, "CARD_ENUMERATION") for one in (desk, other)] == [1, 0]
    assert refused(lambda: review(other, found.finding_code, events.FINDING_STEP_REVIEW)).reason == "FINDING_UNKNOWN"
    assert review(desk, found.finding_code, events.FINDING_STEP_REVIEW).state == protos.FINDING_STATE_UNDER_REVIEW


def _raised(desk: finding_service_pb2_grpc.FindingServiceStub, rule: str) -> int:
    (one,) = [one for one in desk.ListFindingRules(protos.ListFindingRulesRequest(), timeout=DEADLINE_S).rules if one.rule_code == rule]
    return sum(tally.open + tally.confirmed + tally.cleared + tally.stale for tally in one.tallies)


def test_rules_are_listed_with_their_parameters(desk: finding_service_pb2_grpc.FindingServiceStub, raised: protos.RaisedFinding) -> None:
    rules = {one.rule_code: one for one in desk.ListFindingRules(protos.ListFindingRulesRequest(), timeout=DEADLINE_S).rules}
    assert len(rules) == 9 and raised.rule_code in rules
    assert [one.rule_code for one in rules.values() if one.heeds_opt_out] == ["CONCESSION_ABUSE", "PHARMACY_BURST"]


@pytest.mark.parametrize(
    ("rule", "values", "days", "reason"),
    [
        ("NO_RULE", {}, ("2025-09-01", "2025-09-02"), "FINDING_RULE_UNKNOWN"),
        ("PIN_BURST", {"failures": 1}, ("2025-09-01", "2025-09-02"), "FINDING_RULE_PARAMETER"),
        ("PIN_BURST", {}, ("2019-01-02", "2019-01-01"), "FINDING_DAYS"),
        ("PIN_BURST", {}, ("2019-02-30", "2019-03-01"), "REQUEST_INVALID"),
        ("pin", {}, ("2019-02-01", "2019-03-01"), "REQUEST_INVALID"),
    ],
)
def test_a_rule_that_cannot_be_tried_out_is_refused(
    desk: finding_service_pb2_grpc.FindingServiceStub, rule: str, values: dict[str, int], days: tuple[str, str], reason: str
) -> None:
    parameters = [events.FindingParameter(name=name, value=value) for name, value in values.items()]
    request = protos.SimulateRuleRequest(rule_code=rule, parameters=parameters, first_day=days[0], last_day=days[1])
    assert refused(lambda: desk.SimulateRule(request, timeout=DEADLINE_S)).reason == reason
