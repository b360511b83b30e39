"""What a row of a return file says happened, as an event of the bank's feed.

The row names an account and no card: who was to be paid is said by the payer, where the row was sent. No rule here adds rows up: the hub
compares paid and returned with sent, and finds which attempt an answer is of.
"""

from typing import Final

from chuanyu.exchange.v1 import usage_fund_pb2 as fund
from chuanyu.exchange.v1.event_pb2 import Event, Source
from chuanyu.exchange.v1.references_pb2 import BankAccountRef, NameRef

from adapters.bank.return_file import FileName, ReturnRow
from adapters.kit.values import to_utc

SYSTEM: Final = "bank.return-file"
SCENARIO: Final = "FND.PAY"


def translate(row: ReturnRow, name: FileName, line_no: int, region: str) -> Event:
    """Returns the event of a row; *region* is where the payer is. Raises ValueError for an instant that no system can mean."""
    event = Event(scenario=SCENARIO, service_region=region, source=source(name.text, line_no))
    event.occurred_at.FromDatetime(to_utc(row.posted_at))
    account, payee = BankAccountRef(clear=row.account), NameRef(clear=row.name) if row.name else None
    if row.is_paid:
        paid = fund.FundRowPaid(row_no=row.row_no, amount_fen=row.amount_fen, account=account, payee_name=payee, bank_serial=row.serial)
        paid.batch_no = name.batch_no
        event.fund_row_paid.CopyFrom(paid)
    else:
        back = fund.FundRowReturned(row_no=row.row_no, amount_fen=row.amount_fen, account=account, bank_serial=row.serial)
        back.batch_no, back.reason = name.batch_no, int(row.reason)  # type: ignore[assignment]
        event.fund_row_returned.CopyFrom(back)
    return event


def source(file_name: str, line_no: int = 0) -> Source:
    """Returns where an event comes from."""
    return Source(system=SYSTEM, file_name=file_name[:128], line_no=line_no)
