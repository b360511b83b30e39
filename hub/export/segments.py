"""A segment: the rows of a run of positions as one Parquet file, a row group a lane, and the digest of its rows.

The digest is over the rows in order, written as PostgreSQL's binary COPY writes them, and not over the file, whose bytes change with the
version of the writer. Each lane has its own; the segment's is over those of its lanes.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from hub.durable import Written
from hub.export.lanes import LANES
from hub.export.manifest import SCHEMA_VERSION
from hub.journal.batch import PG_EPOCH_US

_ABOUT = b"chuanyu.segment"
_CHANGES = pa.list_(pa.struct([("stream_id", pa.int64()), ("sequence", pa.int64())]))
COLUMNS = pa.schema(
    [
        ("position", pa.int64()),
        ("recorded_us", pa.int64()),
        ("stream_id", pa.int64()),
        ("sequence", pa.int64()),
        ("kind", pa.dictionary(pa.int32(), pa.string())),
        ("data", pa.binary()),
        ("occurred_us", pa.int64()),
        ("digest", pa.binary()),
        ("changes", _CHANGES),
        ("bucket", pa.uint16()),
        ("lane", pa.uint8()),
    ]
)
# zstd 1 against 3 on a million events of the simulator's mix: the same size within 2 %, two thirds of the time.
COMPRESSION = {"compression": "zstd", "compression_level": 1}

# What it changes: (stream, sequence) of each event that it corrects or reverses.
Changes = tuple[tuple[int, int], ...]


class Row(NamedTuple):
    """An event as the journal has it, in the order of COLUMNS; instants in microseconds since 1970."""

    position: int
    recorded_us: int
    stream_id: int
    sequence: int
    kind: str
    data: bytes
    occurred_us: int | None
    digest: bytes | None
    changes: Changes
    bucket: int
    lane: int


def combined(digests: Iterable[str]) -> str:
    """Returns the digest of a segment from those of its lanes."""
    return hashlib.new("sm3", "".join(digests).encode()).hexdigest()


class About(NamedTuple):
    """What a file says of itself: its positions, and rows and digest of each lane."""

    schema_version: int
    first: int
    last: int
    rows: list[int]
    digests: list[str]

    @property
    def digest(self) -> str:
        """The digest of the segment."""
        return combined(self.digests)


_HEAD = struct.Struct(">hiqiqiqiq")
_LENGTH = struct.Struct(">i")
_INSTANT = struct.Struct(">iq")
_CHANGE = struct.Struct(">qq")
_NULL = _LENGTH.pack(-1)


def row_bytes(row: Row) -> bytes:
    """Returns a row as its digest reads it: the fields of a binary COPY, then what it changes."""
    kind, occurred_us, digest = row.kind.encode(), row.occurred_us, row.digest
    return b"".join(
        (
            _HEAD.pack(8, 8, row.position, 8, row.recorded_us - PG_EPOCH_US, 8, row.stream_id, 8, row.sequence),
            _LENGTH.pack(len(kind)),
            kind,
            _LENGTH.pack(len(row.data)),
            row.data,
            _NULL if occurred_us is None else _INSTANT.pack(8, occurred_us - PG_EPOCH_US),
            _NULL if digest is None else _LENGTH.pack(len(digest)) + digest,
            changes_bytes(row.changes),
        )
    )


def changes_bytes(changes: Iterable[tuple[int, int]]) -> bytes:
    """Returns what an event changes as its digest reads it."""
    return b"".join([_CHANGE.pack(*change) for change in changes])


def lane_hasher(first: int, last: int, lane: int) -> "hashlib._Hash":
    """Returns what digests the rows of a lane, begun with what the lane is."""
    return hashlib.new("sm3", f"chuanyu segment {SCHEMA_VERSION}: positions {first} to {last}, lane {lane} of {LANES}\n".encode())  # pyrefly: ignore[bad-return]


def write_segment(file: Written, about: About, lanes: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Writes a segment: the rows of each lane, in the order of positions; a lane without rows has no row group."""
    schema = COLUMNS.with_metadata({_ABOUT: json.dumps(about._asdict()).encode()})
    with pq.ParquetWriter(file, schema, use_dictionary=["kind", "lane"], **COMPRESSION) as writer:
        for rows in lanes:
            if rows:
                columns = zip(*rows, strict=True)
                arrays = [_array(values, field.type) for values, field in zip(columns, COLUMNS, strict=True)]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=len(rows))


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values, pa.string()).dictionary_encode()
    if kind == _CHANGES:
        return pa.array([[{"stream_id": stream, "sequence": number} for stream, number in some] or None for some in values], kind)
    return pa.array(values, kind)


def about_of(schema: pa.Schema) -> About | None:
    """Returns what a file says of itself, None if it is no segment."""
    try:
        return About(**json.loads(schema.metadata[_ABOUT]))
    except (TypeError, KeyError, ValueError):
        return None
