"""What `hub settle` prints of statements and schemes."""

from collections.abc import Iterable, Iterator
from typing import Any

import typer
from chuanyu.exchange.v1 import settlements_pb2 as protos
from google.protobuf.json_format import MessageToDict
from rich.table import Table

from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.instants import microseconds_of
from hub.domain.reference.settlement_rows import Scheme
from hub.domain.settlement.lines import SIDES, net_fen
from hub.domain.settlement.statement import ISSUED, Statement
from hub.settlement.files import yuan
from hub.words.further_kinds import kind_words
from hub.words.settlement import DISPUTES, OUTCOMES, ROUTES, STATES, acknowledged_words


def state_words(found: Statement) -> str:
    """Returns how far a statement is, in both languages, and which side has acknowledged it while the other has not."""
    if found.state == ISSUED and found.acknowledged:
        (side,) = found.acknowledged
        return " ".join(acknowledged_words(side, next(one for one in SIDES if one != side)))
    return " ".join(STATES[found.state])


def net_words(found: Statement) -> str:
    """Says who pays whom how much, in both languages."""
    if found.is_memo:
        return "备查，不支付 memo, not payable"
    net = net_fen(found.issued)
    if net == 0:
        return "无需支付 nothing to pay"
    payer, payee = ("50", "51") if net > 0 else ("51", "50")
    return f"{payer} → {payee} {yuan(abs(net))} 元 yuan"


def listing(found: Iterable[Statement]) -> Table:
    """Returns statements as a table."""
    listed = table(
        whole("编号 Code"), whole("业务日 Day"), folded("状态 State"), folded("位置 Positions"), folded("行 Lines"), folded("净额 Net")
    )  # fmt: skip
    for one in found:
        issued = one.issued
        listed.add_row(
            one.code, issued.business_day, state_words(one), f"({issued.after_position:,}, {issued.cut_position:,}]",
            f"{len(issued.lines):,}", net_words(one),
        )  # fmt: skip
    return listed


def schemes(found: Iterable[Scheme]) -> Table:
    """Returns schemes as a table."""
    listed = table(whole("方案 Scheme"), *map(folded, ("名称 Name", "场景 Scenarios", "清算 Route", "谁付 Who owes", "来源 Source")))
    owes = {"ISSUER": "发卡方 issuing side", "SERVING": "用卡地 serving side"}
    for one in found:
        payer = "—" if one.is_memo else owes[one.payer]
        listed.add_row(one.scheme, f"{one.name_zh} {one.name_en}", " ".join(one.scenarios), " ".join(ROUTES[one.route]), payer, one.source)
    return listed


def show(found: Statement) -> None:
    """Prints a statement with its lines and what was said of it."""
    issued = found.issued
    typer.echo(f"{found.code} {issued.business_day} {state_words(found)} · {net_words(found)}")
    typer.echo(f"位置 positions ({issued.after_position:,}, {issued.cut_position:,}] · SHA-256 {issued.digest.hex()}")
    for kind, at, message in found.steps[1:]:
        typer.echo(f"  {local(microseconds_of(at))} {' '.join(kind_words(kind))}: {_said(kind, message)}")
    heads = ("行 Line", "业务日 Day", "发卡 Issuer", "地区 Region", "场景 Scenario", "次数 Uses", "金额（元）Yuan", "应付方 Owes")
    listed = table(*map(whole, heads))
    for number, one in enumerate(issued.lines, 1):
        listed.add_row(
            str(number), one.business_day, one.issuer_province, one.service_region, one.scenario,
            f"{one.uses:,}", yuan(one.amount_fen), one.payer_province or "—",
        )  # fmt: skip
    screen().print(listed)


def _said(kind: str, message: Any) -> str:
    """Says who took a step, and of which line, why and with what end, or with what payment."""
    said = f"{message.by.province} {message.by.name}"
    match kind:
        case "statement_line_disputed":
            return f"{said} 行 line {message.line} {' '.join((message.reason_code, *DISPUTES.get(message.reason_code, ())))}"
        case "statement_dispute_resolved":
            return f"{said} 行 line {message.line} {' '.join(OUTCOMES[_outcome(message.outcome)])}"
        case "statement_payment_reported":
            return f"{said} {message.payment_reference} {yuan(message.amount_fen)} 元 yuan"
    return said


def _outcome(outcome: protos.DisputeOutcome.ValueType) -> str:
    """Returns the name of an end, OPEN while there is none."""
    return protos.DisputeOutcome.Name(outcome).removeprefix("DISPUTE_OUTCOME_") if outcome else "OPEN"


def differences(issued: protos.StatementIssued, again: protos.StatementIssued) -> Iterator[str]:
    """Says which lines differ from those that the journal gives today."""
    then, today = (
        {(one.business_day, one.issuer_province, one.service_region, one.scenario): (one.uses, one.amount_fen) for one in which.lines}
        for which in (issued, again)
    )
    for cell in sorted(then.keys() | today.keys()):
        if then.get(cell) != today.get(cell):
            yield f"  {' '.join(cell)}: {then.get(cell)} → {today.get(cell)}"


def as_json(found: Statement, *, with_lines: bool = False) -> dict[str, object]:
    """Returns a statement for programs; money in fen."""
    issued = found.issued
    shown: dict[str, object] = {
        "statement": found.code, "scheme": issued.scheme, "state": found.state, "is_memo": found.is_memo,
        "business_day": issued.business_day, "after_position": issued.after_position, "cut_position": issued.cut_position,
        "lines": len(issued.lines), "owed_by_50_fen": issued.owed_by_50_fen, "owed_by_51_fen": issued.owed_by_51_fen,
        "net_50_to_51_fen": net_fen(issued), "digest": issued.digest.hex(), "acknowledged_by": sorted(found.acknowledged),
        "disputes": [
            {
                "line": one.raised.line, "raised_by": one.raised.by.province, "person": one.raised.by.name,
                "reason": one.raised.reason_code, "outcome": _outcome(one.outcome),
            }
            for one in found.disputes
        ],
    }  # fmt: skip
    if with_lines:
        shown["lines"] = [MessageToDict(one, preserving_proto_field_name=True) for one in issued.lines]
        shown["steps"] = [
            {"step": kind, "at": local(microseconds_of(at)), "side": message.by.province, "person": message.by.name}
            for kind, at, message in found.steps[1:]
        ]
    return shown
