"""`hub funds`: batches of payments into cards, to the fen; their rows; payees before they are sent; accounts that gave way."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from chuanyu.exchange.v1 import fund_service_pb2 as protos
from chuanyu.exchange.v1 import fund_service_pb2_grpc as stubs
from chuanyu.exchange.v1 import references_pb2
from chuanyu.exchange.v1 import usage_fund_pb2 as fund
from google.protobuf.json_format import MessageToDict

from hub.admin.funds import get_batch, list_account_changes, list_rows
from hub.commands import funds_screen
from hub.commands.address import checked_address
from hub.commands.asking import Operator, asking
from hub.commands.ledgers import AsJson, reading, show
from hub.commands.officer_desk import now, refusals
from hub.commands.options import checked_side
from hub.config import Config
from hub.domain import reference
from hub.domain.errors import HubError
from hub.domain.instants import microseconds_of

app = typer.Typer(help="资金发放：批次、明细、发前核对、账户改绑。Payments into cards.", no_args_is_help=True)
BatchNo = Annotated[str, typer.Argument(help="批次号。Number of the batch.")]
Province = Annotated[str, typer.Option(help="发放省 50 或 51。Province that pays.", callback=checked_side)]
COLUMNS = ("row_no", "issuer", "card_no", "account")
PAYEES_OF_A_MESSAGE = 500


class PayeesUnreadable(HubError):
    """名单须为 CSV，首行 row_no,issuer,card_no,account，账号可空 the list is CSV with that first line; an account may be empty:"""


@app.command("show")
def show_batch(batch_no: BatchNo, province: Province, as_json: AsJson = False) -> None:
    """查看一个批次：各轮送出、发放、退票、未回盘，到分；以及不符之处。Show a batch: each round to the fen, and what does not fit."""
    request = protos.GetBatchRequest(batch_no=batch_no, paying_province=province)
    with reading(request) as (connection, asked):
        answer = get_batch(connection, reference.load(), request, asked, microseconds_of(now()))
    show(answer, as_json, funds_screen.show_batch)


@app.command("rows")
def rows(
    batch_no: BatchNo,
    province: Province,
    state: Annotated[str, typer.Option(help="只看某状态，如 RETURNED。Only rows in this state.")] = "",
    reason: Annotated[str, typer.Option(help="只看某退票原因，如 CLOSED。Only rows that came back for this reason.")] = "",
    unfit: Annotated[bool, typer.Option("--findings", help="只看有不符之处的行。Only rows with findings.")] = False,
    after: Annotated[int, typer.Option(min=0, help="从这一行之后。Only rows after this one.")] = 0,
    as_json: AsJson = False,
) -> None:
    """列出批次的行及每次送出（每页 500 行）。List rows of a batch with each attempt, 500 a page."""
    request = protos.ListRowsRequest(
        batch_no=batch_no, paying_province=province, with_findings=unfit, after_row=after,
        state=_number(protos.FundRowState, "FUND_ROW_STATE_", state, "--state"),
        reason=_number(fund.FundReturnReason, "FUND_RETURN_REASON_", reason, "--reason"),
    )  # fmt: skip
    with reading(request) as (connection, asked):
        answer = list_rows(connection, reference.load(), request, asked, microseconds_of(now()))
    show(answer, as_json, funds_screen.show_rows)


@app.command("accounts")
def accounts(
    since: Annotated[int, typer.Option(min=0, help="只看该位置之后入账的。Only changes recorded after this position.")] = 0,
    as_json: AsJson = False,
) -> None:
    """列出改绑的账户（旧账户键 → 新账户键）。List accounts that gave way to others, by the hub's keys."""
    request = protos.ListAccountChangesRequest(since_position=since)
    with reading(request) as (connection, _):
        answer = list_account_changes(connection, request, ())
    show(answer, as_json, funds_screen.show_changes)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="名单 CSV：row_no,issuer,card_no,account。Payees as CSV.", exists=True, dir_okay=False)],
    check_id: Annotated[str, typer.Option(help="核对编号；重发得到同样答复。Id of the check; a repeat gets the same answers.")],
    region: Annotated[str, typer.Option(help="发放地区划代码。Where the payer is.")],
    project: Annotated[str, typer.Option(help="项目代码。Project.")] = "",
    period: Annotated[str, typer.Option(help="年度期别，如 2025-09。Fiscal year and period.")] = "",
    operator: Operator = "",
    target: Annotated[str, typer.Option(help="枢纽地址。Hub to ask.", callback=checked_address)] = "",
    as_json: AsJson = False,
) -> None:
    """发放前核对名单：逐行答复并入账，一行有误不影响其他行。Check payees before they are sent; each answer is recorded."""
    with refusals():
        payees = list(_payees(file))
    pieces = [
        protos.CheckPayeesRequest(
            check_id=f"{check_id}-{begin}",
            service_region=region,
            project_code=project,
            period=period,
            payees=payees[begin : begin + PAYEES_OF_A_MESSAGE],
        )
        for begin in range(0, len(payees), PAYEES_OF_A_MESSAGE)
    ]
    with asking(Config(), target, operator) as (channel, metadata):
        for answer in stubs.FundServiceStub(channel).CheckPayees(iter(pieces), metadata=metadata):
            if as_json:
                typer.echo(json.dumps(MessageToDict(answer, preserving_proto_field_name=True), ensure_ascii=False))
            else:
                funds_screen.show_checked(answer)


def _payees(file: Path) -> Iterator[protos.Payee]:
    """Yields the payees of a file; raises PayeesUnreadable."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            read = csv.DictReader(lines)
            if tuple(read.fieldnames or ()) != COLUMNS:
                raise PayeesUnreadable(str(file))
            for row in read:
                payee = protos.Payee(row_no=int(row["row_no"]))
                payee.card.issuing_province, payee.card.clear = row["issuer"], row["card_no"]
                payee.card.kind = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
                if row["account"]:
                    payee.account.clear = row["account"]
                yield payee
    except (ValueError, TypeError, csv.Error):
        raise PayeesUnreadable(str(file)) from None


def _number(enum: object, prefix: str, name: str, option: str) -> Any:
    """Returns the number of a value by its name without the prefix, 0 for none."""
    if not name:
        return 0
    values: dict[str, int] = dict(enum.items())  # type: ignore[attr-defined]
    if (number := values.get(f"{prefix}{name.upper()}", 0)) == 0:
        known = " ".join(one.removeprefix(prefix) for one, number in values.items() if number)
        raise typer.BadParameter(f"不认识 unknown: {name}；可用 known: {known}", param_hint=option)
    return number
