"""ExplainAcceptance over gRPC: why a recorded decision said what it said, what another time would have said, and who may know."""

import itertools
import time

import grpc
import pytest
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, event_pb2

from tests.clients import DEADLINE_S, Province, refused
from tests.messages import AT_S, lost, question, registered

ACCEPT, DENY = acceptance_pb2.ACCEPTANCE_OUTCOME_ACCEPT, acceptance_pb2.ACCEPTANCE_OUTCOME_DENY
DAY_S = 86_400
# So short a while ago that the temporary loss runs on.
LOST_S = int(time.time()) - 3_600
_numbers = itertools.count(1)


def asked(card_no: str, position: int) -> card_service_pb2.CheckAcceptanceRequest:
    return question(f"explain-{next(_numbers)}", card_no, min_position=position)


def explained(province: Province, decision: int = 0, as_of: int = 0, at_s: int = 0, hypothetical: object = None) -> object:
    request = card_service_pb2.ExplainAcceptanceRequest(recorded_as_of=as_of)
    if hypothetical is None:
        request.decision_position = decision
    else:
        request.hypothetical.CopyFrom(hypothetical)  # type: ignore[arg-type]
    if at_s:
        request.valid_at.seconds = at_s
    return province.cards.ExplainAcceptance(request, timeout=DEADLINE_S)


def codes(answer: object) -> list[str]:
    return [reason.code for reason in answer.reasons]  # type: ignore[attr-defined]


def corrected(card_no: str, sequence: int) -> event_pb2.Event:
    """The issuer takes its loss back: it never happened."""
    event = lost(card_no, at_s=LOST_S)
    event.reverses.feed, event.reverses.sequence = "cq.card-center", sequence
    return event


def test_a_recorded_decision_is_explained_rule_by_rule(chongqing: Province, sichuan: Province) -> None:
    first = chongqing.tell("cq.card-center", registered("X00000001"))
    position = chongqing.tell("cq.card-center", lost("X00000001", at_s=LOST_S))
    decision = sichuan.cards.CheckAcceptance(asked("X00000001", position), timeout=DEADLINE_S)
    why = explained(chongqing, decision.position)
    assert (why.outcome, codes(why), why.same_as_recorded) == (DENY, ["LOST_TEMP"], True)
    assert list(why.fact_positions) == [first, position]
    assert why.recorded.position == decision.position
    assert (why.recorded_as_of, why.rules_digest) == (decision.as_of_position, decision.rules_digest)
    rule = next(rule for rule in why.rules if rule.rule_id == "A02")
    assert (rule.asked, rule.reason_code, rule.title_zh) == (True, "LOST_TEMP", "社保功能正常")
    assert {seen.name: seen.value for seen in rule.saw}["standing.social_status"] == "TEMP_LOST"
    assert not next(rule for rule in why.rules if rule.rule_id == "A10").asked
    assert list(why.agreement_codes) == list(why.agreement_codes) != []


