"""Rebuilds views from an export: its lanes are folded in several processes, the positions beyond it come from the journal.

The fresh tables are filled beside the live ones, then compared and switched as `hub.projections.rebuild` does. A rebuild that is
stopped leaves the live views as they are, and the next one begins again.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
import pyarrow as pa

from hub.domain.errors import HubError
from hub.export import journal
from hub.export.lanes import BUCKET_BITS, LANES
from hub.export.manifest import ExportOfAnotherHub
from hub.export.reading import Segments
from hub.journal.sessions import alone
from hub.lanes import changes, touches
from hub.lanes.loading import load_sums, without_keys
from hub.lanes.pool import processes_of
from hub.lanes.spark import executors_of
from hub.lanes.units import SESSION, Folded, Work, fold_shared, fold_unit, leave, make_key, session
from hub.projections.cells import bring, is_summed
from hub.projections.projection import CellView, Key, View
from hub.projections.rebuild import RebuildUnderWay, Rebuilt, RebuiltViewDiffers, catch_up_and_switch, drop_fresh, fresh_copy
from hub.projections.runner import connect
from hub.projections.touched import Parked

# A unit has about so many events: what a process has in memory does not grow with the journal.
EVENTS_A_UNIT = 1 << 15
# So many rows that several units touched are folded again at once.
SHARED_AT_ONCE = 50_000

Report = Callable[[str, int, int], None]


class RebuildStopped(HubError):
    """A process of the rebuild ended; the live views are as they were. Run it again."""


class Filled(NamedTuple):
    """What filling took: the position that the tables are at, the events read, and the rows folded again because units share them."""

    position: int
    events: int
    shared_rows: int


def rebuild_from(
    dsn: str,
    directory: Path,
    views: Sequence[View],
    *,
    processes: int | None = None,
    spark: str = "",
    switch: bool = True,
    even_if_different: bool = False,
    report: Report = lambda _what, _done, _of: None,
) -> list[Rebuilt]:
    """Rebuilds views from the export in *directory* and the journal beyond it, compares each with the live one, and switches.

    It is done by so many *processes*, one a core if None, or by the executors of a master of *spark*.
    Raises what the reader of the export and `hub.projections.rebuild` raise, and RebuildStopped.
    """
    with connect(dsn, SESSION) as connection, ExitStack() as held:
        for view in views:
            held.enter_context(alone(connection, f"hub.rebuild.{view.name}", RebuildUnderWay(view=view.name)))
        done: list[Rebuilt] = []
        try:
            fill(connection, dsn, directory, views, processes=processes, spark=spark, report=report)
            for view in views:
                done.append(catch_up_and_switch(connection, view, switch=switch, even_if_different=even_if_different, report=report))
        except BaseException as error:
            # What differs is kept, to be looked at.
            for view in views[len(done) + isinstance(error, RebuiltViewDiffers) :]:
                drop_fresh(connection, view)
            raise
        return done


def fill(
    connection: psycopg.Connection,
    dsn: str,
    directory: Path,
    views: Sequence[View],
    *,
    processes: int | None = None,
    spark: str = "",
    report: Report = lambda _what, _done, _of: None,
) -> Filled:
    """Fills fresh tables of the views up to the last position of the export."""
    export = Segments(directory)
    _refuse_another(connection, export)
    fresh = [fresh_copy(connection, view) for view in views]
    keys = [statement for view in fresh for statement in without_keys(connection, view)]
    opened = executors_of(spark, dsn, RebuildStopped) if spark else processes_of(processes, leave, RebuildStopped)
    with tempfile.TemporaryDirectory(prefix="hub-lanes-") as notes, opened as pool:
        work = Work(dsn, directory, Path(notes), tuple(view.name for view in views), _buckets_a_unit(export.position))
        _find_changes(pool, work, export, report)
        totals = _Totals(fresh)
        events = _fold_units(pool, work, totals, report)
        shared_rows = _fold_shared(pool, work, fresh, totals, report)
        made = [pool.submit(make_key, work, statement) for statement in keys]
        totals.write(connection)
        for one in made:
            one.result()
    names = [view.name for view in fresh]
    connection.execute("UPDATE views.checkpoint SET position = %s WHERE view = ANY (%s)", (export.position, names))
    return Filled(export.position, events, shared_rows)


def _refuse_another(connection: psycopg.Connection, export: Segments) -> None:
    """Raises ExportOfAnotherHub unless the journal has the last row of the export."""
    segments = export.manifest.segments
    if segments and journal.row_digest(connection, export.position) != segments[-1].last_row:
        raise ExportOfAnotherHub


def _buckets_a_unit(position: int) -> int:
    """Returns how many buckets a unit has: a lane's, or a power of two of them less."""
    buckets = (1 << BUCKET_BITS) // LANES
    while buckets > 1 and position * buckets >> BUCKET_BITS > EVENTS_A_UNIT:
        buckets >>= 1
    return buckets


