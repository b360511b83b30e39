"""Folds pages into ledgers: loads and decodes the rows that a page touches, evolves them event by event, encodes and stores them.

An event that makes `evolve` raise is parked, and so are later ones of its key; other keys go on.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence, Set
from dataclasses import dataclass, field
from operator import itemgetter

import psycopg

from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.naming import refer
from hub.projections.projection import Cells, First, Items, Key, Linked, Projection, Row, Signed, State, Table
from hub.projections.rows import add_new, add_up, any_row, load_linked, rows_of, store
from hub.projections.touched import Parked, Touched, folds_in, gathering, keys_of, named_rows


def fold_into_ledger(
    connection: psycopg.Connection, projection: Projection, page: list[Recorded], changed: Mapping[int, Change], parked: set[str]
) -> Parked:
    """Folds a page and returns what was parked; *parked* are the keys that have parked events, and grows."""
    folds = folds_in(page, changed)
    if projection.refers:
        refer(connection, projection.refers, folds)
    touched, parked_now = named_rows(projection, folds)
    rows = _load(connection, projection, touched)
    loaded = dict(rows.states)
    parked_now |= fold_events(projection, touched, rows, parked)
    _store(connection, projection, loaded, rows, page[0].position if page else 0)
    return parked_now


@dataclass(slots=True)
class Rows:
    """The rows of a ledger as far as a fold has them: states by key, items of those of which some were read or added, and changes of sums.

    *fresh* are rows that were made the short way, as they are written. *read* are the items that are in the database; *may_wait* says
    whether a row may wait for an event of the page. Of rows in *growing* nothing is looked at: items are *added* as they are written.
    *below* names what one is joined with when it is made.
    """

    states: dict[Key, State | None] = field(default_factory=dict)
    items: dict[Key, list[Row]] = field(default_factory=dict)
    sums: dict[Key, list[int]] = field(default_factory=dict)
    read: dict[Key, list[Row]] = field(default_factory=dict)
    may_wait: bool = True
    fresh: dict[Key, Row] = field(default_factory=dict)
    growing: Set[Key] = frozenset()
    added: list[Row] = field(default_factory=list)
    below: dict[Key, dict[Key, None]] = field(default_factory=dict)

    def note(self, linked: Linked, above: Key, key: Key) -> None:
        """Notes that a row is below another, which may be made later."""
        if (below := linked.below) is not None and below.value(above) is not None:
            self.below.setdefault(above, {})[key] = None


def fold_events(projection: Projection, touched: Iterable[Touched], rows: Rows, parked: set[str]) -> Parked:
    """Folds events into the rows they name and those above them, and returns what is parked; *parked*, the keys with such events, grows."""
    found: Parked = set()
    states = rows.states
    waiting = projection.waiting if rows.may_wait else None
    for touch in touched:
        named = touch[3]
        waited = None if waiting is None else waiting(touch[1])
        is_waited = waited is not None and waited in states
        if type(named) is First and not is_waited and not parked and _short(projection, touch[1], named, rows):
            continue
        keys = keys_of(touch)
        if waited is not None and is_waited:
            keys.insert(0, waited)
        _fold_event(projection, touch, keys, rows, parked, found)
    return found


def _fold_event(projection: Projection, touch: Touched, keys: list[Key], rows: Rows, parked: set[str], found: Parked) -> None:
    """Folds one event; rows above those that it names are added to *keys*."""
    position, recorded, before, _ = touch
    items, linked, states, cells = projection.items, projection.linked, rows.states, projection.cells
    joins: list[tuple[Key, Key]] = []
    # What rows were before the event: also one that others are joined with moves its sums once, by all that the event makes of it.
    was: dict[Key, State | None] = {}
    for key in keys:
        if rows.fresh and key in rows.fresh:
            states[key] = projection.decode(rows.fresh.pop(key)[len(key) :])
        if parked and repr(key) in parked:
            found.add((repr(key), position, "an earlier event of this key is parked"))
            continue
        try:
            state = states.get(key)
            if items is None:
                evolved = projection.evolve(key, state, recorded, before)
            elif (item := items.added(state, recorded, before)) is not None:
                rows.items.setdefault(key, []).append(item)
                continue
            else:
                evolved = _evolve_with_items(projection, items, key, recorded, before, rows)
            if linked is not None:
                _climb(linked, key, state, evolved, keys, joins)
                if linked.below is not None and recorded.kind in linked.below.kinds and evolved is not None:
                    joins += [(key, below) for below in rows.below.get(key, ())]
            if cells is not None and evolved is not state:
                was.setdefault(key, state)
            states[key] = evolved
        except Exception as error:
            parked.add(repr(key))
            found.add((repr(key), position, type(error).__name__))
    if joins:
        _join(projection, recorded, joins, rows, parked, keys, was)
    if cells is not None and was:
        _move_sums(cells, touch, was, rows, parked, found)


def _move_sums(cells: Cells, touch: Touched, was: Mapping[Key, State | None], rows: Rows, parked: set[str], found: Parked) -> None:
    """Moves sums by what an event has made of rows; where that cannot be said, the row stays what it *was*."""
    for key, state in was.items():
        try:
            moved = tuple(cells.of(touch[1], state, rows.states[key]))
        except Exception as error:
            rows.states[key] = state
            parked.add(repr(key))
            found.add((repr(key), touch[0], type(error).__name__))
            continue
        add(rows.sums, moved)


def _short(projection: Projection, recorded: Recorded, made: First, rows: Rows) -> bool:
    """Takes an event the short way, if nothing is known of its row, or nothing that keeps it from being one more item."""
    key = made.keys[0]
    if (items := projection.items) is not None:
        if key in rows.growing:
            rows.added.append(made.row)
        elif (state := rows.states.get(key)) is None or items.added(state, recorded, None) is not None:
            rows.items.setdefault(key, []).append(made.row[len(key) :])
        else:
            return False
        return True
    if key in rows.states or key in rows.fresh:
        return False
    rows.fresh[key] = made.row
    if made.moved is not None:
        add(rows.sums, (made.moved,))
    return True


def _climb(linked: Linked, key: Key, state: State | None, evolved: State | None, keys: list[Key], joins: list[tuple[Key, Key]]) -> None:
    """Adds to *keys* the rows above one, as it was and as it is, to be folded after it and joined with it."""
    named = () if state is None else linked.above(state)
    if evolved is not None and evolved is not state:
        named = (*named, *linked.above(evolved))
    for above in dict.fromkeys(named) if named else ():
        if above != key:
            joins.append((above, key))
            if above not in keys:
                keys.append(above)


def _join(
    projection: Projection,
    recorded: Recorded,
    joins: list[tuple[Key, Key]],
    rows: Rows,
    parked: set[str],
    keys: list[Key],
    was: dict[Key, State | None],
) -> None:
    """Adds to the rows above what those below have for them."""
    states, linked = rows.states, projection.linked
    for above, below in joins:
        if linked is not None and (part := states.get(below)) is not None and not (parked and repr(above) in parked):
            rows.note(linked, above, below)
            states[above] = joined = linked.join(above, state := states.get(above), part, recorded)
            if joined is state:
                continue
            was.setdefault(above, state)
            if linked.climbs:
                # What is appended is gone through in its turn.
                _climb(linked, above, state, joined, keys, joins)


def _evolve_with_items(
    projection: Projection, items: Items, key: Key, recorded: Recorded, before: Recorded | None, rows: Rows
) -> State | None:
    """Evolves a row that is given its items, and keeps those that it has afterwards."""
    state, known = rows.states.get(key), rows.items.get(key, [])
    given = items.given(state, known)
    evolved = projection.evolve(key, given, recorded, before)
    if evolved is given:
        return state
    rows.items[key] = list(items.of(evolved)) if evolved is not None else []
    return evolved


def add(sums: MutableMapping[Key, list[int]], signed: Iterable[Signed]) -> None:
    """Adds signed rows to sums."""
    for key, values in signed:
        if (known := sums.get(key)) is None:
            sums[key] = list(values)
        else:
            for column, value in enumerate(values):
                known[column] += value


def _load(connection: psycopg.Connection, projection: Projection, touched: Sequence[Touched]) -> Rows:
    """Loads the rows that are named, those that wait, and the items of those that an event does not only add one to."""
    if projection.items is not None and projection.item_rows is not None:
        return _load_with_items(connection, projection, projection.items, projection.item_rows, touched)
    appends = projection.appends
    named = {key for touch in touched for key in keys_of(touch) if not (appends and key[-1] == touch[0])}
    waited = _waited(connection, projection, touched) - named
    gather = gathering(projection, touched)
    states = load_linked(connection, projection, named, waited, projection.waits, gather)
    may_wait = not waited.isdisjoint(states) or any(touch[1].kind in projection.refers for touch in touched)
    rows = Rows(dict(states), may_wait=may_wait)
    if gather and (linked := projection.linked) is not None:
        for above, key in ((above, key) for key, state in states.items() for above in linked.above(state)):
            rows.note(linked, above, key)
    return rows


def _waited(connection: psycopg.Connection, projection: Projection, touched: Sequence[Touched]) -> set[Key]:
    """Returns the rows that may wait for the events; there is nothing to look for where no row waits at all."""
    waiting = projection.waiting
    if waiting is None or not any_row(connection, projection.rows, projection.waits):
        return set()
    return {key for touch in touched if (key := waiting(touch[1])) is not None}


def _load_with_items(
    connection: psycopg.Connection, projection: Projection, items: Items, table: Table, touched: Sequence[Touched]
) -> Rows:
    changing, adding = set[Key](), set[Key]()
    for touch in touched:
        (adding if type(touch[3]) is First else changing).update(keys_of(touch))
    states = load_linked(connection, projection, changing, adding - changing, items.watched)
    watched = states.keys() - changing
    growing = adding - changing - watched
    if watched:
        touches = ((touch, key) for touch in touched for key in keys_of(touch) if key in watched)
        watched = {key for touch, key in touches if items.added(states[key], *touch[1:3]) is None}
    width = len(projection.key_columns)
    read: dict[Key, list[Row]] = {}
    for row in rows_of(connection, table, projection.key_columns, changing | watched):
        read.setdefault(row[:width], []).append(row[width:])
    return Rows(dict(states), {key: sorted(rows) for key, rows in read.items()}, read=read, growing=growing)


def _store(connection: psycopg.Connection, projection: Projection, loaded: Mapping[Key, State], rows: Rows, since: int) -> None:
    """Writes back what changed by events *since* a position."""
    encode = projection.encode
    new, changed, gone = list(rows.fresh.values()), [], []
    for key, state in rows.states.items():
        before = loaded.get(key)
        if state is before:
            continue
        if state is None:
            gone.append(key)
        elif before is None:
            new.append((*key, *encode(state)))
        else:
            changed.append((*key, *encode(state)))
    store(connection, projection.rows, new, changed, gone)
    if (table := projection.item_rows) is not None:
        _store_items(connection, table, rows)
    if projection.cells is not None:
        add_sums(connection, projection, rows.sums, since)


def _store_items(connection: psycopg.Connection, table: Table, rows: Rows) -> None:
    """Adds the items that are new and takes away those that are no more."""
    added, gone = rows.added, list[Key]()
    for key, now in rows.items.items():
        was = rows.read.get(key)
        if was is None:
            added += [(*key, *item) for item in now]
            continue
        known, kept = set(was), set(now)
        added += [(*key, *item) for item in now if item not in known]
        gone += [(*key, item[0]) for item in was if item not in kept]
    store(connection, table, added, (), gone)


def add_sums(connection: psycopg.Connection, projection: Projection, sums: Mapping[Key, Iterable[int]], since: int | None = None) -> None:
    """Adds what rows count now to the tables of their sums, and takes off what they counted before.

    *since* is the first position by which nothing was counted yet, if that is known.
    """
    assert projection.cells is not None
    cells = projection.cells
    for table, (name, columns) in zip(projection.sum_tables, cells.tables.items(), strict=True):
        key_of = itemgetter(*columns.values())
        moved: dict[Key, list[int]] = {}
        for key, values in sums.items():
            add(moved, ((key_of(key), tuple(values)),))
        if name == cells.by_position and since is not None:
            add_new(connection, table, {key: values for key, values in moved.items() if key[0] >= since})
            moved = {key: values for key, values in moved.items() if key[0] < since}
        add_up(connection, table, moved, below_zero=cells.below_zero)
