"""Rebuilds a view beside the live one, compares both digest for digest at one position, and switches.

Views that move as one do so here too: the last step takes all of them to that position, and a switch leaves them there.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.journal.reader import head_position
from hub.journal.sessions import alone
from hub.projections import moving_with
from hub.projections.engine import View, advance, checkpoint_and_head, create_view, parked_keys, positions
from hub.projections.projection import FRESH, Key
from hub.projections.together import advance_as_one

# Fills the fresh tables of a view with what they are at some position.
Begin = Callable[[psycopg.Connection, View], None]


class ParkedEventsPreventSwitch(HubError):
    """The view has parked events; look at `hub fsck`, mend the projection and rebuild again."""


class RebuildUnderWay(HubError):
    """The view is being rebuilt or checked by another process already; wait for it."""


class RebuiltViewDiffers(HubError):
    """The rebuilt view differs from the live one at the same position; keep both and investigate."""


def digest(connection: psycopg.Connection, view: View) -> str:
    """Returns the SM3 of all rows in key order and of what is parked; reads the table as a stream."""
    live_name = view.name.removesuffix(FRESH)
    hasher = hashlib.new("sm3", live_name.encode())
    statements = [f"SELECT key, position, error FROM views.parked WHERE view = '{view.name}' ORDER BY key, position"]  # noqa: S608
    for table in view.tables:
        key_names, names = (", ".join(name for name, _ in columns) for columns in (table.key_columns, table.columns))
        statements.append(f"SELECT {names} FROM views.{table.name} ORDER BY {key_names}")  # noqa: S608
    for statement in statements:
        with connection.cursor() as cursor, cursor.copy(f"COPY ({statement}) TO STDOUT (FORMAT BINARY)".encode()) as copy:
            for block in copy:
                hasher.update(block)
    return hasher.hexdigest()


class Place(NamedTuple):
    """Where two views differ first: a table and the key of a row, ("parked", ()) where all rows are the same."""

    table: str = ""
    key: Key = ()
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        """How it is shown, "" where nothing differs."""
        named = zip(self.names, self.key, strict=True)
        said = ", ".join(f"{name} {value.hex() if isinstance(value, bytes) else value}" for name, value in named)
        return f"views.{self.table}{f': {said}' if said else ''}" if self.table else ""


NOWHERE = Place()


def first_difference(connection: psycopg.Connection, view: View, fresh: View) -> Place:
    """Returns the first row that is not the same in both."""
    for table, other in zip(view.tables, fresh.tables, strict=True):
        keys, columns = (", ".join(name for name, _ in named) for named in (table.key_columns, table.columns))
        live, rebuilt = f"SELECT {columns} FROM views.{table.name}", f"SELECT {columns} FROM views.{other.name}"  # noqa: S608
        statement = f"""SELECT {keys} FROM (({live} EXCEPT {rebuilt}) UNION ALL ({rebuilt} EXCEPT {live})) d ORDER BY {keys} LIMIT 1"""  # noqa: S608
        if (row := connection.execute(statement.encode()).fetchone()) is not None:
            return Place(table.name, tuple(row), tuple(name for name, _ in table.key_columns))
    return Place("parked")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild found: both digests at one position, and whether the fresh table took the live one's place.

    *place* is the first row that differs.
    """

    view: str
    position: int
    live_digest: str
    fresh_digest: str
    switched: bool
    place: Place = NOWHERE

    @property
    def is_equal(self) -> bool:
        """Whether live and rebuilt are the same, digest for digest."""
        return self.live_digest == self.fresh_digest


def rebuild(
    connection: psycopg.Connection,
    view: View,
    *,
    switch: bool = True,
    even_if_different: bool = False,
    begin: Begin = lambda _connection, _view: None,
    report: Callable[[str, int, int], None] = lambda _view, _done, _head: None,
) -> Rebuilt:
    """Rebuilds a view beside the live one, compares both at one position and switches.

    It begins with position 1, unless *begin* fills the fresh tables with what they are at a later one.
    The live view goes on until the last step, which holds its checkpoint for the time of a catch-up and two digests.
    Raises RebuildUnderWay, RebuiltViewDiffers unless *even_if_different* (after a change of the projection they should differ),
    and ParkedEventsPreventSwitch. *report* gets (view, position done, head).
    """
    # A second rebuild would take the fresh table of the first.
    with alone(connection, f"hub.rebuild.{view.name}", RebuildUnderWay(view=view.name)):
        fresh_copy(connection, view)
        try:
            begin(connection, view)
        except BaseException:
            drop_fresh(connection, view)
            raise
        return catch_up_and_switch(connection, view, switch=switch, even_if_different=even_if_different, report=report)


