"""The OTLP side: the instruments sent to a collector every few seconds, and spans taken from processes beside the hub.

The receiver takes the place of a collector on a machine that has none: adapters send their spans to it, and `hub traces` shows one trace
from the province's file to the answer.
"""

import logging
import sqlite3
import threading
import time
from concurrent import futures
from typing import Any

import grpc
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.metrics import export
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from hub.loopback import channel_options
from hub.telemetry.instruments import Counter, Gauge, Histogram, Instrument, Labels, all_instruments
from hub.telemetry.span_store import SpanStore

log = logging.getLogger(__name__)

PUSH_EVERY_S = 15.0
TIMEOUT_S = 5.0
_SCOPE = InstrumentationScope("chuanyu-exchange-hub")
_STARTED_NS = time.time_ns()
_CUMULATIVE = export.AggregationTemporality.CUMULATIVE


def span_exporter(endpoint: str) -> OTLPSpanExporter:
    """Makes the exporter to a collector, such as http://collector:4317; https:// asks for TLS."""
    return OTLPSpanExporter(endpoint, timeout=TIMEOUT_S, **_way(endpoint))


def _way(endpoint: str) -> dict[str, Any]:
    return {"insecure": not endpoint.startswith("https://"), "channel_options": tuple(channel_options(endpoint.rstrip("/")))}


class MetricsPush:
    """Sends all instruments to a collector every PUSH_EVERY_S; what it does not take is sent, newer, the next time."""

    def __init__(self, endpoint: str, service: str, instance: str, every_s: float = PUSH_EVERY_S) -> None:
        """Starts the thread."""
        self._every_s = every_s
        self._exporter = OTLPMetricExporter(endpoint, timeout=TIMEOUT_S, **_way(endpoint))
        self._resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics-push", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a push under way is given up."""
        self._stop.set()
        self._exporter.shutdown()
        self._thread.join(1.0)

    def _work(self) -> None:
        while not self._stop.wait(self._every_s):
            try:
                self._exporter.export(metrics_data(self._resource))
            except Exception as failure:
                log.warning("telemetry: metrics cannot be sent", extra={"error": type(failure).__name__})


def metrics_data(resource: Resource) -> export.MetricsData:
    """Reads all instruments into OpenTelemetry's data model."""
    metrics = [export.Metric(i.name, i.description, i.unit, _data(i)) for i in all_instruments()]
    scope = export.ScopeMetrics(_SCOPE, [metric for metric in metrics if metric.data.data_points], "")
    return export.MetricsData([export.ResourceMetrics(resource, [scope], "")])


def _data(instrument: Instrument) -> export.DataT:
    now = time.time_ns()
    if isinstance(instrument, Histogram):
        points = [
            export.HistogramDataPoint(
                _attributes(instrument, labels),
                _STARTED_NS,
                now,
                sum(buckets.counts),
                buckets.total,
                list(buckets.counts),
                instrument.bounds,
                # Not kept: buckets say as much as an operator asks.
                float("nan"),
                float("nan"),
            )
            for labels, buckets in dict(instrument.values).items()
        ]
        return export.Histogram(points, _CUMULATIVE)
    assert isinstance(instrument, Counter | Gauge)
    read = instrument.points() if isinstance(instrument, Gauge) else instrument.values
    numbers = [export.NumberDataPoint(_attributes(instrument, labels), _STARTED_NS, now, value) for labels, value in dict(read).items()]
    return export.Gauge(numbers) if isinstance(instrument, Gauge) else export.Sum(numbers, _CUMULATIVE, is_monotonic=True)


def _attributes(instrument: Instrument, labels: Labels) -> dict[str, str]:
    return dict(zip(instrument.labels, labels, strict=True))


class SpanReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans by OTLP/gRPC on a loopback address and puts them into the local store."""

    def __init__(self, store: SpanStore, listen: str) -> None:
        """Listens at once; *listen* is host:port, port 0 for a free one."""
        self._store = store
        self._server = grpc.server(futures.ThreadPoolExecutor(1, "span-receiver"), maximum_concurrent_rpcs=8)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call]
        self.port = self._server.add_insecure_port(listen)
        self._server.start()

    def Export(  # noqa: N802 (the method's name in OTLP)
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        """Stores them; UNAVAILABLE when the disk does not take them, so that the sender may try again or drop them."""
        try:
            self._store.write(request)
        except (sqlite3.Error, OSError):
            context.abort(grpc.StatusCode.UNAVAILABLE, "the span store cannot be written")
        return trace_service_pb2.ExportTraceServiceResponse()

    def stop(self) -> None:
        """Stops listening."""
        self._server.stop(0.5).wait()


def open_receiver(store: SpanStore, listen: str) -> SpanReceiver | None:
    """Opens the receiver; where the address is taken the hub goes on without it, and says so."""
    try:
        return SpanReceiver(store, listen)
    except RuntimeError:
        log.warning("telemetry: no spans are taken on %s; set HUB_TRACES_LISTEN to a free address", listen)
        return None
