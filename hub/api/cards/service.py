"""CardService: a card as the caller may see it, and recorded answers to acceptance questions, in a call or in a stream."""

import asyncio
from collections.abc import AsyncIterator

from chuanyu.exchange.v1 import acceptance_pb2, card_lifecycle_pb2
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.documents import carried_documents
from hub.api.cards.card_reader import CardReader
from hub.api.cards.card_snapshot import CardRead
from hub.api.cards.checks import Checks
from hub.api.cards.concession_desk import ConcessionDesk
from hub.api.cards.count_desk import CountDesk
from hub.api.cards.explanations import Explainer
from hub.api.cards.group_desk import GroupDesk
from hub.api.cards.looks import Looks
from hub.api.cards.use_judge import UseJudge
from hub.api.edge import call_log
from hub.api.edge.directory import Caller
from hub.api.edge.handlers import Gate, Methods, service, streaming, unary
from hub.api.edge.statuses import to_status
from hub.api.edge.turns import Reads
from hub.api.edge.windowed import windowed
from hub.domain.acceptance import Question, decide
from hub.domain.card import Standing, policies_of, standing
from hub.domain.errors import CardNotFound, HubError, NotPermitted, RequestInvalid
from hub.domain.event_rules import may_say_region
from hub.domain.instants import epoch_day
from hub.domain.looks import Look, Shown, card_by_key
from hub.domain.records.documents import DOCUMENT_OF
from hub.domain.reference import Reference
from hub.intake.identifiers import Identifiers
from hub.intake.message_reader import reader
from hub.intake.request_rules import card_named, instant_us, refuse_invalid, refuse_outside, refuse_unknown_region, timestamp_of
from hub.telemetry.spans import Call
from hub.trust.keyring import Keyring
from hub.words.outcomes import OUTCOME_NUMBERS

STREAM_CHECKS = 256


