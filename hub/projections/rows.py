"""The rows of a view in the database: made, loaded by key with those above them, written back with the sums that they change."""

from collections.abc import Iterable, Mapping

import psycopg

from hub.projections.projection import Cells, Key, Projection, Row


def create_table(
    connection: psycopg.Connection,
    projection: Projection,
    table: str,
    key_columns: tuple[tuple[str, str], ...],
    value_columns: tuple[tuple[str, str], ...],
) -> bool:
    """Makes a table and returns whether it did; one of an older release gets the columns that it lacks, empty until it is rebuilt."""
    found = {name for (name,) in connection.execute(_COLUMNS, (f"views.{table}",)).fetchall()}
    if found:
        for name, kind in value_columns:
            if name not in found:
                connection.execute(f"ALTER TABLE views.{table} ADD COLUMN {name} {kind}".encode())
        return False
    columns = ", ".join(f"{name} {kind}" for name, kind in key_columns + value_columns)
    keys = ", ".join(name for name, _ in key_columns)
    connection.execute(f"CREATE TABLE views.{table} ({columns}, PRIMARY KEY ({keys})) WITH (fillfactor = 80)".encode())
    for index in projection.indexes if table == projection.table else ():
        column, _, condition = index.partition(" WHERE ")
        only = f" WHERE {condition}" if condition else ""
        connection.execute(f"CREATE INDEX ON views.{table} ({column}){only}".encode())
    return True


_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"


def load_linked(connection: psycopg.Connection, projection: Projection, keys: set[Key]) -> dict[Key, Row]:
    """Loads rows by key, and all rows above them."""
    rows = found = _load(connection, projection, keys)
    while projection.linked is not None and found:
        found = _load(connection, projection, {above for row in found.values() for above in projection.linked.above(row)} - rows.keys())
        rows |= found
    return rows


def _load(connection: psycopg.Connection, projection: Projection, keys: set[Key]) -> dict[Key, Row]:
    if not keys:
        return {}
    width = len(projection.key_columns)
    names = ", ".join(name for name, _ in projection.columns)
    key_names = ", ".join(name for name, _ in projection.key_columns)
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in projection.key_columns)
    statement = f"SELECT {names} FROM unnest({arrays}) k ({key_names}) JOIN views.{projection.table} USING ({key_names})"  # noqa: S608
    with connection.cursor(binary=True) as cursor:
        cursor.execute(statement.encode(), [list(column) for column in zip(*keys, strict=True)])
        return {row[:width]: row[width:] for row in cursor}


def store(connection: psycopg.Connection, projection: Projection, rows: Mapping[Key, Row], changed: Mapping[Key, Row | None]) -> None:
    """Writes the changed rows of a view and deletes those that became None."""
    kept = [(*key, *row) for key, row in changed.items() if row is not None]
    gone = [key for key, row in changed.items() if row is None and key in rows]
    names = ", ".join(name for name, _ in projection.columns)
    key_names = ", ".join(name for name, _ in projection.key_columns)
    if kept:
        arrays = ", ".join(f"%b::{kind}[]" for _, kind in projection.columns)
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name, _ in projection.value_columns)
        statement = f"""INSERT INTO views.{projection.table} ({names}) SELECT * FROM unnest({arrays})
            ON CONFLICT ({key_names}) DO UPDATE SET {updates}"""  # noqa: S608
        connection.execute(statement.encode(), [list(column) for column in zip(*kept, strict=True)], binary=True)
    if gone:
        arrays = ", ".join(f"%b::{kind}[]" for _, kind in projection.key_columns)
        connection.execute(
            f"DELETE FROM views.{projection.table} WHERE ({key_names}) IN (SELECT * FROM unnest({arrays}))".encode(),  # noqa: S608
            [list(column) for column in zip(*gone, strict=True)],
        )
    if projection.cells is not None:
        _add_up(connection, projection.name, projection.cells, ((rows.get(key), row) for key, row in changed.items()))


def _add_up(connection: psycopg.Connection, table: str, cells: Cells, versions: Iterable[tuple[Row | None, Row | None]]) -> None:
    """Adds to the sums what rows count now and takes off what they counted before; a sum of nothing has no row."""
    deltas: dict[Key, list[int]] = {}
    for before, after in versions:
        for row, sign in ((before, -1), (after, 1)):
            for key, values in cells.of(row) if row is not None else ():
                sums = deltas.setdefault(key, [0] * len(values))
                for column, value in enumerate(values):
                    sums[column] += sign * value
    moved = [(*key, *values) for key, values in sorted(deltas.items()) if any(values)]
    if not moved:
        return
    columns = cells.key_columns + cells.value_columns
    names, key_names = (", ".join(name for name, _ in some) for some in (columns, cells.key_columns))
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in columns)
    updates = ", ".join(f"{name} = {table}.{name} + EXCLUDED.{name}" for name, _ in cells.value_columns)
    statement = f"""INSERT INTO views.{table} ({names}) SELECT * FROM unnest({arrays})
        ON CONFLICT ({key_names}) DO UPDATE SET {updates}"""  # noqa: S608
    connection.execute(statement.encode(), [list(column) for column in zip(*moved, strict=True)])
    key_arrays = ", ".join(f"%b::{kind}[]" for _, kind in cells.key_columns)
    is_nothing = " AND ".join(f"{name} = 0" for name, _ in cells.value_columns)
    statement = f"DELETE FROM views.{table} WHERE ({key_names}) IN (SELECT * FROM unnest({key_arrays})) AND {is_nothing}"  # noqa: S608
    connection.execute(statement.encode(), [list(column) for column in zip(*moved, strict=True)][: len(cells.key_columns)])
