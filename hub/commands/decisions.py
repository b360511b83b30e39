"""The command `hub decisions`: finds recorded questions and answers by card, participant, request id and time."""

import json
from typing import Annotated, Any

import typer
from chuanyu.exchange.v1 import acceptance_pb2
from rich.table import Table

from hub.commands.asking import Operator
from hub.commands.looking import Card, Issuer, Most, Purpose, Search, Since, Until
from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.looks import Shown
from hub.domain.participant import PREFIX
from hub.journal.reader import Recorded
from hub.words.outcomes import outcome_name


def decisions(
    card: Card = "",
    issuer: Issuer = "",
    participant: Annotated[str, typer.Option(help="只看这个参与方问的。Only those that this participant asked.")] = "",
    request_id: Annotated[str, typer.Option("--request", help="询问方的请求编号。The caller's id of the request.")] = "",
    since: Since = "",
    until: Until = "",
    purpose: Purpose = "",
    operator: Operator = "",
    most: Most = 100,
    as_json: Annotated[bool, typer.Option("--json", help="每条一行 JSON。One line of JSON each.")] = False,
) -> None:
    """查找已记录的询问与答复，最新在前；查看本身入账。Find recorded questions and answers; the look is recorded first."""
    texts = ([PREFIX + participant.removeprefix(PREFIX)] if participant else []) + ([request_id] if request_id else [])
    wanted = Search(card, issuer, since, until, most, purpose, operator)
    rows = [summary(one) for one in wanted.found("decision_made", texts, Shown.SHOWN_RECORD_DECISIONS)]
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    screen().print(_listing(rows))
    more = "，要更多用 for more --most" if len(rows) == most else ""
    typer.echo(f"{len(rows):,} 条答复 decisions{more}；逐条解释 explain one: hub explain --decision POSITION")


def summary(recorded: Recorded) -> dict[str, Any]:
    """What is printed of a decision; a card is named by its key."""
    event = recorded.event
    decision = event.decision_made
    return {
        "position": recorded.position,
        "recorded_at": local(recorded.recorded_us),
        "at": local(recorded.occurred_us),
        "participant": decision.participant.removeprefix(PREFIX),
        "operator": decision.operator,
        "request_id": decision.request_id,
        "scenario": event.scenario,
        "service_region": event.service_region,
        "medium": acceptance_pb2.Medium.Name(event.medium).removeprefix("MEDIUM_"),
        "venue_code": event.venue_code,
        "outcome": outcome_name(decision.outcome),
        "reasons": list(decision.reason_codes),
        "issuing_province": event.card.issuing_province,
        "card_key": event.card.key.hex(),
    }


def _listing(rows: list[dict[str, Any]]) -> Table:
    drawn = table(
        whole("位置\nposition"), whole("入账\nrecorded"), folded("谁问\nasked by"), folded("问\nquestion"), folded("答\nanswer"),
        whole("卡键\ncard key"),
    )  # fmt: skip
    for row in rows:
        who = row["participant"] + (f"\n{row['operator']}" if row["operator"] else "") + f"\n{row['request_id']}"
        question = f"{row['scenario']} {row['service_region']} {row['medium']}\n{row['venue_code']}".strip()
        answer = row["outcome"] + "".join(f"\n{code}" for code in row["reasons"])
        key = f"{row['issuing_province']} {row['card_key'][:16]}…"
        drawn.add_row(str(row["position"]), row["recorded_at"], who, question, answer, key)
    return drawn
