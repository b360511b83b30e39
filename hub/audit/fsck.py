"""Checks what must always hold over a running or stopped hub: one order without holes, in the journal and in each feed; views = rebuilt.

It reads in bounded pages of positions, so it does not hold an old snapshot open; it changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from hub.domain.pseudonym import clear_paths
from hub.domain.texts import identifiers_in_texts
from hub.journal.reader import read_page
from hub.journal.sessions import session
from hub.journal.tombstones import unburied
from hub.projections import PROJECTIONS
from hub.projections.rebuild import rebuild

PAGE_POSITIONS = 200_000
_IDENTIFIERS_PAGE = 10_000

Report = Callable[[str, int, int], None]


@dataclass(slots=True)
class Checked:
    """What was checked and what is wrong; *holes* counts missing positions and missing sequences."""

    head: int = 0
    events: int = 0
    holes: int = 0
    clear_identifiers: int = 0
    views: dict[str, bool] = field(default_factory=dict)
    parked: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether everything holds."""
        return not self.problems


def check(dsn: str, report: Report = lambda _what, _done, _of: None, *, with_views: bool = True, with_identifiers: bool = False) -> Checked:
    """Checks the journal and, if wanted, every view against a rebuild and every stored message for identifiers in clear."""
    checked = Checked()
    with session(dsn, "hub_projector", "hub-fsck") as connection:
        _check_head(connection, checked)
        _check_positions(connection, checked, report)
        _check_tombstones(connection, checked)
        if with_identifiers:
            _check_identifiers(connection, checked, report)
        if with_views:
            _check_views(connection, checked, report)
    return checked


def _check_head(connection: psycopg.Connection, checked: Checked) -> None:
    row: Any = connection.execute("SELECT position, (SELECT max(position) FROM journal.event) FROM journal.head").fetchone()
    checked.head, last = row
    if last is not None and last > checked.head:
        checked.problems.append(f"position {last} stands beyond the head at {checked.head}")


def _check_positions(connection: psycopg.Connection, checked: Checked, report: Report) -> None:
    last_sequences: dict[int, int] = {}
    for after in range(0, checked.head, PAGE_POSITIONS):
        through = min(after + PAGE_POSITIONS, checked.head)
        runs = connection.execute(_RUNS, {"after": after, "through": through}).fetchall()
        events = sum(run[1] for run in runs)
        checked.events += events
        if events != through - after:
            checked.holes += through - after - events
            checked.problems.append(f"positions {after + 1} to {through}: {through - after - events} missing")
        for run in runs:
            _check_run(checked, last_sequences, *run)
        for statement, problem in _FAULTS:
            rows = connection.execute(statement, {"after": after, "through": through}).fetchall()
            checked.problems += [problem.format(*row) for row in rows]
        report("positions", through, checked.head)
    _check_stream_ends(connection, checked, last_sequences)


def _check_run(checked: Checked, last_sequences: dict[int, int], stream_id: int, count: int, lowest: int, highest: int, jumps: int) -> None:
    """A page's events of a stream are one run of numbers that goes on where the page before ended."""
    last = last_sequences.get(stream_id, min(lowest, 1) - 1)
    if jumps or highest - lowest + 1 != count or lowest != last + 1:
        checked.holes += 1
        checked.problems.append(f"stream {stream_id}: numbers {lowest} to {highest} do not follow {last} without hole and in order")
    last_sequences[stream_id] = highest


def _check_stream_ends(connection: psycopg.Connection, checked: Checked, last_sequences: dict[int, int]) -> None:
    """Compares each stream's row with its batches and events; events newer than the head that was read are allowed for."""
    # The rows are read first: what is appended in between makes *newer* larger, which is allowed for, never smaller.
    streams = connection.execute(_STREAMS).fetchall()
    newer: dict[int, int] = dict(
        connection.execute("SELECT stream_id, count(*) FROM journal.event WHERE position > %s GROUP BY 1", (checked.head,)).fetchall()
    )
    for stream_id, name, next_sequence, last_batched in streams:
        last = last_sequences.get(stream_id, min(next_sequence, 1) - 1)
        if not last + 1 <= next_sequence <= last + 1 + newer.get(stream_id, 0):
            checked.problems.append(f"stream {name}: its row expects {next_sequence}, its events end with {last}")
        elif last_batched is not None and last_batched + 1 != next_sequence:
            checked.problems.append(f"stream {name}: its row expects {next_sequence}, its batches end with {last_batched}")
    rows = connection.execute(_BATCH_GAPS).fetchall()
    checked.holes += len(rows)
    checked.problems += [f"stream {stream_id}: batch at {first} does not follow the one before" for stream_id, first in rows]


