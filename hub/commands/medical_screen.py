"""How filings and settlements read on a terminal."""

from collections.abc import Iterable, Mapping

import typer
from chuanyu.exchange.v1 import medical_service_pb2 as protos
from chuanyu.exchange.v1 import usage_medical_pb2 as medical

from hub.commands.wording import folded, local, screen, table, whole
from hub.domain.instants import microseconds
from hub.words.ledgers import FILING_KINDS, FILING_STATES, MEDICAL_FINDINGS, MONEY_PARTS, SETTLEMENT_STATES, yuan


def show_filings(answer: protos.ListFilingsResponse, region: str) -> None:
    """Draws the filings of a person."""
    drawn = table(
        whole("参保方、编号\ninsured side, number"),
        whole("状态\nstate"),
        folded("类型\nkind"),
        whole("参保地 → 就医地\ninsured → treated"),
        whole("有效期\ndays"),
        folded("备注\nnotes"),
    )
    for one in answer.filings:
        state = protos.FilingState.Name(one.state).removeprefix("FILING_STATE_")
        kind = medical.MedicalFilingKind.Name(one.kind).removeprefix("MEDICAL_FILING_KIND_")
        drawn.add_row(
            f"{one.insured_province} {one.filing_no}",
            f"{FILING_STATES[state][0]} {state}",
            f"{FILING_KINDS[kind][0]} {kind}" if one.kind else "—",
            f"{one.insured_region or '—'} → {one.treatment_region or '—'}",
            f"{one.valid_from or '—'} – {one.valid_to or '…'}",
            "\n".join(_notes(one)),
        )
    screen().print(drawn)
    covered = f"，{region} {'已覆盖 is covered' if answer.is_covered else '未覆盖 is not covered'}" if region else ""
    at = local(microseconds(answer.at))
    typer.echo(f"{len(answer.filings)} 条备案 filings，{at}{covered}，位置 as of position {answer.as_of_position:,}")


def _notes(one: protos.Filing) -> Iterable[str]:
    if one.is_late:
        yield f"补登 registered late, {local(microseconds(one.registered_at))[:10]}"
    if one.keeps_insured_place:
        yield "双向待遇 keeps the insured place"
    if one.HasField("ended_at"):
        yield f"终止 ended {local(microseconds(one.ended_at))[:16]} {one.reason_code}".rstrip()
    yield from (finding_line(finding, MEDICAL_FINDINGS) for finding in one.findings)


def finding_line(finding: protos.ReportFinding, words: Mapping[str, tuple[str, str]]) -> str:
    """Says what is wrong with a report, where, and beside which other one; *words* are those of the ledger's findings."""
    against = f"，相对 against {finding.against_position}" if finding.against_position else ""
    return f"! {finding.code} 位置 position {finding.position}{against}: {' '.join(words[finding.code])}"


def show_chain(answer: protos.GetSettlementChainResponse) -> None:
    """Prints a chain: each settlement with its refunds, and what is left."""
    for one in answer.settlements:
        for line in _settlement_lines(one):
            typer.echo(line)
    typer.echo(f"净额 net: {_money(answer.net)}")
    typer.echo(f"{answer.standing} 笔有效 standing，{answer.as_of}，位置 as of position {answer.as_of_position:,}")


def _settlement_lines(one: protos.Settlement) -> Iterable[str]:
    state = protos.SettlementState.Name(one.state).removeprefix("SETTLEMENT_STATE_")
    settled = local(microseconds(one.settled_at))[:16] if one.HasField("settled_at") else "—"
    yield f"{one.settlement_id}  {SETTLEMENT_STATES[state][0]} {state}  {settled}"
    places = f"{one.insured_region or '—'} → {one.treatment_region or '—'}"
    yield f"  机构 institution {one.institution_code}，就诊 visit {one.visit_id or '—'}，{places}"
    if one.HasField("money"):
        yield f"  结算 settled: {_money(one.money)}"
    for refund in one.refunds:
        undone = "，已被撤销 undone" if refund.is_undone else ""
        at = local(microseconds(refund.refunded_at))[:16]
        yield f"  退费 refund {refund.settlement_id} → {refund.original_settlement_id}  {at}{undone}: {_money(refund.money)}"
    if one.HasField("money"):
        yield f"  余额 left: {_money(one.net)}"
    for finding in one.findings:
        yield f"  {finding_line(finding, MEDICAL_FINDINGS)}"


def _money(money: medical.MedicalMoney) -> str:
    shown = {part: name for part, name in MONEY_PARTS.items() if part == "total_fen" or getattr(money, part)}
    return "，".join(f"{' '.join(name)} {yuan(getattr(money, part))}" for part, name in shown.items())


def show_uses(answer: protos.ListMedicalUsesResponse) -> None:
    """Draws the settlements of a person."""
    drawn = table(
        whole("时间 +08:00\nsettled"),
        whole("结算\nsettlement"),
        whole("机构\ninstitution"),
        whole("状态\nstate"),
        whole("总费用\ntotal"),
        whole("余额\nleft"),
    )
    for one in answer.settlements:
        state = protos.SettlementState.Name(one.state).removeprefix("SETTLEMENT_STATE_")
        drawn.add_row(
            local(microseconds(one.settled_at))[:16],
            one.settlement_id,
            one.institution_code,
            f"{SETTLEMENT_STATES[state][0]} {state}",
            yuan(one.money.total_fen),
            yuan(one.net.total_fen),
        )
    screen().print(drawn)
    typer.echo(f"{answer.total} 笔 settlements，净额 net {yuan(answer.net.total_fen)}，位置 as of position {answer.as_of_position:,}")