def catch_up_and_switch(
    connection: psycopg.Connection,
    view: View,
    *,
    switch: bool,
    even_if_different: bool,
    report: Callable[[str, int, int], None],
) -> Rebuilt:
    """Folds the fresh tables up to the head, from wherever they are, then does what `rebuild` does last. The caller has its lock."""
    fresh = replace(view, name=view.name + FRESH)
    while advance(connection, fresh):
        report(view.name, positions(connection, [fresh])[fresh.name], head_position(connection))
    with connection.transaction():
        as_one = moving_with(view)
        names = sorted(one.name for one in as_one)
        position = max(checkpoint_and_head(connection, name)[0] for name in (*names, fresh.name))
        while advance_as_one(connection, as_one, through=position).moved:
            pass
        while advance(connection, fresh, through=position):
            pass
        result = Rebuilt(view.name, position, digest(connection, view), digest(connection, fresh), switch)
        if not result.is_equal:
            result = replace(result, place=first_difference(connection, view, fresh))
        refusal = _refusal(connection, fresh, result, even_if_different) if switch else None
        is_switched = switch and refusal is None
        if is_switched:
            _switch(connection, view, fresh)
        _note_verification(connection, result, is_equal=is_switched or result.is_equal)
    if refusal is not None:
        raise refusal
    if not switch:
        drop_fresh(connection, view)
    return result


class Verification(NamedTuple):
    """Whether a view was equal to its rebuild when it was last rebuilt, at which position and when."""

    view: str
    position: int
    is_equal: bool
    checked_us: int


def verifications(connection: psycopg.Connection) -> list[Verification]:
    """Returns what the last rebuild of each view found."""
    rows = connection.execute(
        "SELECT view, position, is_equal, (extract(epoch FROM checked_at) * 1000000)::bigint FROM views.verification ORDER BY view"
    ).fetchall()
    return [Verification(*row) for row in rows]


def _note_verification(connection: psycopg.Connection, result: Rebuilt, *, is_equal: bool) -> None:
    """Writes down whether the table that is live now is equal to its rebuild: the running hub reads it there."""
    connection.execute(
        """INSERT INTO views.verification (view, position, is_equal, checked_at) VALUES (%s, %s, %s, clock_timestamp())
           ON CONFLICT (view) DO UPDATE
           SET position = EXCLUDED.position, is_equal = EXCLUDED.is_equal, checked_at = EXCLUDED.checked_at""",
        (result.view, result.position, is_equal),
    )


def fresh_copy(connection: psycopg.Connection, view: View) -> View:
    """Makes an empty table beside the live one and returns the projection that fills it."""
    fresh = replace(view, name=view.name + FRESH)
    drop_fresh(connection, view)
    with connection.transaction():
        create_view(connection, fresh)
    return fresh


def _refusal(connection: psycopg.Connection, fresh: View, result: Rebuilt, even_if_different: bool) -> HubError | None:
    """Returns why the fresh table may not take the live one's place."""
    if not result.is_equal and not even_if_different:
        return RebuiltViewDiffers(view=result.view, position=result.position)
    return ParkedEventsPreventSwitch(view=result.view) if parked_keys(connection, [fresh.name]) else None


def _switch(connection: psycopg.Connection, view: View, fresh: View) -> None:
    for old, new in zip(view.tables, fresh.tables, strict=True):
        connection.execute(f"DROP TABLE IF EXISTS views.{old.name}".encode())
        connection.execute(f"ALTER TABLE views.{new.name} RENAME TO {old.name}".encode())
    connection.execute("DELETE FROM views.parked WHERE view = %s", (view.name,))
    connection.execute("DELETE FROM views.checkpoint WHERE view = %s", (fresh.name,))


def drop_fresh(connection: psycopg.Connection, view: View) -> None:
    """Removes what a rebuild left behind."""
    name = view.name + FRESH
    with connection.transaction():
        for table in replace(view, name=name).tables:
            connection.execute(f"DROP TABLE IF EXISTS views.{table.name}".encode())
        connection.execute("DELETE FROM views.checkpoint WHERE view = %s", (name,))
        connection.execute("DELETE FROM views.parked WHERE view = %s", (name,))
