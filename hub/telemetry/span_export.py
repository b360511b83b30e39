"""Takes ended calls, decides which are kept, and hands their spans to an exporter from a thread of its own.

Nothing waits for it: what the exporter is too slow for, or a disk too full, is dropped and counted.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from random import Random

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from hub.telemetry import names, spans
from hub.telemetry.spans import Attributes, Call, is_sampled, now_ns

log = logging.getLogger(__name__)

WAITING_CALLS = 2_000
EVERY_S = 0.2
BATCH_SPANS = 512
# A batch of a thousand native calls is noted in so many of their traces.
TRACES_A_CALL = 8
STOP_S = 3.0
_SCOPE = InstrumentationScope("chuanyu-exchange-hub")
_KINDS = (SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER)
_random = Random()  # noqa: S311 (ids of spans)
os.register_at_fork(after_in_child=_random.seed)


class SpanPipe:
    """One exporter, its thread and its bounded queue."""

    def __init__(self, exporter: SpanExporter, service: str, instance: str) -> None:
        """*service* and *instance* name the process in every span."""
        self._exporter = exporter
        self._resource = Resource.create({"service.name": service, "service.instance.id": instance})
        self._waiting: deque[Call] = deque()
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="span-pipe", daemon=True)
        self._is_failing = False
        self._thread.start()

    def put(self, call: Call) -> None:
        """Queues a call that is kept; drops it when WAITING_CALLS are before it."""
        if len(self._waiting) >= WAITING_CALLS:
            names.SPANS_DROPPED.add(count=1 + len(call.steps))
        else:
            self._waiting.append(call)

    def stop(self) -> None:
        """Exports what waits, for STOP_S at most."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(STOP_S)
        self._exporter.shutdown()

    def _work(self) -> None:
        while not self._is_stopping or self._waiting:
            self._wake.wait(EVERY_S)
            made: list[ReadableSpan] = []
            epoch_ns = time.time_ns() - now_ns()
            while self._waiting and len(made) < BATCH_SPANS:
                made += spans_of(self._waiting.popleft(), self._resource, epoch_ns)
            if made:
                self._export(made)

    def _export(self, made: Sequence[ReadableSpan]) -> None:
        try:
            is_exported = self._exporter.export(made) is SpanExportResult.SUCCESS
        except Exception as failure:
            log.warning("telemetry: spans cannot be exported", extra={"error": type(failure).__name__})
            is_exported = False
        if not is_exported:
            names.SPANS_DROPPED.add(count=len(made))
        if is_exported == self._is_failing:
            self._is_failing = not is_exported
            log.warning("telemetry: spans are %s", "exported again" if is_exported else "dropped; is the collector or the disk away?")


_pipe: SpanPipe | None = None


def use(pipe: SpanPipe | None) -> None:
    """Makes a pipe the process's own, or ends tracing with None."""
    global _pipe  # noqa: PLW0603 (a process has one way out for its traces, as it has one standard error)
    if _pipe is not None:
        _pipe.stop()
    _pipe = pipe


def is_on() -> bool:
    """Whether this process keeps traces: what is only asked for a trace need not be asked otherwise."""
    return _pipe is not None


def ended(call: Call, status: str = "", *, may_be_slow: bool = False) -> None:
    """Ends a call with its status ("" is well) and keeps it if there is a reason to; one that *may_be_slow* has none in its length."""
    call.ended = now_ns()
    call.status = status
    if _pipe is None:
        return
    if not call.kept_for:
        if status:
            call.kept_for = "refused"
        elif not may_be_slow and call.ended - call.began > spans.sampling.slow_ns:
            call.kept_for = "slow"
        elif call.is_sampled:
            call.kept_for = "sampled"
        else:
            return
    if spans.sampling.takes():
        names.TRACES_KEPT.add(call.kept_for)
        _pipe.put(call)
    else:
        names.TRACES_OVER_BUDGET.add(call.kept_for)


def spans_of(call: Call, resource: Resource, epoch_ns: int) -> Iterator[ReadableSpan]:
    """Makes the spans of a call, in each of its traces; *epoch_ns* turns monotonic instants into those since 1970."""
    parents = [parent for parent in call.parents if is_sampled(parent)] or call.parents
    status = Status(StatusCode.ERROR, call.status) if call.status else Status()
    attributes = {**_storable(call.attributes), names.KEPT_FOR: call.kept_for}
    if call.code:
        attributes |= {names.RPC_SYSTEM: "grpc", names.RPC_METHOD: call.name, names.RPC_STATUS: call.code}
    if call.participant:
        attributes[names.PARTICIPANT] = call.participant
    if call.status:
        attributes[names.ERROR_TYPE] = call.status
    events = [Event(name, _storable(noted), timestamp=at + epoch_ns) for at, name, noted in call.events]
    links = [Link(_context(linked)) for linked in call.links]
    for parent in parents[:TRACES_A_CALL] or [""]:
        trace_id = int(parent[3:35] or call.trace_id, 16)
        context = _span(trace_id, int(call.span_id, 16))
        yield ReadableSpan(
            call.name,
            context=context,
            parent=_context(parent) if parent else None,
            resource=resource,
            attributes=attributes,
            events=events,
            links=links,
            kind=_KINDS[call.kind],
            status=status,
            start_time=call.began + epoch_ns,
            end_time=call.ended + epoch_ns,
            instrumentation_scope=_SCOPE,
        )
        for name, kind, began, finished, noted in call.steps:
            yield ReadableSpan(
                name,
                context=_span(trace_id, _random.getrandbits(64) or 1),
                parent=context,
                resource=resource,
                attributes=_storable(noted),
                kind=_KINDS[kind],
                start_time=began + epoch_ns,
                end_time=finished + epoch_ns,
                instrumentation_scope=_SCOPE,
            )


def _storable(attributes: Attributes) -> Attributes:
    """Returns attributes that OTLP can carry: a caller's number beyond 64 bits with a sign becomes a text."""
    return {name: str(value) if type(value) is int and not -(2**63) <= value < 2**63 else value for name, value in attributes.items()}


def _span(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _context(trace_parent: str) -> SpanContext:
    """Reads a trace parent that was checked where it came in."""
    return SpanContext(
        int(trace_parent[3:35], 16), int(trace_parent[36:52], 16), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)
    )
