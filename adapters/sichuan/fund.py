"""Fund disbursement of Sichuan's interface (SBK4001 batch, SBK4002 bank return) as events of feed sc.card-center.

    pch 批次号 · pczt 批次状态 · xmdm 项目代码 · nd 年度 · qb 期别 · zjly 资金来源 · ffdw 发放单位 · dlyh 代理银行
    ffqh 发放区划 · zbs 总笔数 · zje 总金额 · gsqs/gszz 公示起止 · yfje 已发金额 · tpje 退票金额
    mx 明细: xh 序号 · je 金额 · aae010 银行账号 · aac003 姓名, and the card if it is known
      of a bank return: jg 结果 · yhlsh 银行流水号
      of a batch that is sent (pczt 03), or of rows that are sent again (05): cs 次数 · hbh 户编号 · bz 标准 · sl 数量 · dw 单位

A row says one fact, at the time the row gives or else the message; one that cannot be read is refused by its line.
No rule here adds rows up: the hub compares paid and returned with sent.
"""

import re
from collections.abc import Callable

from chuanyu.exchange.v1 import usage_fund_pb2 as fund
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import BankAccountRef, NameRef

from adapters.sichuan.fields import Fields
from adapters.sichuan.replies import ParameterInvalid
from adapters.sichuan.subjects import card_refs, holder

SCENARIO = "FND.PAY"
MAX_ROWS = 500
PAID = "00"
# States of a batch in which its rows go to the bank: with it, and again.
SENT, RESENT = "03", "05"
SENDING = frozenset({SENT, RESENT})
QUANTITY = re.compile(r"\d{1,9}(\.\d{1,3})?", re.ASCII)
RETURN_REASONS = {f"{number:02}": number for number in fund.FundReturnReason.values() if number}


def translate_fund(trans_code: str, native: Fields, source: Source) -> tuple[list[Event], dict[int, str]]:
    """Returns the facts of a message, and the faults of its rows by their line, from 1: such a row costs only itself.

    Raises ParameterInvalid for a message that says nothing.
    """
    native.required("fssj")
    # Both provinces may have a batch of this number: whose it is follows from the place alone.
    native.required("ffqh")
    native.required("pch")
    about = Event(occurred_at=native.instant("fssj"), source=source, scenario=SCENARIO, service_region=native.text("ffqh"))
    if trans_code == "SBK4002":
        return _rows(native, _paid_or_returned, about, MAX_ROWS)
    sends = native.required("pczt") in SENDING and native.has("mx")
    rows, refused = _rows(native, _sent, about, MAX_ROWS - 1) if sends else ([], {})
    # A batch of more rows goes on in messages without its totals; what is sent again has none.
    if native.text("pczt") == RESENT or (sends and not native.has("zbs")):
        if not sends:
            raise native.fault("mx")
        return rows, refused
    event = _batch(native)
    event.MergeFrom(about)
    return [event, *rows], refused


def _rows(native: Fields, translate: Callable[[Fields, Fields], Event], about: Event, limit: int) -> tuple[list[Event], dict[int, str]]:
    """Returns the facts of rows, and the faults of those that cannot be read; raises ParameterInvalid where none can."""
    events, refused = list[Event](), dict[int, str]()
    first: ParameterInvalid | None = None
    for line, row in enumerate(native.rows("mx", limit), 1):
        try:
            events.append(_of_row(translate(native, row), row, line, about))
        except ParameterInvalid as fault:
            first = first or fault
            refused[line] = str(fault)
    if first is not None and not events:
        raise first
    return events, refused


