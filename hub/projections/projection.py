"""What a view is: its tables, the kinds it reads, and pure functions that say what an event changes. Data and pure functions only.

A *ledger* has rows by key, and `evolve` says what an event makes of a row. *Cells* are sums: `derive` says what an event adds to which of
them, and takes off. Which views answers rest on, is said in `hub.projections`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

from chuanyu.exchange.v1 import references_pb2 as references

from hub.journal.reader import Recorded, decode

Key = tuple[Any, ...]
Row = tuple[Any, ...]
# What `evolve` works on: a row decoded, once a page however many of its events touch it.
State = Any
Columns = tuple[tuple[str, str], ...]
Signed = tuple[Key, tuple[int, ...]]
Refers = Mapping[str, Callable[[Recorded], references.EventRef | None]]
# Ends the names of the tables that a rebuild fills beside the live ones.
FRESH = "__fresh"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a view, in schema views."""

    name: LiteralString
    key_columns: Columns
    value_columns: Columns
    indexes: tuple[str, ...] = ()

    @property
    def columns(self) -> Columns:
        """All columns with their types, keys first."""
        return self.key_columns + self.value_columns


@dataclass(frozen=True, slots=True)
class Cells:
    """Sums of a ledger. *of* is pure: by how much a row's change moves them, as (key, values), from its state before and after an event.

    It is what the row counts after less what it counted before: what it was in between, as others were joined with it, is not asked.

    Each of *tables* has the sums by some columns of the key, which it names in its own words with their numbers. Where sums may be *below
    zero*, one that something is added to may come to nothing too. A table *by position* has the position of an event first in its key: by
    an event of a page nothing is there yet.
    """

    key_columns: Columns
    value_columns: Columns
    of: Callable[[Recorded, State | None, State | None], Iterable[Signed]]
    tables: Mapping[LiteralString, Mapping[str, int]]
    below_zero: bool = False
    by_position: str = ""

    def table(self, name: LiteralString, suffix: LiteralString) -> Table:
        """Returns one of its tables."""
        columns = tuple((column, self.key_columns[number][1]) for column, number in self.tables[name].items())
        return Table(name + suffix, columns, self.value_columns)


@dataclass(frozen=True, slots=True)
class Items:
    """What a row has many of, in a table of its own, tuples in the order of *columns*; the first column distinguishes items of a row.

    `added(state, recorded, corrected)` returns the item where all that an event does is to add one; None hands the event to `evolve`,
    with a state that has the items (*given*) and whose items replace them (*of*). Only events of *kinds* may add one. For these alone a
    row is read only where *watched*, a condition of SQL; every other row must take them as one that is not there does.
    """

    name: LiteralString
    columns: Columns
    kinds: frozenset[str]
    watched: str
    added: Callable[[State | None, Recorded, Recorded | None], Row | None]
    of: Callable[[State], Sequence[Row]]
    given: Callable[[State | None, Sequence[Row]], State | None]


class First(NamedTuple):
    """What an event makes of the only row that it names, where that is not there: its key in *keys*, the row, and what its sums move by."""

    keys: list[Key]
    row: Row
    moved: Signed | None


@dataclass(frozen=True, slots=True)
class Below:
    """How the rows are found that are below one which an event of some *kinds* makes or changes: it is joined with all of them again.

    One of their *columns*, each with an index, has the *value* of the key of the row above; None for a row that is not joined so. Until
    there is such an event `join` may leave it that there is no row above, so that nothing is kept of what nobody asks about.
    """

    kinds: frozenset[str]
    columns: tuple[str, ...]
    value: Callable[[Key], bytes | None]


@dataclass(frozen=True, slots=True)
class Linked:
    """Rows that belong together: *above* names the rows that a row is part of, *join* adds what a row has to one above it.

    Both are pure. A row above is folded after the rows below it that an event touches. If it *climbs*, a row that another was joined with
    is joined with those above it in turn, where it was and where it is; *keys* names all rows that an event may be the first to link.
    """

    above: Callable[[State], Iterable[Key]]
    join: Callable[[Key, State | None, State, Recorded], State | None]
    climbs: bool = False
    below: Below | None = None


def _as_it_is(row: Any) -> Any:
    return row


