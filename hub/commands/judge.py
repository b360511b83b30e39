"""`hub judge`: asks a running hub, as the operator, whether a use of a card was valid, and prints against which fact it was not."""

import json
from typing import Annotated

import typer
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2
from google.protobuf.json_format import MessageToDict

from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.instants import zoned_instant
from hub.commands.looking import Purpose
from hub.commands.wording import local
from hub.config import Config


def judge(
    card_no: Annotated[str, typer.Argument(help="社会保障卡卡号。Card number, nine characters.")],
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")],
    at: Annotated[str, typer.Option(help="用卡时刻，如 2025-09-01T10:30+08:00。When it was used.")],
    medium: Annotated[str, typer.Option(help="介质：CONTACT CONTACTLESS ECARD_QR …。Medium.")] = "CONTACT",
    hotlist_at: Annotated[str, typer.Option(help="该设备何时收到含此卡的黑名单。When the device had a hotlist with the card.")] = "",
    purpose: Purpose = "",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="只输出一行 JSON。Only one line of JSON.")] = False,
) -> None:
    """以运维身份询问一次用卡是否有效、是否在责任期内。Ask whether a use was valid, and who bears it if the card was lost."""
    media = dict(acceptance_pb2.Medium.items())
    request = card_service_pb2.JudgeUseRequest(
        medium=media.get(f"MEDIUM_{medium}", acceptance_pb2.MEDIUM_UNSPECIFIED), purpose_code=purpose
    )
    request.card.issuing_province, request.card.clear = issuer, card_no
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    request.used_at.FromDatetime(zoned_instant(at, "--at"))
    if hotlist_at:
        request.hotlist_effective_at.FromDatetime(zoned_instant(hotlist_at, "--hotlist-at"))
    with asking(Config(), target, operator) as (channel, metadata):
        answer = card_service_pb2_grpc.CardServiceStub(channel).JudgeUse(request, timeout=5, metadata=metadata)
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
        return
    _print(answer)


def _print(answer: card_service_pb2.JudgeUseResponse) -> None:
    if answer.is_valid:
        typer.echo(f"✓ 有效 valid   位置 as of position {answer.as_of_position}")
        return
    typer.echo(f"✗ {answer.finding_code}: {answer.text_zh} {answer.text_en}   位置 as of position {answer.as_of_position}")
    if answer.against_position:
        told = local(answer.against_at.ToMicroseconds())
        typer.echo(f"  依据 against: {answer.against_kind}, 位置 position {answer.against_position}, {told}")
    if answer.HasField("liable_from"):
        until = "该设备尚无黑名单 the device has no hotlist with it yet"
        if answer.HasField("liable_to"):
            until = local(answer.liable_to.ToMicroseconds())
        where = "在责任期内 in the liability window" if answer.in_liability_window else "不在责任期内 outside the liability window"
        typer.echo(f"  {where}: {local(answer.liable_from.ToMicroseconds())} – {until}")
