"""CardService: a card as the caller may see it, and recorded answers to acceptance questions, in a call or in a stream."""

import asyncio
import time
from collections.abc import AsyncIterator

import grpc
import protovalidate
from chuanyu.exchange.v1 import acceptance_pb2, card_lifecycle_pb2, event_pb2, references_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from hub.api.checker import Asked, CardRead, Checker
from hub.api.directory import Caller
from hub.api.errors import to_status
from hub.api.intake import Intake
from hub.api.rpc import Gate, reader, service, streaming, unary
from hub.domain.acceptance import Question, decide, local_day, temp_loss_days
from hub.domain.card import DAY_US, Standing, standing
from hub.domain.errors import (
    CardNotFound,
    HubError,
    JournalUnavailable,
    NotPermitted,
    NotRecorded,
    RequestIdReused,
    RequestInvalid,
    ViewBehind,
)
from hub.domain.pseudonym import card_name, card_problem, hmac_sm3
from hub.domain.reference import Reference
from hub.journal.group import AnsweredBefore, Appended
from hub.journal.keyring import Keyring
from hub.journal.reader import read_page, reading
from hub.journal.writer import JournalWriter

VIEW_WAIT_S = 2.0
STREAM_CHECKS = 256
_DECISION_BYTES = 400
# 9999-12-31: the last day that the calendar has in every time zone.
_CALENDAR_END_S = 253_402_214_400


