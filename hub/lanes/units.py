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
from pathlib import Path

import psycopg
import pyarrow as pa

from hub.child import end_with_parent, is_called
from hub.export.lanes import LANES, event_bucket, lane_of
from hub.export.reading import Segments, Wanted
from hub.journal.reader import Recorded, decode
from hub.lanes import changes, touches
from hub.lanes.folding import Folding
from hub.lanes.loading import copy_rows, take_rows
from hub.projections import PROJECTIONS
from hub.projections.projection import FRESH, Key, View, decode_for, kinds_of
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

    @property
    def kinds(self) -> frozenset[str] | None:
        """The kinds that they read, None for all."""
        return kinds_of(self.fresh)

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
def session(work: Work) -> Iterator[psycopg.Connection]:
    """Gives the session of this process, which keeps it from one unit to the next: a unit of few events is folded sooner than connected."""
    if not _kept:
        _kept.append(connect(work.dsn, SESSION))
    try:
        yield _kept[0]
    except BaseException:
        leave()
        raise


def leave() -> None:
    """Ends the session of this process, if it has one."""
    while _kept:
        _kept.pop().close()


def fold_unit(work: Work, unit: int) -> tuple[int, list[Folded]]:
    """Folds the events of a unit into all views from nothing, copies the rows, and notes which rows it touched."""
    buckets = range(unit * work.buckets_a_unit, (unit + 1) * work.buckets_a_unit)
    changed = changes.read_changes(work.notes, lane_of(buckets.start))
    foldings, events = [Folding(view) for view in work.fresh], 0
    with session(work) as connection:
        for run in Segments(work.export).lane(buckets, Wanted(work.kinds, also=changed)):
            events += len(run)
            decode_for(work.fresh, run)
            events_read = ByKind(run)
            for folding in foldings:
                folding.fold(connection, events_read, changed)
        for folding in foldings:
            copy_rows(connection, folding)
    for folding in foldings:
        folding.touches.write(work.touched(folding.view.name, unit))
    return events, [Folded(folding.view.name, folding.sums, {}, folding.parked_now, set()) for folding in foldings]


def fold_shared(work: Work, shared: dict[str, pa.Array], units: int) -> list[Folded]:
    """Folds again what several units touched, of each view the rows with some hashes, and replaces what the units made of it."""
    only = {view: set(hashes.to_pylist()) for view, hashes in shared.items()}
    views = [view for view in work.fresh if only.get(view.name)]
    positions = _positions(work, {view.name: shared[view.name] for view in views}, units)
    changed = {position: change for lane in range(LANES) for position, change in changes.read_changes(work.notes, lane).items()}
    wanted = {view: set(some.to_pylist()) for view, some in positions.items()}
    whole = {view.name: Folding(view, only[view.name]) for view in views}
    by_unit: dict[tuple[str, int], Folding] = {}
    with session(work) as connection:
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
