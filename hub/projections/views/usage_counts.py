"""Asks for counts of uses: of which business days and cells, and as they were known at which position.

`usage_delta` has what changed on each day of knowing. What changed on the day of the position itself, until there or from there on, is in
the rows of the facts: each says what it counted since which position. So a count is exact at any position, and no change costs a row of
its own.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

import psycopg

from hub.domain.errors import ViewBehind
from hub.domain.instants import day_text, epoch_day
from hub.domain.netting import Counted
from hub.domain.usage import UsageCell
from hub.journal.times import last_position_by, recorded_at
from hub.projections.views.usage_facts import Known, decode

_DAY_S = 86_400
# The hub's days are China's.
_LOCAL_S = 8 * 3_600
PAGE_ROWS = 10_000


class Wanted(NamedTuple):
    """Which cells are asked for: business days from *day* through *until*; a field that is empty says any."""

    day: str = ""
    until: str = ""
    issuer: str = ""
    region: str = ""
    scenario: str = ""

    def has(self, cell: UsageCell) -> bool:
        """Whether a cell is asked for."""
        if self.day and not self.day <= cell.day <= (self.until or self.day):
            return False
        asked = ((self.issuer, cell.issuer), (self.region, cell.region), (self.scenario, cell.scenario))
        return all(one in ("", other) for one, other in asked)


class Counts(NamedTuple):
    """The counts of cells that are not nothing, in their order, and the position they were known at."""

    position: int
    cells: tuple[Counted, ...]

    @property
    def sum(self) -> tuple[int, int]:
        """All uses and all money."""
        return sum(one.uses for one in self.cells), sum(one.fen for one in self.cells)


def counts(connection: psycopg.Connection, wanted: Wanted, known_position: int | None = None) -> Counts:
    """Returns the counts as they were known at a position, None for the newest that the view has reached; raises ViewBehind."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reached = reached_by(connection)
        position = reached if known_position is None else known_position
        if position > reached:
            raise ViewBehind(as_of_position=reached)
        summed = _newest(connection, wanted) if position == reached else _known_at(connection, wanted, position, reached)
    found = tuple(Counted(cell, uses, fen) for cell, (uses, fen) in sorted(summed.items()) if (uses, fen) != (0, 0))
    return Counts(position, found)


def learnt(connection: psycopg.Connection, wanted: Wanted) -> list[tuple[str, int, int]]:
    """Returns by how much the counts of some cells changed on each day on which the hub learnt of uses: (day, uses, fen), in order."""
    rows = connection.execute(_LEARNT, _parameters(wanted)).fetchall()
    return [(day, int(uses), int(fen)) for day, uses, fen in rows]


