"""Turns B1 calls into events of feed `cq.card-center`: what the card centre says happened, never what should follow.

Only the issuing province changes a card. A loss taken at a counter of the other province is therefore a request
(for a card of Chongqing taken in Sichuan as for one of Sichuan taken in Chongqing), and any other operation on a card
that Chongqing did not issue is refused. One call may carry several facts: 领卡启用 is a hand-over and an activation,
a production batch has one fact a card.
"""

import csv
import re
from collections.abc import Mapping
from typing import Final

from chuanyu.exchange.v1.control_pb2 import LossRequestSubmitted
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import CardIdentifierKind, CardRef

from adapters.chongqing.call_fields import TIMESTAMP, Fields, channel, local_time, need
from adapters.chongqing.call_kinds import OPERATIONS, Kinds, Operation
from adapters.chongqing.errors import IssuerOnly, MalformedCall, OperationUnknown
from adapters.chongqing.pseudo_xml import NativeCall
from adapters.chongqing.references import CHONGQING, call_key, card_ref, instant, person_ref

FEED: Final = "cq.card-center"
APPLICATION: Final = "申请社保卡"
SYSTEM: Final = "cq.card-service"
MAX_ROWS: Final = 5000

_REGION: Final = re.compile(r"[0-9]{6}", re.ASCII)
_CARD_NO: Final = re.compile(r"[A-Z0-9]{9}", re.ASCII)
_PERSON_NO: Final = re.compile(r"[A-Z0-9]{15,18}", re.ASCII)
_ALIASES: Final = {
    "卡识别码": CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_IDENT_CODE,
    "交通联合卡号": CardIdentifierKind.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO,
    "银行卡号": CardIdentifierKind.CARD_IDENTIFIER_KIND_BANK_ACCOUNT,
    "签发号": CardIdentifierKind.CARD_IDENTIFIER_KIND_SIGN_NO,
}


def translate_call(call: NativeCall) -> list[tuple[str, Event]]:
    """Returns the (source key, event) pairs of a call, in order; raises CallRefused, and then nothing may be recorded.

    The source key is the caller's 流水号: a call repeated under it is the same call.
    """
    fields = call.fields
    name = need(fields, "操作")
    if name not in OPERATIONS:
        raise OperationUnknown("操作不支持")
    for tag in ("用户名", "流水号"):
        need(fields, tag)
    operation, key = OPERATIONS[name], f"call:{call_key(fields)}"
    if max(len(need(fields, tag)) for tag in ("流水号", "用户名")) > 64:
        raise MalformedCall("流水号或用户名过长")
    sent_at = instant(local_time(fields, "时间戳", TIMESTAMP))
    source = Source(system=SYSTEM, message_id=need(fields, "流水号"), native_code=name)
    events = []
    for card in _rows(call) if operation.rows else [fields]:
        envelope = Event(service_region=_region(fields, "受理地")) if operation.place else _envelope(fields, card, operation.scenario)
        envelope.source.CopyFrom(source)
        envelope.occurred_at.CopyFrom(sent_at)
        for event in _kinds(operation, {**fields, **card}):
            event.MergeFrom(envelope)
            events.append(event)
    return [(f"{key}#{number}", event) for number, event in enumerate(events, 1)]


def card_of(call: NativeCall) -> CardRef | None:
    """Returns the card whose standing decides the reply, None for a call about many cards, or about none's standing."""
    operation = OPERATIONS[call.fields["操作"]]
    if operation.rows or operation.use or operation.place:
        return None
    return _card_if_any(need(call.fields, "所属区县")[:2], call.fields)


def _is_request(fields: Fields) -> bool:
    # Taken in another province than the card's: the issuer has yet to speak.
    return _region(fields, "受理地")[:2] != _region(fields, "所属区县")[:2]


def _kinds(operation: Operation, fields: Fields) -> Kinds:
    if operation.place:
        return operation.build(fields)
    issuing_province = _region(fields, "所属区县")[:2]
    if issuing_province not in ("50", "51"):
        raise MalformedCall("所属区县不在川渝")
    if operation.loss_type and _is_request(fields):
        request = LossRequestSubmitted(
            loss_type=operation.loss_type,
            accepted_at_region=need(fields, "受理地"),
            channel=channel(fields),
            native_serial_no=need(fields, "流水号"),
        )
        return [Event(loss_request_submitted=request)]
    if issuing_province != CHONGQING and not operation.use:
        raise IssuerOnly("非本省发卡，须由发卡地办理")
    if need(fields, "操作") == "解除挂失" and _is_request(fields):
        raise IssuerOnly("解除挂失须在发卡地办理")
    return operation.build(fields)


def _envelope(fields: Fields, card: Fields, scenario: str) -> Event:
    province = _region(fields, "所属区县")[:2]
    return Event(
        card=_card_if_any(province, card),
        card_aliases=[card_ref(province, kind, card[tag].upper()) for tag, kind in _ALIASES.items() if card.get(tag)],
        holder=person_ref(_matching(card, "社会保障号码", _PERSON_NO)),
        issuer_region=need(fields, "所属区县"),
        service_region=_region(fields, "受理地"),
        scenario=scenario,
    )


def _card_if_any(province: str, fields: Fields) -> CardRef | None:
    """Returns the card; None for an application, which has no card yet: the number comes with production (L1)."""
    is_application = fields.get("操作") == APPLICATION
    return None if is_application and not fields.get("社保卡号") else _card(province, fields)


def _card(province: str, fields: Fields) -> CardRef:
    return card_ref(province, CardIdentifierKind.CARD_IDENTIFIER_KIND_CARD_NO, _matching(fields, "社保卡号", _CARD_NO))


def _region(fields: Fields, tag: str) -> str:
    return _matching(fields, tag, _REGION)


def _matching(fields: Fields, tag: str, pattern: re.Pattern[str]) -> str:
    value = need(fields, tag).upper()
    if pattern.fullmatch(value) is None:
        raise MalformedCall(f"{tag}格式错误")
    return value


def _rows(call: NativeCall) -> list[Mapping[str, str]]:
    """Returns the cards in the CSV block, each a mapping from its column to its value; raises MalformedCall."""
    reader = csv.DictReader(call.block.splitlines(), strict=True)
    try:
        rows = [row for _, row in zip(range(MAX_ROWS + 1), reader, strict=False)]
    except csv.Error:
        raise MalformedCall("数据区不是CSV") from None
    if not rows or len(rows) > MAX_ROWS:
        raise MalformedCall(f"数据区应有1至{MAX_ROWS}行")
    if any(None in row or None in row.values() for row in rows):
        raise MalformedCall("数据区列数与表头不符")
    return [{column.strip(): value.strip() for column, value in row.items()} for row in rows]
