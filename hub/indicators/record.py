"""What the record had up to a position: the events in force, and the rows of views folded from them, as they were then.

Nothing here looks at a live view, so that what is counted as known at a position is the same whenever it is asked for.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from types import MappingProxyType
from typing import Any

import psycopg

from hub.audit.known.thing import Folded
from hub.domain.indicators.errors import IndicatorTooLong
from hub.domain.unusual_use.finding import FINDING_KINDS
from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, events_at, read_page
from hub.projections.projection import Key, Projection, Row
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.indicator_answers import INDICATOR_ANSWERS, Answers
from hub.projections.views.indicator_taps import INDICATOR_TAPS
from hub.projections.views.indicator_things import INDICATOR_THINGS
from hub.projections.views.raised_findings import RAISED_FINDINGS
from hub.projections.views.usage_ways import Ways

_PAGE = 10_000
# The views that keep what is counted.
KEEPING = (INDICATOR_THINGS.name, INDICATOR_ANSWERS.name, INDICATOR_TAPS.name)
_most: ContextVar[int | None] = ContextVar("most", default=None)


@contextmanager
def at_most(events: int) -> Iterator[None]:
    """Refuses, as IndicatorTooLong, what would read more events than these for one record: an edge answers others beside it."""
    before = _most.set(events)
    try:
        yield
    finally:
        _most.reset(before)


_OF_STREAMS = """
    SELECT p FROM views.{} v JOIN journal.batch b USING (stream_id),
        generate_series(b.first_position, b.first_position + b.last_sequence - b.first_sequence) p
    WHERE p <= %s ORDER BY p"""


class Known:
    """The record up to a position, read once for each set of kinds that is asked for."""

    def __init__(self, connection: psycopg.Connection, position: int) -> None:
        """*position* is the last event that was known."""
        self.connection, self.position = connection, position
        self._events: dict[frozenset[str], list[Recorded]] = {}
        self._states: dict[str, dict[Key, Any]] = {}
        self._most, self._read = _most.get(), 0

    @cached_property
    def is_kept(self) -> bool:
        """Whether the views that keep what is counted have reached the position."""
        return self._have_reached(KEEPING)

    @cached_property
    def answers(self) -> Answers:
        """What was known of answers and taps."""
        return Answers(self.connection, self.position)

    @cached_property
    def uses(self) -> Ways:
        """What was known of uses; raises ViewBehind."""
        return Ways(self.connection, self.position)

    def note_read(self, events: int) -> None:
        """Counts events that were read; raises IndicatorTooLong where they are too many."""
        self._read += events
        if self._most is not None and self._read > self._most:
            raise IndicatorTooLong(most=self._most)

    def _have_reached(self, views: Sequence[str]) -> bool:
        try:
            rows = self.connection.execute("SELECT position FROM views.checkpoint WHERE view = ANY (%s)", (list(views),)).fetchall()
        except psycopg.errors.UndefinedTable:
            return False
        return len(rows) == len(views) and all(position >= self.position for (position,) in rows)

    def agreements(self) -> list[Row]:
        """Returns the agreements, folded from their own events."""
        if not self._have_reached([AGREEMENTS.name]):
            return list(self.states(AGREEMENTS).values())
        folded = Folded(AGREEMENTS)
        for event in self._of_streams(AGREEMENTS):
            folded.fold(event, None)
        return [state for _, state in sorted(folded.states(AGREEMENTS).items()) if state is not None]

    def findings(self) -> Iterable[list[Recorded]]:
        """Returns what was recorded of each finding, in order."""
        has_view = self._have_reached([RAISED_FINDINGS.name])
        found: dict[int, list[Recorded]] = {}
        for event in self._of_streams(RAISED_FINDINGS) if has_view else self.events(FINDING_KINDS):
            found.setdefault(event.stream_id, []).append(event)
        return found.values()

    def _of_streams(self, view: Projection) -> Iterable[Recorded]:
        """Returns the events of the streams of the hub's own that a view has a row for, which it must have reached."""
        rows = self.connection.execute(_OF_STREAMS.format(view.name).encode(), (self.position,)).fetchall()
        return events_at(self.connection, [position for (position,) in rows])

    def events(self, kinds: Iterable[str]) -> list[Recorded]:
        """Returns the events of some kinds that were in force, in the order of their positions."""
        wanted = frozenset(kinds)
        if (known := self._events.get(wanted)) is None:
            known = self._events[wanted] = self._in_force(wanted)
        return known

    def states(self, view: Projection) -> dict[Key, Any]:
        """Returns the rows of a view, folded in memory by its own functions."""
        if (known := self._states.get(view.name)) is None:
            folded = Folded(view, connection=self.connection)
            marks = {kind: (mark,) for kind, mark in view.marks.items()}
            for event, change in self._pages(view.kinds or frozenset(), follows=view.follows_corrections, marks=marks):
                folded.fold(event, change)
            known = self._states[view.name] = {key: state for key, state in sorted(folded.states(view).items()) if state is not None}
        return known

    def since(self, position: int, kinds: Collection[str]) -> Iterator[Recorded]:
        """Yields the events of some kinds after a position."""
        for after in range(position, self.position, _PAGE) if kinds else ():
            yield from read_page(self.connection, after, min(after + _PAGE, self.position), kinds)

    def _in_force(self, kinds: frozenset[str]) -> list[Recorded]:
        found: dict[int, Recorded] = {}
        for event, change in self._pages(kinds, follows=True):
            for before in change.out if change is not None else ():
                found.pop(before.position, None)
            now = event if change is None and not event.is_reversal else change.into if change is not None else None
            if now is not None and now.kind in kinds:
                found[now.position] = now
        return [found[position] for position in sorted(found)]

    def _pages(
        self, kinds: frozenset[str], *, follows: bool, marks: Mapping[str, Collection[bytes]] = MappingProxyType({})
    ) -> Iterator[tuple[Recorded, Change | None]]:
        for after in range(0, self.position, _PAGE):
            end = min(after + _PAGE, self.position)
            changed = changes(self.connection, after, end) if follows else {}
            page = read_page(self.connection, after, end, kinds, also=changed, marks=marks)
            self.note_read(len(page))
            for event in page:
                yield event, changed.get(event.position)
