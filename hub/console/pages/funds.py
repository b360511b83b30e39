"""Fund batches: the newest with their money by round, one with its rows and attempts, returns by reason, accounts that gave way."""

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import usage_fund_pb2 as fund

from hub.admin.funds import Named, get_batch, list_account_changes, list_rows, newest_batches
from hub.admin.snapshots import Asked
from hub.console.page import InputUnfit, Page, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain import reference
from hub.domain.errors import RequestInvalid
from hub.domain.funds.answers import batch_message, reason_number
from hub.domain.instants import microseconds
from hub.intake.request_rules import now_us, refuse_invalid
from hub.journal.reader import head_position
from hub.words.funds import BATCH_STATES, FINDINGS, OUTCOMES, ROW_STATES
from hub.words.ledgers import yuan

# Why rows came back: how many, for how much.
Returned = tuple[fund.FundReturnReason.ValueType, int, int]
MOST, MOST_CHANGES, MOST_ROWS = 20, 50, 200
_MONEY = (
    Column("round", "轮", "Round", "number"),
    Column("sent", "送出", "Sent", "number"),
    Column("paid", "已发", "Paid", "number"),
    Column("returned", "退票", "Returned", "number"),
    Column("unanswered", "未回盘", "Unanswered", "number"),
    Column("differs", "差额", "Differs", "number"),
)


def batches(page: Page) -> Shown:
    """Shows the newest batches of a province, or of both."""
    with page.reading() as connection:
        head, tables = head_position(connection), reference.load()
        found = newest_batches(connection, tables, page.province, MOST, now_us())
        request = protos.ListAccountChangesRequest(page_size=MOST_CHANGES)
        changes = list_account_changes(connection, request, (), newest=True).changes
    messages = [batch_message(one.province, one.batch_no, one.batch, tables.return_reasons) for one in found]
    columns = (Column("batch", "批次", "Batch"), Column("state", "状态", "State"), *_MONEY, Column("net", "净额", "Net", "number"))
    rows = [row for one in messages for row in _rounds_listed(page, one)]
    values = {"one": None, "total": len(found), "net": yuan(sum(one.batch.net_fen for one in found))}
    shown = table("batches", columns, rows), _reasons(page, _reasons_of(found)), _changes(page, changes)
    return Shown("funds", page.t("资金发放", "Funds"), values, shown, head)


def batch(page: Page) -> Shown:
    """Shows one batch with its rows; `?state=` keeps those of one state. Raises FundBatchNotFound, NotPermitted."""
    side, batch_no = page.parameters["side"], page.parameters["batch_no"]
    state = page.query.get("state", "")
    request = protos.GetBatchRequest(paying_province=side, batch_no=batch_no)
    wanted = protos.ListRowsRequest(paying_province=side, batch_no=batch_no, page_size=MOST_ROWS)
    try:
        refuse_invalid(request)
    except RequestInvalid:
        raise InputUnfit from None
    if state in ROW_STATES and state != "WAITING":
        wanted.state = protos.FundRowState.Value(f"FUND_ROW_STATE_{state}")
    elif state:
        raise InputUnfit
    asked, at_us, tables = Asked(page.province, page.today), now_us(), reference.load()
    with page.reading() as connection:
        answer = get_batch(connection, tables, request, asked, at_us)
        listed = list_rows(connection, tables, wanted, asked, at_us)
    one = answer.batch
    values = {
        "one": one,
        "state": _state(page, one),
        "payer": page.of_province(side),
        "declared": (one.declared.rows, yuan(one.declared.amount_fen)),
        "net": yuan(one.net_fen),
        "recovered": yuan(one.recovered_fen),
        "findings": [(page.words.of(FINDINGS, said.code), said.code, said.rows) for said in one.findings],
        "states": [_state_shown(page, one, figures) for figures in one.states],
        "wanted": page.words.of(ROW_STATES, state) if state else "",
    }
    rounds = table("rounds", _MONEY, [_round(part) for part in one.rounds])
    reasons = _reasons(page, ((said.reason, said.figures.rows, said.figures.amount_fen) for said in one.reasons))
    note = page.t(f"只列前 {MOST_ROWS} 行", f"only the first {MOST_ROWS} rows") if listed.next_after_row else ""
    return Shown("funds", batch_no, values, (rounds, reasons, _rows(page, listed.rows, note)), answer.as_of_position)


def _address(page: Page, one: protos.FundBatch, **query: str) -> str:
    return page.link(f"/funds/{one.paying_province}/{quote(one.batch_no)}", **query)


def _rounds_listed(page: Page, one: protos.FundBatch) -> Iterator[tuple[Cell | str | int, ...]]:
    address = _address(page, one)
    name = Cell(one.batch_no, address, swatch=SWATCHES.get(one.paying_province, "hub"))
    if not one.rounds:
        yield name, _state(page, one), "—", "—", "—", "—", "—", "—", yuan(one.net_fen)
    for number, part in enumerate(one.rounds):
        begins = not number
        yield (
            name if begins else "",
            _state(page, one) if begins else "",
            *_round(part),
            yuan(one.net_fen) if begins else "",
        )


