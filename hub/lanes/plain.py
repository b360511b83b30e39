"""Folds a view in a unit by columns: rows that one event makes are taken as they were written beside it; all others are folded.

Which events are more than that, is found by the hashes of the rows that they touch: a row that two events touch, one that a correction, a
reversal or a verdict has to do with. Those are decoded and folded, with the functions of the view, and if they touch the rows of further
events, these too.
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
        """Takes the rows that are written beside the events of a run, and returns which events are to be decoded and *rest*."""
        left = is_of(run.events, self.view.kinds or (), self._at)
        self._runs.append(run.events)
        if run.further is not None:
            name = self.view.name.removesuffix(FRESH) + "."
            columns = {column.removeprefix(name): run.further[column] for column in run.further.column_names if column.startswith(name)}
            is_plain = pc.and_not(pc.is_valid(columns["row"]), pc.is_in(run.events["position"], value_set=self._at))
            self._tables.append(pa.table({"position": run.events["position"], **columns}).filter(is_plain))
            left = pc.and_not(left, is_plain)
        self._left.update(run.events["position"].filter(left).to_pylist())
        return left

    def rest(self, events: list[Recorded]) -> None:
        """Adds those of some decoded events that are this view's and were not taken."""
        left = self._left
        self._rest += [event for event in events if event.position in left]

    def fold(self, connection: psycopg.Connection) -> Folding:
        """Folds what was not taken, copies the rows that were, and returns the fold, with the sums and touches of all."""
        table = pa.concat_tables(self._tables).combine_chunks() if self._tables else None
        is_folded = None if table is None else _named_twice(table)
        while True:
            folding = Folding(self.view)
            events = self._rest if table is None else sorted([*self._rest, *self._events(table, is_folded)], key=lambda one: one.position)
            folding.fold(connection, events, self._changed)
            if table is None:
                return folding
            touched = folding.touches.hashes
            further = pc.and_not(pc.or_(*(pc.is_in(table[name], value_set=touched) for name in ("hash", "waits"))), is_folded)
            if not pc.any(further).as_py():
                break
            is_folded = pc.or_(is_folded, further)
        self._copy(connection, folding, table.filter(pc.invert(is_folded)).combine_chunks())
        return folding

    def _events(self, table: pa.Table, is_folded: pa.ChunkedArray) -> list[Recorded]:
        positions = table["position"].filter(is_folded).combine_chunks()
        found = [one for run in self._runs for one in recorded_in(run.filter(pc.is_in(run["position"], value_set=positions)))]
        decode(found)
        return found

    def _copy(self, connection: psycopg.Connection, folding: Folding, table: pa.Table) -> None:
        if not len(table):
            return
        copy_packed(connection, self.view.rows, [_content(table["row"])])
        folding.touches.extend(table["hash"], table["position"])
        waits = table.filter(pc.is_valid(table["waits"]))
        folding.touches.extend(waits["waits"], waits["position"])
        add(folding.sums, _sums(table))


def _sums(table: pa.Table) -> Iterator[Signed]:
    """Yields by how much some events move each cell."""
    names = [name for name in table.column_names if name.startswith("sum.")]
    counted = table.filter(pc.is_valid(table["cell"]))
    counted = counted.set_column(counted.column_names.index("cell"), "cell", counted["cell"].cast(pa.string()))
    cells = counted.group_by("cell").aggregate([(name, "sum") for name in names])
    columns = [cells[f"{name}_sum"].to_pylist() for name in names]
    for cell, *values in zip(cells["cell"].to_pylist(), *columns, strict=True):
        yield tuple(json.loads(cell)), tuple(values)


def _named_twice(table: pa.Table) -> pa.ChunkedArray:
    """Returns which events touch a row that another event among them touches too."""
    counts = pc.value_counts(table["hash"].combine_chunks())
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    hashes, waits = table["hash"].combine_chunks(), table["waits"].drop_null().combine_chunks()
    awaited = pc.or_(pc.is_in(table["waits"], value_set=hashes), pc.is_in(table["hash"], value_set=waits))
    return pc.or_(pc.is_in(table["hash"], value_set=twice), awaited)


def _content(column: pa.ChunkedArray) -> memoryview:
    """Returns the values of a binary column, one after the other."""
    array = pa.concat_arrays(column.chunks)
    _, offsets, data = array.buffers()
    begin, end = (memoryview(offsets).cast("i")[at] for at in (array.offset, array.offset + len(array)))
    return memoryview(data)[begin:end]
