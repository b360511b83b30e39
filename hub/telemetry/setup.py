"""Switches telemetry on for one process, and off again: where its spans go, where its numbers are read."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentelemetry.sdk.trace.export import SpanExporter

from hub.telemetry import span_export, spans
from hub.telemetry.http_endpoint import Endpoint, Liveness, Readiness, open_endpoint
from hub.telemetry.span_store import SpanStore, StoreExporter


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Where telemetry goes: to the collector at *otlp_endpoint*, or else to the local store.

    *share* of the calls that nobody asked to keep and nothing was the matter with are kept, and all that took longer than *slow_ms*.
    *metrics_listen* and *traces_listen* are host:port, "" for none.
    """

    store: SpanStore
    otlp_endpoint: str = ""
    metrics_listen: str = ""
    traces_listen: str = ""
    share: float = 0.01
    slow_ms: float = 250.0


def store_in(data_dir: Path, keep_hours: float, keep_bytes: int) -> SpanStore:
    """Names the local store of a data directory."""
    return SpanStore(data_dir / "traces" / "spans.sqlite", keep_hours, keep_bytes)


def _instance() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


@contextmanager
def tracing(settings: TelemetrySettings, service: str) -> Iterator[None]:
    """Runs a process's traces alone: what the process of a part of a service needs, whose numbers are its parent's."""
    spans.sampling = spans.Sampling(settings.share, settings.slow_ms)
    exporter: SpanExporter = StoreExporter(settings.store)
    # What a process does not use it does not load: exporters take half a second of its start.
    if settings.otlp_endpoint:
        from hub.telemetry.otlp import span_exporter

        exporter = span_exporter(settings.otlp_endpoint)
    span_export.use(span_export.SpanPipe(exporter, service, _instance()))
    try:
        yield
    finally:
        span_export.use(None)


@contextmanager
def telemetry(settings: TelemetrySettings, service: str, ready: Readiness, is_live: Liveness = lambda: True) -> Iterator[Endpoint | None]:
    """Runs a process's telemetry; yields the metrics page if there is one. Traces end with it, at most three seconds later."""
    with ExitStack() as stack:
        if settings.otlp_endpoint:
            from hub.telemetry.otlp import MetricsPush

            stack.callback(MetricsPush(settings.otlp_endpoint, service, _instance()).stop)
        stack.enter_context(tracing(settings, service))
        if settings.traces_listen:
            from hub.telemetry.otlp import open_receiver

            if (receiver := open_receiver(settings.store, settings.traces_listen)) is not None:
                stack.callback(receiver.stop)
        endpoint = None
        if settings.metrics_listen and (endpoint := open_endpoint(settings.metrics_listen, ready, is_live)) is not None:
            stack.callback(endpoint.stop)
        yield endpoint
