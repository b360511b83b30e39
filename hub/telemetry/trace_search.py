"""Finds traces in the local store: of the last while, by why they are kept, by participant, by how long they took."""

from collections.abc import Iterator
from typing import NamedTuple

from hub.telemetry.span_store import SpanStore
from hub.telemetry.waterfall import Summary, summary

# So many of the newest traces are looked at.
EXAMINED = 5_000
# Why a trace is kept, by docs/telemetry.md.
KEPT = ("refused", "quarantined", "parked", "slow", "audit", "sampled")


class Wanted(NamedTuple):
    """Which traces are wanted; what is empty is any. What only follows from others is left out unless it has a reason of its own."""

    kept_for: str = ""
    participant: str = ""
    slower_ms: float = 0.0
    with_sequels: bool = False


def summaries(store: SpanStore, since_ns: int, wanted: Wanted) -> Iterator[Summary]:
    """Yields the traces since an instant that are wanted, the newest first."""
    for spans in store.spans_of(store.traces_since(since_ns, EXAMINED)):
        if not spans:
            continue
        one = summary(spans)
        if one.duration_ms < wanted.slower_ms or wanted.kept_for not in ("", one.kept_for):
            continue
        if wanted.participant in ("", one.participant) and (wanted.with_sequels or not one.is_sequel or one.kept_for != "sampled"):
            yield one
