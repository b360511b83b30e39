"""Compares an export with what it says of itself, and with the journal: files, rows, positions and digests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub import durable
from hub.domain.errors import HubError
from hub.export import journal
from hub.export.lanes import LANES, event_bucket, lane_of
from hub.export.manifest import ExportDamaged, ExportOfAnotherHub, ExportUnderWay, Segment
from hub.export.reading import OpenSegment, Segments
from hub.export.segments import changes_bytes, combined, lane_hasher, row_bytes
from hub.journal import archived
from hub.journal.archived import SegmentAway

Report = Callable[[str, int, int], None]


class ExportDiffers(HubError):
    """A segment has other rows than the journal at its positions; keep both and investigate."""


class Verified(NamedTuple):
    """What was compared: the last position, and how many of the segments with the journal too."""

    position: int
    segments: int
    with_journal: int


def verify(directory: Path, connection: psycopg.Connection | None = None, report: Report = lambda _what, _done, _of: None) -> Verified:
    """Reads every segment and compares it with its digests, and with the journal where that still has its positions.

    Raises ExportDamaged, SegmentForeign, SegmentSchemaUnknown, ExportOfAnotherHub or ExportDiffers.
    """
    with durable.holding(directory, ExportUnderWay(), to_write=False):
        export, with_journal = Segments(directory), 0
        origin = None if connection is None else journal.row_digest(connection, 1)
        if origin is not None and origin != export.manifest.origin:
            raise ExportOfAnotherHub
        for segment in export.manifest.segments:
            check_segment(directory, segment)
            with_journal += connection is not None and is_in_journal(connection, segment)
            report("segments 分段", segment.last, export.position)
    return Verified(export.position, len(export.manifest.segments), with_journal)


# A segment, and the directory that it is in.
Place = tuple[Path, Segment]


@contextmanager
def whole(places: Sequence[Place], report: Report = lambda _what, _done, _of: None) -> Iterator[Callable[[], None]]:
    """Keeps others from writing the directories of segments, and begins once each segment was checked and is on disk.

    Yields what raises ExportDamaged where a file was written or exchanged since. Raises SegmentAway, ExportUnderWay and as a check does.
    """
    with ExitStack() as held:
        for directory in dict.fromkeys(directory for directory, _ in places):
            if not directory.is_dir():
                raise SegmentAway(str(directory))
            held.enter_context(durable.holding(directory, ExportUnderWay(), to_write=False))
        seen = []
        for number, (directory, segment) in enumerate(places, 1):
            if not (path := directory / segment.path).is_file():
                raise SegmentAway(f"{segment.path}: {directory}")
            seen.append((path, durable.state_of(path)))
            check_segment(directory, segment)
            durable.sync(path)
            report("segments 分段", number, len(places))

        def check_unchanged() -> None:
            for path, state in seen:
                if not path.is_file() or durable.state_of(path) != state:
                    raise ExportDamaged(path.name)

        yield check_unchanged


def check_segment(directory: Path, segment: Segment) -> None:
    """Raises unless a segment's file, positions, lanes and rows are what the manifest and the file itself say of them."""
    with OpenSegment(directory, segment) as opened:
        if durable.sm3_of(directory / segment.path) != segment.sm3:
            raise ExportDamaged(segment.path)
        seen = bytearray(segment.rows)
        for lane in range(LANES):
            if _lane_digest(opened, segment, lane, seen) != opened.about.digests[lane]:
                raise ExportDamaged(f"{segment.path}: lane {lane}")
    if sum(opened.about.rows) != segment.rows or seen.count(1) != segment.rows:
        raise ExportDamaged(f"{segment.path}: positions")


def _lane_digest(opened: OpenSegment, segment: Segment, lane: int, seen: bytearray) -> str:
    """Returns the digest of a lane's rows; each has to be in its own lane, and marks its position as seen."""
    hasher, parse = lane_hasher(segment.first, segment.last, lane), event_pb2.Event.FromString
    for row in opened.rows(lane):
        at = row.position - segment.first
        bucket = event_bucket(parse(row.data), row.stream_id)
        if not 0 <= at < segment.rows or (row.bucket, row.lane, lane) != (bucket, lane_of(bucket), row.lane):
            raise ExportDamaged(f"{segment.path}: lane {lane}")
        seen[at] = 1
        hasher.update(row_bytes(row))
    return hasher.hexdigest()


def is_in_journal(connection: psycopg.Connection, segment: Segment) -> bool:
    """Whether the database has a segment's positions, with the very rows; False if it has none of them any more; raises ExportDiffers."""
    if archived.segments(connection, [(segment.first, segment.last)]):
        return False
    hashers = [lane_hasher(segment.first, segment.last, lane) for lane in range(LANES)]
    parse, count = event_pb2.Event.FromString, 0
    for block, fields, changes in journal.rows(connection, segment.first - 1, segment.last):
        hashers[lane_of(event_bucket(parse(fields[5]), fields[2]))].update(block + changes_bytes(changes))
        count += 1
    if count == 0:
        return False
    if combined(hasher.hexdigest() for hasher in hashers) != segment.digest:
        raise ExportDiffers(segment.path)
    return True
