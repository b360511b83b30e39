"""Exports the journal while it is written to: positions up to the head, which never change, in short transactions.

A segment is finished file by file, and the manifest names it then; so a run that is cut short loses no more than the segment under way, and
the next one goes on. A segment ends where its number of positions is a multiple of SEGMENT_POSITIONS, or with the export.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub import durable
from hub.domain.errors import HubError
from hub.export import journal
from hub.export.lanes import LANES, event_bucket, lane_of
from hub.export.manifest import (
    SCHEMA_VERSION,
    ExportBeyondHead,
    ExportDamaged,
    ExportInterrupted,
    ExportOfAnotherHub,
    ExportUnderWay,
    ExportUnwritable,
    Manifest,
    Segment,
    find_manifest,
    write_manifest,
)
from hub.export.segments import About, changes_bytes, lane_hasher, write_segment
from hub.journal.reader import head_position
from hub.journal.sessions import session

# A part of a partition (2^26): some 35 a day at nine million events, and 100 MB of memory while one is written.
SEGMENT_POSITIONS = 1 << 18
# For processes that only export: the hub comes first where the processor is short.
NICENESS = 10

Report = Callable[[str, int, int], None]


class JournalHasHoles(HubError):
    """Positions are missing in the journal, so they cannot be exported; run `hub fsck`."""


class Exported(NamedTuple):
    """What a run did: the manifest it wrote last, how many positions and bytes it added."""

    manifest: Manifest
    new_positions: int
    written_bytes: int


def export(dsn: str, directory: Path, upto: int | None = None, report: Report = lambda _what, _done, _of: None) -> Exported:
    """Brings the export in *directory* up to a position, the head if None; raises one of the errors of `manifest`."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ExportUnwritable(f"{directory.name}: {error.strerror}") from None
    with durable.holding(directory, ExportUnderWay(), to_write=True), _reading(dsn) as connection:
        try:
            return _export(connection, directory, upto, report)
        except OSError as error:
            raise ExportUnwritable(f"{error.strerror}") from None


@contextmanager
def _reading(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with session(dsn, "hub_reader", "hub-export") as connection:
            yield connection
    except psycopg.OperationalError:
        raise ExportInterrupted from None


def _export(connection: psycopg.Connection, directory: Path, upto: int | None, report: Report) -> Exported:
    manifest = _begin(connection, directory)
    head = head_position(connection)
    if upto is not None and upto > head:
        raise ExportBeyondHead(position=head)
    end, before, size = head if upto is None else upto, manifest.position, 0
    while (after := manifest.position) < end:
        last = min(after - (after + 1) % SEGMENT_POSITIONS + SEGMENT_POSITIONS, end)
        segment = _write(connection, directory, after, last, lambda done: report("journal 日志", done, end))
        size += segment.size_bytes
        manifest = manifest.model_copy(update={"feeds": journal.feeds(connection), "segments": (*manifest.segments, segment)})
        manifest = write_manifest(directory, manifest)
        report("journal 日志", last, end)
    return Exported(manifest, manifest.position - before, size)


def _begin(connection: psycopg.Connection, directory: Path) -> Manifest:
    """Returns what the run before finished; raises ExportOfAnotherHub, ExportDamaged or SegmentSchemaUnknown."""
    for torn in directory.glob(".*.part"):
        torn.unlink()
    manifest = find_manifest(directory)
    origin = journal.row_digest(connection, 1)
    if manifest is None:
        return Manifest(origin=origin or "", feeds=journal.feeds(connection))
    for segment in manifest.segments:
        path = directory / segment.path
        if not path.is_file() or path.stat().st_size != segment.size_bytes:
            raise ExportDamaged(segment.path)
    last = manifest.segments[-1].last_row if manifest.segments else None
    if (origin is not None and origin != manifest.origin) or last != (journal.row_digest(connection, manifest.position) if last else None):
        raise ExportOfAnotherHub
    return manifest


def _write(connection: psycopg.Connection, directory: Path, after: int, last: int, report: Callable[[int], None]) -> Segment:
    """Writes the segment of the positions after < p <= last."""
    about, lanes, last_row = _read(connection, after, last, report)
    path = f"{after + 1:012d}-{last:012d}.parquet"
    with durable.whole(directory / path) as file:
        write_segment(file, about, lanes)
    return Segment(first=after + 1, last=last, path=path, size_bytes=file.size, sm3=file.sm3, digest=about.digest, last_row=last_row)


def _read(
    connection: psycopg.Connection, after: int, last: int, report: Callable[[int], None]
) -> tuple[About, list[list[tuple[Any, ...]]], str]:
    """Reads some positions; returns what the segment says of itself, the rows of each lane, and the SM3 of the last row."""
    lanes: list[list[tuple[Any, ...]]] = [[] for _ in range(LANES)]
    hashers = [lane_hasher(after + 1, last, lane) for lane in range(LANES)]
    parse, block, position = event_pb2.Event.FromString, b"", after
    for block, fields, changes in journal.rows(connection, after, last, report):
        position = fields[0]
        bucket = event_bucket(parse(fields[5]), fields[2])
        lane = lane_of(bucket)
        lanes[lane].append((*fields, changes, bucket, lane))
        hashers[lane].update(block)
        if changes:
            hashers[lane].update(changes_bytes(changes))
    rows = [len(lane) for lane in lanes]
    if position != last or sum(rows) != last - after:
        raise JournalHasHoles(f"{after + 1} … {last}")
    about = About(SCHEMA_VERSION, after + 1, last, rows, [hasher.hexdigest() for hasher in hashers])
    return about, lanes, hashlib.new("sm3", block + changes_bytes(changes)).hexdigest()
