"""`hub agreements`: what operators of either side do with agreements; every act is an event, and refusals are one clear line."""

import json
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from chuanyu.exchange.v1.acceptance_pb2 import Medium
from chuanyu.exchange.v1.hub_decisions_pb2 import (
    AgreementEnded,
    AgreementResumed,
    AgreementSigned,
    AgreementSuspended,
    AgreementTerms,
    ConcessionTerms,
    SettlementTerms,
)
from rich.console import Console
from rich.table import Table

from hub.admin.agreement_toml import read_terms
from hub.admin.agreements import (
    Officer,
    all_agreements,
    amend_agreement,
    draft_agreement,
    end_agreement,
    find_agreement,
    resume_agreement,
    sign_agreement,
    suspend_agreement,
)
from hub.commands.instants import local_instant
from hub.commands.officer_desk import Side, desk, done, now, refusals
from hub.domain.agreement import Agreement, version_code
from hub.domain.agreement_history import versions
from hub.domain.errors import RequestInvalid
from hub.domain.instants import LOCAL, in_local, microseconds_of
from hub.domain.reference import load
from hub.words.names import AGREEMENTS

app = typer.Typer(help="互认约定：起草、签署、变更、中止、恢复、终止。Acceptance agreements: their whole life.", no_args_is_help=True)

STATUSES = {status: zh for status, (zh, _) in AGREEMENTS.items()}
SIDES = {"50": "重庆 Chongqing", "51": "四川 Sichuan"}

Code = Annotated[str, typer.Argument(help="约定代码。Code of the agreement.")]
OfficerName = Annotated[str, typer.Option("--officer", help="经办人工号。Staff number of the officer who drafts.")]
Terms = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="条款文件（TOML）。File of terms in TOML.")]
From = Annotated[
    str, typer.Option("--from", help="起始时刻，默认此刻；无时区为北京时间。From when; now if left out; +08:00 without an offset.")
]
EndsAt = Annotated[str, typer.Option("--at", help="终止时刻，默认此刻；无时区为北京时间。When; now if left out; +08:00 without an offset.")]
Reason = Annotated[str, typer.Option(help="原因代码。Reason code.")]
AsOf = Annotated[str, typer.Option("--at", help="以哪一时刻的状态显示，默认此刻。Show its state at this instant; now if left out.")]
Json = Annotated[bool, typer.Option("--json", help="输出 JSON。Print JSON.")]


@app.command("list")
def list_agreements(at: AsOf = "", as_json: Json = False) -> None:
    """列出全部约定及其状态、有效期。List all agreements with status and validity."""
    instant = _instant(at)
    with desk() as store:
        found = sorted(all_agreements(store), key=lambda agreement: agreement.code)
    if as_json:
        typer.echo(json.dumps([_summary(agreement, instant) for agreement in found], ensure_ascii=False))
        return
    table = Table("代码 code", "状态 status", "场景 scenarios", "方向 direction", "优惠 concession", "有效期 validity", "待签 waits for")
    table.columns[0].no_wrap = True
    for agreement in found:
        row = _summary(agreement, instant)
        table.add_row(
            row["code"],
            f"{STATUSES[row['status']]} {row['status']}",
            " ".join(row["scenarios"]),
            row["direction"],
            row["concession"],
            f"{row['valid_from']} → {row['valid_to'] or '…'}",
            " ".join(row["waits_for"]),
        )
    Console(width=None if Console().is_terminal else 150).print(table)


@app.command()
def show(code: Code, at: AsOf = "") -> None:
    """查看一份约定：各版条款、签署、中止、终止。Show one agreement: versions, signatures, suspensions, end."""
    with desk() as store:
        agreement = find_agreement(store, code)
    history, status = agreement.history, agreement.status(_instant(at))
    typer.echo(f"{agreement.code}: {STATUSES[status]} {status}")
    for number, terms, from_us, to_us in versions(history):
        span = "从未生效 never held" if to_us is not None and to_us <= from_us else f"{_local(from_us)} → {_local(to_us)}"
        typer.echo(f"\n版本 version {version_code(agreement.code, number)}: {span}")
        _echo_terms(terms)
    for pause in history.pauses:
        until = pause.until_at.ToMicroseconds() if pause.HasField("until_at") else None
        typer.echo(f"\n中止 suspended: {_local(pause.from_at.ToMicroseconds())} → {_local(until)} ({pause.reason_code})")
    if history.HasField("ended_at"):
        typer.echo(f"\n终止 ended: {_local(history.ended_at.ToMicroseconds())} ({history.end_reason_code})")
    if history.HasField("proposal") and status != "ENDED":
        proposal = history.proposal
        what = f"变更草案 amendment {proposal.amendment}" if proposal.amendment else "草案 draft"
        typer.echo(f"\n{what}: {SIDES.get(proposal.side, '参照表 reference table')} {proposal.officer}")
        _echo_terms(proposal.terms)
        for signature in proposal.signatures:
            typer.echo(f"  已签 signed: {SIDES[signature.side]}, 经办 maker {signature.maker}, 复核 checker {signature.checker}")
        typer.echo(f"  待签 waits for: {', '.join(SIDES[side] for side in agreement.missing_sides())}")


@app.command()
def draft(terms: Terms, side: Side, officer: OfficerName) -> None:
    """按条款文件起草约定；双方签署前可重新起草。Draft an agreement from a file of terms, or draft it again before it is signed."""
    with refusals():
        code, message = read_terms(terms.read_bytes())
        if not code or "/" in code:
            raise RequestInvalid([("code", "required" if not code else "no_slash")])
    with desk() as store:
        done(code, draft_agreement(store, code, message, Officer(side, officer), now()), "已起草 drafted")