def test_the_serving_side_hears_reasons_but_not_the_cards_lives(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000002"))
    decision = sichuan.cards.CheckAcceptance(asked("X00000002", position), timeout=DEADLINE_S)
    why = explained(sichuan, decision.position)
    assert why.outcome == ACCEPT
    names = {seen.name for rule in why.rules for seen in rule.saw}
    assert "question.medium" in names
    assert not [name for name in names if name.startswith(("standing.", "holder."))]


def test_with_what_was_known_at_an_earlier_position_the_answer_is_the_earlier_one(chongqing: Province, sichuan: Province) -> None:
    known = chongqing.tell("cq.card-center", registered("X00000003"))
    position = chongqing.tell("cq.card-center", lost("X00000003", at_s=LOST_S))
    decision = sichuan.cards.CheckAcceptance(asked("X00000003", position), timeout=DEADLINE_S)
    before = explained(chongqing, decision.position, as_of=known)
    assert (before.outcome, before.same_as_recorded, before.recorded_as_of) == (ACCEPT, False, known)


def test_at_an_earlier_instant_the_loss_had_not_happened(chongqing: Province, sichuan: Province) -> None:
    chongqing.tell("cq.card-center", registered("X00000004", at_s=AT_S - DAY_S))
    position = chongqing.tell("cq.card-center", lost("X00000004", at_s=LOST_S))
    decision = sichuan.cards.CheckAcceptance(asked("X00000004", position), timeout=DEADLINE_S)
    assert explained(chongqing, decision.position, at_s=AT_S).outcome == ACCEPT


def test_what_was_corrected_later_still_explains_the_answer_given_before(chongqing: Province, sichuan: Province) -> None:
    chongqing.tell("cq.card-center", registered("X00000005"))
    position = chongqing.tell("cq.card-center", lost("X00000005", at_s=LOST_S))
    sequence = chongqing.next_sequence("cq.card-center") - 1
    decision = sichuan.cards.CheckAcceptance(asked("X00000005", position), timeout=DEADLINE_S)
    reversal = chongqing.tell("cq.card-center", corrected("X00000005", sequence))
    now = sichuan.cards.CheckAcceptance(asked("X00000005", reversal), timeout=DEADLINE_S)
    assert (codes(decision), codes(now)) == (["LOST_TEMP"], [])
    why = explained(sichuan, decision.position)
    assert (codes(why), why.same_as_recorded) == (["LOST_TEMP"], True)


def test_a_question_nobody_asked_is_explained_and_not_recorded(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000006"))
    request = asked("X00000006", position)
    sichuan.cards.CheckAcceptance(request, timeout=DEADLINE_S)
    hypothetical = asked("X00000006", 0)
    hypothetical.medium = acceptance_pb2.MEDIUM_CONTACT
    why = explained(sichuan, hypothetical=hypothetical)
    assert (why.outcome, codes(why)) == (DENY, ["MEDIUM_NOT_COVERED"])
    assert not why.HasField("recorded")
    assert sichuan.cards.CheckAcceptance(hypothetical, timeout=DEADLINE_S).position > position


def test_the_issuer_may_ask_about_its_card_in_the_other_province(chongqing: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000007"))
    request = asked("X00000007", position)
    chongqing.cards.GetCard(card_service_pb2.GetCardRequest(card=request.card, min_position=position), timeout=DEADLINE_S)
    assert explained(chongqing, hypothetical=request).outcome == ACCEPT


@pytest.mark.parametrize("position", [1, 10**15])
def test_where_no_decision_stands_there_is_nothing_to_explain(position: int, sichuan: Province) -> None:
    refusal = refused(lambda: explained(sichuan, position))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "DECISION_NOT_FOUND")


def test_a_position_not_yet_reached_is_refused(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000008"))
    decision = sichuan.cards.CheckAcceptance(asked("X00000008", position), timeout=DEADLINE_S)
    refusal = refused(lambda: explained(chongqing, decision.position, as_of=10**15))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "VIEW_BEHIND")


# What the serving side may not find out


def test_the_serving_side_is_given_no_position_of_the_cards_events(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000010"))
    decision = sichuan.cards.CheckAcceptance(asked("X00000010", position), timeout=DEADLINE_S)
    hypothetical = asked("X00000010", 0)
    assert list(explained(sichuan, decision.position).fact_positions) == []
    assert list(explained(sichuan, hypothetical=hypothetical).fact_positions) == []
    assert list(explained(chongqing, decision.position).fact_positions) == [position]


@pytest.mark.parametrize("times", [{"as_of": 1}, {"at_s": AT_S}])
def test_the_serving_side_chooses_no_other_time_of_a_decision(times: dict[str, int], chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000011"))
    decision = sichuan.cards.CheckAcceptance(asked("X00000011", position), timeout=DEADLINE_S)
    refusal = refused(lambda: explained(sichuan, decision.position, **times))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


@pytest.mark.parametrize("times", [{"as_of": 1}, {"at_s": AT_S}, {}])
def test_the_serving_side_chooses_no_other_time_of_a_question_nobody_asked(times: dict[str, int], sichuan: Province) -> None:
    hypothetical = asked("X00000012", 0)
    if not times:
        hypothetical.at.seconds = AT_S
    refusal = refused(lambda: explained(sichuan, hypothetical=hypothetical, **times))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def test_what_concerns_neither_side_is_not_explained(chongqing: Province, sichuan: Province) -> None:
    position = chongqing.tell("cq.card-center", registered("X00000009"))
    at_home = asked("X00000009", position)
    at_home.service_region = "500103"
    decision = chongqing.cards.CheckAcceptance(at_home, timeout=DEADLINE_S)
    refusal = refused(lambda: explained(sichuan, decision.position))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")


def test_a_request_about_nothing_is_refused(sichuan: Province) -> None:
    refusal = refused(lambda: sichuan.cards.ExplainAcceptance(card_service_pb2.ExplainAcceptanceRequest(), timeout=DEADLINE_S))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID")
