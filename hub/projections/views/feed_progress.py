"""View: how far each stream has come, how much of it is quarantined, and how late it reports."""

from collections.abc import Sequence

from hub.journal.reader import Recorded
from hub.projections.projection import CellView, Signed


def derive(recorded: Recorded, _: Recorded | None) -> Sequence[Signed]:
    """Counts the event of its stream, and says how far that is now."""
    counts = (1, int(recorded.kind == "event_quarantined"), recorded.sequence, recorded.position, recorded.recorded_us)
    return (((recorded.stream_id,), counts),)


FEED_PROGRESS = CellView(
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
    derive=derive,
    greatest=frozenset({"last_sequence", "last_position", "last_recorded_us"}),
    follows_corrections=False,
)
