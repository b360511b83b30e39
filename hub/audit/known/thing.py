"""A thing of the record as it was known: its own events, a fold of them, and what that comes to, line by line."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import psycopg

from hub.audit.outcome import Text
from hub.audit.replay.own import Own
from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.ledgers import Rows, fold_events
from hub.projections.naming import refer
from hub.projections.projection import Key, Projection, State
from hub.projections.rows import rows_of
from hub.projections.touched import folds_in, named_rows, read_by


class Line(NamedTuple):
    """One thing that was known: its name and value for machines, and both in words."""

    name: str
    title: Text
    value: str
    said: Text


# The first line is what the answer says; none is there while nothing was known.
Lines = tuple[Line, ...]


class Step(NamedTuple):
    """One event, and what was known before it and with it."""

    recorded: Recorded
    before: Lines
    after: Lines

    @property
    def changed(self) -> list[tuple[Line | None, Line | None]]:
        """The lines that are others, as they were and as they are; None where there is none."""
        before, after = ({each.name: each for each in lines} for lines in (self.before, self.after))
        names = dict.fromkeys((*before, *after))
        pairs = ((before.get(name), after.get(name)) for name in names)
        return [(old, new) for old, new in pairs if old is None or new is None or old.value != new.value]


class Thing(Protocol):
    """A thing with its own events. It is folded once, in order; what it comes to is asked in between."""

    @property
    def own(self) -> Own:
        """Its events, with what corrections among them change."""

    @property
    def name(self) -> Text:
        """What it is called."""

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event."""

    def lines(self) -> Lines:
        """Returns what is known by the events so far."""

    def is_same(self, connection: psycopg.Connection) -> bool | None:
        """Whether the live views have what all events come to; None where it is in no view."""


class Folded:
    """Rows of some views in memory, made by the functions of the views."""

    def __init__(self, *views: Projection, connection: psycopg.Connection | None = None) -> None:
        """Nothing is folded yet; with a *connection* it is found what events name by their number."""
        self._connection = connection
        self._rows = {view.name: Rows() for view in views}
        self._views, self._parked = views, {view.name: set[str]() for view in views}

    def fold(self, event: Recorded, change: Change | None) -> None:
        """Folds the next event into each view."""
        changed = {} if change is None else {event.position: change}
        for view in self._views:
            folds = folds_in(*read_by(view, [event], changed))
            if self._connection is not None:
                refer(self._connection, view.refers, folds)
            touched, _ = named_rows(view, folds)
            fold_events(view, touched, self._rows[view.name], self._parked[view.name])

    def sums(self, view: Projection) -> Mapping[Key, Sequence[int]]:
        """Returns the sums of the rows of a view."""
        return self._rows[view.name].sums

    def states(self, view: Projection) -> dict[Key, State | None]:
        """Returns the rows of a view, None where there is none any more."""
        return self._rows[view.name].states

    def state(self, view: Projection, key: Key) -> State | None:
        """Returns a row, None if there is none."""
        return self.states(view).get(key)


def is_live(connection: psycopg.Connection, view: Projection, states: Mapping[Key, State | None]) -> bool:
    """Whether a live view has just these rows under their keys."""
    width = len(view.key_columns)
    live = {row[:width]: view.decode(row[width:]) for row in rows_of(connection, view.rows, view.key_columns, states)}
    known = {key: state for key, state in states.items() if state is not None}
    return live.keys() == known.keys() and all(view.encode(live[key]) == view.encode(state) for key, state in known.items())


def steps(thing: Thing, through: int) -> tuple[list[Step], Lines]:
    """Folds all events of a thing; returns those up to a position with what was known before and after each, and what was known there."""
    found, before = list[Step](), thing.lines()
    for event in thing.own.events:
        change = thing.own.changed.get(event.position)
        thing.fold(event, change)
        if event.position <= through:
            step = Step(event, before, thing.lines())
            if step.changed or event.position in thing.own.named:
                found.append(step)
            before = step.after
    return found, before


def line(name: str, title: tuple[str, str], value: object, said: Text | tuple[str, str] | str = "") -> Line:
    """Makes a line; the value is its words where no others are given, and nothing is a dash."""
    text = "" if value is None else str(value)
    words = said or text or "—"
    return Line(name, Text(*title), text, Text(words, words) if isinstance(words, str) else Text(*words))
