"""Decides acceptance questions and records each answer before it is given; a repeated request gets the recorded one."""

import asyncio
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import acceptance_pb2, event_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.api.cards.card_reader import CardRead, CardReader, when_seen
from hub.api.edge.directory import Caller
from hub.api.edge.turns import Reads
from hub.domain.acceptance import Question, decide, epoch_day, rules_digest
from hub.domain.card import DAY_US
from hub.domain.errors import JournalUnavailable, NotPermitted, NotRecorded, RequestIdReused, RequestInvalid
from hub.domain.event_rules import may_say_region
from hub.domain.pseudonym import hmac_sm3_under
from hub.domain.reference import Reference
from hub.domain.rules import CHIP_MEDIA
from hub.intake.batch import Intake
from hub.intake.request_rules import card_named, instant_us, now_us, refuse_invalid, refuse_texts, set_timestamp
from hub.journal.decisions import Decision, DecisionWriter, Receipt
from hub.journal.reader import read_page
from hub.telemetry import names
from hub.telemetry.spans import Call, Kind, now_ns
from hub.trust.keyring import Keyring

_READ = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "SELECT", names.DB_COLLECTION: "views.card_standing"}
_RECORD = {names.DB_SYSTEM: "postgresql", names.DB_OPERATION: "SELECT", names.DB_COLLECTION: "journal.event"}
OUTCOMES = {name.removeprefix("ACCEPTANCE_OUTCOME_"): number for name, number in acceptance_pb2.AcceptanceOutcome.items()}

_OUTCOME_NAMES = {number: name for name, number in OUTCOMES.items()}


# The reason of rule A01 alone: the hub has no fact of the card.
CARD_UNKNOWN = "CARD_UNKNOWN"


class _Check(NamedTuple):
    """A question under way: its event, complete but for the answer, and what a repeat of the request is known by."""

    event: event_pb2.Event
    question: Question
    request_key: bytes
    min_position: int
    call: Call


