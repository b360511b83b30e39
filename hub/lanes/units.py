"""What one process does: it folds a unit, the events of some buckets, into all views that are rebuilt, and copies the rows.

Then it takes some of the rows that several units touched, and folds their events again: once for each unit, to know what to take away, and
once from all units together.
"""

import contextlib
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from hub.child import end_with_parent, is_called
from hub.export.lanes import LANES, event_bucket, lane_of
from hub.export.reading import Run, Segments, Wanted, is_of, recorded_in
from hub.journal.corrections import Change
from hub.journal.reader import Recorded, decode
from hub.lanes import changes, touches
from hub.lanes.columns import MARKED, has_columns, version
from hub.lanes.folding import Folding
from hub.lanes.loading import copy_rows, take_rows
from hub.lanes.plain import Plain
from hub.projections import PROJECTIONS
from hub.projections.projection import FRESH, Key, Projection, View, decode_for, kinds_of, marks_of
from hub.projections.runner import connect
from hub.projections.touched import ByKind, Parked

SESSION = "hub-lanes"
# What the list of processes calls one.
NAME = "lane"


@dataclass(frozen=True, slots=True)
class Work:
    """What all processes of a rebuild share: the database, the export, a directory for notes, and which views are rebuilt."""

    dsn: str
    export: Path
    notes: Path
    views: tuple[str, ...]
    buckets_a_unit: int

    @property
    def fresh(self) -> list[View]:
        """The views, under the names of their fresh tables."""
        return [replace(view, name=view.name + FRESH) for view in PROJECTIONS if view.name in self.views]

    def touched(self, view: str, unit: int) -> Path:
        """Returns the file of the touches of a view in a unit."""
        return self.notes / f"{view.removesuffix(FRESH)}-{unit:05d}"


@dataclass(slots=True)
class Folded:
    """What a process found of a view: sums to add, sums to take off, what was parked and what was parked wrongly."""

    view: str
    sums: dict[Key, list[int]]
    taken: dict[Key, list[int]]
    parked: Parked
    unparked: Parked


def begin(niceness: int, scheduler: int) -> None:
    """Makes a process ready for units: it ends with its parent, gives way as that does, and looks for no cycles, which no unit makes."""
    end_with_parent()
    is_called(NAME)
    os.nice(niceness - os.nice(0))
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, scheduler, os.sched_param(0))
    gc.disable()


_kept: list[psycopg.Connection] = []


@contextmanager
def session(dsn: str) -> Iterator[psycopg.Connection]:
    """Gives the session of this process, which keeps it from one unit to the next: a unit of few events is folded sooner than connected."""
    if not _kept:
        _kept.append(connect(dsn, SESSION))
    try:
        yield _kept[0]
    except BaseException:
        leave()
        raise


def leave() -> None:
    """Ends the session of this process, if it has one."""
    while _kept:
        _kept.pop().close()


@lru_cache(1)
def _export(work: Work) -> Segments:
    """Opens the export once a process: what its files say of themselves is kept."""
    return Segments(work.export, version())


def fold_unit(work: Work, unit: int) -> tuple[int, list[Folded]]:
    """Folds the events of a unit into all views from nothing, copies the rows, and notes which rows it touched."""
    buckets = range(unit * work.buckets_a_unit, (unit + 1) * work.buckets_a_unit)
    changed = changes.read_changes(work.notes, lane_of(buckets.start))
    plain = [Plain(view, changed) for view in work.fresh if isinstance(view, Projection) and has_columns(view)]
    foldings, events = [Folding(view) for view in work.fresh if not has_columns(view)], 0
    with session(work.dsn) as connection:
        for run in _export(work).runs(buckets):
            events += len(run.events)
            _fold_run(connection, run, changed, foldings, plain)
        for folding in (folded := [*foldings, *(one.fold(connection) for one in plain)]):
            copy_rows(connection, folding)
    for folding in folded:
        folding.touches.write(work.touched(folding.view.name, unit))
    return events, [Folded(folding.view.name, folding.sums, {}, folding.parked_now, set()) for folding in folded]


