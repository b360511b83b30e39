"""Which traces of an adapter are kept, and which are still under way or wait for the hub.

A file's trace is kept. A call's is kept when it was refused, quarantined, failed or slow, and of the others a share that follows from
the trace id: files and that share say so to the hub beforehand, by the flag in the trace parent.

A trace stays known until the hub has acknowledged its last event, and that of a file goes on until then. What was under way when an
adapter died is gone; its trace parents are in the outbox, and the batches that go out later still hang where they belong.
"""

import threading

from opentelemetry.trace import SpanKind

from adapters.kit.telemetry import CALL_SPAN, FILE_SPAN, HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, SpanExport
from adapters.kit.trace import Part, Trace

MOST_OPEN = 2_000


class Traces:
    """The traces of one adapter that are under way or wait for the hub; safe to use from several threads."""

    def __init__(self, export: SpanExport | None = None, share: float = 0.01, slow_s: float = 1.0) -> None:
        """Keeps a *share* of the calls without a reason of their own; without an *export* there are only ids."""
        self._export, self.slow_ns = export, int(slow_s * 1e9)
        # W3C Trace Context, level 2: the last seven bytes of a trace id are random. The hub reads the same four.
        self._sampled_below = int(share * 0x1_0000_0000)
        self._known: dict[str, Trace] = {}
        self._waiting: dict[str, Trace] = {}
        self._acknowledged: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def is_exporting(self) -> bool:
        """Whether there is anyone to export to."""
        return self._export is not None

    def call(self, route: str) -> Trace:
        """Begins the trace of a call to a route of the adapter's."""
        trace = self._begin(CALL_SPAN.format(route=route), SpanKind.SERVER, "", awaits_hub=False)
        # A native refusal is a code in the reply; HTTP says only that there is one.
        trace.root.attributes = {HTTP_METHOD: "POST", HTTP_ROUTE: route, HTTP_STATUS: 200}
        if int(trace.trace_id[-8:], 16) < self._sampled_below:
            trace.kept_for = "sampled"
        return trace

    def file(self) -> Trace:
        """Begins the trace of a file."""
        return self._begin(FILE_SPAN, SpanKind.INTERNAL, "file", awaits_hub=True)

    def _begin(self, name: str, kind: SpanKind, kept_for: str, *, awaits_hub: bool) -> Trace:
        trace = Trace(self, name, kind, kept_for, awaits_hub)
        if self._export is not None:
            forgotten = None
            with self._lock:
                if len(self._known) >= MOST_OPEN:
                    oldest = next(iter(self._known))
                    del self._known[oldest]
                    forgotten = self._waiting.pop(oldest, None)
                self._known[trace.trace_id] = trace
            if forgotten and forgotten.awaits_hub:
                forgotten.end(is_acknowledged=False)
        return trace

    def find(self, trace_id: str) -> Trace | None:
        """Returns a trace that is still known."""
        return self._known.get(trace_id)

    def put(self, trace_id: str, part: Part) -> None:
        """Exports a part of a trace that is kept."""
        if self._export is not None:
            self._export.put(trace_id, part.timing())

    def left(self, trace: Trace) -> None:
        """Takes a trace whose call is answered or whose file is taken, and ends it, now or when the hub has its last event."""
        with self._lock:
            is_acknowledged = self._acknowledged.get(trace.feed, 0) >= trace.last_sequence
            is_waiting = not is_acknowledged and trace.trace_id in self._known
            if is_waiting:
                self._waiting[trace.trace_id] = trace
            else:
                self._known.pop(trace.trace_id, None)
        if not (is_waiting and trace.awaits_hub):
            trace.end(is_acknowledged=is_acknowledged)

    def acknowledged(self, feed: str, through_sequence: int) -> None:
        """Hears how far the hub has come with a feed."""
        with self._lock:
            self._acknowledged[feed] = through_sequence
            done = [trace for trace in self._waiting.values() if trace.feed == feed and trace.last_sequence <= through_sequence]
            for trace in done:
                del self._waiting[trace.trace_id], self._known[trace.trace_id]
        for trace in done:
            if trace.awaits_hub:
                trace.end(is_acknowledged=True)

    def close(self) -> None:
        """Ends what waits for the hub, as not acknowledged, and exports what is left."""
        for trace in self._waiting.values():
            if trace.awaits_hub:
                trace.end(is_acknowledged=False)
        if self._export is not None:
            self._export.close()


# For callers that give none: ids and no spans.
UNTRACED = Traces()
