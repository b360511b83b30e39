"""The command that serves the Chongqing adapter: options in, parts put together, run until stopped."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from adapters.chongqing.card_desk import CardDesk
from adapters.chongqing.ledger import Ledger
from adapters.chongqing.service import web_app
from adapters.chongqing.totals_inbox import TotalsInbox
from adapters.chongqing.translate_call import FEED as CARD_FEED
from adapters.chongqing.translate_usage import FEED as USAGE_FEED
from adapters.chongqing.usage_intake import UsageIntake
from adapters.kit import (
    AdapterError,
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
    private_directory,
    run_adapter,
    serve_beside,
)
from adapters.kit.inbox import KEEP_DAYS, Inbox

FEEDS = (CARD_FEED, USAGE_FEED)
SERVICE = "province-adapter-chongqing"


class SecretUnusable(AdapterError):
    """The file with the secret of the 校验码 is empty or cannot be read."""


def load_secret(path: Path) -> bytes:
    """Returns the secret shared with the card centre, made on first start; raises SecretUnusable.

    It is a file and never an option or an environment variable, because those show in process lists.
    """
    try:
        if not path.exists():
            private_directory(path.parent)
            # The mode is given at creation: a chmod afterwards would leave a moment in which others can read it.
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(16) + "\n")
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SecretUnusable(str(path)) from error
    if not secret:
        raise SecretUnusable(str(path))
    return secret


async def serve(listen: str, parts: Parts, home: Path, inbox_dir: Path, ack_dir: Path, keep_days: int) -> None:
    """Serves calls on *listen* (host:port) and files from *inbox_dir* until stopped.

    Raises AdapterError when it cannot begin.
    """
    host, port = listen_address(listen)
    secret = load_secret(home / "keys" / "card-service.secret")
    cards, usage = (parts.senders[feed] for feed in FEEDS)
    with contextlib.closing(Ledger(parts.path)) as ledger:
        inbox = Inbox(inbox_dir, UsageIntake(parts.outbox, ledger, ack_dir), parts.traces, keep_days)
        totals = TotalsInbox(home / "totals", ack_dir, parts.connection, {CARD_FEED: cards, USAGE_FEED: usage})
        app = web_app(CardDesk(secret, ledger, parts.connection, cards, parts.traces), inbox, usage, parts.connection)
        await serve_beside(app, host, port, cards.run(), usage.run(), inbox.run(), totals.run(), parts.outbox.keep_clean())


def chongqing(
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    listen: ListenOption = "127.0.0.1:8050",
    inbox: Annotated[
        Path | None,
        typer.Option(show_default="DATA_DIR/inbox", help="用卡文件收件目录。Directory the usage files are dropped into."),
    ] = None,
    ack_dir: Annotated[
        Path | None,
        typer.Option(show_default="DATA_DIR/ack", help="回执文件目录。Directory the acknowledgement files are written to."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(show_default="HUB_DATA_DIR/chongqing", help="数据目录：待发库、密钥。Directory of outbox and secret."),
    ] = None,
    keep_days: Annotated[
        int, typer.Option(min=1, help="已处理、拒收文件的保留天数，期满删除。Days that taken and refused files are kept.")
    ] = KEEP_DAYS,
    continue_at: ContinueAtOption = None,
    keep_sent_days: KeepSentOption = 0,
    otlp_endpoint: OtlpOption = "",
    trace_ratio: TraceShareOption = 0.01,
    trace_slow_ms: TraceSlowOption = 1000,
) -> None:
    """重庆侧适配器：接收卡管系统调用与用卡日文件，登记后转发交换枢纽。Gateway of Chongqing."""
    home = data_dir or data_home("chongqing")
    folders = (inbox or home / "inbox", ack_dir or home / "ack")
    run_adapter(
        SERVICE, home, Hub(ca, cert, key, hub), Tracing(otlp_endpoint, trace_ratio, trace_slow_ms),
        Feeds(FEEDS, continue_at or (), keep_sent_days), lambda parts: serve(listen, parts, home, *folders, keep_days),
    )  # fmt: skip