def _check_tombstones(connection: psycopg.Connection, checked: Checked) -> None:
    """What the journal says was erased is erased; the vault is open to the writer's role alone."""
    connection.execute("SET ROLE hub_writer")
    checked.problems += unburied(connection)
    connection.execute("SET ROLE hub_projector")


# A page by stream: how many events, from which number to which, and how many do not follow the one before them.
_RUNS = """
    SELECT stream_id, count(*), min(sequence), max(sequence), count(*) FILTER (WHERE sequence <> before + 1) FROM (
        SELECT stream_id, sequence, lag(sequence) OVER (PARTITION BY stream_id ORDER BY position) AS before
        FROM journal.event WHERE position > %(after)s AND position <= %(through)s) e
    GROUP BY stream_id ORDER BY stream_id"""
_FAULTS = (
    (
        """SELECT position, before FROM (
            SELECT position, recorded_at, lag(position) OVER w AS before, lag(recorded_at) OVER w AS recorded_before
            FROM journal.event WHERE position >= %(after)s AND position <= %(through)s WINDOW w AS (ORDER BY position)) e
        WHERE recorded_at < recorded_before LIMIT 10""",
        "position {}: recorded before position {}",
    ),
    (
        """SELECT b.stream_id, b.first_sequence FROM journal.batch b
        LEFT JOIN journal.event f ON f.position = b.first_position
        LEFT JOIN journal.event l ON l.position = b.first_position + b.last_sequence - b.first_sequence
        WHERE b.first_position > %(after)s AND b.first_position <= %(through)s
          AND (f.stream_id, f.sequence, l.stream_id, l.sequence)
              IS DISTINCT FROM (b.stream_id, b.first_sequence, b.stream_id, b.last_sequence) LIMIT 10""",
        "stream {}: batch at {} does not lead to its events",
    ),
)
_STREAMS = """
    SELECT s.stream_id, s.name, s.next_sequence,
           (SELECT b.last_sequence FROM journal.batch b WHERE b.stream_id = s.stream_id ORDER BY b.first_sequence DESC LIMIT 1)
    FROM journal.stream s ORDER BY s.stream_id"""
_BATCH_GAPS = """
    SELECT b.stream_id, b.first_sequence FROM (
        SELECT stream_id, first_sequence, lag(last_sequence) OVER (PARTITION BY stream_id ORDER BY first_sequence) AS before
        FROM journal.batch) b WHERE b.first_sequence <> b.before + 1"""


def _check_identifiers(connection: psycopg.Connection, checked: Checked, report: Report) -> None:
    for after in range(0, checked.head, _IDENTIFIERS_PAGE):
        through = min(after + _IDENTIFIERS_PAGE, checked.head)
        for recorded in read_page(connection, after, through):
            for path in clear_paths(recorded.event):
                checked.clear_identifiers += 1
                checked.problems.append(f"position {recorded.position}: {path} stands in clear")
            for path, kind in identifiers_in_texts(recorded.event):
                checked.clear_identifiers += 1
                checked.problems.append(f"position {recorded.position}: {path} holds what looks like {kind}")
        report("identifiers", through, checked.head)


def _check_views(connection: psycopg.Connection, checked: Checked, report: Report) -> None:
    for projection in PROJECTIONS:
        name = projection.name
        result = rebuild(connection, projection, switch=False, report=report)
        checked.views[name] = result.is_equal
        if not result.is_equal:
            checked.problems.append(f"view {name}: live differs from rebuilt at position {result.position}")
    row: Any = connection.execute("SELECT count(*) FROM views.parked").fetchone()
    checked.parked = int(row[0])
    if checked.parked:
        checked.problems.append(f"{checked.parked} events are parked")
