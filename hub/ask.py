"""Asks a running hub once, as a participant would, and prints the answer with its reasons and its receipt."""

import json
import secrets

import grpc
import typer
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2
from google.protobuf.json_format import MessageToDict

from hub.api.certificates import issue_participant
from hub.config import Config
from hub.domain.participant import PREFIX

_MARKS = {
    "ACCEPT": "✓ 接受",
    "ACCEPT_NO_CONCESSION": "✓ 接受，无优惠",
    "STEP_UP": "… 需补充核验",
    "REFER_ISSUER": "? 请询发卡地",
    "DENY": "✗ 不接受",
}


def ask_once(
    config: Config, target: str, caller: str, issuer: str, card_no: str, scenario: str, region: str, medium: str, as_json: bool
) -> int:
    """Returns 0 when an answer was given, whatever it says; 1 when the hub refused the question or is away."""
    files = issue_participant(config.certificates_dir, f"{PREFIX}{caller}")
    request = card_service_pb2.CheckAcceptanceRequest(
        request_id=secrets.token_hex(8),
        scenario=scenario,
        service_region=region,
        medium=dict(acceptance_pb2.Medium.items()).get(f"MEDIUM_{medium}", acceptance_pb2.MEDIUM_UNSPECIFIED),
    )
    request.card.issuing_province, request.card.clear = issuer, card_no
    request.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
    with grpc.secure_channel(target, files.client_credentials()) as channel:
        try:
            answer = card_service_pb2_grpc.CardServiceStub(channel).CheckAcceptance(request, timeout=5)
        except grpc.RpcError as refusal:
            typer.echo(f"✗ {refusal.code().name}: {refusal.details()}", err=True)
            return 1
    if as_json:
        typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
        return 0
    outcome = acceptance_pb2.AcceptanceOutcome.Name(answer.outcome).removeprefix("ACCEPTANCE_OUTCOME_")
    typer.echo(f"{_MARKS[outcome]} {outcome}   凭证 receipt: position {answer.position}, as of {answer.as_of_position}")
    for reason in answer.reasons:
        typer.echo(f"  {reason.rule_id} {reason.code}: {reason.text_zh} {reason.text_en}\n      → {reason.advice_zh} {reason.advice_en}")
    return 0