class CardService:
    """Needs the reader of cards, the checks, and the keys of identifiers."""

    def __init__(
        self,
        dsn: str,
        cards: CardReader,
        checks: Checks,
        identifiers: Identifiers,
        reference: Reference,
        keyring: Keyring,
        looks: Looks,
        reads: Reads,
    ) -> None:
        """All parts are shared with the other services of the process."""
        self._cards, self._checks, self._identifiers, self._reference = cards, checks, identifiers, reference
        self._looks = looks
        self._concessions = ConcessionDesk(reads, identifiers, reference, looks)
        self._groups = GroupDesk(reads, identifiers, reference, looks)
        self._judge = UseJudge(cards, identifiers, reference, looks)
        self._counts = CountDesk(dsn)
        self._explainer = Explainer(dsn, checks, reference, keyring, looks)

    def close(self) -> None:
        """Closes what it reads with."""
        self._explainer.close()
        self._counts.close()

    def handler(self, gate: Gate) -> Methods:
        """The gRPC handler of the service."""
        return service(
            "chuanyu.exchange.v1.CardService",
            {
                "GetCard": unary(gate, reader(protos.GetCardRequest), self.get_card),
                "CheckAcceptance": unary(gate, reader(protos.CheckAcceptanceRequest), self._checks.answer),
                "ExplainAcceptance": unary(gate, reader(protos.ExplainAcceptanceRequest), self._explainer.explain),
                "GetConcessionBalance": unary(gate, reader(protos.GetConcessionBalanceRequest), self._concessions.get_balance),
                "CountCards": unary(gate, reader(protos.CountCardsRequest), self._counts.count),
                "CheckGroupService": unary(gate, reader(protos.CheckGroupServiceRequest), self._groups.check),
                "JudgeUse": unary(gate, reader(protos.JudgeUseRequest), self._judge.judge),
                "StreamAcceptance": streaming(gate, reader(protos.StreamAcceptanceRequest), self.stream_acceptance),
            },
        )

    async def get_card(self, request: protos.GetCardRequest, caller: Caller) -> protos.GetCardResponse:
        """Gives the five lives to the issuer, and to others usability in the scenarios that they serve, once the look is recorded."""
        refuse_invalid(request, "purpose_code")
        caller.allowance.misses.refuse_if_spent()
        at_us = instant_us(request, "valid_at")
        province = request.card.issuing_province
        is_issuer = caller.rights.issues(province)
        if not is_issuer:
            self._refuse_elsewhere(request, caller, at_us)
        if request.HasField("valid_at") and not is_issuer:
            raise NotPermitted("only the card's issuer asks for another time than now")
        card_key = self._identifiers.key_of(card_named(request.card))
        with_documents = is_issuer or request.medium in DOCUMENT_OF
        read = await self._cards.read(card_key, request.min_position, with_documents=with_documents)
        looked = card_by_key(province, request.card.kind, card_key)
        if not read.facts:
            await self._looks.record(caller, Look(looked, Shown.SHOWN_RECORD_NOTHING, request.purpose_code, read.as_of_position))
            raise CardNotFound
        response = protos.GetCardResponse(as_of_position=read.as_of_position, valid_at=timestamp_of(at_us))
        if is_issuer:
            response.lives.CopyFrom(_lives(standing(read.facts, at_us, policies_of(self._reference, province))))
            response.documents.extend(carried_documents(read.records, at_us))
        else:
            response.usability.extend(self._usability(request, caller, read, at_us))
        shown = Shown.SHOWN_RECORD_LIVES if response.HasField("lives") else Shown.SHOWN_RECORD_USABILITY
        await self._looks.record(caller, Look(looked, shown, request.purpose_code, read.as_of_position))
        return response

    def _refuse_elsewhere(self, request: protos.GetCardRequest, caller: Caller, at_us: int) -> None:
        """Raises RoleMissing, NotPermitted or RequestInvalid unless the caller is a service point of the region asked about."""
        region = self._region_asked(request, caller, at_us)
        refuse_outside(caller.province, region)
        refuse_unknown_region(self._reference, region, at_us)
        caller.rights.require_region(region)

    def _region_asked(self, request: protos.GetCardRequest, caller: Caller, at_us: int) -> str:
        """Returns the region asked about, else the one that the caller serves; raises RequestInvalid where that is none or several."""
        if request.service_region:
            return request.service_region
        served = [prefix for prefix in caller.rights.served_regions if prefix[:2] == caller.province] or [caller.province]
        region = served[0].ljust(6, "0")
        if len(served) > 1 or not may_say_region(self._reference, region, epoch_day(at_us)):
            raise RequestInvalid([("service_region", "required")])
        return region

    def _usability(self, request: protos.GetCardRequest, caller: Caller, read: CardRead, at_us: int) -> list[protos.ScenarioUsability]:
        found, region = [], self._region_asked(request, caller, at_us)
        for code in sorted(filter(caller.rights.serves_scenario, self._reference.scenario_codes)):
            question = Question(request.card.issuing_province, code, region, request.medium or acceptance_pb2.MEDIUM_CONTACT, at_us)
            answer = decide(read.facts, read.agreements, self._reference, question, read.records)
            found.append(protos.ScenarioUsability(scenario=code, outcome=OUTCOME_NUMBERS[answer.outcome], reason_codes=answer.reason_codes))
        return found

    def stream_acceptance(
        self, requests: AsyncIterator[protos.StreamAcceptanceRequest], caller: Caller
    ) -> AsyncIterator[protos.StreamAcceptanceResponse]:
        """Answers each question as soon as it is recorded, with up to STREAM_CHECKS under way."""

        async def begin(request: protos.StreamAcceptanceRequest) -> asyncio.Task[protos.StreamAcceptanceResponse]:
            await caller.allowance.calls.wait()
            task = asyncio.create_task(self._answer_in_stream(request, caller))
            task.add_done_callback(caller.allowance.calls.leave)
            return task

        return windowed(requests, STREAM_CHECKS, begin, in_order=False)

    async def _answer_in_stream(self, request: protos.StreamAcceptanceRequest, caller: Caller) -> protos.StreamAcceptanceResponse:
        call = Call(caller.call.name, (request.trace_parent,), participant=caller.call.participant)
        response = protos.StreamAcceptanceResponse(request_id=request.check.request_id)
        try:
            async with caller.allowance.shares[call.name].turn(), caller.allowance.questions:
                response.answered.CopyFrom(await self._checks.answer(request.check, caller._replace(call=call)))
        except HubError as error:
            call_log.refused(call, error)
            response.refused.CopyFrom(to_status(error))
        except Exception:
            response.refused.CopyFrom(call_log.failed(call))
        else:
            call_log.answered(call)
        return response


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
            getattr(lives, field).CopyFrom(timestamp_of(until_us))
    return lives
