"""Reads segments of archived partitions, each in HUB_ARCHIVE_DIR or else where the database says that it was."""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pyarrow as pa

from hub import durable
from hub.config import Config
from hub.export.lanes import LANES
from hub.export.manifest import ExportDamaged, Segment
from hub.export.reading import Footers, OpenSegment, Places, Wanted
from hub.export.segments import row_bytes
from hub.journal.archived import Away, Run, SegmentAway
from hub.journal.reader import Recorded

# Files of which this process has seen that they are what the database says, and how each was then.
_checked: dict[tuple[Path, str], tuple[int, ...]] = {}


@dataclass
class _Known:
    """What is known of a file that was opened, as it was then: what its end says, and once that was asked the positions of each lane."""

    state: tuple[int, ...]
    footers: Footers = (None, None)
    places: Places | None = None


# Each takes some three megabytes, and the file's end is a third of them.
_KNOWN_FILES = 16
_known: OrderedDict[tuple[Path, str], _Known] = OrderedDict()


def directory_of(one: Away) -> Path:
    """Returns where a segment is, or where it is expected first if it is nowhere."""
    noted = Path(one.directory)
    named = Config().archive_dir or noted
    return noted if (noted / one.path).is_file() and not (named / one.path).is_file() else named


@contextmanager
def opened(one: Away) -> Iterator[OpenSegment]:
    """Opens a segment whose file is what the database says; raises SegmentAway, ExportDamaged, SegmentForeign or SegmentSchemaUnknown.

    A process digests a file once, and again where it was written or exchanged since; while it is read, too.
    """
    directory = directory_of(one)
    state = _state(directory, one)
    with OpenSegment(directory, segment_of(one), footers=_known_of(directory, one, state).footers) as segment:
        if _checked.get((directory, one.sm3)) != state and durable.sm3_of(directory / one.path) != one.sm3:
            raise ExportDamaged(one.path)
        yield segment
    if _state(directory, one) != state:
        raise ExportDamaged(one.path)
    _checked[directory, one.sm3] = state
    _known_of(directory, one, state).footers = segment.footers


def _known_of(directory: Path, one: Away, state: tuple[int, ...]) -> _Known:
    """Returns what is known of a file in this state; of one that was touched since nothing is."""
    found = _known.pop((directory, one.sm3), None)
    if found is None or found.state != state:
        found = _Known(state)
    _known[directory, one.sm3] = found
    if len(_known) > _KNOWN_FILES:
        _known.popitem(last=False)
    return found


def _state(directory: Path, one: Away) -> tuple[int, ...]:
    try:
        return durable.state_of(directory / one.path)
    except OSError:
        raise SegmentAway(f"{one.path}: {directory}") from None


def segment_of(one: Away) -> Segment:
    """Returns what the manifest of its export says of a segment."""
    return Segment(**{name: value for name, value in one._asdict().items() if name != "directory"})


def events(away: Sequence[Away], run: Run, kinds: Collection[str] | None, also: Collection[int]) -> list[Recorded]:
    """Returns the events of a run in order, all or those of some kinds, and those at the positions *also*."""
    found: list[Recorded] = []
    for one in away:
        mine = sorted(at for at in also if one.first <= at <= one.last)
        wanted = Wanted(None if kinds is None else frozenset(kinds), pa.array(mine, pa.int64()), run[0] - 1, run[1])
        with opened(one) as segment:
            lanes = range(LANES) if kinds is None or kinds or len(mine) > LANES else _lanes_of(segment, one, mine)
            found += [event for lane in lanes for event in segment.events(lane, wanted)]
    found.sort(key=attrgetter("position"))
    return found


def _lanes_of(segment: OpenSegment, one: Away, positions: Sequence[int]) -> list[int]:
    """Returns which lanes have some positions: what others have is not read for a few."""
    directory = directory_of(one)
    known = _known_of(directory, one, _state(directory, one))
    if known.places is None:
        known.places = segment.places()
    places = enumerate(known.places)
    return [lane for lane, mine in places if any((at := bisect_left(mine, one)) < len(mine) and mine[at] == one for one in positions)]


def rows(away: Sequence[Away], runs: Sequence[Run]) -> Iterator[bytes]:
    """Yields the rows of some runs as PostgreSQL's binary COPY has them, lane by lane."""
    for one in away:
        mine = [run for run in runs if run[0] <= one.last and run[1] >= one.first]
        with opened(one) as segment:
            for lane in range(LANES):
                for row in segment.rows(lane):
                    if any(first <= row.position <= last for first, last in mine):
                        yield row_bytes(row._replace(changes=()))
