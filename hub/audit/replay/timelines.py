"""What all cards share, over positions: agreements, registers as they were declared and last heard of, changes of the catalogue."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from chuanyu.exchange.v1 import agreement_history_pb2

from hub.domain.agreement import Agreements, Terms, terms_in
from hub.domain.records.items import NO_CHANGES, ItemChanges
from hub.domain.records.known import Register, RegisterKey
from hub.domain.reported import Reported
from hub.projections.engine import read
from hub.projections.ledgers import Rows, fold_events
from hub.projections.projection import Projection
from hub.projections.touched import folds_in, keys_of, named_rows, read_by
from hub.projections.views.agreements import AGREEMENTS
from hub.projections.views.item_changes import ITEM_CHANGES, approved_in
from hub.projections.views.medical import INSTITUTIONS
from hub.projections.views.registers import REGISTERS, registers_of
from hub.projections.views.reports import reported

PAGE_POSITIONS = 10_000


@dataclass(slots=True)
class Line:
    """The values of one thing, each from a position on."""

    positions: list[int] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, position: int, value: Any) -> None:
        """Adds a value from a position on, which is not before the last."""
        if self.positions and self.positions[-1] == position:
            self.values[-1] = value
        else:
            self.positions.append(position)
            self.values.append(value)

    def at(self, position: int) -> Any:
        """Returns the value at a position, None before the first."""
        found = bisect_right(self.positions, position)
        return self.values[found - 1] if found else None


@dataclass(slots=True)
class Timelines:
    """The agreements' terms, each register and the changes of the catalogue, over positions."""

    terms: Line = field(default_factory=Line)
    registers: dict[RegisterKey, Line] = field(default_factory=dict)
    changes: Line = field(default_factory=Line)
    institutions: dict[str, Line] = field(default_factory=dict)
    _made: dict[int, Agreements] = field(default_factory=dict)

    def agreements(self, position: int) -> Agreements:
        """Returns the agreements as they were known at a position; the same object as long as they are the same."""
        number = bisect_right(self.terms.positions, position)
        if number not in self._made:
            self._made[number] = Agreements(self.terms.values[number - 1] if number else ())
        return self._made[number]

    def items(self, position: int) -> ItemChanges:
        """Returns what the sides had approved of the catalogue of service items by a position."""
        found: ItemChanges | None = self.changes.at(position)
        return NO_CHANGES if found is None else found

    def institution(self, code: str, position: int) -> tuple[Reported, ...]:
        """Returns what had been reported of an institution by a position."""
        return (self.institutions[code].at(position) or ()) if code in self.institutions else ()

    def registers_at(self, position: int) -> Mapping[RegisterKey, Register]:
        """Returns the registers that had been declared by a position."""
        return {key: value for key, line in self.registers.items() if (value := line.at(position)) is not None}


def timelines(connection: psycopg.Connection, last: int) -> Timelines:
    """Folds all of them up to a position, and keeps what they were at each."""
    found, agreements, registers, items, institutions = Timelines(), Rows(), Rows(), Rows(), Rows()
    views = (AGREEMENTS, REGISTERS, ITEM_CHANGES, INSTITUTIONS)
    for after in range(0, last, PAGE_POSITIONS):
        page = read(connection, views, after, min(after + PAGE_POSITIONS, last))
        for event in page.events:
            changed = {event.position: page.changed[event.position]} if event.position in page.changed else {}
            if AGREEMENTS.kinds and event.kind in AGREEMENTS.kinds:
                _fold(AGREEMENTS, agreements, [event], {})
                found.terms.add(event.position, _terms(agreements))
                continue
            if ITEM_CHANGES.kinds and event.kind in ITEM_CHANGES.kinds:
                _fold(ITEM_CHANGES, items, [event], {})
                found.changes.add(event.position, approved_in(state for state in items.states.values() if state is not None))
                continue
            for key in _fold(INSTITUTIONS, institutions, [event], changed):
                told = _told(institutions, str(key[0]))
                found.institutions.setdefault(str(key[0]), Line()).add(event.position, told)
            for key in _fold(REGISTERS, registers, [event], changed):
                name, province = str(key[0]), str(key[1])
                state = registers.states.get(key)
                declared = registers_of([(name, province, state)]) if state is not None else {}
                if declared or (name, province) in found.registers:
                    found.registers.setdefault((name, province), Line()).add(event.position, declared.get((name, province)))
    return found


def _fold(view: Projection, rows: Rows, events: Any, changed: Any) -> list[Any]:
    touched, _ = named_rows(view, folds_in(*read_by(view, events, changed)))
    fold_events(view, touched, rows, set())
    return [key for touch in touched for key in keys_of(touch)]


def _told(rows: Rows, code: str) -> tuple[Reported, ...]:
    """Returns the reports of an institution that are in force."""
    states = sorted((int(key[1]), state) for key, state in rows.states.items() if key[0] == code and state is not None)
    return tuple(reported(at, state) for at, state in states if state.was_in_force(0))


def _terms(rows: Rows) -> tuple[Terms, ...]:
    """Returns the terms of all agreements, in the order in which an edge reads them."""
    states = sorted((state[0], key[0], state[1]) for key, state in rows.states.items() if state is not None)
    return tuple(terms for *_, data in states for terms in terms_in(agreement_history_pb2.AgreementHistory.FromString(data)))