def _batch(native: Fields) -> Event:
    batch_no = native.text("pch")
    published = fund.FundBatchPublished(
        batch_no=batch_no,
        project_code=native.text("xmdm"),
        fiscal_year=native.count("nd"),
        period=native.text("qb"),
        fund_source=native.text("zjly"),
        payer_agency=native.text("ffdw"),
        agent_bank=native.text("dlyh"),
        row_count=native.count("zbs"),
        amount_total_fen=native.fen("zje"),
        notice_from=native.day("gsqs"),
        notice_to=native.day("gszz"),
    )
    sent = fund.FundBatchSent(batch_no=batch_no, row_count=native.count("zbs"), amount_total_fen=native.fen("zje"))
    closed = fund.FundBatchClosed(batch_no=batch_no, paid_total_fen=native.fen("yfje"), returned_total_fen=native.fen("tpje"))
    states = {
        "01": Event(fund_batch_published=published),
        "02": Event(fund_batch_approved=fund.FundBatchApproved(batch_no=batch_no)),
        "03": Event(fund_batch_sent=sent),
        "04": Event(fund_batch_closed=closed),
    }
    return native.code("pczt", states, Event())


def _of_row(event: Event, row: Fields, line: int, about: Event) -> Event:
    event.MergeFrom(about)
    event.source.line_no = line
    if row.text("aaz500"):
        cards = card_refs(row)
        event.card.CopyFrom(cards[0])
        event.card_aliases.extend(cards[1:])
    if (payee := holder(row)) is not None:
        event.holder.CopyFrom(payee)
    if posted_at := row.instant("fssj"):
        event.occurred_at.CopyFrom(posted_at)
    return event


def _sent(native: Fields, row: Fields) -> Event:
    """Returns that a row went to the bank: with its batch the first time, else the time that it says."""
    account, name = row.required("aae010"), row.text("aac003")
    is_again = native.text("pczt") == RESENT
    attempt = row.count("cs", 3) or 1
    if is_again is (attempt == 1):
        raise row.fault("cs")
    if not row.text("aaz500") and holder(row) is None:
        # Who is paid is said here or nowhere: the bank knows only an account.
        raise row.fault("aaz500")
    sent = fund.FundRowSent(
        batch_no=native.text("pch"),
        row_no=_row_no(row),
        attempt=attempt,
        amount_fen=row.fen("je", required=True),
        account=BankAccountRef(clear=account),
        payee_name=NameRef(clear=name) if name else None,
        project_code=native.text("xmdm"),
        period=_period(native),
        household_no=row.text("hbh"),
        standard_fen=row.fen("bz"),
        quantity=_quantity(row),
        quantity_unit=row.text("dw"),
    )
    return Event(fund_row_sent=sent)


def _quantity(row: Fields) -> str:
    """Returns how much of what is paid for, in up to three decimals as it is written."""
    quantity = row.text("sl")
    if quantity and not QUANTITY.fullmatch(quantity):
        raise row.fault("sl")
    return quantity


def _period(native: Fields) -> str:
    return "-".join(filter(None, (native.text("nd"), native.text("qb"))))


def _row_no(row: Fields) -> int:
    """Returns the number of a row, which is what is known of it later: rows count from 1."""
    number = row.count("xh")
    if not number:
        raise row.fault("xh")
    return number


def _paid_or_returned(native: Fields, row: Fields) -> Event:
    account, name = row.text("aae010"), row.text("aac003")
    account_ref = BankAccountRef(clear=account) if account else None
    project, period = native.text("xmdm"), _period(native)
    if row.required("jg") == PAID:
        paid = fund.FundRowPaid(
            batch_no=native.text("pch"),
            row_no=_row_no(row),
            amount_fen=row.fen("je", required=True),
            account=account_ref,
            payee_name=NameRef(clear=name) if name else None,
            bank_serial=row.text("yhlsh"),
            project_code=project,
            period=period,
        )
        return Event(fund_row_paid=paid)
    returned = fund.FundRowReturned(
        batch_no=native.text("pch"),
        row_no=_row_no(row),
        amount_fen=row.fen("je", required=True),
        reason=row.code("jg", RETURN_REASONS, fund.FUND_RETURN_REASON_UNSPECIFIED),
        bank_serial=row.text("yhlsh"),
        account=account_ref,
        project_code=project,
        period=period,
    )
    return Event(fund_row_returned=returned)
