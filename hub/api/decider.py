"""Decides acceptance questions and records each answer before it is given; a repeated request gets the recorded one."""

import asyncio

from chuanyu.exchange.v1 import acceptance_pb2, event_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.api.card_reader import CardReader
from hub.api.directory import Caller
from hub.api.intake import Intake
from hub.api.request import card_named, instant_us, now_us, refuse_invalid, timestamp_of
from hub.domain.acceptance import Question, decide, local_day, rules_digest
from hub.domain.card import DAY_US
from hub.domain.errors import JournalUnavailable, NotPermitted, NotRecorded, RequestIdReused, RequestInvalid
from hub.domain.pseudonym import hmac_sm3_under
from hub.domain.reference import Reference
from hub.journal.decisions import Decision, DecisionWriter
from hub.journal.keyring import Keyring
from hub.journal.reader import read_page, reading

OUTCOMES = {name.removeprefix("ACCEPTANCE_OUTCOME_"): number for name, number in acceptance_pb2.AcceptanceOutcome.items()}


class Decider:
    """Reads the card, decides, records, answers."""

    def __init__(
        self, dsn: str, cards: CardReader, decisions: DecisionWriter, intake: Intake, keyring: Keyring, reference: Reference
    ) -> None:
        """All parts are shared with the other services of the process."""
        self._dsn, self._cards, self._decisions, self._intake, self._reference = dsn, cards, decisions, intake, reference
        self._digest = hmac_sm3_under(keyring.digest)
        self._reasons = {code: _reason_message(reference, code) for code in reference.reasons}

    async def answer(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> protos.CheckAcceptanceResponse:
        """Returns the recorded answer; raises RequestInvalid, NotPermitted, ViewBehind, RequestIdReused, QueueFull or NotRecorded."""
        question = self._question(request, caller)
        card_key = self._intake.key_of(card_named(request.card))
        request_digest = self._digest(request.SerializeToString(deterministic=True))
        try:
            read = await self._cards.read_when(card_key, request.min_position)
            answer = decide(read.facts, read.agreements, self._reference, question)
            event = self._event(request, caller, question, card_key, request_digest)
            made = event.decision_made
            made.outcome, made.as_of_position, made.rules_digest = OUTCOMES[answer.outcome], read.as_of_position, rules_digest()
            made.reason_codes.extend(answer.reason_codes)
            made.agreement_codes.extend(answer.agreement_codes)
            request_key = self._digest(f"request|{caller.urn}|{request.request_id}".encode())
            receipt = await self._decisions.append(Decision(request_key, question.at_us, event.SerializeToString(), caller.trace_parent))
        except JournalUnavailable:
            raise NotRecorded from None
        if not receipt.is_new:
            event = await asyncio.to_thread(self._event_at, receipt.position)
            if event.decision_made.request_digest != request_digest:
                raise RequestIdReused
        return self._response(request.request_id, event, receipt.position)

    def _question(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> Question:
        refuse_invalid(request)
        at_us = instant_us(request, "at")
        wrong = []
        if request.HasField("at") and at_us > now_us() + DAY_US:
            wrong.append(("at", "in_the_future"))
        if self._reference.region(request.service_region, local_day(at_us)) is None:
            wrong.append(("service_region", "unknown_region"))
        if request.scenario not in self._reference.scenario_codes:
            wrong.append(("scenario", "unknown_scenario"))
        if wrong:
            raise RequestInvalid(wrong)
        if caller.province and request.service_region[:2] != caller.province:
            raise NotPermitted("service_region lies outside the caller's province")
        return Question(request.card.issuing_province, request.scenario, request.service_region, request.medium, at_us, request.venue_code)

    def _event(
        self, request: protos.CheckAcceptanceRequest, caller: Caller, question: Question, card_key: bytes, digest: bytes
    ) -> event_pb2.Event:
        event = event_pb2.Event(
            occurred_at=timestamp_of(question.at_us),
            service_region=request.service_region,
            scenario=request.scenario,
            medium=request.medium,
            venue_code=request.venue_code,
        )
        event.card.issuing_province, event.card.kind, event.card.key = request.card.issuing_province, request.card.kind, card_key
        decision = event.decision_made
        decision.request_id, decision.participant, decision.request_digest = request.request_id, caller.urn, digest
        if request.HasField("claims"):
            decision.claims.CopyFrom(request.claims)
        return event

    def _event_at(self, position: int) -> event_pb2.Event:
        with reading(self._dsn, "hub-card") as connection:
            return read_page(connection, position - 1, position)[0].event

    def _response(self, request_id: str, event: event_pb2.Event, position: int) -> protos.CheckAcceptanceResponse:
        decision = event.decision_made
        return protos.CheckAcceptanceResponse(
            request_id=request_id,
            outcome=decision.outcome,
            position=position,
            as_of_position=decision.as_of_position,
            reasons=[self._reasons[code] for code in decision.reason_codes],
            decided_for=event.occurred_at,
            rules_digest=decision.rules_digest,
        )


def _reason_message(reference: Reference, code: str) -> protos.Reason:
    reason = reference.reason(code)
    return protos.Reason(
        code=code,
        rule_id=reason.rule,
        text_zh=reason.text_zh,
        text_en=reason.text_en,
        advice_zh=reason.advice_zh,
        advice_en=reason.advice_en,
    )
