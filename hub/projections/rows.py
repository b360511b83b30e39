"""The rows of a view in the database: made, loaded by key with those above them, written back; and sums that rows are added to."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import psycopg

from hub.projections.packing import array, arrays, copied, packed_rows
from hub.projections.projection import Key, Projection, Row, State, Table


def create_table(connection: psycopg.Connection, table: Table) -> bool:
    """Makes a table and returns whether it did; one of an older release gets the columns that it lacks, empty until it is rebuilt."""
    found = {name for (name,) in connection.execute(_COLUMNS, (f"views.{table.name}",)).fetchall()}
    if found:
        for name, kind in table.value_columns:
            if name not in found:
                connection.execute(f"ALTER TABLE views.{table.name} ADD COLUMN {name} {kind}".encode())
        return False
    columns = ", ".join(f"{name} {kind}" for name, kind in table.columns)
    connection.execute(
        f"CREATE TABLE views.{table.name} ({columns}, PRIMARY KEY ({_names(table.key_columns)})) WITH (fillfactor = 80)".encode()
    )
    for index in table.indexes:
        column, _, condition = index.partition(" WHERE ")
        method, _, columns = column.rpartition(": ")
        only = f" WHERE {condition}" if condition else ""
        connection.execute(f"CREATE INDEX ON views.{table.name} USING {method or 'btree'} ({columns}){only}".encode())
    return True


def are_there(connection: psycopg.Connection, tables: Iterable[Table], others: Iterable[str]) -> bool:
    """Whether all tables are there, with all their columns, and the *others*, by name."""
    found: dict[str, set[str]] = {name: set(columns) for name, columns in connection.execute(_ALL_COLUMNS).fetchall()}
    return found.keys() >= set(others) and all(
        table.name in found and found[table.name].issuperset(name for name, _ in table.value_columns) for table in tables
    )


_ALL_COLUMNS = """
    SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace('views') AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped GROUP BY c.oid"""
_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"


def _names(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(name for name, _ in columns)


def _unnested(columns: Iterable[tuple[str, str]]) -> str:
    return f"unnest({', '.join(f'%b::{kind}[]' for _, kind in columns)})"


def load_linked(
    connection: psycopg.Connection, projection: Projection, keys: set[Key], others: set[Key], only: str, gather: Collection[Key] = ()
) -> dict[Key, State]:
    """Loads rows by key, and all rows above them, decoded; of *others* only those of which a condition of SQL is true.

    Of those that *gather* the rows below them are loaded too.
    """
    states = found = _load(connection, projection, keys) | _load(connection, projection, others, only)
    if gather:
        states = found = states | _load_below(connection, projection, gather)
    while projection.linked is not None and found:
        named = {above for state in found.values() for above in projection.linked.above(state)}
        found = _load(connection, projection, named - states.keys())
        states |= found
    return states


def _load(connection: psycopg.Connection, projection: Projection, keys: set[Key], only: str = "true") -> dict[Key, State]:
    width, decode = len(projection.key_columns), projection.decode
    return {row[:width]: decode(row[width:]) for row in rows_of(connection, projection.rows, projection.key_columns, keys, only)}


def _load_below(connection: psycopg.Connection, projection: Projection, keys: Iterable[Key]) -> dict[Key, State]:
    """Loads the rows that have the value of one of some keys in one of the columns for it."""
    width, decode = len(projection.key_columns), projection.decode
    below = projection.linked.below if projection.linked is not None else None
    values = sorted({value for key in keys if below is not None and (value := below.value(key)) is not None})
    if below is None or not values:
        return {}
    names, table = ", ".join(f"t.{name}" for name, _ in projection.rows.columns), projection.rows.name
    found: dict[Key, State] = {}
    with connection.cursor(binary=True) as cursor:
        for column in below.columns:
            statement = f"SELECT {names} FROM unnest(%b::bytea[]) k JOIN views.{table} t ON t.{column} = k"  # noqa: S608 (our own names)
            rows = cursor.execute(statement.encode(), (array("bytea", values),)).fetchall()
            found |= {row[:width]: decode(row[width:]) for row in rows}
    return found


def rows_of(
    connection: psycopg.Connection, table: Table, key_columns: Sequence[tuple[str, str]], keys: Iterable[Key], only: str = "true"
) -> Iterable[Row]:
    """Reads the rows of a table by key, or by the first columns of its key; *only* those of which a condition of SQL is true."""
    if not (wanted := list(keys)):
        return ()
    statement = f"""SELECT {_names(table.columns)} FROM {_unnested(key_columns)} k ({_names(key_columns)})
        JOIN views.{table.name} USING ({_names(key_columns)}) WHERE {only}"""  # noqa: S608 (names of our own views)
    with connection.cursor(binary=True) as cursor:
        return cursor.execute(statement.encode(), arrays(key_columns, wanted)).fetchall()


def any_row(connection: psycopg.Connection, table: Table, only: str) -> bool:
    """Whether there is a row of which a condition of SQL is true."""
    return connection.execute(f"SELECT FROM views.{table.name} WHERE {only} LIMIT 1".encode()).fetchone() is not None


def store(connection: psycopg.Connection, table: Table, new: Sequence[Row], changed: Sequence[Row], gone: Sequence[Key]) -> None:
    """Writes rows (keys first) of a table: those that are not there yet, those that are, and takes those away that are no more."""
    if new:
        _copy(connection, table, new)
    if changed:
        updates = ", ".join(f"{name} = EXCLUDED.{name}" for name, _ in table.value_columns)
        statement = f"""INSERT INTO views.{table.name} ({_names(table.columns)}) SELECT * FROM {_unnested(table.columns)}
            ON CONFLICT ({_names(table.key_columns)}) DO UPDATE SET {updates}"""  # noqa: S608
        connection.execute(statement.encode(), arrays(table.columns, changed))
    if gone:
        _delete(connection, table, gone)


def _copy(connection: psycopg.Connection, table: Table, rows: Sequence[Row]) -> None:
    copy_packed(connection, table, packed_rows([kind for _, kind in table.columns], rows))


def copy_packed(connection: psycopg.Connection, table: Table, rows: Iterable[bytes | memoryview]) -> None:
    """Copies rows that are packed already; several may be in one piece."""
    statement = f"COPY views.{table.name} ({_names(table.columns)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        copy.write(copied(rows))


def add_new(connection: psycopg.Connection, table: Table, moved: Mapping[Key, Sequence[int]]) -> None:
    """Writes the sums of cells of which none is there yet."""
    if rows := [(*key, *values) for key, values in sorted(moved.items()) if any(values)]:
        _copy(connection, table, rows)


def add_up(
    connection: psycopg.Connection,
    table: Table,
    moved: Mapping[Key, Sequence[int]],
    greatest: frozenset[str] = frozenset(),
    *,
    below_zero: bool = False,
) -> None:
    """Adds to the sums of a table, of all cells in one statement; a cell whose sums are nothing has no row."""
    rows = [(*key, *values) for key, values in sorted(moved.items()) if any(values)]
    if not rows:
        return
    updates = ", ".join(
        f"{name} = GREATEST(t.{name}, EXCLUDED.{name})" if name in greatest else f"{name} = t.{name} + EXCLUDED.{name}"
        for name, _ in table.value_columns
    )
    keys, may_end = _names(table.key_columns), below_zero or any(value < 0 for row in rows for value in row[len(table.key_columns) :])
    statement = f"""INSERT INTO views.{table.name} AS t ({_names(table.columns)}) SELECT * FROM {_unnested(table.columns)}
        ON CONFLICT ({keys}) DO UPDATE SET {updates}"""  # noqa: S608
    # Only where something was taken off may nothing be left, or was added to what was below zero. The server says of which cells.
    if may_end:
        is_nothing = " AND ".join(f"{name} = 0" for name, _ in table.value_columns)
        statement = f"WITH moved AS ({statement} RETURNING t.*) SELECT {keys} FROM moved WHERE {is_nothing}"  # noqa: S608
    found = connection.execute(statement.encode(), arrays(table.columns, rows))
    if may_end and (ended := found.fetchall()):
        _delete(connection, table, ended)


def _delete(connection: psycopg.Connection, table: Table, keys: Sequence[Key]) -> None:
    statement = f"""DELETE FROM views.{table.name}
        WHERE ({_names(table.key_columns)}) IN (SELECT * FROM {_unnested(table.key_columns)})"""  # noqa: S608
    connection.execute(statement.encode(), arrays(table.key_columns, keys))
