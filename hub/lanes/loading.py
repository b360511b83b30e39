"""The fresh tables of views that are loaded at once: without keys and indexes until all rows are there."""

from collections.abc import Iterable, Mapping, Sequence

import psycopg

from hub.lanes.folding import Folding
from hub.projections.ledgers import add_sums
from hub.projections.projection import CellView, Key, Row, Table, View
from hub.projections.rows import add_up, store


def without_keys(connection: psycopg.Connection, view: View) -> list[str]:
    """Takes the keys and indexes off a view's empty tables, and returns the statements that put them back."""
    statements = []
    for table in _loaded(view):
        rows = connection.execute(_INDEXES, (f"views.{table.name}",)).fetchall()
        for name, definition, is_key in rows:
            if is_key:
                keys = ", ".join(column for column, _ in table.key_columns)
                connection.execute(f"ALTER TABLE views.{table.name} DROP CONSTRAINT {name}".encode())
                statements.append(f"ALTER TABLE views.{table.name} ADD CONSTRAINT {name} PRIMARY KEY ({keys})")
            else:
                connection.execute(f"DROP INDEX views.{name}".encode())
                statements.append(definition)
    return statements


_INDEXES = """
    SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisprimary FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE i.indrelid = to_regclass(%s)"""


def _loaded(view: View) -> Sequence[Table]:
    """Returns the tables that rows are copied to; those of sums are small and added to with their keys."""
    if isinstance(view, CellView):
        return ()
    return (view.rows,) if view.item_rows is None else (view.rows, view.item_rows)


def copy_rows(connection: psycopg.Connection, folding: Folding) -> None:
    """Copies the rows of a fold to the tables of its view."""
    view = folding.view
    if isinstance(view, CellView):
        return
    encode, states = view.encode, folding.rows.states
    new = [(*key, *encode(state)) for key, state in states.items() if state is not None]
    store(connection, view.rows, [*folding.rows.fresh.values(), *new], (), ())
    if (table := view.item_rows) is not None:
        store(connection, table, list(_items(folding.rows.items)), (), ())


def _items(items: dict[Key, list[Row]]) -> Iterable[Row]:
    """Yields the items of all rows; of two with one name the first stays."""
    for key, some in items.items():
        seen = set()
        for item in some:
            if item[0] not in seen:
                seen.add(item[0])
                yield (*key, *item)


def take_rows(connection: psycopg.Connection, view: View, foldings: Sequence[Folding]) -> None:
    """Takes the rows of some folds of a view off its tables again, at once: without keys each statement reads a whole table."""
    if isinstance(view, CellView):
        return
    rows = {key for folding in foldings for key, state in folding.rows.states.items() if state is not None}
    rows |= {key for folding in foldings for key in folding.rows.fresh}
    store(connection, view.rows, (), (), list(rows))
    if (table := view.item_rows) is not None:
        items = {(*key, item[0]) for folding in foldings for key, some in folding.rows.items.items() for item in some}
        store(connection, table, (), (), list(items))


def load_sums(connection: psycopg.Connection, view: View, sums: Mapping[Key, Sequence[int]]) -> None:
    """Adds what was added to a view's sums to the tables that have them."""
    if isinstance(view, CellView):
        add_up(connection, view.tables[0], sums, view.greatest, below_zero=view.below_zero)
    elif view.cells is not None:
        add_sums(connection, view, sums)
