"""What the adapters' commands read alike from their options."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from adapters.kit.errors import AdapterError
from adapters.kit.outbox import Outbox

CaOption = Annotated[Path, typer.Option(help="枢纽 CA 证书。CA certificate of the hub.")]
CertOption = Annotated[Path, typer.Option(help="本参与方证书。This participant's certificate.")]
KeyOption = Annotated[Path, typer.Option(help="本参与方私钥。Its private key.")]
HubOption = Annotated[list[str], typer.Option(help="枢纽地址 host:port，可重复。Hub target, may be repeated.")]
ListenOption = Annotated[str, typer.Option(help="监听地址 host:port。Address to listen on.")]
ContinueAtOption = Annotated[
    list[str] | None,
    typer.Option(help="待发库丢失后从此号续发，FEED=NUMBER。Number on from here after the outbox was lost."),
]
KeepSentOption = Annotated[
    int,
    typer.Option(min=0, max=3650, help="枢纽确认后，原文另存的天数，供核对日志；0 不存。Days to keep sent events in clear, for `audit`."),
]
OtlpOption = Annotated[
    str,
    typer.Option(envvar="OTEL_EXPORTER_OTLP_ENDPOINT", help="链路收集器 OTLP/gRPC 地址，空则不导出。Collector of traces, empty for none."),
]
TraceShareOption = Annotated[
    float, typer.Option(min=0, max=1, help="正常调用的链路保留比例。Share of the calls kept as traces where nothing is amiss.")
]
TraceSlowOption = Annotated[int, typer.Option(min=1, help="慢于此毫秒数的调用必保留。Calls slower than this, in ms, are kept.")]


def data_home(province: str) -> Path:
    """Returns an adapter's directory unless --data-dir names one: beside the hub's data where HUB_DATA_DIR is set."""
    return Path(os.environ.get("HUB_DATA_DIR") or "data") / province


class OptionUnreadable(AdapterError):
    """An option does not have the form its help text gives."""


def listen_address(listen: str) -> tuple[str, int]:
    """Returns host and port of --listen; raises OptionUnreadable."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise OptionUnreadable(f"--listen {listen}")
    return host, int(port)


def continue_feeds(outbox: Outbox, feeds: Sequence[str], orders: Sequence[str]) -> None:
    """Carries out --continue-at orders FEED=NUMBER for *feeds*; raises OptionUnreadable before the first of them."""
    parts = [order.partition("=") for order in orders]
    for feed, _, number in parts:
        if feed not in feeds or not number.isdecimal() or int(number) < 1:
            raise OptionUnreadable(f"--continue-at {feed}={number}; FEED is one of {', '.join(feeds)}")
    for feed, _, number in parts:
        outbox.continue_at(feed, int(number))