def _round(one: protos.FundRound) -> tuple[Cell | str | int, ...]:
    amounts = (one.sent, one.paid, one.returned, one.unanswered)
    differs = Cell(yuan(one.differs_fen), mark="attention" if one.differs_fen else "")
    return (one.number, *(yuan(figures.amount_fen) for figures in amounts), differs)


def _state(page: Page, one: protos.FundBatch) -> Cell:
    name = protos.FundBatchState.Name(one.state).removeprefix("FUND_BATCH_STATE_")
    return Cell(page.words.of(BATCH_STATES, name), mark="attention" if one.findings else "")


def _state_shown(page: Page, one: protos.FundBatch, said: protos.FundStateCount) -> tuple[str, str, int, str]:
    name = protos.FundRowState.Name(said.state).removeprefix("FUND_ROW_STATE_")
    address = _address(page, one, state=name)
    return page.words.of(ROW_STATES, name), address, said.figures.rows, yuan(said.figures.amount_fen)


def _reasons_of(found: Iterable[Named]) -> list[Returned]:
    sums: dict[fund.FundReturnReason.ValueType, tuple[int, int]] = {}
    for one in found:
        for name, (rows, fen) in one.batch.reasons.items():
            known = sums.get(reason_number(name), (0, 0))
            sums[reason_number(name)] = known[0] + rows, known[1] + fen
    return [(number, *sums[number]) for number in sorted(sums)]


def _reasons(page: Page, found: Iterable[Returned]) -> Table:
    columns = (
        Column("reason", "退票原因", "Reason"),
        Column("iso", "ISO 20022", "ISO 20022", "code"),
        Column("detail", "细分", "Detail", "code"),
        Column("rows", "行", "Rows", "number"),
        Column("yuan", "金额（元）", "Yuan", "number"),
    )
    rows = []
    for number, count, fen in found:
        reason = reference.load().return_reasons[fund.FundReturnReason.Name(number).removeprefix("FUND_RETURN_REASON_")]
        text = f"{reason.code} {page.t(reason.text_zh, reason.text_en)}"
        rows.append((text, reason.iso, reason.detail or "—", count, yuan(fen)))
    return table("reasons", columns, rows)


def _changes(page: Page, changes: Iterable[protos.AccountChange]) -> Table:
    columns = (
        Column("at", "时间", "When", "time"),
        Column("position", "位置", "Position", "number"),
        Column("province", "上报方", "Reported by"),
        Column("from", "原账户代号", "Key of the old account", "code"),
        Column("to", "新账户代号", "Key of the new account", "code"),
    )
    rows = [
        (
            page.at(microseconds(one.changed_at)),
            Cell(f"{one.position:,}", f"/journal/{one.position}"),
            Cell(page.of_province(one.province), swatch=SWATCHES.get(one.province, "hub")),
            one.from_account_key.hex()[:16],
            one.to_account_key.hex()[:16],
        )
        for one in changes
    ]
    return table("changes", columns, rows)


def _rows(page: Page, rows: Iterable[protos.FundRow], note: str) -> Table:
    columns = (
        Column("row", "行", "Row", "number"),
        Column("state", "状态", "State"),
        Column("attempt", "次", "Attempt", "number"),
        Column("sent", "送出（元）", "Sent, yuan", "number"),
        Column("outcome", "银行答复", "The bank's answer"),
        Column("answered", "答复金额（元）", "Answered, yuan", "number"),
        Column("serial", "流水号", "Serial", "code"),
        Column("at", "答复时间", "Answered at", "time"),
        Column("notes", "不符", "What does not fit"),
    )
    return table("rows", columns, [attempt for row in rows for attempt in _attempts(page, row)], note)


def _attempts(page: Page, row: protos.FundRow) -> Iterator[tuple[Cell | str | int, ...]]:
    state = protos.FundRowState.Name(row.state).removeprefix("FUND_ROW_STATE_")
    unfit = page.t("；", "; ").join(dict.fromkeys(page.words.of(FINDINGS, one.code) for one in row.findings))
    for number, one in enumerate(row.attempts):
        outcome = protos.FundAttemptOutcome.Name(one.outcome).removeprefix("FUND_ATTEMPT_OUTCOME_")
        begins = not number
        yield (
            row.row_no if begins else "",
            Cell(page.words.of(ROW_STATES, state), mark="attention" if row.findings else "") if begins else "",
            one.number,
            yuan(one.sent_fen),
            Cell(page.words.of(OUTCOMES, outcome), code=" ".join(filter(None, (one.iso_code, one.detail)))),
            yuan(one.answered_fen) if one.HasField("answered_at") else "—",
            one.bank_serial or "—",
            page.at(microseconds(one.answered_at)) if one.HasField("answered_at") else "—",
            (unfit or "—") if begins else "",
        )
