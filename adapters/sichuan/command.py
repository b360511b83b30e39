"""The command that serves the Sichuan gateway: options in, parts put together, run until stopped."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

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
from adapters.sichuan.gateway import Gateway, web_app
from adapters.sichuan.keys import load_keys
from adapters.sichuan.nonce_window import NonceWindow
from adapters.sichuan.translate import CARD_FEED
from adapters.sichuan.usage import FEED as USAGE_FEED

FEEDS = (CARD_FEED, USAGE_FEED)


SERVICE = "province-adapter-sichuan"


async def serve(listen: str, parts: Parts, home: Path) -> None:
    """Serves the gateway on *listen* (host:port) until stopped; raises AdapterError when it cannot begin."""
    host, port = listen_address(listen)
    keys = load_keys(home / "keys")
    with contextlib.closing(NonceWindow(home / "replay.sqlite")) as window:
        app = web_app(Gateway(keys, window, parts.connection, parts.senders, traces=parts.traces))
        await serve_beside(app, host, port, *(sender.run() for sender in parts.senders.values()), parts.outbox.keep_clean())


def sichuan(
    ca: CaOption,
    cert: CertOption,
    key: KeyOption,
    hub: HubOption,
    listen: ListenOption = "127.0.0.1:8051",
    data_dir: Annotated[
        Path | None,
        typer.Option(
            show_default="HUB_DATA_DIR/sichuan",
            help="数据目录：待发库、防重放库、密钥。Directory of outbox, message numbers and keys.",
        ),
    ] = None,
    continue_at: ContinueAtOption = None,
    keep_sent_days: KeepSentOption = 0,
    otlp_endpoint: OtlpOption = "",
    trace_ratio: TraceShareOption = 0.01,
    trace_slow_ms: TraceSlowOption = 1000,
) -> None:
    """四川侧适配器：接收省社保卡平台报文，登记后转发交换枢纽。Gateway for Sichuan's card system."""
    home = data_dir or data_home("sichuan")
    run_adapter(
        SERVICE, home, Hub(ca, cert, key, hub), Tracing(otlp_endpoint, trace_ratio, trace_slow_ms),
        Feeds(FEEDS, continue_at or (), keep_sent_days), lambda parts: serve(listen, parts, home),
    )  # fmt: skip
