"""Fund disbursement of Sichuan's interface (SBK4001 batch, SBK4002 bank return) as events of feed sc.card-center.

    pch 批次号 · pczt 批次状态 · xmdm 项目代码 · nd 年度 · qb 期别 · zjly 资金来源 · ffdw 发放单位 · dlyh 代理银行
    ffqh 发放区划 · zbs 总笔数 · zje 总金额 · gsqs/gszz 公示起止 · yfje 已发金额 · tpje 退票金额
    mx 明细: xh 序号 · je 金额 · jg 结果 · aae010 银行账号 · aac003 姓名 · yhlsh 银行流水号, and the card if it is known

A bank return says one fact a row, at the time the row gives or else the message. No rule here adds rows up: the hub
compares paid and returned with sent.
"""

from chuanyu.exchange.v1 import usage_fund_pb2 as fund
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import BankAccountRef, NameRef

from adapters.sichuan.fields import Fields
from adapters.sichuan.subjects import card_refs, holder

SCENARIO = "FND.PAY"
MAX_ROWS = 500
PAID = "00"
RETURN_REASONS = {f"{number:02}": number for number in fund.FundReturnReason.values() if number}


def translate_fund(trans_code: str, native: Fields, source: Source) -> list[Event]:
    """Returns the fact of a batch, or one fact for each row of a return; raises ParameterInvalid."""
    native.required("fssj")
    # Both provinces may have a batch of this number: whose it is follows from the place alone.
    native.required("ffqh")
    about = Event(occurred_at=native.instant("fssj"), source=source, scenario=SCENARIO, service_region=native.text("ffqh"))
    if trans_code == "SBK4001":
        event = _batch(native)
        event.MergeFrom(about)
        return [event]
    return [_returned_row(native, row, line, about) for line, row in enumerate(native.rows("mx", MAX_ROWS), 1)]


def _batch(native: Fields) -> Event:
    batch_no = native.required("pch")
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
    native.required("pczt")
    return native.code("pczt", states, Event())


def _returned_row(native: Fields, row: Fields, line: int, about: Event) -> Event:
    event = _paid_or_returned(native, row)
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


def _row_no(row: Fields) -> int:
    """Returns the number of a row, which is what is known of it later: rows count from 1."""
    number = row.count("xh")
    if not number:
        raise row.fault("xh")
    return number


def _paid_or_returned(native: Fields, row: Fields) -> Event:
    account, name = row.text("aae010"), row.text("aac003")
    account_ref = BankAccountRef(clear=account) if account else None
    project, period = native.text("xmdm"), "-".join(filter(None, (native.text("nd"), native.text("qb"))))
    if row.required("jg") == PAID:
        paid = fund.FundRowPaid(
            batch_no=native.required("pch"),
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
        batch_no=native.required("pch"),
        row_no=_row_no(row),
        amount_fen=row.fen("je", required=True),
        reason=row.code("jg", RETURN_REASONS, fund.FUND_RETURN_REASON_UNSPECIFIED),
        bank_serial=row.text("yhlsh"),
        account=account_ref,
        project_code=project,
        period=period,
    )
    return Event(fund_row_returned=returned)
