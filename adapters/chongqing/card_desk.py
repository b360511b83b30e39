"""Answers B1 calls: one call in, its facts durable and on their way, one reply out.

The order is the promise. A call is read, checked and translated first, and a refusal leaves nothing behind. Then the
hub is asked how the card stands, before the fact changes it; then the facts get their numbers in the outbox, and from
there on they reach the hub whatever happens; only then is anything answered. The standing decides the code, never
whether the fact is recorded. Code 12 (name differs) is never given: the hub holds pseudonyms and compares no names.
"""

import asyncio
import logging
import traceback
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from chuanyu.exchange.v1.card_service_pb2 import CardLives, GetCardRequest

from adapters.chongqing.call_fields import TIMESTAMP
from adapters.chongqing.call_kinds import TEMPORARY_LOSS
from adapters.chongqing.errors import CallRefused, ReplyCode
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.pseudo_xml import NativeCall, NativeReply, encode_reply, parse_call
from adapters.chongqing.references import LOCAL, fingerprint
from adapters.chongqing.standing import TEMP_LOST, Judgement, judge
from adapters.chongqing.translate_call import card_of, translate_call
from adapters.kit import UNTRACED, FeedSender, FeedStopped, HubConnection, HubUnreachable, Traces, keep, step
from adapters.kit import Refusal as HubRefusal
from adapters.kit.telemetry import MESSAGE_KIND, TRANSLATE_CALL_SPAN
from adapters.kit.trace import Trace

ROUTE: Final = "/services/CardService"
HUB_PATIENCE_S: Final = 2.0
TEXTS: Final = {
    ReplyCode.DONE: "成功",
    ReplyCode.ALREADY: "卡已处于该状态",
    ReplyCode.CARD_UNKNOWN: "卡不存在",
    ReplyCode.STATE_NOT_ALLOWED: "状态不允许",
}
# Why the trace of an answered call is kept.
KEPT_FOR: Final[Mapping[str, str]] = {ReplyCode.DONE: "", ReplyCode.OTHER: "failed"}

log = logging.getLogger(__name__)


class CardDesk:
    """The one who answers the card centre's calls."""

    def __init__(
        self, secret: bytes, ledger: Ledger, connection: HubConnection, sender: FeedSender, traces: Traces = UNTRACED
    ) -> None:
        """Takes the secret that 校验码 are made with; whoever made the others runs and closes them."""
        self._secret, self._ledger, self._connection, self.sender = secret, ledger, connection, sender
        self._traces = traces
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
                # The text of an unforeseen error may quote the call, so only its kind and its place go to the log.
                place = traceback.extract_tb(error.__traceback__)[-1]
                log.error("a call failed: %s at %s:%s", type(error).__name__, place.filename, place.lineno)
                reply = NativeReply(ReplyCode.OTHER, "系统错误")
            self.replies[reply.code] += 1
            trace.answered(reply.code, reply.text, why)
            return encode_reply(reply)

    async def _take(self, body: bytes, trace: Trace) -> NativeReply:
        with step(TRANSLATE_CALL_SPAN):
            call = parse_call(body, self._secret)
            events = translate_call(call)
        trace.root.attributes[MESSAGE_KIND] = call.fields["操作"]
        await asyncio.to_thread(self._ledger.admit_call, _serial(call), _content(call))
        deadline = asyncio.get_running_loop().time() + HUB_PATIENCE_S
        standing = await self._ask(call)
        items = [(key, event.SerializeToString(deterministic=True)) for key, event in events]
        numbered = await self.sender.put(items)
        try:
            async with asyncio.timeout_at(deadline):
                await self.sender.wait_acknowledged(numbered[-1][0])
        except TimeoutError:
            keep("unacknowledged")
            return NativeReply(ReplyCode.OTHER, "已登记，交换枢纽暂不可达，将自动补传")
        except FeedStopped:
            keep("unacknowledged")
            return NativeReply(ReplyCode.OTHER, "已登记，报送已停止，待运维处理后补传")
        quarantined = await self.sender.quarantined(sequence for sequence, _ in numbered)
        doubts = {rule for rules in quarantined.values() for rule in rules}
        if doubts:
            return NativeReply(ReplyCode.OTHER, f"已登记，内容待核：{'、'.join(sorted(doubts))}")
        return standing or NativeReply(ReplyCode.OTHER, "已登记，卡状态未能核对")

    async def _ask(self, call: NativeCall) -> NativeReply | None:
        """Returns the reply that the card's standing gives, None when the hub cannot say in time."""
        card = card_of(call)
        if card is None:
            return NativeReply(ReplyCode.DONE, TEXTS[ReplyCode.DONE])
        question = GetCardRequest(card=card, purpose_code=call.fields["操作"])
        try:
            found = await self._connection.get_card(question, HUB_PATIENCE_S)
        except (HubUnreachable, HubRefusal):
            return None
        if found and not found.HasField("lives"):
            # A card of the other province: its lives are its issuer's to tell, and the request goes there.
            return NativeReply(ReplyCode.DONE, "成功，已转发卡地")
        lives = found.lives if found else None
        judgement = judge(call.fields["操作"], lives)
        return NativeReply(judgement.code, TEXTS[judgement.code], judgement.letters, _valid_to(call, judgement, lives))


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


def _serial(call: NativeCall) -> str:
    return f"{call.fields['用户名']}:{call.fields['流水号']}"


def _content(call: NativeCall) -> bytes:
    """Returns a fingerprint of what the call says, its 时间戳 left out: a client may stamp a repeated call anew."""
    said = [f"{tag}={value}" for tag, value in sorted(call.fields.items()) if tag != "时间戳"]
    return fingerprint(*said, *call.block.splitlines())