class CardService:
    """Needs the checker, the writer whose queue its decisions go through, and the intake's keys."""

    def __init__(self, dsn: str, checker: Checker, writer: JournalWriter, intake: Intake, keyring: Keyring, reference: Reference) -> None:
        """All parts are shared with the other services of the process."""
        self._dsn = dsn
        self._checker = checker
        self._writer = writer
        self._intake = intake
        self._keyring = keyring
        self._reference = reference
        self._validator = protovalidate.Validator()
        self._reason_messages = {code: _reason_message(reference, code) for code in reference.reasons}

    def handler(self, gate: Gate) -> grpc.GenericRpcHandler:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.CardService",
            {
                "GetCard": unary(gate, reader(protos.GetCardRequest), self.get_card),
                "CheckAcceptance": unary(gate, reader(protos.CheckAcceptanceRequest), self.check_acceptance),
                "StreamAcceptance": streaming(gate, reader(protos.StreamAcceptanceRequest), self.stream_acceptance),
            },
        )

    # GetCard

    async def get_card(self, request: protos.GetCardRequest, caller: Caller) -> protos.GetCardResponse:
        """Gives the five lives to the issuer, and usability by scenario to the other province."""
        self._refuse_invalid(request)
        at_us = _instant_us(request, "valid_at")
        card_key = self._card_key(request.card)
        read = await self._read(card_key, request.min_position)
        if not read.facts:
            raise CardNotFound
        response = protos.GetCardResponse(as_of_position=read.as_of_position, valid_at=_timestamp(at_us))
        province = request.card.issuing_province
        if caller.province == province:
            days = temp_loss_days(self._reference, province, at_us)
            response.lives.CopyFrom(_lives(standing(read.facts, at_us, days)))
        else:
            response.usability.extend(self._usability(request, caller, read, at_us))
        return response

    async def _read(self, card_key: bytes, min_position: int) -> CardRead:
        deadline = time.monotonic() + VIEW_WAIT_S
        while True:
            try:
                return await self._checker.read(card_key, min_position)
            except ViewBehind:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.01)

    def _usability(self, request: protos.GetCardRequest, caller: Caller, read: CardRead, at_us: int) -> list[protos.ScenarioUsability]:
        region = request.service_region or f"{caller.province}0000"
        if region[:2] != caller.province:
            raise NotPermitted("service_region lies outside the caller's province")
        if self._reference.region(region, local_day(at_us)) is None:
            raise RequestInvalid([("service_region", "unknown_region")])
        found = []
        for code in sorted(self._reference.scenario_codes):
            question = Question(request.card.issuing_province, code, region, request.medium or acceptance_pb2.MEDIUM_CONTACT, at_us)
            answer = decide(read.facts, read.agreements, self._reference, question)
            outcome = acceptance_pb2.AcceptanceOutcome.Value(f"ACCEPTANCE_OUTCOME_{answer.outcome}")
            found.append(protos.ScenarioUsability(scenario=code, outcome=outcome, reason_codes=answer.reason_codes))
        return found

    # CheckAcceptance

    async def check_acceptance(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> protos.CheckAcceptanceResponse:
        """Decides, records, and only then answers."""
        question = self._question(request, caller)
        card_key = self._card_key(request.card)
        request_digest = self._request_digest(request)
        event = self._decision_event(request, caller, question, card_key, request_digest)
        request_key = hmac_sm3(self._keyring.digest, f"request|{caller.urn}|{request.request_id}".encode())
        waiting = self._writer.reserve(1, _DECISION_BYTES)
        try:
            read = await self._read(card_key, request.min_position)
            self._checker.decide(Asked(question, event, request_key, caller.trace_parent, waiting), read)
            outcome = await waiting.future
        except JournalUnavailable:
            raise NotRecorded from None
        finally:
            # Gives the place in the queue back if the decision never got there.
            waiting.future.cancel()
        if isinstance(outcome, AnsweredBefore):
            return await self._answered_before(request, outcome.position, request_digest)
        assert isinstance(outcome, Appended)
        return self._response(request.request_id, event, outcome.positions[0])

    def _question(self, request: protos.CheckAcceptanceRequest, caller: Caller) -> Question:
        self._refuse_invalid(request)
        at_us = _instant_us(request, "at")
        day = local_day(at_us)
        wrong = []
        if request.HasField("at") and at_us > _now_us() + DAY_US:
            wrong.append(("at", "in_the_future"))
        if self._reference.region(request.service_region, day) is None:
            wrong.append(("service_region", "unknown_region"))
        if request.scenario not in self._reference.scenario_codes:
            wrong.append(("scenario", "unknown_scenario"))
        if wrong:
            raise RequestInvalid(wrong)
        if caller.province and request.service_region[:2] != caller.province:
            raise NotPermitted("service_region lies outside the caller's province")
        return Question(request.card.issuing_province, request.scenario, request.service_region, request.medium, at_us, request.venue_code)

    def _refuse_invalid(self, request: Message) -> None:
        if broken := self._validator.collect_violations(request):
            raise RequestInvalid(
                [
                    (
                        ".".join(element.field_name for element in (violation.proto.field.elements if violation.proto.field else ())),
                        str(violation.proto.rule_id),
                    )
                    for violation in broken
                ]
            )

    def _card_key(self, ref: references_pb2.CardRef) -> bytes:
        if ref.key:
            raise RequestInvalid([("card.key", "clear_only")])
        if (problem := card_problem(ref)) is not None:
            raise RequestInvalid([("card.clear", problem.lower())])
        return self._intake.key_of(card_name(ref))

    def _request_digest(self, request: protos.CheckAcceptanceRequest) -> bytes:
        return hmac_sm3(self._keyring.digest, request.SerializeToString(deterministic=True))

    def _decision_event(
        self, request: protos.CheckAcceptanceRequest, caller: Caller, question: Question, card_key: bytes, digest: bytes
    ) -> event_pb2.Event:
        event = event_pb2.Event(
            occurred_at=_timestamp(question.at_us),
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

    async def _answered_before(
        self, request: protos.CheckAcceptanceRequest, position: int, digest: bytes
    ) -> protos.CheckAcceptanceResponse:
        event = await asyncio.to_thread(self._event_at, position)
        if event.decision_made.request_digest != digest:
            raise RequestIdReused
        return self._response(request.request_id, event, position)

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
            reasons=[self._reason_messages[code] for code in decision.reason_codes],
            decided_for=event.occurred_at,
            rules_digest=decision.rules_digest,
        )

    async def stream_acceptance(
        self, requests: AsyncIterator[protos.StreamAcceptanceRequest], caller: Caller
    ) -> AsyncIterator[protos.StreamAcceptanceResponse]:
        """Answers each question as soon as it is recorded, with up to STREAM_CHECKS under way."""
        answers: asyncio.Queue[protos.StreamAcceptanceResponse | None] = asyncio.Queue()
        room = asyncio.Semaphore(STREAM_CHECKS)
        under_way: set[asyncio.Task[None]] = set()

        async def answer(request: protos.CheckAcceptanceRequest) -> None:
            response = protos.StreamAcceptanceResponse(request_id=request.request_id)
            try:
                response.answered.CopyFrom(await self.check_acceptance(request, caller))
            except HubError as error:
                response.refused.CopyFrom(to_status(error))
            await answers.put(response)

        async def receive() -> None:
            try:
                async for request in requests:
                    await room.acquire()
                    task = asyncio.create_task(answer(request.check))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.gather(*under_way)
            finally:
                await answers.put(None)

        receiver = asyncio.create_task(receive())
        try:
            while (response := await answers.get()) is not None:
                yield response
                room.release()
            await receiver
        finally:
            receiver.cancel()


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


def _lives(card: Standing) -> protos.CardLives:
    lives = protos.CardLives(
        bank_account_status=protos.BankAccountStatus.Value(f"BANK_ACCOUNT_STATUS_{card.bank_account_status}"),
        transit_purse_status=protos.TransitPurseStatus.Value(f"TRANSIT_PURSE_STATUS_{card.transit_purse_status}"),
        pin_status=protos.PinStatus.Value(f"PIN_STATUS_{card.pin_status}"),
        ecard_status=protos.EcardStatus.Value(f"ECARD_STATUS_{card.ecard_status}"),
        reissue_pending=card.reissue_pending,
        replacement_pending=card.replacement_pending,
        expires_on=card.expires_on,
    )
    if card.social_status:
        lives.social_status = card_lifecycle_pb2.SocialStatus.Value(f"SOCIAL_STATUS_{card.social_status}")
    if card.generation:
        lives.generation = card_lifecycle_pb2.CardGeneration.Value(f"CARD_GENERATION_{card.generation}")
    if card.card_kind:
        lives.card_kind = card_lifecycle_pb2.CardKind.Value(f"CARD_KIND_{card.card_kind}")
    for field, until_us in (("social_status_until", card.social_status_until_us), ("provisional_block_until", card.block_until_us)):
        if until_us is not None:
            getattr(lives, field).CopyFrom(_timestamp(until_us))
    return lives


def _instant_us(request: Message, field: str) -> int:
    """Returns the instant a request asks about, now if it names none; raises RequestInvalid where the calendar has no such day."""
    if not request.HasField(field):
        return _now_us()
    timestamp = getattr(request, field)
    if not 0 <= timestamp.seconds < _CALENDAR_END_S:
        raise RequestInvalid([(field, "out_of_range")])
    return _us(timestamp)


def _us(timestamp: Timestamp) -> int:
    return timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000


def _timestamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1_000)


def _now_us() -> int:
    return time.time_ns() // 1_000
