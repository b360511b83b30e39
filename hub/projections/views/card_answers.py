"""View: at which positions the hub answered about a card: decisions, and looks at its record. A row is a card and a month.

The journal has no index by card, and a row for each position would take four times the room. A row has the newest positions of its month:
one card that is asked about without end makes no row without end.
"""

import struct
from collections.abc import Iterable, Iterator

import psycopg

from hub.domain.instants import day_text, epoch_day
from hub.domain.looks import KIND as LOOK
from hub.journal.reader import Recorded, events_at
from hub.projections.projection import Key, Projection, Row

DECISION = "decision_made"
_POSITION = struct.Struct(">q")
MOST_A_MONTH = 1_024


def keys(recorded: Recorded, _: Recorded | None) -> Iterator[Key]:
    """Names the card by its key, and the month in which it was recorded."""
    if key := recorded.event.card.key:
        yield key, day_text(epoch_day(recorded.recorded_us))[:7]


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row:
    """Adds the position, and leaves out the oldest of too many."""
    packed = (b"" if row is None else bytes(row[0])) + _POSITION.pack(recorded.position)
    return (packed[-MOST_A_MONTH * _POSITION.size :],)


CARD_ANSWERS = Projection(
    name="card_answers",
    key_columns=(("card_key", "bytea"), ("month", "text")),
    value_columns=(("positions", "bytea"),),
    kinds=frozenset({DECISION, LOOK}),
    keys=keys,
    evolve=evolve,
    follows_corrections=False,
)


def answers_about(connection: psycopg.Connection, card_keys: Iterable[bytes], kind: str, most: int) -> list[Recorded]:
    """Returns what was answered about a card, of one kind, the newest first; a card has a key for each of its identifiers."""
    rows = connection.execute(
        "SELECT positions FROM views.card_answers WHERE card_key = ANY (%s) ORDER BY month DESC", (list(card_keys),)
    ).fetchall()
    positions = sorted({position for (packed,) in rows for (position,) in _POSITION.iter_unpack(packed)}, reverse=True)
    found: list[Recorded] = []
    for at in range(0, len(positions), 4 * most):
        found += [one for one in events_at(connection, positions[at : at + 4 * most]) if one.kind == kind]
        if len(found) >= most:
            break
    return found[:most]
