"""The events in force of a row of `indicator`, as its text has them."""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from hub.journal.reader import Recorded

Events = tuple[Recorded, ...]


def events_after(known: Events, recorded: Recorded, corrected: Recorded | None, *, is_told: bool) -> Events:
    """Takes out what is in force no more, and adds in its place the event that is now, if it is of this row."""
    gone = {recorded.position} if corrected is None else {recorded.position, corrected.position}
    events = tuple(one for one in known if one.position not in gone)
    return tuple(sorted((*events, recorded), key=lambda one: one.position)) if is_told else events


def packed(one: Recorded) -> list[object]:
    """Writes an event."""
    return [one.position, one.recorded_us, one.stream_id, one.sequence, one.kind, b64encode(one.data).decode()]


def unpacked(events: Iterable[Any]) -> Events:
    """Reads events."""
    return tuple(
        Recorded(position, recorded_us, stream_id, sequence, kind, b64decode(said))
        for position, recorded_us, stream_id, sequence, kind, said in events
    )
