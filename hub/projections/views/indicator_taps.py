"""View: taps that no answer was given for, each once however often it is reported, by the block of positions and the day; beside K10.

A row keeps on which day each report says that it was, and from and until which positions that was in force: what came in the block that a
position is in follows from the rows of that block's taps. So a tap costs one short row.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import psycopg

from hub.domain.indicators.uses import TAPS
from hub.domain.instants import day_of, epoch_day
from hub.journal.corrections import changes
from hub.journal.reader import Recorded, read_page
from hub.projections.projection import Cells, First, Key, Projection, Row, Signed
from hub.projections.rows import rows_of
from hub.projections.touched import folds_in
from hub.projections.views.blocks import block_of, edge
from hub.projections.views.chains import own_key

KINDS = frozenset(TAPS)


class Report(NamedTuple):
    """One event: where it is, its day, and since and until which position it was in force; *until* is 0 while it is."""

    position: int
    day: int
    since: int
    until: int = 0

    def was_in_force(self, position: int | None) -> bool:
        """Whether it was in force at a position, None for now."""
        return not self.until if position is None else self.since <= position and not 0 < self.until <= position


Reports = tuple[Report, ...]


def tap_of(recorded: Recorded) -> bytes | None:
    """Returns the key of a tap that no answer was given for, None for any other event."""
    if recorded.kind not in KINDS or recorded.event.decision_position:
        return None
    return recorded.derived(own_key)


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the taps of the event and of the one it corrects."""
    for about in (recorded, corrected):
        if about is not None and (key := about.derived(tap_of)) is not None:
            yield (key,)


def evolve(key: Key, known: Reports | None, recorded: Recorded, corrected: Recorded | None) -> Reports | None:
    """Adds the report of an event, and says of the one that it corrects until when that was in force."""
    reports, at = known or (), recorded.in_force_since
    if corrected is not None:
        ended = corrected.position
        reports = tuple(one._replace(until=at) if one.position == ended and not one.until else one for one in reports)
    if not recorded.is_reversal and recorded.derived(tap_of) == key[0]:
        reports = (*reports, Report(recorded.position, epoch_day(recorded.occurred_us), at))
    return reports or None


def days(reports: Reports, position: int | None = None) -> frozenset[int]:
    """Returns the first day of each year that a tap was said to be on, as known at a position, None for now."""
    # A tap may be reported thousands of times, on a few days.
    said = {one.day for one in reports if one.was_in_force(position)}
    return frozenset({day_of(day).year: day for day in sorted(said, reverse=True)}.values())


def moved(recorded: Recorded, before: Reports | None, after: Reports | None) -> Iterator[Signed]:
    """Says what a change of a tap adds to the days, and takes off."""
    was, now = days(before or ()), days(after or ())
    for day in was ^ now:
        yield (block_of(recorded.in_force_since), day), (1 if day in now else -1,)


def first(recorded: Recorded) -> First | None:
    """Returns the row of a tap as its first report makes it: nearly every one is."""
    key = tap_of(recorded)
    if key is None:
        return None
    day, since = epoch_day(recorded.occurred_us), recorded.in_force_since
    # As `encode` writes one report that is in force.
    return First([(key,)], (key, f"{recorded.position},{day},{since},0"), ((block_of(since), day), (1,)))


def encode(reports: Reports) -> Row:
    """Writes a row."""
    return (" ".join(",".join(map(str, one)) for one in reports),)


def decode(row: Row) -> Reports:
    """Reads a row."""
    return tuple(Report(*map(int, one.split(","))) for one in row[0].split())


INDICATOR_TAPS = Projection(
    name="indicator_tap",
    key_columns=(("key", "bytea"),),
    value_columns=(("reports", "text"),),
    kinds=KINDS,
    keys=keys,
    evolve=evolve,
    decode=decode,
    encode=encode,
    cells=Cells(
        key_columns=(("block", "bigint"), ("day", "integer")),
        value_columns=(("taps", "bigint"),),
        of=moved,
        tables={"indicator_tap_blocks": {"block": 0, "day": 1}},
    ),
    first=first,
    in_parts=True,
)


def taps(connection: psycopg.Connection, first_day: int, day: int, position: int) -> int:
    """Returns how many taps of some days had no answer, as known at a position, each once."""
    last = edge(position)
    row = connection.execute(_TAPS, (last.block, first_day, day)).fetchone()
    assert row is not None, "a sum is a row"
    begin = last.first - 1
    found = int(row[0])
    for reports in _touched(connection, begin, position):
        now, before = days(reports, position), days(reports, begin)
        found += sum(first_day <= one <= day for one in now) - sum(first_day <= one <= day for one in before)
    return found


def _touched(connection: psycopg.Connection, begin: int, position: int) -> Iterable[Reports]:
    """Returns the rows of the taps that events of a block are about."""
    changed = changes(connection, begin, position)
    page = read_page(connection, begin, position, KINDS, also=changed)
    named = {key for _, recorded, corrected in folds_in(page, changed) for key in keys(recorded, corrected)}
    return [decode(row[1:]) for row in rows_of(connection, INDICATOR_TAPS.rows, INDICATOR_TAPS.key_columns, named)]


_TAPS = "SELECT COALESCE(sum(taps), 0)::bigint FROM views.indicator_tap_blocks WHERE block < %s AND day BETWEEN %s AND %s"
