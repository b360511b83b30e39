"""View: how far each stream has come, how much of it is quarantined, and how late it reports."""

from hub.journal.reader import Recorded
from hub.projections.engine import Key, Projection, Row


def keys(recorded: Recorded, _: Recorded | None) -> tuple[Key, ...]:
    """Names the event's stream."""
    return ((recorded.stream_id,),)


def evolve(_: Key, row: Row | None, recorded: Recorded, __: Recorded | None) -> Row:
    """Counts the event and moves to its number."""
    events, quarantined = (row[0], row[1]) if row is not None else (0, 0)
    return (events + 1, quarantined + (recorded.kind == "event_quarantined"), recorded.sequence, recorded.position, recorded.recorded_us)


FEED_PROGRESS = Projection(
    name="feed_progress",
    key_columns=(("stream_id", "bigint"),),
    value_columns=(
        ("events", "bigint"),
        ("quarantined", "bigint"),
        ("last_sequence", "bigint"),
        ("last_position", "bigint"),
        ("last_recorded_us", "bigint"),
    ),
    kinds=None,
    keys=keys,
    evolve=evolve,
    follows_corrections=False,
)