@dataclass(frozen=True, slots=True)
class Projection:
    """A ledger: its table, the kinds it reads, which rows an event touches and how a row changes.

    *keys* and *evolve* are pure. `evolve(key, state, recorded, corrected)` gets None for a row that is not there and returns the new
    state, or None for no row; it leaves the old one as it was. *decode* makes a state of a row's values, *encode* gives them back in the
    order of *value_columns*; both are called once a page. *corrected* is the event that was in force until now and is no more, if any;
    *recorded* is the one in force now: an earlier one again where what took its place is reversed. By a reversal
    (`recorded.is_reversal`) nothing is in force. Kinds in *refers* may name another event by its number: *recorded* has it (`refers_to`,
    `about`).

    With *cells* its rows are in a table of their own beside their sums. *waiting* names a row that an event touches only if it is there, as
    one that came too early may be; it is looked for among those of which *waits*, a condition of SQL, is true. Of a kind in *marks* it
    reads only the events that have those bytes: most taps have nothing for it, and are not even decoded. If it *appends*, the last column
    of a key is the position of an event, by which the row is made: what cannot be there yet is not looked for. One that
    *reads_leaves* finds in each event its leaf in the log.

    *first* is a short way to a row that is not there: it says what an event that takes nothing out makes of the only row that it touches,
    as `evolve` and `encode` would. None leaves the event to them. Nearly all rows of uses are made so.

    If it is *in_parts*, what it makes of the events of a segment is kept beside them (`hub.lanes.parts`): for one without items and leaves
    that reads many events.
    """

    name: LiteralString
    key_columns: Columns
    value_columns: Columns
    kinds: frozenset[str] | None
    keys: Callable[[Recorded, Recorded | None], Iterable[Key]]
    evolve: Callable[[Key, State | None, Recorded, Recorded | None], State | None]
    indexes: tuple[str, ...] = ()
    follows_corrections: bool = True
    decode: Callable[[Row], State] = _as_it_is
    encode: Callable[[State], Row] = _as_it_is
    cells: Cells | None = None
    items: Items | None = None
    linked: Linked | None = None
    refers: Refers = field(default_factory=dict, hash=False)
    waiting: Callable[[Recorded], Key | None] | None = None
    waits: str = "true"
    appends: bool = False
    reads_leaves: bool = False
    marks: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    first: Callable[[Recorded], First | None] | None = None
    in_parts: bool = False

    @property
    def rows(self) -> Table:
        """The table of its rows."""
        name = self.name if self.cells is None else f"{self.name}_facts"
        return Table(name, self.key_columns, self.value_columns, self.indexes)

    @property
    def item_rows(self) -> Table | None:
        """The table of what its rows have many of."""
        if self.items is None:
            return None
        first, *others = self.items.columns
        return Table(self.items.name + suffix_of(self), (*self.key_columns, first), tuple(others))

    @property
    def sum_tables(self) -> tuple[Table, ...]:
        """The tables of the sums of its rows."""
        return () if self.cells is None else tuple(self.cells.table(name, suffix_of(self)) for name in self.cells.tables)

    @property
    def tables(self) -> tuple[Table, ...]:
        """All its tables."""
        items = self.item_rows
        return (self.rows, *((items,) if items is not None else ()), *self.sum_tables)

    @property
    def columns(self) -> Columns:
        """All columns of its rows with their types, keys first."""
        return self.key_columns + self.value_columns


@dataclass(frozen=True, slots=True)
class CellView:
    """Sums over events: *derive* is pure and says what an event adds to which cells, as (key, values), and what it takes off.

    `derive(recorded, corrected)` gets what `evolve` gets. Columns in *greatest* have the greatest value instead of the sum. Sums may be
    *below zero* as those of `Cells`.
    """

    name: LiteralString
    key_columns: Columns
    value_columns: Columns
    kinds: frozenset[str] | None
    derive: Callable[[Recorded, Recorded | None], Iterable[Signed]]
    greatest: frozenset[str] = frozenset()
    below_zero: bool = False
    indexes: tuple[str, ...] = ()
    follows_corrections: bool = True
    refers: Refers = field(default_factory=dict, hash=False)
    marks: Mapping[str, bytes] = field(default_factory=dict, hash=False)

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its one table."""
        return (Table(self.name, self.key_columns, self.value_columns, self.indexes),)

    @property
    def columns(self) -> Columns:
        """All columns with their types, keys first."""
        return self.key_columns + self.value_columns


View = Projection | CellView


def signed(count: Callable[[Recorded], Iterable[Signed]]) -> Callable[[Recorded, Recorded | None], Iterable[Signed]]:
    """Returns the *derive* of a view that counts each event that is in force by itself."""

    def derive(recorded: Recorded, corrected: Recorded | None) -> Iterable[Signed]:
        if corrected is not None:
            for key, values in count(corrected):
                yield key, tuple(-value for value in values)
        if not recorded.is_reversal:
            yield from count(recorded)

    return derive


def kinds_of(views: Iterable[View]) -> frozenset[str] | None:
    """Returns the kinds that some views read, None for all."""
    found: set[str] = set()
    for view in views:
        if view.kinds is None:
            return None
        found |= view.kinds
    return frozenset(found)


def marks_of(views: Iterable[View]) -> dict[str, set[bytes]]:
    """Returns the kinds of which some views read only what has certain bytes, each with those of all of them."""
    found: dict[str, set[bytes]] = {}
    reading = [view for view in views if view.kinds is not None]
    for kind in {kind for view in reading for kind in view.marks}:
        marks = [view.marks.get(kind) for view in reading if kind in (view.kinds or ())]
        if None not in marks:
            found[kind] = {mark for mark in marks if mark is not None}
    return found


def all_marks(views: Iterable[View]) -> dict[str, set[bytes]]:
    """Returns the kinds of which any view reads only what has certain bytes, each with those of all such views."""
    found: dict[str, set[bytes]] = {}
    for kind, mark in (each for view in views for each in view.marks.items()):
        found.setdefault(kind, set()).add(mark)
    return found


def decode_for(views: Iterable[View], events: Iterable[Recorded]) -> None:
    """Decodes the events of the kinds that some views name; views of all kinds seldom look into an event."""
    naming = [view for view in views if view.kinds is not None]
    kinds, marks = kinds_of(naming) or frozenset(), marks_of(naming)
    wanted = (event for event in events if event.kind in kinds)
    decode(event for event in wanted if event.kind not in marks or any(mark in event.data for mark in marks[event.kind]))


def suffix_of(view: View) -> LiteralString:
    """Returns what the names of a view's tables end with beside the live ones, "" for those."""
    return FRESH if view.name.endswith(FRESH) else ""
