"""What corrections change, found once for all views and units, and kept in a file a lane."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import psycopg

from hub.export.lanes import LANES, event_bucket, lane_of
from hub.journal.corrections import Change, changes
from hub.journal.reader import Recorded, read_page

PAGE_POSITIONS = 10_000

# An event as it is written down: the fields that make it.
_Told = tuple[int, int, int, int, str, bytes]


def find_changes(connection: psycopg.Connection, after: int, last: int) -> dict[int, list[bytes]]:
    """Returns what the events with after < position <= last change, by lane, each as it is kept."""
    found: dict[int, list[bytes]] = {}
    for begin in range(after, last, PAGE_POSITIONS):
        end = min(begin + PAGE_POSITIONS, last)
        changed = changes(connection, begin, end)
        for recorded in read_page(connection, begin, end, (), also=changed) if changed else ():
            lane = lane_of(event_bucket(recorded.event, recorded.stream_id))
            change = changed[recorded.position]
            kept = (recorded.position, [_told(one) for one in change.out], None if change.into is None else _told(change.into))
            found.setdefault(lane, []).append(pickle.dumps(kept))
    return found


def path_of(directory: Path, lane: int) -> Path:
    """Returns the file of a lane."""
    return directory / f"changes-{lane:02d}"


def keep(directory: Path, found: Mapping[int, list[bytes]]) -> None:
    """Adds what was found to the files of the lanes."""
    for lane in range(LANES):
        with path_of(directory, lane).open("ab") as file:
            file.writelines(found.get(lane, ()))


def read_changes(directory: Path, lane: int) -> dict[int, Change]:
    """Returns, by position, what the events of a lane change."""
    read: dict[int, Change] = {}
    with path_of(directory, lane).open("rb") as file:
        while file.peek(1):
            # Our own file, in a directory that nobody else may write to.
            position, out, into = pickle.load(file)  # noqa: S301
            read[position] = Change(tuple(Recorded(*one) for one in out), None if into is None else Recorded(*into))
    return read


def _told(recorded: Recorded) -> _Told:
    return recorded.position, recorded.recorded_us, recorded.stream_id, recorded.sequence, recorded.kind, recorded.data
