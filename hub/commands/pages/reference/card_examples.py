"""Examples of the calls about a card: one that was reported lost and is shown at a metro gate."""

from collections.abc import Callable, Mapping

from chuanyu.exchange.v1 import acceptance_pb2, card_accounts_pb2, card_lifecycle_pb2, card_service_pb2

from hub.commands.pages.reference.samples import TRACE_PARENT, Example, at, card
from hub.domain import reference
from hub.domain.acceptance import rules_digest
from hub.domain.findings import MEANINGS
from hub.domain.rules import RULES


def _question() -> card_service_pb2.CheckAcceptanceRequest:
    return card_service_pb2.CheckAcceptanceRequest(
        request_id="gate-17-000123",
        card=card(),
        scenario="TRA.MET",
        service_region="510100",
        medium=acceptance_pb2.MEDIUM_CONTACTLESS,
        venue_code="CD-M1-017",
        claims=acceptance_pb2.AcceptanceClaims(purse_balance_fen=2_350, least_fare_fen=200),
    )


def _reason(code: str) -> card_service_pb2.Reason:
    found = reference.load().reasons[code]
    texts = {name: getattr(found, name) for name in ("text_zh", "text_en", "advice_zh", "advice_en")}
    return card_service_pb2.Reason(code=code, rule_id=found.rule, **texts)


def _answer() -> card_service_pb2.CheckAcceptanceResponse:
    return card_service_pb2.CheckAcceptanceResponse(
        request_id="gate-17-000123",
        outcome=acceptance_pb2.ACCEPTANCE_OUTCOME_DENY,
        reasons=[_reason("LOST_TEMP")],
        position=180_240,
        as_of_position=180_239,
        decided_for=at(5),
        rules_digest=rules_digest(),
    )


def _get_card() -> Example:
    usability = card_service_pb2.ScenarioUsability(
        scenario="TRA.MET", outcome=acceptance_pb2.ACCEPTANCE_OUTCOME_DENY, reason_codes=["LOST_TEMP"]
    )
    answer = card_service_pb2.GetCardResponse(usability=[usability], as_of_position=180_239, valid_at=at(5))
    return Example(card_service_pb2.GetCardRequest(card=card(), purpose_code="HOLDER_ASKED", service_region="510100"), answer)


def _check_acceptance() -> Example:
    return Example(_question(), _answer())


def _stream_acceptance() -> Example:
    request = card_service_pb2.StreamAcceptanceRequest(check=_question(), trace_parent=TRACE_PARENT)
    return Example(request, card_service_pb2.StreamAcceptanceResponse(request_id="gate-17-000123", answered=_answer()))


def _explain_acceptance() -> Example:
    asked = next(rule for rule in RULES if rule.rule_id == "A02")
    rule = card_service_pb2.RuleExplanation(
        rule_id=asked.rule_id, title_zh=asked.title_zh, title_en=asked.title_en, asked=True, reason_code="LOST_TEMP"
    )
    rule.saw.add(name="standing.social_status", value="TEMP_LOST")
    answer = card_service_pb2.ExplainAcceptanceResponse(
        outcome=acceptance_pb2.ACCEPTANCE_OUTCOME_DENY,
        reasons=[_reason("LOST_TEMP")],
        rules=[rule],
        fact_positions=[180_233],
        recorded_as_of=180_239,
        valid_at=at(5),
        rules_digest=rules_digest(),
        recorded=_answer(),
        same_as_recorded=True,
    )
    return Example(card_service_pb2.ExplainAcceptanceRequest(decision_position=180_240, purpose_code="COMPLAINT"), answer)


def _judge_use() -> Example:
    request = card_service_pb2.JudgeUseRequest(
        card=card(), used_at=at(3_600), medium=acceptance_pb2.MEDIUM_CONTACTLESS, purpose_code="CLEARING"
    )
    meaning = MEANINGS["USE_AFTER_LOSS"]
    answer = card_service_pb2.JudgeUseResponse(
        finding_code="USE_AFTER_LOSS",
        text_zh=meaning.text_zh,
        text_en=meaning.text_en,
        against_position=180_233,
        against_kind="temporary_loss_reported",
        against_at=at(),
        liable_from=at(),
        in_liability_window=True,
        as_of_position=180_239,
    )
    return Example(request, answer)


def _concession_balance() -> Example:
    request = card_service_pb2.GetConcessionBalanceRequest(card=card(), region="500103", purpose_code="HOLDER_ASKS")
    answer = card_service_pb2.GetConcessionBalanceResponse(
        has_scheme=True,
        city="500000",
        period="2026",
        granted=1_200,
        used=3,
        left=1_197,
        told_left=1_197,
        binding=card_accounts_pb2.CONCESSION_BINDING_SOCIAL_CARD,
        as_of_business_day="2026-03-02",
        as_of_position=180_239,
        at=at(),
    )
    answer.entries.add(business_day="2026-03-02", occurred_at=at(), units=1, units_left=1_197, position=180_236)
    return Example(request, answer)


def _count_cards() -> Example:
    answer = card_service_pb2.CountCardsResponse(unregistered=12, as_of_position=180_239)
    answer.registered.add(status=card_lifecycle_pb2.SOCIAL_STATUS_ACTIVE, cards=19_998_000)
    answer.registered.add(status=card_lifecycle_pb2.SOCIAL_STATUS_CANCELLED, cards=2_000)
    return Example(card_service_pb2.CountCardsRequest(issuing_province="50"), answer)


def _group_service() -> Example:
    request = card_service_pb2.CheckGroupServiceRequest(
        card=card(), service="PRIORITY_LANE", scenario="GOV.ID", service_region="510100", purpose_code="QUEUE"
    )
    response = card_service_pb2.CheckGroupServiceResponse(reason=_reason("GROUP_EXTRA_WITHHELD"), at=at(), as_of_position=180_239)
    return Example(request, response)


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetCard": _get_card,
    "CheckAcceptance": _check_acceptance,
    "StreamAcceptance": _stream_acceptance,
    "ExplainAcceptance": _explain_acceptance,
    "JudgeUse": _judge_use,
    "GetConcessionBalance": _concession_balance,
    "CountCards": _count_cards,
    "CheckGroupService": _group_service,
}
