"""The command that serves the Sichuan gateway: options in, parts put together, run until stopped."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvicorn

from adapters.kit import AdapterError, FeedSender, HubConnection, Outbox, continue_feeds, listen_address, mutual_tls
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
    # A sender that fails for a reason nobody foresaw takes the gateway down with it: what cannot be sent on for a
    # reason nobody knows should not go on being taken.
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(sender.run()) for sender in senders.values()]
        await uvicorn.Server(uvicorn.Config(app, host=host, port=port, access_log=False)).serve()
        for task in tasks:
            task.cancel()
    await connection.close()
    window.close()
    outbox.close()


def sichuan(
    ca: Annotated[Path, typer.Option(help="枢纽 CA 证书。CA certificate of the hub.")],
    cert: Annotated[Path, typer.Option(help="本参与方证书。This participant's certificate.")],
    key: Annotated[Path, typer.Option(help="本参与方私钥。Its private key.")],
    hub: Annotated[list[str], typer.Option(help="枢纽地址 host:port，可重复。Hub target, may be repeated.")],
    listen: Annotated[str, typer.Option(help="监听地址 host:port。Address to listen on.")] = "127.0.0.1:8051",
    data_dir: Annotated[
        Path, typer.Option(help="数据目录：待发库、防重放库、密钥。Directory of outbox, replay window and keys.")
    ] = Path("data/sichuan"),
    continue_at: Annotated[
        list[str] | None,
        typer.Option(help="待发库丢失后从此号续发，FEED=NUMBER。Number on from here after the outbox was lost."),
    ] = None,
) -> None:
    """四川侧适配器：接收省社保卡平台报文，登记后转发交换枢纽。Gateway for Sichuan's card system."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        connection = HubConnection(hub, mutual_tls(ca, cert, key))
        asyncio.run(serve(listen, connection, data_dir, continue_at or ()))
    except AdapterError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