@app.command()
def sign(
    code: Code,
    side: Side,
    maker: Annotated[str, typer.Option(help="经办人工号。Staff number of the maker.")],
    checker: Annotated[str, typer.Option(help="复核人工号，须另有其人。Staff number of the checker, another person.")],
) -> None:
    """代表一方签署；双方签齐即按条款时刻生效。Sign for one side; with both signatures the terms hold from their instant."""
    with desk() as store:
        done(code, sign_agreement(store, code, AgreementSigned(side=side, maker=maker, checker=checker), now()), "已签署 signed")


@app.command()
def amend(code: Code, terms: Terms, side: Side, officer: OfficerName) -> None:
    """起草变更：须双方再签，自新条款的起始时刻起替代旧条款。Draft new terms; both sides sign them before they replace the old."""
    with refusals():
        named, message = read_terms(terms.read_bytes())
        if named not in ("", code):
            raise RequestInvalid([("code", "is_another_agreement")])
    with desk() as store:
        done(code, amend_agreement(store, code, message, Officer(side, officer), now()), "变更已起草 amendment drafted")


@app.command()
def suspend(code: Code, reason: Reason, from_: From = "") -> None:
    """自某一时刻起中止。Suspend from an instant."""
    message = AgreementSuspended(reason_code=reason)
    message.from_at.FromDatetime(_instant(from_))
    with desk() as store:
        done(code, suspend_agreement(store, code, message, now()), "已中止 suspended")


@app.command()
def resume(code: Code, reason: Reason, from_: From = "") -> None:
    """自某一时刻起恢复。Let it hold again from an instant."""
    message = AgreementResumed(reason_code=reason)
    message.from_at.FromDatetime(_instant(from_))
    with desk() as store:
        done(code, resume_agreement(store, code, message, now()), "已恢复 resumed")


@app.command()
def end(code: Code, reason: Reason, at: EndsAt = "") -> None:
    """于某一时刻终止；未签齐的草案则作废。End it at an instant, or withdraw a draft."""
    message = AgreementEnded(reason_code=reason)
    message.ended_at.FromDatetime(_instant(at))
    with desk() as store:
        done(code, end_agreement(store, code, message, now()), "已终止 ended")


def _instant(text: str) -> datetime:
    return local_instant(text) if text else now()


def _summary(agreement: Agreement, at: datetime) -> dict[str, Any]:
    """Says in one row what an agreement is at an instant: the version in force then, else the last one, else the draft."""
    at_us = microseconds_of(at)
    signed = [v for v in versions(agreement.history) if v.to_us is None or v.from_us < v.to_us]
    holding = [v for v in signed if v.from_us <= at_us and (v.to_us is None or at_us < v.to_us)]
    chosen = (holding or signed)[-1] if signed else None
    terms = chosen.terms if chosen is not None else agreement.terms
    from_us = terms.valid_from.ToMicroseconds()
    own_end = terms.valid_to.ToMicroseconds() if terms.HasField("valid_to") else None
    return {
        "code": agreement.code,
        "status": agreement.status(at),
        "scenarios": list(terms.scenarios),
        "direction": f"{'+'.join(terms.issuer_provinces)}→{'+'.join(terms.serving_provinces)}",
        "concession": ConcessionTerms.Name(terms.concession).removeprefix("CONCESSION_TERMS_"),
        "valid_from": _local(from_us),
        "valid_to": _local(chosen.to_us if chosen is not None else own_end, ""),
        "waits_for": agreement.missing_sides() if agreement.status(at) != "ENDED" else [],
    }


def _echo_terms(terms: AgreementTerms) -> None:

    tables, first_day = load(), terms.valid_from.ToDatetime(LOCAL).date()
    regions = [(code, tables.region(code.ljust(6, "0"), first_day)) for code in terms.serving_regions]
    media = [Medium.Name(medium).removeprefix("MEDIUM_") for medium in terms.media]
    lines = {
        "场景 scenarios": " ".join(terms.scenarios),
        "发卡方 issuers": " ".join(terms.issuer_provinces),
        "用卡方 serving": " ".join(terms.serving_provinces),
        "地区 regions": ", ".join(f"{region.name_zh if region else ''} {code}" for code, region in regions) or "全部 all",
        "场所 venues": " ".join(terms.venues) or "不限 any",
        "介质 media": ", ".join(f"{tables.media[medium][-1].name_zh} {medium}" for medium in media) or "全部 all",
        "优惠 concession": ConcessionTerms.Name(terms.concession).removeprefix("CONCESSION_TERMS_"),
        "结算 settlement": SettlementTerms.Name(terms.settlement).removeprefix("SETTLEMENT_TERMS_"),
        "数据项 data items": " ".join(terms.data_items) or "—",
        "依据 legal basis": terms.legal_basis,
        "来源 source": terms.source or "—",
    }
    for label, value in lines.items():
        typer.echo(f"  {label}: {value}")


def _local(at_us: int | None, none: str = "…") -> str:
    """Writes an instant in +08:00: as a day where it is the first moment of one."""
    if at_us is None:
        return none
    local = in_local(at_us)
    is_midnight = local.time() == datetime.min.time()
    return str(date(local.year, local.month, local.day)) if is_midnight else local.isoformat(timespec="seconds")
