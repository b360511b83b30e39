"""What operators see of a fold: its duration and events by view, and a span that links to the appends it folded."""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from hub.journal.traces import link_back
from hub.telemetry import names, span_export
from hub.telemetry.spans import Attribute, Call, Kind, now_ns


@dataclass(slots=True)
class Fold:
    """One view's part of a page: when it began and ended, how many events it folded and parked."""

    view: str
    began: int
    ended: int = 0
    events: int = 0
    parked: int = 0

    def done(self, events: int) -> "Fold":
        """Ends it."""
        self.ended, self.events = now_ns(), events
        return self


def folded(connection: psycopg.Connection, folds: Sequence[Fold], after: int, end: int) -> None:
    """Counts the folds of positions after … end, and keeps their span if an append there is kept, one parked, or they were slow."""
    for fold in folds:
        names.VIEW_FOLDED.add(fold.view, count=fold.events)
        names.FOLD_DURATION.record((fold.ended - fold.began) / 1e9, fold.view)
    if not folds or not span_export.is_on():
        return
    call = Call(names.FOLD_SPAN.format(view=folds[0].view if len(folds) == 1 else "views"), kind=Kind.CONSUMER)
    call.began = folds[0].began
    link_back(connection, call, after, end, "process")
    call.attributes[names.MESSAGING_COUNT] = sum(fold.events for fold in folds)
    for fold in folds:
        noted: dict[str, Attribute] = {names.VIEW: fold.view, names.MESSAGING_COUNT: fold.events, names.PARKED: fold.parked}
        if len(folds) > 1:
            call.step(names.FOLD_SPAN.format(view=fold.view), fold.began, fold.ended, noted)
        else:
            call.attributes.update(noted)
        if fold.parked:
            call.keep("parked")
    span_export.ended(call)