def _find_changes(pool: Executor, work: Work, export: Segments, report: Report) -> None:
    changes.keep(work.notes, {})
    runs = [(segment.first - 1, segment.last) for segment in export.manifest.segments]
    # In order: so the changes of a lane are in the order of positions, whatever process is first.
    for number, found in enumerate(pool.map(_changes_of, [work] * len(runs), *zip(*runs, strict=True)) if runs else (), 1):
        changes.keep(work.notes, found)
        report("corrections 更正", number, len(runs))


def _changes_of(work: Work, after: int, last: int) -> dict[int, list[bytes]]:
    with session(work.dsn) as connection:
        return changes.find_changes(connection, after, last)


class _Totals:
    """The sums of all views and what was parked, from all units."""

    def __init__(self, fresh: Sequence[View]) -> None:
        self._fresh = {view.name: view for view in fresh}
        self._sums: dict[str, dict[Key, list[int]]] = {view.name: {} for view in fresh}
        self._parked: dict[str, Parked] = {view.name: set() for view in fresh}

    def add(self, folded: Folded) -> None:
        """Adds what a process found."""
        view, sums = self._fresh[folded.view], self._sums[folded.view]
        is_sum = is_summed(view) if isinstance(view, CellView) else None
        for key, values in folded.sums.items():
            bring(sums, key, values, is_sum or [True] * len(values))
        for key, values in folded.taken.items():
            bring(sums, key, [-value for value in values], [True] * len(values))
        self._parked[folded.view] = (self._parked[folded.view] - folded.unparked) | folded.parked

    def write(self, connection: psycopg.Connection) -> None:
        """Writes the sums, and what is parked."""
        for name, view in self._fresh.items():
            load_sums(connection, view, self._sums[name])
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO views.parked (view, key, position, error) VALUES (%s, %s, %s, %s)",
                    [(name, *entry) for entry in sorted(self._parked[name])],
                )


def _units(work: Work) -> int:
    return (1 << BUCKET_BITS) // work.buckets_a_unit


def _fold_units(pool: Executor, work: Work, totals: _Totals, report: Report) -> int:
    events, units = 0, _units(work)
    futures = [pool.submit(fold_unit, work, unit) for unit in range(units)]
    for number, future in enumerate(as_completed(futures), 1):
        count, found = future.result()
        events += count
        for folded in found:
            totals.add(folded)
        report("units 单元", number, units)
    return events


def _fold_shared(pool: Executor, work: Work, fresh: Sequence[View], totals: _Totals, report: Report) -> int:
    """Folds again the rows that several units touched, in portions of rows that belong together."""
    portions: list[dict[str, pa.Array]] = []
    rows = 0
    for view in fresh:
        if isinstance(view, CellView):
            continue
        paths = [work.touched(view.name, unit) for unit in range(_units(work))]
        for number, hashes in enumerate(_portions(view, paths)):
            rows += len(hashes)
            portions += [{}] if number == len(portions) else []
            portions[number][view.name] = hashes
    futures = [pool.submit(fold_shared, work, portion, _units(work)) for portion in portions]
    for number, future in enumerate(as_completed(futures), 1):
        for folded in future.result():
            totals.add(folded)
        report("shared rows 共有的行", number, len(portions))
    return rows


def _portions(view: View, paths: list[Path]) -> Iterator[pa.Array]:
    left = touches.shared(paths)
    while len(left):
        portion = left.slice(0, SHARED_AT_ONCE)
        if not isinstance(view, CellView) and view.linked is not None:
            portion = touches.closure(paths, portion)
        yield portion
        left = touches.without(left, portion)
