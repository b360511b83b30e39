"""Judges uses of cards for their issuers and for operators: valid or not, against which fact, in the liability window or not."""

from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.api.cards.card_reader import CardReader
from hub.api.cards.looks import Looks
from hub.api.edge.directory import Caller
from hub.domain.card import policies_of
from hub.domain.errors import CardNotFound, NotPermitted
from hub.domain.findings import MEANINGS
from hub.domain.instants import set_timestamp
from hub.domain.judging import judge_use
from hub.domain.looks import Look, Shown, card_by_key
from hub.domain.reference import Reference
from hub.intake.identifiers import Identifiers
from hub.intake.request_rules import card_named, instant_us, refuse_invalid


class UseJudge:
    """Needs the reader of cards and the keys of identifiers."""

    def __init__(self, cards: CardReader, identifiers: Identifiers, reference: Reference, looks: Looks) -> None:
        """All parts are shared with the other services of the process."""
        self._cards, self._identifiers, self._reference, self._looks = cards, identifiers, reference, looks

    async def judge(self, request: protos.JudgeUseRequest, caller: Caller) -> protos.JudgeUseResponse:
        """Returns the judgement once the look is recorded; raises RequestInvalid, NotPermitted, CardNotFound, NotRecorded or ViewBehind.

        Only the card's issuer asks: by asking about one instant after another, anyone else would find when the card was lost.
        """
        refuse_invalid(request)
        caller.allowance.misses.refuse_if_spent()
        used_us = instant_us(request, "used_at")
        hotlist_us = instant_us(request, "hotlist_effective_at") if request.HasField("hotlist_effective_at") else None
        province = request.card.issuing_province
        if not caller.rights.issues(province):
            raise NotPermitted("only the card's issuer has its uses judged")
        card_key = self._identifiers.key_of(card_named(request.card))
        read = await self._cards.read(card_key, request.min_position)
        looked = card_by_key(province, request.card.kind, card_key)
        shown = Shown.SHOWN_RECORD_FINDINGS if read.facts else Shown.SHOWN_RECORD_NOTHING
        await self._looks.record(caller, Look(looked, shown, request.purpose_code, read.as_of_position))
        if not read.facts:
            raise CardNotFound
        judged = judge_use(read.facts, used_us, request.medium, policies_of(self._reference, province), hotlist_us)
        response = protos.JudgeUseResponse(is_valid=not judged.code, finding_code=judged.code, as_of_position=read.as_of_position)
        if judged.code:
            response.text_zh, response.text_en = MEANINGS[judged.code][:2]
        if judged.against is not None:
            response.against_position, response.against_kind = judged.against.position, judged.against.kind
            set_timestamp(response.against_at, judged.against.occurred_us)
        if judged.window is not None:
            response.in_liability_window = judged.is_in_window
            set_timestamp(response.liable_from, judged.window.from_us)
            if judged.window.to_us is not None:
                set_timestamp(response.liable_to, judged.window.to_us)
        return response
