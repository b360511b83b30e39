"""How the command of an adapter runs: alone on its directory, with a connection to the hub and traces, until it is stopped."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import typer

from adapters.kit.alone import alone_in
from adapters.kit.chinese import in_words
from adapters.kit.connection import HubConnection, mutual_tls
from adapters.kit.errors import AdapterError
from adapters.kit.logs import log_to_standard_error
from adapters.kit.sampling import Traces
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


def run_adapter(
    service: str, home: Path, hub: Hub, tracing: Tracing, serve: Callable[[HubConnection, Traces], Coroutine[Any, Any, None]]
) -> None:
    """Runs *serve* until it is stopped; says why it cannot go on, and exits with 1."""
    log_to_standard_error(service)
    try:
        connection = HubConnection(hub.targets, mutual_tls(hub.ca, hub.cert, hub.key))
        traces = Traces(span_export(tracing.endpoint, service), tracing.share, tracing.slow_ms / 1000)
        with alone_in(home):
            asyncio.run(serve(connection, traces))
    except AdapterError as error:
        typer.echo(in_words(error), err=True)
        raise typer.Exit(1) from error