def _fold_run(connection: psycopg.Connection, run: Run, changed: dict[int, Change], foldings: list[Folding], plain: list[Plain]) -> None:
    """Folds the rows of a segment: only what is not taken by columns is made an event, and decoded."""
    views = [folding.view for folding in foldings]
    wanted = _wanted(run, views, pa.array(sorted(changed), pa.int64()))
    for one in plain:
        left = one.take(run)
        wanted = None if wanted is None else pc.or_(wanted, left)
    events = ByKind(recorded_in(run.events if wanted is None else run.events.filter(wanted)))
    decode_for([*views, *(one.view for one in plain)], events)
    for folding in foldings:
        folding.fold(connection, events, changed)
    for one in plain:
        one.rest(events)


def _wanted(run: Run, views: list[View], also: pa.Array) -> pa.ChunkedArray | None:
    """Returns which events of a run some views read, None for all."""
    kinds, marks = kinds_of(views), marks_of(views)
    if kinds is None:
        return None
    wanted = is_of(run.events, kinds - marks.keys(), also)
    for kind, some in sorted(marks.items()):
        if run.further is not None:
            has_any = run.further[MARKED]
        else:
            has_any = reduce(pc.or_, [pc.match_substring(run.events["data"], mark) for mark in sorted(some)])
        wanted = pc.or_(wanted, pc.and_(is_of(run.events, (kind,), ()), has_any))
    return wanted


def fold_shared(work: Work, shared: dict[str, pa.Array], units: int) -> list[Folded]:
    """Folds again what several units touched, of each view the rows with some hashes, and replaces what the units made of it."""
    only = {view: set(hashes.to_pylist()) for view, hashes in shared.items()}
    views = [view for view in work.fresh if only.get(view.name)]
    positions = _positions(work, {view.name: shared[view.name] for view in views}, units)
    changed = {position: change for lane in range(LANES) for position, change in changes.read_changes(work.notes, lane).items()}
    wanted = {view: set(some.to_pylist()) for view, some in positions.items()}
    whole = {view.name: Folding(view, only[view.name]) for view in views}
    by_unit: dict[tuple[str, int], Folding] = {}
    with session(work.dsn) as connection:
        for run in Segments(work.export).in_order(Wanted(frozenset(), also=set[int]().union(*wanted.values()))):
            decode(run)
            run_units = _by_unit(work, run)
            for view in views:
                its = wanted[view.name]
                whole[view.name].fold(connection, [event for event in run if event.position in its], changed)
                for unit, events in run_units.items():
                    if mine := [event for event in events if event.position in its]:
                        by_unit.setdefault((view.name, unit), Folding(view, only[view.name])).fold(connection, mine, changed)
        return [_replaced(connection, whole[view.name], [one for (name, _), one in by_unit.items() if name == view.name]) for view in views]


def make_key(work: Work, statement: str) -> None:
    """Puts a key or an index back on a table: what PostgreSQL sorts for two tables keeps two cores busy."""
    with session(work.dsn) as connection:
        connection.execute(statement.encode())


def _positions(work: Work, shared: dict[str, pa.Array], units: int) -> dict[str, pa.Array]:
    """Returns, by view, the positions of the events that touched rows with some hashes."""
    return {
        view: pa.concat_arrays([touches.positions_of(work.touched(view, unit), hashes) for unit in range(units)])
        for view, hashes in shared.items()
    }


def _by_unit(work: Work, run: list[Recorded]) -> dict[int, list[Recorded]]:
    found: dict[int, list[Recorded]] = {}
    for event in run:
        found.setdefault(event_bucket(event.event, event.stream_id) // work.buckets_a_unit, []).append(event)
    return found


def _replaced(connection: psycopg.Connection, whole: Folding, parts: list[Folding]) -> Folded:
    """Writes rows in the place of those that the units made of the same events."""
    folded = Folded(whole.view.name, whole.sums, {}, whole.parked_now, set())
    take_rows(connection, whole.view, parts)
    for part in parts:
        folded.unparked |= part.parked_now
        for key, values in part.sums.items():
            known = folded.taken.setdefault(key, [0] * len(values))
            folded.taken[key] = [one + other for one, other in zip(known, values, strict=True)]
    copy_rows(connection, whole)
    return folded
