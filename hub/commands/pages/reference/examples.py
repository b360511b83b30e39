"""One example of each call, and of two refusals: real messages, checked by the annotations of the protos before they are shown."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import protovalidate
from chuanyu.exchange.v1 import (
    acceptance_pb2,
    card_lifecycle_pb2,
    card_service_pb2,
    event_pb2,
    feed_service_pb2,
    hotlist_service_pb2,
    references_pb2,
    subscription_service_pb2,
)
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2  # noqa: F401 (its messages are inside the refusals shown)

from hub.api.edge.statuses import to_status
from hub.domain import errors, reference
from hub.domain.acceptance import rules_digest
from hub.domain.findings import MEANINGS
from hub.domain.quarantine import put_into_words
from hub.domain.rules import RULES

# 2026-03-02 09:30:15 in +08:00; the number is well-formed and nobody's.
_AT_S = 1_772_415_015
_CARD_NO = "A12345678"
_FEED = "cq.card-center"
_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Example(NamedTuple):
    """A request and the answer to it; of a stream, one of each."""

    request: Message
    response: Message


def of_method(name: str) -> Example:
    """Returns the example of a method; one that breaks an annotation raises protovalidate.ValidationError."""
    example = EXAMPLES[name]()
    for message in example:
        protovalidate.validate(message)
    return example


def refusals() -> Mapping[str, Message]:
    """Returns two refusals as the client gets them, by their reason."""
    return {
        "SEQUENCE_GAP": to_status(errors.SequenceGap(expected_sequence=42)),
        "REQUEST_INVALID": to_status(errors.RequestInvalid([("service_region", "string.pattern")])),
    }


def as_json(message: Message) -> str:
    """Returns a message in the JSON of protobuf, with the names that fields have in the .proto files."""
    return json_format.MessageToJson(message, preserving_proto_field_name=True, ensure_ascii=False)


def _at(seconds: int = 0) -> Timestamp:
    return Timestamp(seconds=_AT_S + seconds)


def _card() -> references_pb2.CardRef:
    return references_pb2.CardRef(issuing_province="50", kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear=_CARD_NO)


def _loss() -> event_pb2.Event:
    return event_pb2.Event(
        occurred_at=_at(),
        source=event_pb2.Source(system="cq-card-center", message_id="20260302-000017"),
        card=_card(),
        issuer_region="500199",
        temporary_loss_reported=card_lifecycle_pb2.TemporaryLossReported(channel=card_lifecycle_pb2.REPORT_CHANNEL_WINDOW),
    )


def _appended() -> feed_service_pb2.AppendEventsResponse:
    recorded = feed_service_pb2.EVENT_OUTCOME_RECORDED
    return feed_service_pb2.AppendEventsResponse(
        feed=_FEED, first_sequence=42, positions=[180_233], outcomes=[recorded], recorded_at=_at(1)
    )


def _get_feed() -> Example:
    answer = feed_service_pb2.GetFeedResponse(feed=_FEED, next_sequence=42, last_position=180_107, last_recorded_at=_at(-60))
    return Example(feed_service_pb2.GetFeedRequest(feed=_FEED), answer)


def _append_events() -> Example:
    request = feed_service_pb2.AppendEventsRequest(feed=_FEED, first_sequence=42, events=[_loss()], trace_parents=[_PARENT])
    return Example(request, _appended())


def _validate_events() -> Example:
    fault = feed_service_pb2.EventFaults(index=0)
    fault.violations.add(field_path="issuer_region", rule_id="unknown_region")
    put_into_words(fault.violations)
    request = feed_service_pb2.ValidateEventsRequest(feed=_FEED, events=[_loss()])
    request.events[0].issuer_region = "509999"
    return Example(request, feed_service_pb2.ValidateEventsResponse(faults=[fault]))


def _stream_events() -> Example:
    request = feed_service_pb2.StreamEventsRequest(feed=_FEED, first_sequence=42, events=[_loss()], trace_parents=[_PARENT])
    return Example(request, feed_service_pb2.StreamEventsResponse(feed=_FEED, first_sequence=42, appended=_appended()))


def _question() -> card_service_pb2.CheckAcceptanceRequest:
    return card_service_pb2.CheckAcceptanceRequest(
        request_id="gate-17-000123",
        card=_card(),
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
        decided_for=_at(5),
        rules_digest=rules_digest(),
    )


def _get_card() -> Example:
    usability = card_service_pb2.ScenarioUsability(
        scenario="TRA.MET", outcome=acceptance_pb2.ACCEPTANCE_OUTCOME_DENY, reason_codes=["LOST_TEMP"]
    )
    answer = card_service_pb2.GetCardResponse(usability=[usability], as_of_position=180_239, valid_at=_at(5))
    return Example(card_service_pb2.GetCardRequest(card=_card(), purpose_code="HOLDER_ASKED", service_region="510100"), answer)


def _check_acceptance() -> Example:
    return Example(_question(), _answer())


def _stream_acceptance() -> Example:
    request = card_service_pb2.StreamAcceptanceRequest(check=_question(), trace_parent=_PARENT)
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
        valid_at=_at(5),
        rules_digest=rules_digest(),
        recorded=_answer(),
        same_as_recorded=True,
    )
    return Example(card_service_pb2.ExplainAcceptanceRequest(decision_position=180_240, purpose_code="COMPLAINT"), answer)


def _judge_use() -> Example:
    request = card_service_pb2.JudgeUseRequest(
        card=_card(), used_at=_at(3_600), medium=acceptance_pb2.MEDIUM_CONTACTLESS, purpose_code="CLEARING"
    )
    meaning = MEANINGS["USE_AFTER_LOSS"]
    answer = card_service_pb2.JudgeUseResponse(
        finding_code="USE_AFTER_LOSS",
        text_zh=meaning.text_zh,
        text_en=meaning.text_en,
        against_position=180_233,
        against_kind="temporary_loss_reported",
        against_at=_at(),
        liable_from=_at(),
        in_liability_window=True,
        as_of_position=180_239,
    )
    return Example(request, answer)


def _file(base_epoch: int) -> hotlist_service_pb2.HotlistFile:
    return hotlist_service_pb2.HotlistFile(
        epoch=17,
        base_epoch=base_epoch,
        as_of_position=180_239,
        made_at=_at(),
        listed_count=1,
        size_bytes=4,
        digest=bytes(32),
        latest_epoch=17,
    )


def _get_hotlist() -> Example:
    return Example(hotlist_service_pb2.GetHotlistRequest(), hotlist_service_pb2.GetHotlistResponse(file=_file(17), chunk=bytes(4)))


def _stream_hotlist_deltas() -> Example:
    request = hotlist_service_pb2.StreamHotlistDeltasRequest(from_epoch=16, follow=True)
    return Example(request, hotlist_service_pb2.StreamHotlistDeltasResponse(file=_file(12), delta=bytes(4)))


def _subscribe() -> Example:
    request = subscription_service_pb2.SubscribeRequest(from_position=180_000, kinds=["temporary_loss_reported"])
    delivered = subscription_service_pb2.DeliveredEvent(
        position=180_233, recorded_at=_at(1), recorded_as=references_pb2.EventRef(feed=_FEED, sequence=42), event=_loss()
    )
    return Example(request, subscription_service_pb2.SubscribeResponse(delivered=delivered))


EXAMPLES: Mapping[str, Callable[[], Example]] = {
    "GetFeed": _get_feed,
    "AppendEvents": _append_events,
    "ValidateEvents": _validate_events,
    "StreamEvents": _stream_events,
    "GetCard": _get_card,
    "CheckAcceptance": _check_acceptance,
    "StreamAcceptance": _stream_acceptance,
    "ExplainAcceptance": _explain_acceptance,
    "JudgeUse": _judge_use,
    "GetHotlist": _get_hotlist,
    "StreamHotlistDeltas": _stream_hotlist_deltas,
    "Subscribe": _subscribe,
}