class Decider:
    """Reads the card, decides, records, answers."""

    def __init__(
        self, reads: Reads, cards: CardReader, decisions: DecisionWriter, intake: Intake, keyring: Keyring, reference: Reference
    ) -> None:
        """All parts are shared with the other services of the process."""
        self._reads, self._cards, self._decisions = reads, cards, decisions
        self._intake, self._reference = intake, reference
        self._digest = hmac_sm3_under(keyring.digest)
        self._reasons = {code: _reason_message(reference, code) for code in reference.reasons}

    async def answer(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> protos.CheckAcceptanceResponse:
        """Returns the recorded answer.

        Raises RequestInvalid, NotPermitted, RoleMissing, ViewBehind, ViewsLate, ClockDrift, RequestIdReused, QueueFull or NotRecorded.
        """
        caller.allowance.misses.refuse_if_spent()
        check = self._check(request, caller)
        try:
            receipt = await (when_seen(lambda: self._recorded(check)) if request.min_position else self._recorded(check))
        except JournalUnavailable:
            raise NotRecorded from None
        event = check.event
        if not receipt.is_new:
            event = await self._reads.read(caller.urn, _event_at, receipt.position)
            recorded = event.decision_made.request_digest
            # Before the participant was part of it, the digest was that of the request alone.
            if recorded not in (check.event.decision_made.request_digest, self._digest(_as_asked(request))):
                raise RequestIdReused
        elif CARD_UNKNOWN in event.decision_made.reason_codes:
            caller.allowance.misses.count(check.call.name)
        _tell_decided(check.call, event, receipt)
        return self.response(request.request_id, event, receipt.position)

    def _recorded(self, check: "_Check") -> "asyncio.Future[Receipt]":
        """Has the check read, decided and recorded. It is decided where its group is read, so that it is awaited once."""
        receipt: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()

        def then(read: CardRead | Exception) -> None:
            if receipt.done():
                return
            try:
                if isinstance(read, Exception):
                    raise read
                self._decisions.submit(self._decision(check, read), receipt)
            except Exception as failure:
                receipt.set_exception(failure)

        with_ecard = check.question.medium not in CHIP_MEDIA
        self._cards.ask(check.event.card.key, check.min_position, then, with_ecard=with_ecard)
        return receipt

    def _decision(self, check: "_Check", read: CardRead) -> Decision:
        call, began = check.call, now_ns()
        call.step(names.READ_SPAN, read.group.began, read.group.ended, {**_READ, names.DB_BATCH_SIZE: read.group.size}, Kind.CLIENT)
        answer = decide(read.facts, read.agreements, self._reference, check.question)
        made = check.event.decision_made
        made.outcome, made.as_of_position, made.rules_digest = OUTCOMES[answer.outcome], read.as_of_position, rules_digest()
        made.reason_codes[:] = answer.reason_codes
        made.agreement_codes[:] = answer.agreement_codes
        decision = Decision(check.request_key, check.question.at_us, check.event.SerializeToString(), call.trace_parents())
        call.step(names.DECIDE_SPAN, began, now_ns(), {names.AS_OF_POSITION: read.as_of_position})
        return decision

    def _check(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> "_Check":
        question, card_key = self.checked(request, caller)
        event = event_pb2.Event(
            service_region=request.service_region, scenario=request.scenario, medium=request.medium, venue_code=request.venue_code
        )
        set_timestamp(event.occurred_at, question.at_us)
        named, card = request.card, event.card
        card.issuing_province, card.kind, card.key = named.issuing_province, named.kind, card_key
        decision = event.decision_made
        decision.request_id, decision.participant, decision.operator = request.request_id, caller.urn, caller.operator
        decision.request_digest = self._digest(b"question|%s|%s" % (caller.urn.encode(), _as_asked(request)))
        if request.HasField("claims"):
            decision.claims.CopyFrom(request.claims)
        request_key = self._digest(f"request|{caller.urn}|{request.request_id}".encode())
        return _Check(event, question, request_key, request.min_position, caller.call)

    def checked(self, request: protos.CheckAcceptanceRequest, caller: Caller, *, is_issuer: bool = False) -> tuple[Question, bytes]:
        """Returns the question of a request and the key of its card; raises RequestInvalid, NotPermitted or RoleMissing.

        An issuer that looks into its own card (*is_issuer*) asks about every place and scenario.
        """
        refuse_invalid(request)
        refuse_texts(request, "request_id", "venue_code")
        if request.HasField("at") and not caller.rights.issues(request.card.issuing_province):
            # A question on each side of a delivered instant would say whose event it is.
            raise NotPermitted("only the card's issuer asks for another time than now")
        at_us = instant_us(request, "at")
        wrong = []
        if request.HasField("at") and at_us > now_us() + DAY_US:
            wrong.append(("at", "in_the_future"))
        if not may_say_region(self._reference, request.service_region, epoch_day(at_us)):
            wrong.append(("service_region", "unknown_region"))
        if request.scenario not in self._reference.scenario_codes:
            wrong.append(("scenario", "unknown_scenario"))
        if wrong:
            raise RequestInvalid(wrong)
        if not is_issuer:
            if caller.province and request.service_region[:2] != caller.province:
                raise NotPermitted("service_region lies outside the caller's province")
            caller.rights.require_serving(request.scenario, request.service_region)
        return question_of(request, at_us), self._intake.key_of(card_named(request.card))

    def reason(self, code: str) -> protos.Reason:
        """Returns a reason with its words; one that a newer release recorded has none here."""
        return self._reasons.get(code) or protos.Reason(code=code)

    def response(self, request_id: str, event: event_pb2.Event, position: int) -> protos.CheckAcceptanceResponse:
        """Makes the response of a recorded decision, with the words of its reasons."""
        decision = event.decision_made
        return protos.CheckAcceptanceResponse(
            request_id=request_id,
            outcome=decision.outcome,
            position=position,
            as_of_position=decision.as_of_position,
            reasons=[self.reason(code) for code in decision.reason_codes],
            decided_for=event.occurred_at,
            rules_digest=decision.rules_digest,
        )


def _tell_decided(call: Call, event: event_pb2.Event, receipt: Receipt) -> None:
    """Counts an answer, and notes its commit."""
    outcome, direction = _OUTCOME_NAMES[event.decision_made.outcome], f"{event.card.issuing_province}>{event.service_region[:2]}"
    call.step(
        names.RECORD_SPAN, receipt.group.began, receipt.group.ended, {**_RECORD, names.DB_BATCH_SIZE: receipt.group.size}, Kind.CLIENT
    )
    call.attributes.update(
        {names.SCENARIO: event.scenario, names.DIRECTION: direction, names.OUTCOME: outcome, names.POSITION: receipt.position}
    )
    if event.decision_made.operator:
        # What operators try out is no question of a service point: it is in no count of the agreed service.
        names.OPERATOR_QUESTIONS.add(event.scenario, outcome)
        return
    names.DECISIONS.add(event.scenario, direction, outcome)
    names.DECISION_DURATION.record((now_ns() - call.began) / 1e9, outcome)
    for reason in event.decision_made.reason_codes:
        names.DECISION_REASONS.add(reason, outcome)


def question_of(request: protos.CheckAcceptanceRequest, at_us: int) -> Question:
    """Returns the question of a request, about an instant in microseconds since 1970."""
    place = (request.card.issuing_province, request.scenario, request.service_region, request.medium, at_us, request.venue_code)
    return Question(*place, request.claims) if request.HasField("claims") else Question(*place)


def _as_asked(request: protos.CheckAcceptanceRequest) -> bytes:
    return request.SerializeToString(deterministic=True)


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


def _event_at(connection: psycopg.Connection, position: int) -> event_pb2.Event:
    return read_page(connection, position - 1, position)[0].event
