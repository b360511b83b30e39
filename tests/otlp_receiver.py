"""A collector of traces in the test's own process: it speaks OTLP over real gRPC and keeps what it gets."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceServicer, add_TraceServiceServicer_to_server
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_S = 60.0
Spans = list[tuple[str, Span]]


class OtlpReceiver(TraceServiceServicer):
    """Receives on *endpoint*; a *silent* one takes every call and never answers."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._spans: Spans = []
        self._server = grpc.server(ThreadPoolExecutor(4))
        add_TraceServiceServicer_to_server(self, self._server)
        self.endpoint = f"http://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def Export(self, request: ExportTraceServiceRequest, _context: grpc.ServicerContext) -> ExportTraceServiceResponse:  # noqa: N802
        """Takes spans."""
        if self._silent:
            self._stopped.wait()
        with self._changed:
            for resource_spans in request.resource_spans:
                service = str(attributes(resource_spans.resource)["service.name"])
                self._spans += [(service, span) for scope in resource_spans.scope_spans for span in scope.spans]
            self._changed.notify_all()
        return ExportTraceServiceResponse()

    def spans(self) -> Spans:
        """Everything received: (service name, span)."""
        with self._changed:
            return list(self._spans)

    def wait_for(self, is_enough: Callable[[Spans], bool], timeout_s: float = WAIT_S) -> Spans:
        """Waits until what was received is enough, and returns it."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not is_enough(self._spans):
                left_s = deadline - time.monotonic()
                assert left_s > 0, f"only these came: {[(service, span.name) for service, span in self._spans]}"
                self._changed.wait(left_s)
            return list(self._spans)

    def __enter__(self) -> "OtlpReceiver":
        """Starts."""
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops."""
        self._stopped.set()
        self._server.stop(0).wait()


def attributes(holder: Any) -> dict[str, str | int | float | bool]:
    """The attributes of a resource, span, event or link."""
    return {pair.key: _value(pair) for pair in holder.attributes}


def _value(pair: KeyValue) -> str | int | float | bool:
    value: str | int | float | bool = getattr(pair.value, str(pair.value.WhichOneof("value")))
    return value


def named(spans: Spans, name: str) -> list[Span]:
    """The spans of one name, in order of their beginning."""
    return sorted((span for _, span in spans if span.name == name), key=lambda span: span.start_time_unix_nano)


def texts(spans: Spans) -> list[str]:
    """Every text in spans: names, attributes, events, links, statuses and services."""
    found: list[str] = []
    for service, span in spans:
        found += [service, span.name, span.status.message]
        for holder in (span, *span.events, *span.links):
            found += [str(part) for pair in attributes(holder).items() for part in pair]
        found += [event.name for event in span.events]
    return found
