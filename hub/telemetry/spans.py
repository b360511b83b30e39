"""What happened in a call, kept as timings while it runs; at its end it is decided whether they become spans.

Four recorded spans of the SDK cost a third of a call, so a call only notes instants (monotonic: a clock that jumps bends no duration).
Kept are, always, calls that were refused, failed, quarantined or parked something, or were slow; and of the others those whose trace
the caller asked for, and a share. Ids and the trace parent that goes into the journal follow W3C Trace Context, version 00.
"""

import os
import random
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

_TRACE_PARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_random = random.Random()  # noqa: S311 (ids of traces, not of secrets)
# A fork would go on with the ids of the process that it is a fork of, and so would the next one.
os.register_at_fork(after_in_child=_random.seed)
MOST_TRACES = 64

Attribute = str | int | float | bool
Attributes = Mapping[str, Attribute]
now_ns = time.monotonic_ns


class Kind(IntEnum):
    """The kinds of span, numbered as in OpenTelemetry's API."""

    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


def is_trace_parent(text: str) -> bool:
    """Whether it is a usable trace parent; a broken one is dropped, since a trace is no reason to refuse an event."""
    return _TRACE_PARENT.fullmatch(text) is not None


def is_sampled(trace_parent: str) -> bool:
    """Whether its maker wants its trace kept."""
    return int(trace_parent[-2:], 16) & 1 == 1


class GroupTiming(NamedTuple):
    """When the work that several calls shared began and ended, and how many items it had."""

    began: int
    ended: int
    size: int


class Sampling:
    """Which calls are kept without a reason of their own: *share* of those whose caller left it to the hub."""

    def __init__(self, share: float = 0.01, slow_ms: float = 250.0, most_a_second: float = 50.0) -> None:
        """Beyond *most_a_second* (twice that at once) even refused calls are not kept but counted: a flood must not cost more."""
        self.share, self.slow_ns = share, int(slow_ms * 1e6)
        self._rate, self._tokens, self._filled = most_a_second, 2 * most_a_second, time.monotonic()

    def takes(self) -> bool:
        """Takes one trace from the budget; False when it is spent."""
        now = time.monotonic()
        self._tokens = min(2 * self._rate, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


sampling = Sampling()


class Call:
    """One call, batch, question or page under way: its place in a trace, its steps, and what an operator asks for."""

    __slots__ = (
        "_trace_id",
        "attributes",
        "began",
        "code",
        "ended",
        "events",
        "is_sampled",
        "kept_for",
        "kind",
        "links",
        "name",
        "parents",
        "participant",
        "span_id",
        "status",
        "steps",
    )

    def __init__(self, name: str, parents: Iterable[str] = (), kind: Kind = Kind.SERVER, participant: str = "") -> None:
        """*parents* are trace parents, each of a trace that this belongs to; broken ones are dropped."""
        self.began, self.ended = now_ns(), 0
        self.name, self.kind, self.participant = name, kind, participant
        self.span_id = f"{_random.getrandbits(64) or 1:016x}"
        self.belong_to(parents)
        self.attributes: dict[str, Attribute] = {}
        self.steps: list[tuple[str, Kind, int, int, Attributes]] = []
        self.events: list[tuple[int, str, Attributes]] = []
        self.links: Sequence[str] = ()
        self.kept_for = self.status = self.code = ""

    def belong_to(self, parents: Iterable[str]) -> None:
        """Puts it into the traces of *parents*, each once; into one of its own if there is none."""
        self.parents = [parent for parent in dict.fromkeys(parents) if is_trace_parent(parent)]
        if self.parents:
            self._trace_id = self.parents[0][3:35]
            self.is_sampled = any(is_sampled(parent) for parent in self.parents)
        else:
            number = _random.getrandbits(128) or 1
            self._trace_id = f"{number:032x}"
            # W3C Trace Context, level 2: the last seven bytes of a trace id are random.
            self.is_sampled = number & 0xFFFF_FFFF < sampling.share * 0x1_0000_0000

    @property
    def trace_id(self) -> str:
        """The id of its (first) trace, 32 hex digits."""
        return self._trace_id

    def trace_parents(self) -> str:
        """What the journal keeps with the batch: this span in each of its traces, comma-separated, sampled ones first."""
        if len(self.parents) < 2:
            return f"00-{self._trace_id}-{self.span_id}-0{int(self.is_sampled)}"
        traces = dict.fromkeys((parent[3:35], is_sampled(parent)) for parent in sorted(self.parents, key=lambda text: not is_sampled(text)))
        return ",".join(f"00-{trace}-{self.span_id}-0{int(sampled)}" for trace, sampled in list(traces)[:MOST_TRACES])

    def step(self, name: str, began: int, ended: int, attributes: Attributes, kind: Kind = Kind.INTERNAL) -> None:
        """Notes something that happened within, between two instants of `now_ns`."""
        self.steps.append((name, kind, began, ended, attributes))

    def note(self, name: str, attributes: Attributes) -> None:
        """Notes an event, now."""
        self.events.append((now_ns(), name, attributes))

    def keep(self, why: str) -> None:
        """Has it kept whatever the sampling says; the first reason is kept."""
        self.kept_for = self.kept_for or why
        self.is_sampled = True
