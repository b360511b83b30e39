"""One batch on its way to the hub, as each trace that gave to it sees it: a span of its own, under which the hub's spans hang.

The trace parents in the batch name these spans, so that file or call → `send batch` → the hub's append nest in every trace. A trace
whose call is over, or that an adapter before this one began, has only its trace parent left; that says where the span belongs.
"""

import time
from collections.abc import Sequence
from itertools import islice

from chuanyu.exchange.v1.feed_service_pb2 import AppendEventsResponse, QuarantineNotice, StreamEventsRequest
from opentelemetry.trace import SpanKind

from adapters.kit import telemetry as names
from adapters.kit.outbox import Origin
from adapters.kit.sampling import Traces
from adapters.kit.telemetry import Attribute, Note, Timing
from adapters.kit.trace import MOST_NOTES, span_id, trace_parent

MOST_LINKS = 8


class SentBatch:
    """A batch on its way to the hub, and at its end what became of it."""

    def __init__(self, traces: Traces, target: str, request: StreamEventsRequest, origins: Sequence[Origin], digest: bytes = b"") -> None:
        """Fills in the trace parents of the *request* by the *origins* of its events; *digest* is what its receipt must have."""
        self.request, self.target, self._traces, self.digest = request, target, traces, digest
        self.began, self.ended = time.monotonic_ns(), 0
        self.code, self.error = "", ""
        self.appended: AppendEventsResponse | None = None
        self._views = [_View(self, origin, traces) for origin in origins]
        request.trace_parents.extend(self._parents())

    def _parents(self) -> list[str]:
        """Returns the trace parent of each event, "" for one without; the last one is that of all that follow it."""
        first, count = self.request.first_sequence, len(self.request.events)
        parents = [""] * count
        for view in self._views:
            for sequence in range(view.origin.first_sequence, view.origin.last_sequence + 1):
                parents[sequence - first] = view.parent
        while len(parents) > 1 and parents[-1] == parents[-2]:
            parents.pop()
        return parents

    def answered(self, appended: AppendEventsResponse) -> None:
        """Ends it: taken. A trace of which something is quarantined is kept."""
        self.appended = appended
        self._end("OK", "")

    def failed(self, code: str, reason: str = "") -> None:
        """Ends it: refused, or not answered. Its traces are kept."""
        self._end(code, reason or code)

    def _end(self, code: str, error: str) -> None:
        self.code, self.error, self.ended = code, error, time.monotonic_ns()
        quarantined = self.appended.quarantined if self.appended else ()
        is_slow = self.ended - self.began > self._traces.slow_ns
        for view in self._views:
            why = "refused" if error else "slow" if is_slow else ""
            if quarantined and any(view.has(notice) for notice in quarantined):
                why = "quarantined"
            if trace := self._traces.find(view.trace_id):
                if why:
                    trace.keep(why)
                trace.add(view)
            elif why or view.is_kept:
                self._traces.put(view.trace_id, view)

    def links(self, but: "_View") -> list[tuple[str, str]]:
        """Returns the same batch in other traces that are kept."""
        others = (view for view in self._views if view.is_kept and view is not but)
        return [(view.trace_id, view.span_id) for view in islice(others, MOST_LINKS)]


class _View:
    """The batch in one trace: the span that its trace parent names."""

    __slots__ = ("_batch", "is_kept", "origin", "parent", "parent_id", "span_id", "trace_id")

    def __init__(self, batch: SentBatch, origin: Origin, traces: Traces) -> None:
        self._batch, self.origin, self.parent = batch, origin, origin.trace_parent
        self.trace_id, self.parent_id = self.parent[3:35], self.parent[36:52]
        trace = traces.find(self.trace_id)
        self.is_kept = self.parent.endswith("1") or (trace is not None and trace.kept_for != "")
        # Where nothing is exported the hub's spans hang under the call or file itself.
        self.span_id = self.parent_id
        if traces.is_exporting:
            self.span_id = span_id()
            self.parent = trace_parent(self.trace_id, self.span_id, is_kept=self.is_kept)

    def has(self, notice: QuarantineNotice) -> bool:
        return self.origin.first_sequence <= notice.sequence <= self.origin.last_sequence

    def timing(self) -> Timing:
        batch, notes = self._batch, self._quarantined()
        attributes = self._attributes() | ({names.QUARANTINED: len(notes)} if notes else {})
        if batch.error:
            attributes[names.REASON] = batch.error
        return Timing(
            names.SEND_SPAN,
            SpanKind.CLIENT,
            self.span_id,
            self.parent_id,
            batch.began,
            batch.ended,
            attributes,
            batch.error,
            notes[:MOST_NOTES],
            batch.links(self),
        )

    def _attributes(self) -> dict[str, Attribute]:
        batch, request, origin = self._batch, self._batch.request, self.origin
        first, last = origin.first_sequence - request.first_sequence, origin.last_sequence - request.first_sequence
        attributes: dict[str, Attribute] = {
            names.RPC_SYSTEM: "grpc",
            names.RPC_METHOD: "chuanyu.exchange.v1.FeedService/StreamEvents",
            names.RPC_STATUS: batch.code,
            names.HUB_TARGET: batch.target,
            names.MESSAGING_DESTINATION: request.feed,
            names.MESSAGING_OPERATION: "send",
            names.MESSAGING_COUNT: len(request.events),
            names.FIRST_SEQUENCE: origin.first_sequence,
            names.LAST_SEQUENCE: origin.last_sequence,
        }
        if batch.appended and (positions := batch.appended.positions):
            attributes |= {names.FIRST_POSITION: positions[first], names.LAST_POSITION: positions[last]}
        # What a file says about itself comes after its lines and has no number.
        if lines := [event.source.line_no for event in request.events[first : last + 1] if event.source.line_no]:
            attributes |= {names.FIRST_LINE: lines[0], names.LAST_LINE: lines[-1]}
        return attributes

    def _quarantined(self) -> list[Note]:
        """Returns what the hub said about the events of this trace."""
        notes: list[Note] = []
        for notice in self._batch.appended.quarantined if self._batch.appended else ():
            if self.has(notice):
                rules = "; ".join(f"{broken.field_path} {broken.rule_id}".strip() for broken in notice.violations)
                attributes: dict[str, Attribute] = {names.SEQUENCE: notice.sequence, names.RULES_BROKEN: rules}
                if line := self._batch.request.events[notice.sequence - self._batch.request.first_sequence].source.line_no:
                    attributes[names.LINE] = line
                notes.append((self._batch.ended, names.EVENT_QUARANTINED, attributes))
        return notes
