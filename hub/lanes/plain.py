"""Folds a view in a unit by columns: parts (`hub.lanes.parts`) are taken as they were written beside their events; all others are folded.

Which parts are not whole, is found by the hashes of the rows that they touch: a row that events of two segments touch, one that a
correction, a reversal or a verdict has to do with. Their events are decoded and folded, with the functions of the view, and if they touch
the rows of further parts, these too.
"""

import json
from collections.abc import Iterator

import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from hub.export.reading import Run, is_of, recorded_in
from hub.journal.corrections import Change
from hub.journal.reader import Recorded, decode
from hub.lanes.folding import Folding
from hub.projections.ledgers import add
from hub.projections.projection import FRESH, Projection, Signed
from hub.projections.rows import copy_packed


class Plain:
    """One view's fold of a unit, from nothing."""

    def __init__(self, view: Projection, changed: dict[int, Change]) -> None:
        """Nothing is taken yet."""
        self.view, self._changed = view, changed
        self._at = pa.array(sorted(changed), pa.int64())
        self._runs: list[pa.Table] = []
        self._tables: list[pa.Table] = []
        self._left: set[int] = set()
        self._rest: list[Recorded] = []

    def take(self, run: Run) -> pa.ChunkedArray:
        """Takes the parts that are written beside the events of a run, and returns which events are to be decoded and *rest*."""
        left = is_of(run.events, self.view.kinds or (), self._at)
        if run.further is not None:
            name = self.view.name.removesuffix(FRESH) + "."
            columns = {column.removeprefix(name): run.further[column] for column in run.further.column_names if column.startswith(name)}
            number, position = pa.repeat(pa.scalar(len(self._runs), pa.int32()), len(run.events)), run.events["position"]
            changed = columns["part"].filter(pc.is_in(position, value_set=self._at))
            is_plain = pc.and_not(pc.is_valid(columns["part"]), pc.is_in(columns["part"], value_set=changed.combine_chunks()))
            self._tables.append(pa.table({"position": position, "run": number, **columns}).filter(is_plain))
            left = pc.and_not(left, is_plain)
        self._runs.append(run.events)
        self._left.update(run.events["position"].filter(left).to_pylist())
        return left

    def rest(self, events: list[Recorded]) -> None:
        """Adds those of some decoded events that are this view's and were not taken."""
        left = self._left
        self._rest += [event for event in events if event.position in left]

    def fold(self, connection: psycopg.Connection) -> Folding:
        """Folds what was not taken, copies the rows that were, and returns the fold, with the sums and touches of all."""
        taken = _Taken(pa.concat_tables(self._tables).combine_chunks()) if self._tables else None
        while True:
            folding = Folding(self.view)
            events = self._rest if taken is None else sorted([*self._rest, *self._events(taken)], key=lambda one: one.position)
            folding.fold(connection, events, self._changed)
            if taken is None:
                return folding
            if not taken.leave(taken.touching(folding.touches.hashes)):
                break
        self._copy(connection, folding, taken)
        return folding

    def _events(self, taken: "_Taken") -> list[Recorded]:
        positions = taken.table["position"].filter(taken.is_folded).combine_chunks()
        found = [one for run in self._runs for one in recorded_in(run.filter(pc.is_in(run["position"], value_set=positions)))]
        decode(found)
        return found

    def _copy(self, connection: psycopg.Connection, folding: Folding, taken: "_Taken") -> None:
        if not len(table := taken.table.filter(pc.invert(taken.is_folded)).combine_chunks()):
            return
        if len(rows := table["rows"].drop_null()):
            copy_packed(connection, self.view.rows, [_content(rows)])
        folding.touches.extend(pc.list_flatten(table["hashes"]), table["position"].take(pc.list_parent_indices(table["hashes"])))
        waits = table.filter(pc.is_valid(table["waits"]))
        folding.touches.extend(waits["waits"], waits["position"])
        add(folding.sums, _sums(table))


class _Taken:
    """Parts that were written beside events, and which of them are folded all the same; an event is a row of *table*."""

    def __init__(self, table: pa.Table) -> None:
        """Folded are parts with a row that events of another segment touch, or that waits for one, or is waited for."""
        self.table, self.is_folded = table, pa.repeat(pa.scalar(value=False), len(table))
        self._hashes, self._at = pc.list_flatten(table["hashes"]), pc.list_parent_indices(table["hashes"])
        each = pa.table({"run": table["run"].take(self._at), "hash": self._hashes}).group_by(["run", "hash"]).aggregate([])
        counts = pc.value_counts(each["hash"].combine_chunks())
        twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
        waits = pc.unique(table["waits"].drop_null())
        awaited = waits.filter(pc.is_in(waits, value_set=pc.unique(self._hashes)))
        self.leave(self.touching(pa.concat_arrays([twice, awaited])))

    def touching(self, hashes: pa.Array) -> pa.Array:
        """Returns the parts that have to do with rows with some hashes."""
        table = self.table
        rows = pc.filter(self._at, pc.is_in(self._hashes, value_set=hashes))
        waiting = table["part"].filter(pc.is_in(table["waits"], value_set=hashes))
        return pa.concat_arrays([*table["part"].take(rows).chunks, *waiting.chunks, pa.array([], pa.int64())])

    def leave(self, parts: pa.Array) -> bool:
        """Leaves parts to a fold, and returns whether some of them were not left to it before."""
        left = pc.and_not(pc.is_in(self.table["part"], value_set=parts), self.is_folded)
        self.is_folded = pc.or_(self.is_folded, left)
        return bool(pc.any(left).as_py())


def _sums(table: pa.Table) -> Iterator[Signed]:
    """Yields by how much some events move each cell."""
    names = [name for name in table.column_names if name.startswith("sum.")]
    counted = table.filter(pc.is_valid(table["cell"]))
    counted = counted.set_column(counted.column_names.index("cell"), "cell", counted["cell"].cast(pa.string()))
    cells = counted.group_by("cell").aggregate([(name, "sum") for name in names])
    columns = [cells[f"{name}_sum"].to_pylist() for name in names]
    for cell, *values in zip(cells["cell"].to_pylist(), *columns, strict=True):
        yield tuple(json.loads(cell)), tuple(values)


def _content(column: pa.ChunkedArray) -> memoryview:
    """Returns the values of a binary column, one after the other."""
    array = pa.concat_arrays(column.chunks)
    _, offsets, data = array.buffers()
    begin, end = (memoryview(offsets).cast("i")[at] for at in (array.offset, array.offset + len(array)))
    return memoryview(data)[begin:end]
