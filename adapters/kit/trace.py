"""One native call or file as one trace: its ids from the beginning, its timings always, spans only if it is kept.

The trace under way is in a context variable, so that no function has to pass it on. Ids follow W3C Trace Context, version 00.
"""

import random
import time
from collections.abc import Sequence
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Protocol, Self

from opentelemetry.trace import SpanKind

from adapters.kit.outbox import Outbox
from adapters.kit.telemetry import (
    IS_ACKNOWLEDGED,
    KEPT_FOR,
    NATIVE_CODE,
    REFUSAL,
    Attribute,
    Note,
    Timing,
)

# Of lines and events that are wrong so many are named one by one; all are counted.
MOST_NOTES = 100
_random = random.Random()  # noqa: S311 (ids of traces, not of secrets)
_current: ContextVar["Trace | None"] = ContextVar("trace", default=None)


def span_id() -> str:
    """Returns the id of a new span."""
    return f"{_random.getrandbits(64) or 1:016x}"


def trace_parent(trace_id: str, parent_id: str, *, is_kept: bool) -> str:
    """Returns what says to the hub where its spans belong, and whether they are wanted."""
    return f"00-{trace_id}-{parent_id}-{'01' if is_kept else '00'}"


class Part(Protocol):
    """What becomes a span below the root of its trace, made only if the trace is kept."""

    def timing(self) -> Timing:
        """Returns the span to be."""


class Keeper(Protocol):
    """What a trace belongs to: it says what is slow, exports what is kept, and waits for the hub."""

    @property
    def slow_ns(self) -> int:
        """How long a trace may take that is not kept for it."""

    @property
    def is_exporting(self) -> bool:
        """Whether there is anyone to export to."""

    def put(self, trace_id: str, part: Part) -> None:
        """Exports a part of a trace that is kept."""

    def left(self, trace: "Trace") -> None:
        """Takes a trace whose call is answered or whose file is taken."""


class Step:
    """A part of a trace, from making it to leaving it; an exception makes it a failed one."""

    __slots__ = ("_trace", "attributes", "began", "ended", "error", "kind", "name", "notes", "span_id")

    def __init__(self, name: str, kind: SpanKind, trace: "Trace | None" = None, span_id: str = "") -> None:
        """Begins; outside any trace, and as the root of one, it belongs to none."""
        self._trace, self.name, self.kind, self.span_id = trace, name, kind, span_id
        self.attributes: dict[str, Attribute] = {}
        self.notes: list[Note] = []
        self.error, self.began, self.ended = "", time.monotonic_ns(), 0

    def note(self, name: str, attributes: dict[str, Attribute]) -> None:
        """Notes an event within, unless there are MOST_NOTES already."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append((time.monotonic_ns(), name, attributes))

    def parent(self) -> str:
        """Returns the trace parent for a call made within, empty outside any trace."""
        if self._trace is None:
            return ""
        self.span_id = span_id() if self._trace.is_recorded else self._trace.root.span_id
        return trace_parent(self._trace.trace_id, self.span_id, is_kept=bool(self._trace.kept_for))

    def timing(self) -> Timing:
        """Returns the span to be."""
        own, parent = self.span_id or span_id(), self._trace.root.span_id if self._trace else ""
        return Timing(self.name, self.kind, own, parent, self.began, self.ended, self.attributes, self.error, self.notes)

    def __enter__(self) -> Self:
        """Has begun when it was made."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Ends."""
        self.ended = time.monotonic_ns()
        if self._trace is not None:
            if kind is not None and not self.error:
                self.error = kind.__name__
            self._trace.add(self)


class Trace:
    """One call or file; within it, `current_trace` returns it."""

    __slots__ = ("_parts", "_token", "_traces", "awaits_hub", "feed", "is_over", "kept_for", "last_sequence", "root", "trace_id")

    def __init__(self, traces: Keeper, name: str, kind: SpanKind, kept_for: str, awaits_hub: bool) -> None:
        """Begins; *awaits_hub* lets it go on until the hub has its last event."""
        self._traces, self.kept_for, self.awaits_hub = traces, kept_for, awaits_hub
        self.trace_id = f"{_random.getrandbits(128) or 1:032x}"
        self.root = Step(name, kind, span_id=span_id())
        self.feed, self.last_sequence, self.is_over = "", 0, False
        self._parts: list[Part] = []

    @property
    def is_recorded(self) -> bool:
        """Whether there is anyone to export it to."""
        return self._traces.is_exporting

    def keep(self, why: str) -> None:
        """Has it kept whatever the sampling says; the first reason is kept."""
        if not self.kept_for:
            self.kept_for = why
            for part in self._parts:
                self.add(part)
            self._parts.clear()

    def answered(self, code: str, text: str, why: str) -> None:
        """Notes the native reply to a call; *why* it must be kept is "" where all went well."""
        self.root.attributes[NATIVE_CODE] = code
        if why:
            self.root.attributes[REFUSAL] = text
            self.root.error = code if why == "failed" else ""
            self.keep(why)

    def add(self, part: Part) -> None:
        """Adds a part, exported at once if the trace is kept already."""
        if self.kept_for:
            self._traces.put(self.trace_id, part)
        elif not self.is_over and self.is_recorded:
            self._parts.append(part)

    def put(self, outbox: Outbox, feed: str, items: Sequence[tuple[str, bytes]], *, is_message: bool = False) -> list[tuple[int, bool]]:
        """Puts what it gave into the outbox, as Outbox.put does, and remembers how far the hub has to come."""
        parent = trace_parent(self.trace_id, self.root.span_id, is_kept=bool(self.kept_for))
        numbered = outbox.put(feed, items, parent, is_message=is_message)
        new = [sequence for sequence, is_new in numbered if is_new]
        if new:
            self.feed, self.last_sequence = feed, new[-1]
        return numbered

    def end(self, *, is_acknowledged: bool) -> None:
        """Ends it: kept it becomes spans, otherwise nothing is left."""
        self.is_over, self.root.ended = True, time.monotonic_ns()
        if not self.kept_for and self.root.ended - self.root.began > self._traces.slow_ns:
            self.keep("slow")
        if self.kept_for:
            self.root.attributes[KEPT_FOR] = self.kept_for
            if self.last_sequence:
                self.root.attributes[IS_ACKNOWLEDGED] = is_acknowledged
            self.add(self.root)
        self._parts.clear()

    def __enter__(self) -> Self:
        """Makes it the one under way."""
        self._token: Token[Trace | None] = _current.set(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Ends the province's part of it."""
        _current.reset(self._token)
        if kind is not None:
            self.root.error = kind.__name__
            self.keep("failed")
        self._traces.left(self)


def current_trace() -> Trace | None:
    """Returns the trace under way."""
    return _current.get()


def put_traced(outbox: Outbox, feed: str, items: Sequence[tuple[str, bytes]], *, is_message: bool = False) -> list[tuple[int, bool]]:
    """Puts *items* into the outbox, as Outbox.put does, as coming from the trace under way."""
    trace = _current.get()
    if trace is None:
        return outbox.put(feed, items, is_message=is_message)
    return trace.put(outbox, feed, items, is_message=is_message)


def keep(why: str) -> None:
    """Has the trace under way kept."""
    if trace := _current.get():
        trace.keep(why)


def step(name: str, kind: SpanKind = SpanKind.INTERNAL) -> Step:
    """Begins a part of the trace under way."""
    return Step(name, kind, _current.get())
