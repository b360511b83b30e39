"""What `hub funds` prints of batches, rows, payees and accounts."""

from collections.abc import Iterator

import typer
from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.commands.wording import folded, local, screen, table, whole
from hub.domain import reference
from hub.domain.instants import microseconds
from hub.words.funds import BATCH_STATES, FINDINGS, OUTCOMES, ROW_STATES
from hub.words.ledgers import yuan
from hub.words.outcomes import outcome_name

_STEPS = (("published_at", "公示 published"), ("approved_at", "核准 approved"), ("sent_at", "送出 sent"), ("closed_at", "结束 closed"))


def _named(enum: object, prefix: str, number: int) -> str:
    return str(enum.Name(number)).removeprefix(prefix)  # type: ignore[attr-defined]


def reason_words(reason: int) -> str:
    """Returns a return reason with its local and its external code, in both languages."""
    one = reference.load().return_reasons[_named(fund.FundReturnReason, "FUND_RETURN_REASON_", reason)]
    return f"{one.code} {one.text_zh} {one.text_en} ({' '.join(filter(None, (one.iso, one.detail)))})"


def _figures(pair: protos.FundFigures) -> str:
    return f"{pair.rows:,} · {yuan(pair.amount_fen)}"


def show_batch(answer: protos.GetBatchResponse) -> None:
    """Prints a batch: its steps, its rounds, its states and reasons, and what does not fit."""
    batch = answer.batch
    words = " ".join(BATCH_STATES[_named(protos.FundBatchState, "FUND_BATCH_STATE_", batch.state)])
    what = " ".join(filter(None, (batch.project_code, str(batch.fiscal_year or ""), batch.period)))
    typer.echo(f"{batch.paying_province} {batch.batch_no} {what} · {words}")
    for name, step in _STEPS:
        if batch.HasField(name):  # type: ignore[arg-type]
            typer.echo(f"  {step} {local(microseconds(getattr(batch, name)))[:16]}")
    if batch.HasField("declared"):
        typer.echo(f"  申报 declared {_figures(batch.declared)}，已见 seen {batch.rows_seen:,} 行 rows")
    heads = ("轮次 Round", "送出 Sent", "已发 Paid", "退票 Returned", "未回盘 Unanswered", "差额 Differs")
    rounds = table(*map(whole, heads))
    for one in batch.rounds:
        figures = map(_figures, (one.sent, one.paid, one.returned, one.unanswered))
        rounds.add_row(str(one.number), *figures, yuan(one.differs_fen))
    screen().print(rounds)
    for state in batch.states:
        named = " ".join(ROW_STATES[_named(protos.FundRowState, "FUND_ROW_STATE_", state.state)])
        typer.echo(f"  {named} {_figures(state.figures)}")
    for reason in batch.reasons:
        typer.echo(f"  退票 returned {reason_words(reason.reason)}: {_figures(reason.figures)}")
    typer.echo(f"已发 paid {yuan(batch.paid_fen)}，追回 recovered {yuan(batch.recovered_fen)}，净额 net {yuan(batch.net_fen)}")
    for unfit in batch.findings:
        typer.echo(f"  ! {unfit.code} {' '.join(FINDINGS[unfit.code])}{_beside(unfit)}")
    typer.echo(f"位置 as of position {answer.as_of_position:,}")


def _beside(unfit: protos.FundBatchFinding) -> str:
    rows = f"，{unfit.rows:,} 行 rows" if unfit.rows else ""
    both = f"，本方 ours {unfit.ours:,}，上报 theirs {unfit.theirs:,}" if unfit.ours or unfit.theirs else ""
    return rows + both


def show_rows(answer: protos.ListRowsResponse) -> None:
    """Draws rows with each attempt."""
    drawn = table(whole("行\nrow"), whole("状态\nstate"), folded("各次送出\nattempts"), folded("不符\nfindings"))
    for one in answer.rows:
        state = _named(protos.FundRowState, "FUND_ROW_STATE_", one.state)
        notes = "\n".join(f"! {unfit.code} {FINDINGS[unfit.code][0]}（{unfit.position}）" for unfit in one.findings)
        drawn.add_row(f"{one.row_no:,}", f"{ROW_STATES[state][0]} {state}", "\n".join(map(_attempt, one.attempts)), notes)
    screen().print(drawn)
    more = f"，下一页 next: --after {answer.next_after_row}" if answer.next_after_row else ""
    typer.echo(f"{len(answer.rows)} 行 rows，位置 as of position {answer.as_of_position:,}{more}")


def _attempt(one: protos.FundAttempt) -> str:
    outcome = " ".join(OUTCOMES[_named(protos.FundAttemptOutcome, "FUND_ATTEMPT_OUTCOME_", one.outcome)])
    return f"{one.number}. {yuan(one.sent_fen)} {outcome}{' ' + reason_words(one.reason) if one.reason else ''} {one.bank_serial}".rstrip()


def show_changes(answer: protos.ListAccountChangesResponse) -> None:
    """Prints accounts that gave way."""
    for one in answer.changes:
        when = local(microseconds(one.changed_at))[:16]
        typer.echo(f"{one.position:>12,} {when} {one.province}  {one.from_account_key.hex()} → {one.to_account_key.hex()}")
    more = f"，下一页 next: --since {answer.next_since_position}" if answer.next_since_position else ""
    typer.echo(f"{len(answer.changes)} 个账户 accounts，位置 as of position {answer.as_of_position:,}{more}")


def show_checked(answer: protos.CheckPayeesResponse) -> None:
    """Prints what was answered of payees: those that are not simply accepted one by one, then how many were."""
    accepted = 0
    for line in _checked(answer):
        if line:
            typer.echo(line)
        else:
            accepted += 1
    typer.echo(f"{answer.check_id}: {accepted:,} 行可发 rows may be paid，共 of {len(answer.payees):,}")


def _checked(answer: protos.CheckPayeesResponse) -> Iterator[str]:
    for payee in answer.payees:
        if payee.HasField("refused"):
            yield f"✗ 行 row {payee.row_no}: {payee.refused.message}"
        elif payee.answered.reasons:
            reasons = "; ".join(f"{one.code} {one.text_zh} {one.text_en}" for one in payee.answered.reasons)
            yield f"! 行 row {payee.row_no} {outcome_name(payee.answered.outcome)}: {reasons}（{payee.answered.position}）"
        else:
            yield ""
