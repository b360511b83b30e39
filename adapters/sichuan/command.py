"""The command that serves the Sichuan gateway: options in, parts put together, run until stopped."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit import (
    AdapterError,
    CaOption,
    CertOption,
    ContinueAtOption,
    FeedSender,
    HubConnection,
    HubOption,
    KeyOption,
    ListenOption,
    Outbox,
    continue_feeds,
    listen_address,
    mutual_tls,
    serve_beside,
)
from adapters.sichuan.gateway import Gateway, web_app
from adapters.sichuan.keys import load_keys
from adapters.sichuan.replay import ReplayWindow
from adapters.sichuan.translate import CARD_FEED
from adapters.sichuan.usage import FEED as USAGE_FEED

FEEDS = (CARD_FEED, USAGE_FEED)


async def serve(listen: str, connection: HubConnection, data_dir: Path, continue_at: Sequence[str] = ()) -> None:
    """Serves the gateway on *listen* (host:port) until stopped; raises AdapterError when it cannot begin."""
    host, port = listen_address(listen)
    outbox = Outbox(data_dir / "outbox.sqlite")
    continue_feeds(outbox, FEEDS, continue_at)
    keys, window = load_keys(data_dir / "keys"), ReplayWindow(data_dir / "replay.sqlite")
    senders = {feed: FeedSender(outbox, connection, feed) for feed in FEEDS}
    app = web_app(Gateway(keys, window, connection, senders))
    await serve_beside(app, host, port, *(sender.run() for sender in senders.values()))
    await connection.close()
    window.close()
    outbox.close()


def sichuan(
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    listen: ListenOption = "127.0.0.1:8051",
    data_dir: Annotated[
        Path, typer.Option(help="数据目录：待发库、防重放库、密钥。Directory of outbox, replay window and keys.")
    ] = Path("data/sichuan"),
    continue_at: ContinueAtOption = None,
) -> None:
    """四川侧适配器：接收省社保卡平台报文，登记后转发交换枢纽。Gateway for Sichuan's card system."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        connection = HubConnection(hub, mutual_tls(ca, cert, key))
        asyncio.run(serve(listen, connection, data_dir, continue_at or ()))
    except AdapterError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
