"""Checks what must always hold over a running or stopped hub: no hole in the journal, none in a feed, live views = rebuilt views.

It reads in bounded pages of positions, so it does not hold an old snapshot open; it changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from hub.domain.pseudonym import clear_paths
from hub.journal.reader import head_position, read_page
from hub.projections import PROJECTIONS
from hub.projections.engine import rebuild

PAGE_POSITIONS = 200_000
_IDENTIFIERS_PAGE = 10_000

Report = Callable[[str, int, int], None]


@dataclass(slots=True)
class Findings:
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


def check(dsn: str, report: Report = lambda _what, _done, _of: None, *, with_views: bool = True, with_identifiers: bool = False) -> Findings:
    """Checks the journal and, if wanted, every view against a rebuild and every stored message for identifiers in clear."""
    findings = Findings()
    with psycopg.connect(dsn, autocommit=True, application_name="hub-fsck") as connection:
        connection.execute("SET ROLE hub_projector")
        findings.head = head_position(connection)
        _check_positions(connection, findings, report)
        _check_streams(connection, findings)
        if with_identifiers:
            _check_identifiers(connection, findings, report)
        if with_views:
            _check_views(connection, findings, report)
    return findings


def _check_positions(connection: psycopg.Connection, findings: Findings, report: Report) -> None:
    sequences: dict[int, tuple[int, int, int]] = {}
    for after in range(0, findings.head, PAGE_POSITIONS):
        through = min(after + PAGE_POSITIONS, findings.head)
        rows = connection.execute(
            """SELECT stream_id, count(*), min(sequence), max(sequence), count(DISTINCT sequence) FROM journal.event
               WHERE position > %s AND position <= %s GROUP BY stream_id""", (after, through)).fetchall()  # fmt: skip
        events = sum(row[1] for row in rows)
        findings.events += events
        if events != through - after:
            findings.holes += through - after - events
            findings.problems.append(f"positions {after + 1} to {through}: {through - after - events} missing")
        for stream_id, count, lowest, highest, distinct in rows:
            _check_run(findings, sequences, stream_id, (count, lowest, highest, distinct))
        report("positions", through, findings.head)
    findings.problems += [f"stream {stream}: {problem}" for stream, problem in _stream_ends(connection, sequences, findings.head)]


def _check_run(findings: Findings, sequences: dict[int, tuple[int, int, int]], stream_id: int, page: tuple[int, int, int, int]) -> None:
    """A page's events of a stream are one run of numbers that goes on where the page before ended."""
    count, lowest, highest, distinct = page
    first, last, total = sequences.get(stream_id, (lowest, lowest - 1, 0))
    if count != distinct or highest - lowest + 1 != count or lowest != last + 1:
        findings.holes += 1
        findings.problems.append(f"stream {stream_id}: numbers {lowest} to {highest} do not follow {last} without hole")
    sequences[stream_id] = (first, highest, total + count)


def _stream_ends(connection: psycopg.Connection, sequences: dict[int, tuple[int, int, int]], head: int) -> list[tuple[str, str]]:
    """Compares each stream's row with its events; events newer than *head* are allowed for."""
    problems = []
    # The rows are read first: what is appended in between makes *newer* larger, which is allowed for, never smaller.
    streams = connection.execute("SELECT stream_id, name, is_feed, next_sequence FROM journal.stream").fetchall()
    newer = dict(connection.execute("SELECT stream_id, count(*) FROM journal.event WHERE position > %s GROUP BY 1", (head,)).fetchall())
    for stream_id, name, is_feed, next_sequence in streams:
        first, last, _ = sequences.get(stream_id, (1, 0, 0))
        if is_feed and first != 1:
            problems.append((name, f"begins with {first}"))
        if stream_id in sequences and not last + 1 <= next_sequence <= last + 1 + newer.get(stream_id, 0):
            problems.append((name, f"its row expects {next_sequence}, its events end with {last}"))
    return problems


def _check_streams(connection: psycopg.Connection, findings: Findings) -> None:
    rows = connection.execute(
        """SELECT b.stream_id, b.first_sequence FROM (
               SELECT stream_id, first_sequence, lag(last_sequence) OVER (PARTITION BY stream_id ORDER BY first_sequence) AS before
               FROM journal.batch) b WHERE b.first_sequence <> b.before + 1""").fetchall()
    findings.holes += len(rows)
    findings.problems += [f"stream {stream_id}: batch at {first} does not follow the one before" for stream_id, first in rows]


def _check_identifiers(connection: psycopg.Connection, findings: Findings, report: Report) -> None:
    for after in range(0, findings.head, _IDENTIFIERS_PAGE):
        through = min(after + _IDENTIFIERS_PAGE, findings.head)
        for recorded in read_page(connection, after, through):
            for path in clear_paths(recorded.event):
                findings.clear_identifiers += 1
                findings.problems.append(f"position {recorded.position}: {path} stands in clear")
        report("identifiers", through, findings.head)


def _check_views(connection: psycopg.Connection, findings: Findings, report: Report) -> None:
    for projection in PROJECTIONS:
        name = projection.name
        result = rebuild(connection, projection, switch=False, report=lambda done, head, name=name: report(name, done, head))  # type: ignore[misc]
        findings.views[name] = result.is_equal
        if not result.is_equal:
            findings.problems.append(f"view {name}: live differs from rebuilt at position {result.position}")
    row: Any = connection.execute("SELECT count(*) FROM views.parked").fetchone()
    findings.parked = int(row[0])
    if findings.parked:
        findings.problems.append(f"{findings.parked} events are parked")
