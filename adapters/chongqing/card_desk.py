"""Answers B1 calls: one call in, its facts durable and on their way, one reply out.

The order is the promise. A call is read, checked and translated first, and a refusal leaves nothing behind. Then the
hub is asked for the card's standing, before the fact changes it; then the facts get their numbers in the outbox, and from
there on they reach the hub whatever happens; only then is anything answered. The standing decides the code, never
whether the fact is recorded. Code 12 (name differs) is never given: the hub holds pseudonyms and compares no names.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardRequest
from chuanyu.exchange.v1.event_pb2 import Event

from adapters.chongqing.call_fields import TIMESTAMP
from adapters.chongqing.call_kinds import TEMPORARY_LOSS
from adapters.chongqing.errors import CallRefused, MalformedCall, ReplyCode, SerialSpent
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import NativeCall, NativeReply, encode_reply, parse_call
from adapters.chongqing.references import call_key, fingerprint
from adapters.chongqing.standing import TEMP_LOST, Judgement, judge
from adapters.chongqing.translate_call import card_of, translate_call
from adapters.kit import UNTRACED, FeedSender, HubConnection, HubUnreachable, Traces, answering, step
from adapters.kit import Refusal as HubRefusal
from adapters.kit.telemetry import MESSAGE_KIND, TRANSLATE_CALL_SPAN
from adapters.kit.trace import Trace
from adapters.kit.values import LOCAL, where

ROUTE: Final = "/services/CardService"
# A caller whose clock runs ahead is refused; a call may be late, since numbers are remembered for good.
AHEAD_S: Final = 300
# So long a call that comes again is one whose reply was lost, and is answered in full.
REPEAT_S: Final = 300
TEXTS: Final = {
    ReplyCode.DONE: "成功",
    ReplyCode.ALREADY: "卡已处于该状态",
    ReplyCode.CARD_UNKNOWN: "卡不存在",
    ReplyCode.STATE_NOT_ALLOWED: "状态不允许",
}
# Why the trace of an answered call is kept.
KEPT_FOR: Final[Mapping[str, str]] = {ReplyCode.DONE: "", ReplyCode.OTHER: "failed"}

log = logging.getLogger(__name__)


# Why the hub is asked: a card-holder's matter is before the desk.
PURPOSE = "HOLDER_REQUEST"


class CardDesk:
    """The one who answers the card centre's calls."""

    def __init__(
        self,
        secret: bytes,
        ledger: Ledger,
        connection: HubConnection,
        sender: FeedSender,
        traces: Traces = UNTRACED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Takes the secret that 校验码 are made with; the caller runs and closes the others."""
        self._secret, self._ledger, self._connection, self.sender = secret, ledger, connection, sender
        self._traces, self._clock = traces, clock
        self.replies: Counter[str] = Counter()

    async def answer(self, body: bytes) -> bytes:
        """Returns the reply to *body*, whatever it is."""
        with self._traces.call(ROUTE) as trace:
            why = "failed"
            try:
                reply = await self._take(body, trace)
                why = KEPT_FOR.get(reply.code, "refused")
            except CallRefused as refusal:
                reply, why = NativeReply(refusal.code, refusal.text), "refused"
            except Exception as error:
                log.error("a call failed: %s", where(error))
                reply = NativeReply(ReplyCode.OTHER, answering.FAILED)
            self.replies[reply.code] += 1
            trace.answered(reply.code, reply.text, why)
            return encode_reply(reply)

    async def _take(self, body: bytes, trace: Trace) -> NativeReply:
        with step(TRANSLATE_CALL_SPAN):
            call, events = await asyncio.to_thread(_read, body, self._secret)
        trace.root.attributes[MESSAGE_KIND] = call.fields["操作"]
        now_s = self._clock()
        if datetime.strptime(call.fields["时间戳"], TIMESTAMP).replace(tzinfo=LOCAL).timestamp() > now_s + AHEAD_S:
            raise MalformedCall("时间戳超前")
        taken_at_s = await asyncio.to_thread(self._ledger.admit_call, call_key(call.fields), content_of(call), now_s)
        deadline = answering.hub_deadline()
        standing = await self._ask(call)
        items = [(key, event.SerializeToString(deterministic=True)) for key, event in events]
        numbered = await self.sender.put(items)
        if not numbered[0][1] and now_s - taken_at_s > REPEAT_S:
            raise SerialSpent(f"流水号已使用，该笔业务已登记为 {self.sender.feed} 第 {numbered[0][0]} 号")
        if late := await answering.waited_for(self.sender, numbered[-1][0], deadline):
            return NativeReply(ReplyCode.OTHER, late)
        quarantined = await self.sender.quarantined(sequence for sequence, _ in numbered)
        doubts = {rule for rules in quarantined.values() for rule in rules}
        if doubts:
            return NativeReply(ReplyCode.OTHER, f"{answering.DOUBTFUL}：{'、'.join(sorted(doubts))}")
        return standing or NativeReply(ReplyCode.OTHER, answering.UNCHECKED)

    async def _ask(self, call: NativeCall) -> NativeReply | None:
        """Returns the reply that the card's standing gives, None when the hub cannot say in time."""
        card = card_of(call)
        if card is None:
            return NativeReply(ReplyCode.DONE, TEXTS[ReplyCode.DONE])
        # Not before the views have what the office reported last: a loss a moment ago must not read as a card in use.
        question = GetCardRequest(card=card, purpose_code=PURPOSE, min_position=self.sender.position)
        try:
            found = await self._connection.get_card(question, answering.HUB_PATIENCE_S)
        except (HubUnreachable, HubRefusal):
            return None
        if found and not found.HasField("lives"):
            # A card of the other province: its issuer reports its lives, and the request goes there.
            return NativeReply(ReplyCode.DONE, "成功，已转发卡地")
        lives = found.lives if found else None
        judgement = judge(call.fields["操作"], lives)
        return NativeReply(judgement.code, TEXTS[judgement.code], judgement.letters, _valid_to(call, judgement, lives))


def _read(body: bytes, secret: bytes) -> tuple[NativeCall, list[tuple[str, Event]]]:
    """Returns what a body says; raises CallRefused. It runs in a thread: a long body must not keep other calls waiting."""
    with answering.reading("a call", MalformedCall):
        call = parse_call(body, secret)
        return call, translate_call(call)


def _valid_to(call: NativeCall, judgement: Judgement, lives: CardLives | None) -> str:
    """Returns when a temporary loss runs out: as the hub has it if there was one, else from this call on."""
    if judgement.status != TEMP_LOST or lives is None:
        return ""
    if judgement.code is ReplyCode.DONE:
        ends = datetime.strptime(call.fields["时间戳"], TIMESTAMP) + TEMPORARY_LOSS
    elif lives.HasField("social_status_until"):
        ends = lives.social_status_until.ToDatetime(UTC).astimezone(LOCAL)
    else:
        return ""
    return f"{ends:%Y%m%d%H%M%S}"


def content_of(call: NativeCall) -> bytes:
    """Returns a fingerprint of what the call says, its 时间戳 left out: a client may give a repeated call a new time."""
    said = [f"{tag}={value}" for tag, value in sorted(call.fields.items()) if tag != "时间戳"]
    return fingerprint(*said, *call.block.splitlines())
