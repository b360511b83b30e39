"""The command `province-adapter load`."""

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Annotated, Literal

import typer

from adapters.kit import (
    AdapterError,
    CaOption,
    CertOption,
    HubConnection,
    HubOption,
    KeyOption,
    OptionUnreadable,
    Outbox,
    in_words,
    mutual_tls,
    open_batch_keys,
)
from adapters.load.card_table import is_table, open_table
from adapters.load.checking import Report
from adapters.load.columns import CellWrong, instant
from adapters.load.event_file import EventFile
from adapters.load.loading import ReceiptsTo, Stock
from adapters.load.steps import Outcome, Plan, run

_TELL_EVERY_S = 1.0


def load(
    file: Annotated[
        Path, typer.Argument(help="卡表 .csv、.parquet，或每行一个 Event 的文件。A table of cards, or One Event a line in protobuf's JSON.")
    ],
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    feed: Annotated[str, typer.Option(help="数据流，如 cq.card-center。Feed to load into.")],
    data_dir: Annotated[
        Path | None, typer.Option(help="适配器数据目录：用其密钥签名，回执存入其待发库。Signs with its keys, keeps receipts in its outbox.")
    ] = None,
    first: Annotated[int, typer.Option(min=1, max=2**63 - 1, help="首行的序号。Number of the first row.")] = 1,
    taken_at: Annotated[str, typer.Option(help="卡表的导出时点，带时区。Instant of the export, with its offset.")] = "",
    encoding: Annotated[Literal["utf-8", "gb18030"], typer.Option(help="CSV 的编码。Encoding of a CSV.")] = "utf-8",
    cards: Annotated[int, typer.Option(min=0, help="导出方所说的卡数，不符即拒绝。Cards that the exporter counted.")] = 0,
    ask: Annotated[
        Literal["some", "all"], typer.Option(help="装入前请枢纽核对抽样或全部行。Rows that the hub looks at before anything is sent.")
    ] = "some",
    check_only: Annotated[bool, typer.Option("--check-only", help="只检查，不占序号。Only check: no number is taken.")] = False,
    per_s: Annotated[int, typer.Option("--events-per-s", min=0, help="每秒最多事件数；0 由枢纽定速。Most events a second.")] = 0,
    report: Annotated[Path | None, typer.Option(help="被拒行及原因写入此 CSV。CSV of the rows refused and why.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="最后一行输出 JSON。End with one line of JSON.")] = False,
) -> None:
    """批量装入：先检查，再按行号为序号流式报送，中断后再次运行即续，最后两边清点。Check, load or go on, count on both sides."""
    plan = Plan(feed, cards, every=ask == "all", check_only=check_only, per_s=per_s)
    try:
        with ExitStack() as opened:
            stock = opened.enter_context(closing(_opened(file, first, taken_at, encoding)))
            if report is not None and report.exists() and report.samefile(file):
                raise OptionUnreadable("--report: 不可写入卡表本身，另给文件。It would replace the table of cards; give another file")
            refused = opened.enter_context(closing(Report(report)))
            receipts = _receipts_to(data_dir) if data_dir else None
            if receipts:
                opened.callback(receipts.outbox.close)
            outcome = asyncio.run(_run(HubConnection(hub, mutual_tls(ca, cert, key)), stock, plan, refused, receipts))
    except (AdapterError, OSError) as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        typer.echo("\n已中断：再次运行即从枢纽已有处继续。Broken off: run it again, it goes on from what the hub has.", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(outcome.result()))
    raise typer.Exit(0 if outcome.is_whole else 1)


def _receipts_to(data_dir: Path) -> ReceiptsTo:
    outbox = data_dir / "outbox.sqlite"
    try:
        return ReceiptsTo(open_batch_keys(data_dir / "keys"), Outbox(outbox))
    except sqlite3.Error as error:
        raise OptionUnreadable(f"--data-dir: {outbox} 无法打开 cannot be opened: {error}") from None


def _opened(file: Path, first: int, taken_at: str, encoding: str) -> Stock:
    try:
        at = instant(taken_at) if taken_at else None
    except CellWrong as wrong:
        raise OptionUnreadable(f"--taken-at: {wrong}") from None
    return open_table(file, first, at, encoding) if is_table(file) else EventFile(file, first)


async def _run(connection: HubConnection, stock: Stock, plan: Plan, refused: Report, receipts: ReceiptsTo | None) -> Outcome:
    try:
        return await run(connection, stock, plan, refused, receipts, typer.echo, _progress())
    finally:
        await connection.close()


def _progress() -> Callable[[str], None]:
    """A terminal has one line that changes; a log gets none."""
    said_s = 0.0

    def tell(words: str) -> None:
        nonlocal said_s
        if sys.stderr.isatty() and time.monotonic() - said_s >= _TELL_EVERY_S:
            said_s = time.monotonic()
            typer.echo(f"\r{words}   ", nl=False, err=True)

    return tell
