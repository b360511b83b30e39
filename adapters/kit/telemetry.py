"""The names of every span and attribute of the adapters, and the way their spans take to a collector.

Names follow OpenTelemetry's conventions (rpc, messaging, http, file) where there is one; our own begin with `adapter.`. None may hold
what names a person or a card: file names, line numbers, sequences, positions, codes and rules only. Message numbers are free text of
the province's, so they are not among them.

A collector that is down, slow or not there changes nothing for what is sent to the hub: spans wait in a bounded queue, a thread of its
own exports them, and what does not fit or does not arrive is dropped. Without an endpoint nothing is exported or recorded.
"""

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from adapters.kit.loopback import without_proxy

# Spans. The root of a file and of a call, which is named after its route, as the conventions want it; what is below it.
FILE_SPAN = "take file"
CALL_SPAN = "POST {route}"
READ_FILE_SPAN = "read file"
TRANSLATE_FILE_SPAN = "translate lines"
TRANSLATE_CALL_SPAN = "check and translate"
NUMBER_SPAN = "number events"
GET_CARD_SPAN = "chuanyu.exchange.v1.CardService/GetCard"
SEND_SPAN = "send batch"

# Span events.
LINE_REFUSED = "line refused"
EVENT_QUARANTINED = "event quarantined"
ACKNOWLEDGEMENT_WRITTEN = "acknowledgement written"

# Attributes of the conventions (rpc, messaging, http, file, error; 1.45).
RPC_SYSTEM = "rpc.system.name"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.response.status_code"
MESSAGING_DESTINATION = "messaging.destination.name"
MESSAGING_OPERATION = "messaging.operation.type"
MESSAGING_COUNT = "messaging.batch.message_count"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
FILE_NAME = "file.name"
FILE_SIZE = "file.size"
ERROR_TYPE = "error.type"

# Our own.
HUB_TARGET = "adapter.hub_target"
MESSAGE_KIND = "adapter.message_kind"
NATIVE_CODE = "adapter.native_code"
FILE_VERSION = "adapter.file.version"
LINES = "adapter.lines"
REFUSED_LINES = "adapter.lines.refused"
NEW_EVENTS = "adapter.events.new"
LINE = "adapter.line"
FIRST_LINE = "adapter.first_line"
LAST_LINE = "adapter.last_line"
REFUSAL = "adapter.refusal"
SEQUENCE = "adapter.sequence"
FIRST_SEQUENCE = "adapter.first_sequence"
LAST_SEQUENCE = "adapter.last_sequence"
FIRST_POSITION = "adapter.first_position"
LAST_POSITION = "adapter.last_position"
QUARANTINED = "adapter.quarantined"
RULES_BROKEN = "adapter.rules_broken"
REASON = "adapter.reason"
IS_ACKNOWLEDGED = "adapter.is_acknowledged"
KEPT_FOR = "adapter.kept_for"

WAITING_SPANS = 2_048
EVERY_MS = 500
EXPORT_TIMEOUT_S = 5.0
# A stop exports what waits, but no collector may hold it up longer than this.
STOP_S = 2.0
_SCOPE = InstrumentationScope("province-adapter")

log = logging.getLogger(__name__)

Attribute = str | int | bool
Attributes = Mapping[str, Attribute]
Note = tuple[int, str, Attributes]


class Timing(NamedTuple):
    """What becomes a span if its trace is kept; *error* is "" where all went well.

    Ids are hex digits as in a trace parent; *links* are (trace id, span id). Instants are those of `time.monotonic_ns`: a clock that
    jumps bends no duration.
    """

    name: str
    kind: SpanKind
    span_id: str
    parent_id: str
    began: int
    ended: int
    attributes: Attributes
    error: str = ""
    notes: Sequence[Note] = ()
    links: Sequence[tuple[str, str]] = ()


class SpanExport:
    """The way to one collector."""

    def __init__(self, endpoint: str, service: str) -> None:
        """Dials nothing yet; *service* names the adapter in every span. Raises ValueError for what is no address at all."""
        # The exporter's own type for its options leaves out that gRPC's are numbers, too.
        options: Any = tuple(without_proxy(endpoint.rstrip("/")))
        self._exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_TIMEOUT_S, channel_options=options)
        self._processor = BatchSpanProcessor(self._exporter, WAITING_SPANS, EVERY_MS)
        self._resource = Resource.create({"service.name": service})

    def put(self, trace_id: str, timing: Timing) -> None:
        """Queues the span of a timing; never waits."""
        epoch_ns = time.time_ns() - time.monotonic_ns()
        span = ReadableSpan(
            timing.name,
            context=_context(trace_id, timing.span_id),
            parent=_context(trace_id, timing.parent_id) if timing.parent_id else None,
            resource=self._resource,
            attributes={**timing.attributes, ERROR_TYPE: timing.error} if timing.error else timing.attributes,
            events=[Event(name, attributes, timestamp=at + epoch_ns) for at, name, attributes in timing.notes],
            links=[Link(_context(*linked)) for linked in timing.links],
            kind=timing.kind,
            status=Status(StatusCode.ERROR, timing.error) if timing.error else Status(),
            start_time=timing.began + epoch_ns,
            end_time=timing.ended + epoch_ns,
            instrumentation_scope=_SCOPE,
        )
        self._processor.on_end(span)

    def close(self) -> None:
        """Exports what waits, for STOP_S at most."""
        # The processor waits for its thread half a minute; an exporter that is shut down makes that thread give up at once.
        hurry = threading.Timer(STOP_S, self._exporter.shutdown)
        hurry.start()
        self._processor.shutdown()  # type: ignore[no-untyped-call]
        hurry.cancel()


def span_export(endpoint: str, service: str) -> SpanExport | None:
    """Returns the way to the collector at *endpoint*, None where there is none or the address is unusable: that stops no adapter."""
    try:
        return SpanExport(endpoint, service) if endpoint else None
    except ValueError:
        log.error("the address of the collector is unusable, traces are not exported")
        return None


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
