"""What a view is: its tables, the kinds it reads, which rows an event touches and how a row changes. Data and pure functions only."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chuanyu.exchange.v1 import references_pb2 as references

from hub.journal.reader import Recorded

Key = tuple[Any, ...]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """Sums of a view: their columns, and what a row adds to which of them, as (key, values) with a number for each value column."""

    key_columns: tuple[tuple[str, str], ...]
    value_columns: tuple[tuple[str, str], ...]
    of: Callable[[Row], Iterable[tuple[Key, tuple[int, ...]]]]


@dataclass(frozen=True, slots=True)
class Linked:
    """Rows that belong together: *above* names the rows that a row is part of, *join* adds what a row has to one above it.

    Both are pure. A row above is folded after the rows below it that an event touches.
    """

    above: Callable[[Row], Iterable[Key]]
    join: Callable[[Key, Row | None, Row], Row | None]


@dataclass(frozen=True, slots=True)
class Projection:
    """A view: its table, the kinds it reads, which rows an event touches and how a row changes.

    *keys* and *evolve* are pure. `evolve(key, row, recorded, corrected)` gets None for a row that is not there and returns the
    values (in the order of *values*), or None for no row. *corrected* is the event that was in force until now and is no more, if any;
    *recorded* is the one in force now: an earlier one again where what took its place is reversed. By a reversal
    (`recorded.is_reversal`) nothing is in force. Kinds in *refers* may name another event by its number: *recorded* has it (`refers_to`,
    `about`).

    A view with *cells* is the sums of its rows; the rows themselves are in a table of their own beside it.
    """

    name: str
    key_columns: tuple[tuple[str, str], ...]
    value_columns: tuple[tuple[str, str], ...]
    kinds: frozenset[str] | None
    keys: Callable[[Recorded, Recorded | None], Iterable[Key]]
    evolve: Callable[[Key, Row | None, Recorded, Recorded | None], Row | None]
    indexes: tuple[str, ...] = ()
    follows_corrections: bool = True
    cells: Cells | None = None
    linked: Linked | None = None
    refers: Mapping[str, Callable[[Recorded], references.EventRef | None]] = field(default_factory=dict, hash=False)

    @property
    def table(self) -> str:
        """The table of its rows, in schema views."""
        return self.name if self.cells is None else f"{self.name}_facts"

    @property
    def tables(self) -> tuple[tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]], ...]:
        """All its tables as (name, key columns, value columns)."""
        rows = (self.table, self.key_columns, self.value_columns)
        return (rows,) if self.cells is None else (rows, (self.name, self.cells.key_columns, self.cells.value_columns))

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """All columns with their types, keys first."""
        return self.key_columns + self.value_columns
