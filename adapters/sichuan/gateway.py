"""The gateway Sichuan's systems post to: one message in, its facts durable and on their way, one signed reply out.

The order is the promise. Signature, nonce window, decryption and translation come first and leave nothing behind;
then the facts get their numbers in the outbox, and from there on they will reach the hub whatever happens; only then
is anything answered. A message number is spent last of all.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import grpc
from chuanyu.exchange.v1.card_service_pb2 import GetCardRequest
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from adapters.kit import UNTRACED, FeedSender, HubConnection, HubUnreachable, Traces, answering, bounded_body, step
from adapters.kit import Refusal as HubRefusal
from adapters.kit.telemetry import MESSAGE_KIND, TRANSLATE_CALL_SPAN
from adapters.kit.trace import Trace
from adapters.kit.values import where
from adapters.sichuan.envelope import Request, decrypt, open_request, seal_reply
from adapters.sichuan.fields import Fields
from adapters.sichuan.keys import Keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.query import query_reply, query_request
from adapters.sichuan.replies import CARD_NOT_FOUND, OK, SYSTEM, TEXTS, MessageRepeated, ParameterInvalid, Refusal
from adapters.sichuan.standing import reply_code
from adapters.sichuan.totals import reconcile
from adapters.sichuan.translate import Translation, outbox_items, translate

ROUTE = "/sbk/api/gateway"
# 500 uses are about 0.5 MiB of Base64; what is larger is no message of this interface.
MAX_BODY_BYTES = 1_000_000

log = logging.getLogger(__name__)
Answer = tuple[str, str, object]
Ask = Callable[[Fields], Awaitable[Answer]]


class Gateway:
    """Answers the messages of one province."""

    def __init__(
        self,
        keys: Keys,
        window: NonceWindow,
        connection: HubConnection,
        senders: dict[str, FeedSender],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        traces: Traces = UNTRACED,
    ) -> None:
        """Takes the *senders* by feed; the caller runs and closes them."""
        self._keys, self._window, self._connection, self._senders = keys, window, connection, senders
        self._clock, self._traces, self.replies = clock, traces, Counter[str]()
        self._asks: dict[str, Ask] = {"SBK1001": self._query, "SBK9001": partial(reconcile, connection, senders)}

    async def answer(self, body: bytes) -> dict[str, object]:
        """Returns the signed reply to *body*, whatever it is."""
        with self._traces.call(ROUTE) as trace:
            msg_id = ""
            try:
                with step(TRANSLATE_CALL_SPAN):
                    request = open_request(body, self._keys)
                    msg_id = request.msg_id
                    said = self._read(request, trace)
                code, text, data = await self._handle(request, said)
            except Refusal as refusal:
                code, text, data = refusal.code, str(refusal), None
            except Exception as error:
                log.error("message %s failed: %s", msg_id, where(error))
                code, text, data = SYSTEM, answering.FAILED, None
            self.replies[code] += 1
            trace.answered(code, text, {OK: "", SYSTEM: "failed"}.get(code, "refused"))
            return seal_reply(code, text, msg_id, data, self._keys)

    def _read(self, request: Request, trace: Trace) -> Translation | Fields:
        """Returns what a message says, or asks."""
        trace.root.attributes[MESSAGE_KIND] = request.trans_code
        self._window.check(request.app_id, request.msg_id, request.timestamp, self._clock())
        data = decrypt(request.data, self._keys)
        with answering.reading(f"message {request.msg_id}", ParameterInvalid):
            return Fields(data) if request.trans_code in self._asks else translate(request, data)

    async def _handle(self, request: Request, said: Translation | Fields) -> Answer:
        answer = await (self._record(request, said) if isinstance(said, Translation) else self._asks[request.trans_code](said))
        self._window.remember(request.app_id, request.msg_id, self._clock())
        return _and_refused(answer, said.refused) if isinstance(said, Translation) and said.refused else answer

    async def _query(self, native: Fields) -> Answer:
        try:
            card = await self._connection.get_card(query_request(native), answering.HUB_PATIENCE_S)
        except HubUnreachable:
            return SYSTEM, "交换枢纽暂不可达", None
        except HubRefusal as refusal:
            if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
                raise ParameterInvalid("枢纽不能识别该卡") from refusal
            return SYSTEM, f"交换枢纽未予答复（{refusal}）", None
        if card is None:
            return CARD_NOT_FOUND, TEXTS[CARD_NOT_FOUND], None
        return OK, TEXTS[OK], query_reply(card)

    async def _record(self, request: Request, translation: Translation) -> Answer:
        deadline = answering.hub_deadline()
        code = await self._standing(translation) if translation.is_lifecycle else OK
        sender = self._senders[translation.feed]
        numbered = await sender.put(outbox_items(request, translation.events), is_message=True)
        first, last = numbered[0][0], numbered[-1][0]
        if not numbered[0][1]:
            raise MessageRepeated(f"msgId 已使用，登记为 {translation.feed} 第 {first} 号")
        if late := await answering.waited_for(sender, last, deadline):
            # The facts are safe here. A use asks nothing of the hub, so its answer need not wait for it.
            if not translation.is_lifecycle:
                return OK, TEXTS[OK] if late == answering.FORWARDED_LATER else late, None
            return SYSTEM, late, None
        if code is None:
            return SYSTEM, answering.UNCHECKED, None
        doubtful = [str(sequence) for sequence in await sender.quarantined(range(first, last + 1))]
        data = {"feed": translation.feed, "xhq": str(first), "xhz": str(last), "dhxh": doubtful}
        if doubtful and translation.is_lifecycle:
            # A quarantined loss report blocks nothing yet, so it must not look like success.
            return SYSTEM, answering.DOUBTFUL, data
        return code, TEXTS[code], data

    async def _standing(self, translation: Translation) -> str | None:
        event = translation.events[0]
        if event.WhichOneof("kind") == "card_applied":
            return OK  # there is no card yet that could have a standing
        # Not before the views have what the province reported last: a loss a moment ago must not read as a card in use.
        position = self._senders[translation.feed].position
        question = GetCardRequest(card=event.card, purpose_code=event.source.native_code, min_position=position)
        try:
            return reply_code(translation.events, await self._connection.get_card(question, answering.HUB_PATIENCE_S))
        except (HubUnreachable, HubRefusal):
            return None

    def status(self) -> dict[str, object]:
        """Returns counters and feed states, nothing of any card or person."""
        return {
            "hub": self._connection.target,
            "replies": dict(self.replies),
            "remembered_messages": self._window.count(),
            "feeds": {name: sender.status() for name, sender in self._senders.items()},
        }


def _and_refused(answer: Answer, refused: dict[int, str]) -> Answer:
    """Adds to the answer to a batch which of its lines were refused, and why."""
    code, text, data = answer
    lines = [{"hh": str(line), "yy": fault} for line, fault in refused.items()]
    return code, f"{text}，拒收 {len(lines)} 行", {**(data if isinstance(data, dict) else {}), "jjhh": lines}


def web_app(gateway: Gateway) -> Starlette:
    """Returns the HTTP side: POST /sbk/api/gateway for the province, GET /status for operators."""

    async def post(http: HttpRequest) -> Response:
        body = await bounded_body(http, MAX_BODY_BYTES)
        if isinstance(body, Response):
            return body
        # Errors are codes in a signed reply; HTTP says only that there is one.
        reply = json.dumps(await gateway.answer(body), ensure_ascii=False)
        return Response(reply, media_type="application/json;charset=UTF-8")

    async def status(_http: HttpRequest) -> Response:
        return JSONResponse(await asyncio.to_thread(gateway.status))

    return Starlette(routes=[Route(ROUTE, post, methods=["POST"]), Route("/status", status)])
