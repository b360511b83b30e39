"""View: every quarantined event with the rules it breaks, how often it was evaluated again, and what replaces it now.

A row belongs to the quarantined event's position. It is OPEN until it is evaluated again, FAILING after that, and settled by the first
event that corrects or reverses its number: RELEASED by the hub's own, CORRECTED by its province's.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg

from hub.domain.quarantine import HANDLING_KINDS
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row

OPEN, FAILING, RELEASED, CORRECTED = "OPEN", "FAILING", "RELEASED", "CORRECTED"
_UNSETTLED = (OPEN, FAILING)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class Entry(NamedTuple):
    """A row's values: *settled_position* is 0 while it is unsettled, *still* what it broke when it was evaluated last.

    *folded_position* is the last event that it has seen.
    """

    stream_id: int
    sequence: int
    recorded_us: int
    declared_kind: str
    violations: str
    state: str
    folded_position: int
    settled_position: int = 0
    still: str = "[]"
    evaluations: int = 0
    evaluated_us: int = 0
    evaluated_by: str = ""
    openings: int = 0


def keys(recorded: Recorded, corrected: Recorded | None) -> Iterator[Key]:
    """Names the quarantined event that is recorded, handled, corrected or reversed."""
    if recorded.kind == "event_quarantined":
        yield (recorded.position,)
    elif recorded.kind in HANDLING_KINDS:
        yield (getattr(recorded.event, recorded.kind).quarantined_position,)
    elif corrected is not None and corrected.kind == "event_quarantined":
        yield (corrected.position,)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row:
    """Follows a quarantined event to what settles it."""
    event = recorded.event
    if row is None:
        quarantined = event.event_quarantined
        entry = Entry(
            stream_id=recorded.stream_id,
            sequence=recorded.sequence,
            recorded_us=recorded.recorded_us,
            declared_kind=quarantined.declared_kind,
            violations=_told(quarantined.violations),
            state=OPEN,
            folded_position=recorded.position,
        )
        # What corrects it may have come first.
        return tuple(entry._replace(state=CORRECTED, settled_position=recorded.position) if recorded.is_reversal else entry)
    entry = Entry(*row)
    if recorded.position <= entry.folded_position:
        return row
    entry = entry._replace(folded_position=recorded.position)
    if recorded.kind == "quarantine_reevaluated":
        entry = _evaluated(entry, recorded)
    elif recorded.kind == "quarantine_original_opened":
        entry = entry._replace(openings=entry.openings + 1)
    elif entry.state in _UNSETTLED:
        entry = entry._replace(state=CORRECTED, settled_position=recorded.position)
    return tuple(entry)


def _evaluated(entry: Entry, recorded: Recorded) -> Entry:
    again = recorded.event.quarantine_reevaluated
    # The released event is right after the evaluation that it passed.
    state, position = (RELEASED, recorded.position + 1) if again.accepted else (FAILING, 0)
    return entry._replace(
        state=state,
        settled_position=position,
        still=_told(again.violations),
        evaluations=entry.evaluations + 1,
        evaluated_us=recorded.recorded_us,
        evaluated_by=again.operator,
    )


def _told(violations: Any) -> str:
    return _encode([(violation.field_path, violation.rule_id) for violation in violations])


QUARANTINE = Projection(
    name="quarantine",
    key_columns=(("position", "bigint"),),
    value_columns=(
        ("stream_id", "bigint"),
        ("sequence", "bigint"),
        ("recorded_us", "bigint"),
        ("declared_kind", "text"),
        ("violations", "text"),
        ("state", "text"),
        ("folded_position", "bigint"),
        ("settled_position", "bigint"),
        ("still", "text"),
        ("evaluations", "integer"),
        ("evaluated_us", "bigint"),
        ("evaluated_by", "text"),
        ("openings", "integer"),
    ),
    kinds=HANDLING_KINDS | {"event_quarantined"},
    keys=keys,
    evolve=evolve,
    indexes=("state, position", "stream_id, sequence"),
)


class Listed(NamedTuple):
    """A quarantined event: the feed and its owner, the position, and the row."""

    feed: str
    owner: str
    position: int
    entry: Entry

    @property
    def violations(self) -> list[list[str]]:
        """What it breaks, by the latest evaluation."""
        return json.loads(self.entry.still if self.entry.state == FAILING else self.entry.violations)  # type: ignore[no-any-return]


class Wanted(NamedTuple):
    """Which quarantined events to list; what is left empty is any. With *known* those that were unsettled at that position."""

    feed: str = ""
    owner: str = ""
    rule: str = ""
    since_us: int = 0
    sequence: int = 0
    only_unsettled: bool = False
    most: int | None = None
    known: int = 0


def listed(connection: psycopg.Connection, wanted: Wanted) -> list[Listed]:
    """Reads quarantined events from the view, the newest first."""
    rows = connection.execute(_LISTED, _parameters(wanted)).fetchall()
    return [Listed(feed, owner, position, Entry(*values)) for feed, owner, position, *values in rows]


def counted(connection: psycopg.Connection, wanted: Wanted) -> int:
    """Counts those wanted, however many of them may be listed."""
    row = connection.execute(_COUNTED, _parameters(wanted)).fetchone()
    assert row is not None
    return int(row[0])


def _parameters(wanted: Wanted) -> dict[str, Any]:
    states = list(_UNSETTLED) if wanted.only_unsettled and not wanted.known else [*_UNSETTLED, RELEASED, CORRECTED]
    # As it is in the text of a row: the second of a pair.
    rule = f",{_encode(wanted.rule)}]" if wanted.rule else ""
    return {**wanted._asdict(), "states": states, "rule_text": rule}


_WANTED = """
    FROM views.quarantine q JOIN journal.stream s USING (stream_id)
    WHERE q.state = ANY (%(states)s) AND q.recorded_us >= %(since_us)s
      AND (%(feed)s = '' OR s.name = %(feed)s) AND (%(owner)s = '' OR s.owner = %(owner)s)
      AND (%(sequence)s = 0 OR q.sequence = %(sequence)s)
      AND (%(known)s = 0 OR (q.position <= %(known)s AND (q.settled_position = 0 OR q.settled_position > %(known)s)))
      AND strpos(CASE q.state WHEN 'FAILING' THEN q.still ELSE q.violations END, %(rule_text)s) > 0"""
_COLUMNS = ", ".join(f"q.{name}" for name, _ in QUARANTINE.value_columns)
_LISTED = f"SELECT s.name, s.owner, q.position, {_COLUMNS} {_WANTED} ORDER BY q.position DESC LIMIT %(most)s".encode()
_COUNTED = f"SELECT count(*) {_WANTED}"