def changed(connection: psycopg.Connection, after: int, until: int) -> dict[UsageCell, tuple[int, int]]:
    """Returns what changed between two positions, the second one included, by cell; raises ViewBehind.

    It is the difference of the counts as known at both, at the cost of what changed and not of all that was ever counted.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        reached = reached_by(connection)
        if until > reached:
            raise ViewBehind(as_of_position=reached)
        first, last = _edge(connection, after), _edge(connection, until)
        if first.day == last.day:
            # Both lie within one day of knowing: only what changed between them is read.
            return _not_nothing(moved_between(connection, after, until))
        rows = connection.execute(_BETWEEN, {"first": first.day, "last": last.day}).fetchall()
        moved = {UsageCell(*row[:4]): (int(row[4]), int(row[5])) for row in rows}
        for sign, edge in ((-1, first), (1, last)):
            _move_between(connection, moved, Wanted(), edge, sign)
    return _not_nothing(moved)


def _not_nothing(moved: dict[UsageCell, tuple[int, int]]) -> dict[UsageCell, tuple[int, int]]:
    return {cell: one for cell, one in moved.items() if one != (0, 0)}


class _Edge(NamedTuple):
    """A position within its day of knowing, and the last position before that day, or where else counting begins."""

    day: str
    before: int
    position: int


def _edge(connection: psycopg.Connection, position: int) -> _Edge:
    at_us = recorded_at(connection, position)
    if at_us is None:
        return _Edge("", 0, 0)
    day = day_text(epoch_day(at_us))
    return _Edge(day, last_position_by(connection, _begin_us(day) - 1), position)


def _move_between(connection: psycopg.Connection, summed: dict[UsageCell, tuple[int, int]], wanted: Wanted, edge: _Edge, sign: int) -> None:
    """Adds, or takes off, what changed between both positions of an edge."""
    for cell, (uses, fen) in moved_between(connection, edge.before, edge.position).items() if edge.position else ():
        if wanted.has(cell):
            before = summed.get(cell, (0, 0))
            summed[cell] = before[0] + sign * uses, before[1] + sign * fen


def moved_between(connection: psycopg.Connection, after: int, until: int) -> dict[UsageCell, tuple[int, int]]:
    """Adds up what facts whose counts changed between two positions counted at the second one, less what they did at the first."""
    moved: dict[UsageCell, tuple[int, int]] = {}
    for history in _histories(connection, after, until):
        _move(moved, _at(history, after), -1)
        _move(moved, _at(history, until), 1)
    return moved


def reached_by(connection: psycopg.Connection) -> int:
    """Returns the position that the counts have reached; raises ViewBehind where no view was ever made."""
    try:
        row = connection.execute("SELECT position FROM views.checkpoint WHERE view = 'daily_usage'").fetchone()
    except psycopg.errors.UndefinedTable:
        raise ViewBehind(as_of_position=0) from None
    return int(row[0]) if row is not None else 0


class Flow(NamedTuple):
    """How often cards of a province were used in a region, for a group of scenarios, "" where none was given."""

    issuer: str
    region: str
    group: str
    uses: int


def flows(connection: psycopg.Connection, day: str, until: str) -> list[Flow]:
    """Returns the uses of some business days by issuing province, region and group of scenarios, added up by the database."""
    rows = connection.execute(_FLOWS, {"day": day, "until": until}).fetchall()
    return [Flow(issuer, region, group, int(uses)) for issuer, region, group, uses in rows]


class Use(NamedTuple):
    """How often cards of a province were used on a business day for a scenario, "" where none was given."""

    day: str
    issuer: str
    scenario: str
    uses: int


def uses_in(connection: psycopg.Connection, regions: Iterable[str], day: str, until: str) -> list[Use]:
    """Returns the uses in some regions, together, on some business days."""
    rows = connection.execute(_USES_IN, {"regions": list(regions), "day": day, "until": until}).fetchall()
    return [Use(day, issuer, scenario, int(uses)) for day, issuer, scenario, uses in rows]


def _newest(connection: psycopg.Connection, wanted: Wanted) -> dict[UsageCell, tuple[int, int]]:
    rows = connection.execute(_NEWEST, _parameters(wanted)).fetchall()
    return {UsageCell(*row[:4]): (int(row[4]), int(row[5])) for row in rows}


def _known_at(connection: psycopg.Connection, wanted: Wanted, position: int, reached: int) -> dict[UsageCell, tuple[int, int]]:
    """Adds up what was known before the day of the position and what changed from there; or after that day, less what changed until there.

    What changed is read fact by fact, so it is read on the shorter side.
    """
    edge = _edge(connection, position)
    if not edge.position:
        return {}
    next_day = day_text(epoch_day(_begin_us(edge.day)) + 1)
    end = min(reached, last_position_by(connection, _begin_us(next_day) - 1))
    is_early = position - edge.before <= end - position
    rows = connection.execute(_BEFORE, {**_parameters(wanted), "known_day": edge.day if is_early else next_day}).fetchall()
    summed = {UsageCell(*row[:4]): (int(row[4]), int(row[5])) for row in rows}
    if is_early:
        _move_between(connection, summed, wanted, edge, 1)
    else:
        _move_between(connection, summed, wanted, _Edge(edge.day, position, end), -1)
    return summed


def _histories(connection: psycopg.Connection, before: int, position: int) -> Iterator[tuple[Known, ...]]:
    """Yields what the facts counted since when, of all facts whose counts changed after *before* and not only after *position*."""
    with connection.cursor("usage_histories") as cursor:
        cursor.itersize = PAGE_ROWS
        cursor.execute(_CHANGED, {"before": before, "position": position})
        for row in cursor:
            yield decode(row).history


def _at(history: Iterable[Known], position: int) -> tuple[Counted, ...]:
    counted: tuple[Counted, ...] = ()
    for known in history:
        if known.position > position:
            break
        counted = known.counted
    return counted


def _move(summed: dict[UsageCell, tuple[int, int]], counted: Iterable[Counted], sign: int) -> None:
    for cell, uses, fen in counted:
        before = summed.get(cell, (0, 0))
        summed[cell] = (before[0] + sign * uses, before[1] + sign * fen)


def _begin_us(day: str) -> int:
    """Returns the first instant of a day in +08:00."""
    return ((date.fromisoformat(day) - date(1970, 1, 1)) // timedelta(days=1) * _DAY_S - _LOCAL_S) * 1_000_000


def _parameters(wanted: Wanted) -> dict[str, str]:
    return {**wanted._asdict(), "until": wanted.until or wanted.day}


_CELLS = """
      AND (%(issuer)s = '' OR issuer = %(issuer)s) AND (%(region)s = '' OR region = %(region)s)
      AND (%(scenario)s = '' OR scenario = %(scenario)s)"""
_NEWEST = f"""
    SELECT day, issuer, region, scenario, uses, amount_fen FROM views.daily_usage
    WHERE (%(day)s = '' OR day BETWEEN %(day)s AND %(until)s) {_CELLS}"""  # noqa: S608 (our own text)
_FLOWS = """
    SELECT issuer, region, split_part(scenario, '.', 1), sum(uses) FROM views.daily_usage
    WHERE day BETWEEN %(day)s AND %(until)s GROUP BY 1, 2, 3 HAVING sum(uses) <> 0"""
_USES_IN = """
    SELECT day, issuer, scenario, sum(uses) FROM views.daily_usage
    WHERE day BETWEEN %(day)s AND %(until)s AND region = ANY (%(regions)s) GROUP BY 1, 2, 3 HAVING sum(uses) <> 0 ORDER BY 1, 2, 3"""
_BEFORE = f"""
    SELECT business_day, issuer, region, scenario, sum(uses), sum(amount_fen) FROM views.usage_delta
    WHERE known_day < %(known_day)s AND (%(day)s = '' OR business_day BETWEEN %(day)s AND %(until)s) {_CELLS}
    GROUP BY business_day, issuer, region, scenario"""  # noqa: S608 (our own text)
_LEARNT = f"""
    SELECT known_day, sum(uses), sum(amount_fen) FROM views.usage_delta
    WHERE (%(day)s = '' OR business_day BETWEEN %(day)s AND %(until)s) {_CELLS}
    GROUP BY known_day ORDER BY known_day"""  # noqa: S608 (our own text)
_BETWEEN = """
    SELECT business_day, issuer, region, scenario, sum(uses), sum(amount_fen) FROM views.usage_delta
    WHERE known_day >= %(first)s AND known_day < %(last)s GROUP BY 1, 2, 3, 4"""
_CHANGED = """
    SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
    WHERE changed_position > %(before)s AND changed_position <= %(position)s
    UNION ALL
    SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
    WHERE was_changed AND changed_position > %(position)s AND first_position <= %(position)s
    UNION ALL
    SELECT card, above, tellings, counted, finding_count FROM views.daily_usage_facts
    WHERE was_changed AND changed_position > %(position)s AND first_position IS NULL"""
