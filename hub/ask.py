"""Asks a running hub once, over a channel of the operators', and prints the answer with its reasons and its receipt."""

import json
import secrets

import grpc
import typer
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2
from google.protobuf.json_format import MessageToDict

_MARKS = {
    "ACCEPT": "✓ 接受",
    "ACCEPT_NO_CONCESSION": "✓ 接受，无优惠",
    "STEP_UP": "… 需补充核验",
    "REFER_ISSUER": "? 请询发卡地",
    "DENY": "✗ 不接受",
}


Metadata = tuple[tuple[str, str], ...]


def ask_once(
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
    outcome = acceptance_pb2.AcceptanceOutcome.Name(answer.outcome).removeprefix("ACCEPTANCE_OUTCOME_")
    typer.echo(f"{_MARKS[outcome]} {outcome}   凭证 receipt: position {answer.position}, as of {answer.as_of_position}")
    for reason in answer.reasons:
        typer.echo(f"  {reason.rule_id} {reason.code}: {reason.text_zh} {reason.text_en}\n      → {reason.advice_zh} {reason.advice_en}")
