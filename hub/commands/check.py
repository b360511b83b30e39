"""The command `hub check`: asks a running hub once, as the operator, and prints the answer with its reasons and its receipt."""

import json
import secrets
from typing import Annotated

import grpc
import typer
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2
from google.protobuf.json_format import MessageToDict

from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.options import Json
from hub.config import Config
from hub.words.outcomes import outcome_name

_MARKS = {
    "ACCEPT": "✓ 接受",
    "ACCEPT_NO_CONCESSION": "✓ 接受，无优惠",
    "STEP_UP": "… 需补充核验",
    "REFER_ISSUER": "? 请询发卡地",
    "DENY": "✗ 不接受",
}


Metadata = tuple[tuple[str, str], ...]


def check(
    card_no: Annotated[str, typer.Argument(help="社会保障卡卡号。Card number, nine characters.")],
    issuer: Annotated[str, typer.Option(help="发卡省 50 或 51。Issuing province.")],
    scenario: Annotated[str, typer.Option(help="场景代码，如 TRA.MET。Scenario code.")] = "GOV.ID",
    region: Annotated[str, typer.Option(help="用卡地区划代码。Serving region.")] = "510100",
    medium: Annotated[str, typer.Option(help="介质：CONTACT CONTACTLESS ECARD_QR …。Medium.")] = "CONTACT",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: Json = False,
) -> None:
    """以运维身份询问一次互认：这张卡现在能否在此使用。Ask once, as the operator, whether a card may be used here, for this, now."""
    with asking(Config(), target, operator) as (channel, metadata):
        _ask(channel, metadata, issuer, card_no, scenario, region, medium, as_json)


def _ask(
    channel: grpc.Channel, metadata: Metadata, issuer: str, card_no: str, scenario: str, region: str, medium: str, as_json: bool
) -> None:
    """Prints the answer, whatever it says; raises grpc.RpcError where there is none."""
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=secrets.token_hex(8),
        scenario=scenario,
        service_region=region,
        medium=dict(acceptance_pb2.Medium.items()).get(f"MEDIUM_{medium}", acceptance_pb2.MEDIUM_UNSPECIFIED),
    )
    request.card.issuing_province, request.card.clear = issuer, card_no
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    answer = card_service_pb2_grpc.CardServiceStub(channel).CheckAcceptance(request, timeout=5, metadata=metadata)
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
        return
    outcome = outcome_name(answer.outcome)
    typer.echo(f"{_MARKS[outcome]} {outcome}   凭证 receipt: position {answer.position}, as of {answer.as_of_position}")
    for reason in answer.reasons:
        typer.echo(f"  {reason.rule_id} {reason.code}: {reason.text_zh} {reason.text_en}\n      → {reason.advice_zh} {reason.advice_en}")
    for basis in answer.bases:
        if basis.contradicts:
            typer.echo(f"  {basis.rule_id} ⚠ {basis.text_zh} {basis.text_en}")
