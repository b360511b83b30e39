"""How the command of an adapter runs: alone on its directory, with a connection to the hub and traces, until it is stopped."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import typer

from adapters.kit.alone import alone_in
from adapters.kit.batch_keys import open_batch_keys
from adapters.kit.chinese import in_words
from adapters.kit.connection import HubConnection, mutual_tls
from adapters.kit.errors import AdapterError
from adapters.kit.logs import log_to_standard_error
from adapters.kit.options import continue_feeds
from adapters.kit.outbox import Outbox
from adapters.kit.sampling import Traces
from adapters.kit.sender import FeedSender
from adapters.kit.telemetry import span_export


class Hub(NamedTuple):
    """Where the hub is, and what this participant shows it."""

    ca: Path
    cert: Path
    key: Path
    targets: Sequence[str]


class Tracing(NamedTuple):
    """Where traces go, and which calls are kept without a reason of their own."""

    endpoint: str
    share: float
    slow_ms: int


class Feeds(NamedTuple):
    """What an adapter sends in; *continue_at* has orders FEED=NUMBER, *keep_sent_days* is how long what was sent stays in the outbox."""

    names: Sequence[str]
    continue_at: Sequence[str]
    keep_sent_days: int


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a running adapter; *path* is the file in which outbox and ledger are, so that both are written as one."""

    path: Path
    outbox: Outbox
    connection: HubConnection
    traces: Traces
    senders: dict[str, FeedSender]


def run_adapter(
    service: str, home: Path, hub: Hub, tracing: Tracing, feeds: Feeds, serve: Callable[[Parts], Coroutine[Any, Any, None]]
) -> None:
    """Runs *serve* until it is stopped, with the parts that lie in *home*; says why it cannot go on, and exits with 1."""
    log_to_standard_error(service)
    try:
        with alone_in(home):
            asyncio.run(_serve(service, home, hub, tracing, feeds, serve))
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from error


async def _serve(
    service: str, home: Path, hub: Hub, tracing: Tracing, feeds: Feeds, serve: Callable[[Parts], Coroutine[Any, Any, None]]
) -> None:
    """Opens the parts, and closes all of them however the adapter ends."""
    async with contextlib.AsyncExitStack() as opened:
        traces = Traces(span_export(tracing.endpoint, service), tracing.share, tracing.slow_ms / 1000)
        opened.callback(traces.close)
        path = home / "outbox.sqlite"
        outbox = opened.enter_context(contextlib.closing(Outbox(path, feeds.keep_sent_days)))
        connection = HubConnection(hub.targets, mutual_tls(hub.ca, hub.cert, hub.key))
        opened.push_async_callback(connection.close)
        continue_feeds(outbox, feeds.names, feeds.continue_at)
        keys = open_batch_keys(home / "keys")
        senders = {feed: FeedSender(outbox, connection, feed, traces, keys) for feed in feeds.names}
        await serve(Parts(path, outbox, connection, traces, senders))
