"""`hub explain`: asks a running hub, as the operator, why a recorded answer is what it is, and prints the question and every rule."""

import json
from datetime import datetime
from typing import Annotated

import typer
from chuanyu.exchange.v1 import acceptance_pb2, card_service_pb2, card_service_pb2_grpc, references_pb2
from google.protobuf.json_format import MessageToDict
from rich.table import Table

from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.instants import zoned_instant
from hub.commands.looking import Purpose
from hub.commands.wording import folded, local, screen, table, whole
from hub.config import Config
from hub.domain.participant import PREFIX
from hub.words.outcomes import outcome_name
from hub.words.seen import SEEN

# A position of the journal is a bigint.
MOST = 2**63 - 1


def explain(
    decision: Annotated[int, typer.Option(min=1, max=MOST, help="答复的凭证位置。Position of the recorded answer.")],
    as_of: Annotated[
        int, typer.Option(min=0, max=MOST, help="按此位置时枢纽所知；0 为当时。With what the hub knew at this position; 0: then.")
    ] = 0,
    at: Annotated[str, typer.Option(help="按此时刻，如 2026-03-03T10:05+08:00。For this instant instead.")] = "",
    then: Annotated[bool, typer.Option("--rules-of-then", help="按当时的规则，而非现行规则。By the rules of then, not today's.")] = False,
    purpose: Purpose = "",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: Annotated[bool, typer.Option("--json", help="只输出一行 JSON。Only one line of JSON.")] = False,
) -> None:
    """解释一条已记录的答复：每条规则看到了什么、得出什么。Explain a recorded answer: what every rule saw and concluded."""
    config = Config()
    request = card_service_pb2.ExplainAcceptanceRequest(decision_position=decision, recorded_as_of=as_of, purpose_code=purpose)
    if at:
        request.valid_at.FromDatetime(_instant(at))
    with asking(config, target, operator) as (channel, metadata):
        cards = card_service_pb2_grpc.CardServiceStub(channel)
        why = cards.ExplainAcceptance(request, timeout=30, metadata=metadata)
        if then and why.recorded.rules_digest != why.rules_digest:
            request.rules_digest = why.recorded.rules_digest
            why = cards.ExplainAcceptance(request, timeout=30, metadata=metadata)
    if as_json:
        typer.echo(json.dumps(MessageToDict(why, preserving_proto_field_name=True), ensure_ascii=False))
        return
    _print(why)


def _instant(text: str) -> datetime:
    instant = zoned_instant(text, "--at")
    if not 1900 <= instant.year < 2200:
        raise typer.BadParameter("1900 至 2199 年之间 a year from 1900 to 2199", param_hint="--at")
    return instant


def _print(why: card_service_pb2.ExplainAcceptanceResponse) -> None:
    outcome = outcome_name(why.outcome)
    when = local(why.valid_at.ToMicroseconds())
    same = "与当时相同 same as recorded" if why.same_as_recorded else "与当时不同 differs from what was recorded"
    facts = ", ".join(map(str, why.fact_positions))
    _print_question(why.asked)
    typer.echo(f"{outcome}  {same}")
    typer.echo(f"时刻 at: {when}")
    typer.echo(f"所知 known at position: {why.recorded_as_of}")
    typer.echo(f"依据 rests on: 事件 events {facts or '—'}；约定 agreements {', '.join(why.agreement_codes) or '—'}")
    screen().print(_rules(why))
    for reason in why.reasons:
        typer.echo(f"{reason.rule_id} {reason.code}: {reason.text_zh} {reason.text_en}\n    → {reason.advice_zh} {reason.advice_en}")
    not_asked = [rule.rule_id for rule in why.rules if not rule.asked]
    typer.echo(f"未涉及 not asked: {' '.join(not_asked) or '—'}")


def _print_question(asked: card_service_pb2.AskedQuestion) -> None:
    kind = references_pb2.CardIdentifierKind.Name(asked.card_identifier).removeprefix("CARD_IDENTIFIER_KIND_")
    medium = acceptance_pb2.Medium.Name(asked.medium).removeprefix("MEDIUM_")
    asker = asked.participant.removeprefix(PREFIX) + (f"（运维 operator {asked.operator}）" if asked.operator else "")
    place = f"{asked.scenario} {asked.service_region} {medium}" + (f" {asked.venue_code}" if asked.venue_code else "")
    typer.echo(f"问 asked: {asked.issuing_province} {kind} {asked.card_masked or '已抹除 erased'}  {place}")
    typer.echo(f"谁问 by: {asker}  请求 request: {asked.request_id}  入账 recorded: {local(asked.recorded_at.ToMicroseconds())}")


def _rules(why: card_service_pb2.ExplainAcceptanceResponse) -> Table:
    drawn = table(whole("规则\nrule"), folded("问什么\nwhat it asks"), folded("看到\nsaw"), whole("结论\nconclusion"))
    for rule in why.rules:
        if rule.asked:
            saw = "\n".join(f"{SEEN.get(seen.name, ('',))[0]} {seen.name} = {seen.value or '—'}".strip() for seen in rule.saw)
            drawn.add_row(rule.rule_id, f"{rule.title_zh}\n{rule.title_en}", saw, f"{rule.reason_code or '✓'}{_basis(rule)}")
    return drawn


def _basis(rule: card_service_pb2.RuleExplanation) -> str:
    """Says on what a rule's conclusion rests, where it weighed a claim against the record."""
    if not rule.HasField("basis"):
        return ""
    where = f" {rule.basis.record_position}" if rule.basis.record_position else ""
    rests = "依申报 by claim" if rule.basis.basis == acceptance_pb2.BASIS_KIND_CLAIM else f"依记录 by record{where}"
    return f"\n{rests}" + ("\n⚠ 与申报不一致\ncontradicted" if rule.basis.contradicts else "")
