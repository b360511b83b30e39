"""The command that serves an agent bank's adapter: options in, parts put together, run until stopped."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from adapters.bank.intake import ReturnIntake
from adapters.bank.ledger import Ledger
from adapters.kit import (
    CaOption,
    CertOption,
    ContinueAtOption,
    Feeds,
    Hub,
    HubOption,
    KeepSentOption,
    KeyOption,
    ListenOption,
    OtlpOption,
    Parts,
    TraceShareOption,
    TraceSlowOption,
    Tracing,
    data_home,
    listen_address,
    run_adapter,
    serve_beside,
)
from adapters.kit.inbox import KEEP_DAYS, Inbox

SERVICE = "province-adapter-bank"


async def serve(listen: str, parts: Parts, folders: tuple[Path, Path], feed: str, region: str, keep_days: int) -> None:
    """Takes files of the first of *folders* and acknowledges in the other until stopped; its state is at GET /status on *listen*.

    Raises AdapterError when it cannot begin.
    """
    host, port = listen_address(listen)
    sender = parts.senders[feed]
    with contextlib.closing(Ledger(parts.path)) as ledger:
        inbox = Inbox(folders[0], ReturnIntake(parts.outbox, ledger, folders[1], feed, region), parts.traces, keep_days)

        async def status(_http: Request) -> JSONResponse:
            feeds = {feed: await asyncio.to_thread(sender.status)}
            return JSONResponse({"hub": parts.connection.target, "files": await asyncio.to_thread(inbox.status), "feeds": feeds})

        app = Starlette(routes=[Route("/status", status)])
        await serve_beside(app, host, port, sender.run(), inbox.run(), parts.outbox.keep_clean())


def bank(
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    feed: Annotated[str, typer.Option(help="本行的数据流，如 sc.bank-103。The bank's feed.")],
    region: Annotated[str, typer.Option(help="发放地区划代码，六位。Where the payer is, six digits.")],
    listen: ListenOption = "127.0.0.1:8060",
    inbox: Annotated[
        Path | None, typer.Option(show_default="DATA_DIR/inbox", help="回盘文件收件目录。Directory the return files are dropped into.")
    ] = None,
    ack_dir: Annotated[
        Path | None,
        typer.Option(show_default="DATA_DIR/ack", help="回执文件目录。Directory the acknowledgement files are written to."),
    ] = None,
    data_dir: Annotated[Path | None, typer.Option(show_default="HUB_DATA_DIR/bank", help="数据目录。Outbox and keys.")] = None,
    keep_days: Annotated[
        int, typer.Option(min=1, help="已处理、拒收文件的保留天数，期满删除。Days that taken and refused files are kept.")
    ] = KEEP_DAYS,
    continue_at: ContinueAtOption = None,
    keep_sent_days: KeepSentOption = 0,
    otlp_endpoint: OtlpOption = "",
    trace_ratio: TraceShareOption = 0.01,
    trace_slow_ms: TraceSlowOption = 1000,
) -> None:
    """代理银行适配器：接收发放回盘文件，逐行转发交换枢纽，写出回执。Gateway of an agent bank: return files of payments into cards."""
    home = data_dir or data_home("bank")
    folders = (inbox or home / "inbox", ack_dir or home / "ack")
    run_adapter(
        SERVICE, home, Hub(ca, cert, key, hub), Tracing(otlp_endpoint, trace_ratio, trace_slow_ms),
        Feeds((feed,), continue_at or (), keep_sent_days), lambda parts: serve(listen, parts, folders, feed, region, keep_days),
    )  # fmt: skip
