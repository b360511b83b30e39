"""Reads events from segments: in order, as the journal's page reader gives them, or lane by lane."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hub.export.beside import open_beside
from hub.export.lanes import BUCKET_BITS, LANES, lane_of
from hub.export.manifest import (
    SCHEMA_VERSION,
    ExportDamaged,
    ExportMissing,
    ExportTooShort,
    Segment,
    SegmentForeign,
    SegmentSchemaUnknown,
    find_manifest,
)
from hub.export.segments import COLUMNS, About, Row, about_of
from hub.journal.reader import Recorded

_CODES = {pa.int64(): "q", pa.int32(): "i", pa.uint16(): "H", pa.uint8(): "B"}
_RECORDED = ("position", "recorded_us", "stream_id", "sequence", "kind", "data")
_NOTHING = COLUMNS.empty_table().select(_RECORDED)
# What the ends of a segment and of the file beside it say.
Footers = tuple[pq.FileMetaData | None, pq.FileMetaData | None]
# The positions of each lane.
Places = list["memoryview[int]"]
_NOWHERE: "memoryview[int]" = memoryview(b"").cast("q")
_BUCKETS_A_LANE = (1 << BUCKET_BITS) // LANES
# Each takes a third of a megabyte.
_FOOTERS_KEPT = 64


class Wanted(NamedTuple):
    """Which events to read: of some kinds (None: all) or at the positions *also*, after < position <= through, of some buckets."""

    kinds: frozenset[str] | None = None
    also: Collection[int] | pa.Array = ()
    after: int = 0
    through: int | None = None
    buckets: range | None = None


class Run(NamedTuple):
    """Rows of a segment in the order of positions, as columns: those of events, and further ones if there are any."""

    events: pa.Table
    further: pa.Table | None


class Segments:
    """An export that is read. Its manifest is as it was when it was opened: what later runs add is not seen."""

    def __init__(self, directory: Path, further: str = "") -> None:
        """*further* is the version of the further columns that are read. Raises ExportMissing, ExportDamaged or SegmentSchemaUnknown."""
        manifest = find_manifest(directory)
        if manifest is None:
            raise ExportMissing(directory.name)
        self.directory, self.manifest, self._further = directory, manifest, further
        self._footers: OrderedDict[str, Footers] = OrderedDict()

    @property
    def position(self) -> int:
        """The last position that is in it."""
        return self.manifest.position

    def page(self, after: int, through: int, kinds: Iterable[str] | None = None, *, also: Collection[int] = ()) -> list[Recorded]:
        """Returns the events with after < position <= through in order, as `journal.reader.read_page` does; raises ExportTooShort."""
        if through > self.position:
            raise ExportTooShort(position=self.position)
        wanted = Wanted(None if kinds is None else frozenset(kinds), also, after, through)
        return [recorded for run in self.in_order(wanted) for recorded in run]

    def in_order(self, wanted: Wanted = Wanted()) -> Iterator[list[Recorded]]:  # noqa: B008 (a tuple)
        """Yields the events of a segment after the other, each in the order of positions."""
        for segment, mine in self._within(wanted):
            with self.open(segment) as opened:
                events = [recorded for lane in range(LANES) for recorded in opened.events(lane, mine)]
            events.sort(key=attrgetter("position"))
            yield events

    def lane(self, buckets: range, wanted: Wanted = Wanted()) -> Iterator[list[Recorded]]:  # noqa: B008 (a tuple)
        """Yields the events of the buckets of a lane, or of a part of one, a segment after the other, in the order of positions."""
        wanted = wanted._replace(buckets=_unless_whole(buckets))
        for segment, mine in self._within(wanted):
            with self.open(segment) as opened:
                yield opened.events(lane_of(buckets.start), mine)

    def runs(self, buckets: range) -> Iterator[Run]:
        """Yields as columns what each segment has of the buckets of a lane, or of a part of one."""
        for segment in self.manifest.segments:
            with self.open(segment) as opened:
                yield opened.run(lane_of(buckets.start), _unless_whole(buckets))

    def open(self, segment: Segment) -> "OpenSegment":
        """Opens a segment; raises ExportDamaged, SegmentForeign or SegmentSchemaUnknown."""
        opened = OpenSegment(self.directory, segment, self._further, self._footers.get(segment.path, (None, None)))
        # A footer takes longer to read than a lane: lanes are read one after the other, each from all segments.
        self._footers[segment.path] = opened.footers
        if len(self._footers) > _FOOTERS_KEPT:
            self._footers.popitem(last=False)
        return opened

    def _within(self, wanted: Wanted) -> Iterator[tuple[Segment, Wanted]]:
        """Yields the segments that have wanted positions, with what is wanted of each."""
        also = pa.array(sorted(wanted.also), pa.int64())
        for segment in self.manifest.segments:
            if segment.last > wanted.after and (wanted.through is None or segment.first <= wanted.through):
                mine = also.filter(pc.and_(pc.greater_equal(also, segment.first), pc.less_equal(also, segment.last)))
                yield segment, wanted._replace(also=mine)


def _unless_whole(buckets: range) -> range | None:
    return None if len(buckets) == _BUCKETS_A_LANE else buckets


def parts_of_lanes(parts: int) -> list[range]:
    """Returns the buckets of each lane, each lane in so many parts (rounded up to a power of two)."""
    size = _BUCKETS_A_LANE >> min((parts - 1).bit_length(), _BUCKETS_A_LANE.bit_length() - 1)
    return [range(begin, begin + size) for begin in range(0, 1 << BUCKET_BITS, size)]


class OpenSegment:
    """A segment that is read; what is wrong with it is named when it is opened, or read."""

    def __init__(self, directory: Path, segment: Segment, further: str = "", footers: Footers = (None, None)) -> None:
        """*footers* are what the ends of both files say, if they were read before; *further* is the version of the further columns.

        Raises ExportDamaged, SegmentForeign or SegmentSchemaUnknown.
        """
        self._path, path = segment.path, directory / segment.path
        try:
            if path.stat().st_size != segment.size_bytes:
                self._refuse_other(path, segment)
                raise ExportDamaged(segment.path)
            self._file = pq.ParquetFile(path, metadata=footers[0])
        except (OSError, pa.ArrowException):
            raise ExportDamaged(segment.path) from None
        self._further = open_beside(directory, segment, further, footers[1]) if further else None
        self.footers: Footers = (self._file.metadata, None if self._further is None else self._further.metadata)
        self.about = _checked(about_of(self._file.schema_arrow), segment)
        groups = iter(range(self._file.num_row_groups))
        self._groups = [next(groups) if rows else None for rows in self.about.rows]

    def __enter__(self) -> "OpenSegment":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._further is not None:
            self._further.close()

    @staticmethod
    def _refuse_other(path: Path, segment: Segment) -> None:
        """Raises for a file of another length that is a segment all the same, but another one."""
        try:
            with pq.ParquetFile(path) as file:
                _checked(about_of(file.schema_arrow), segment)
        except pa.ArrowException:
            return

    def events(self, lane: int, wanted: Wanted) -> list[Recorded]:
        """Returns the wanted events of a lane in the order of positions."""
        are_few = wanted.kinds is not None and not wanted.kinds and len(wanted.also) <= LANES
        if are_few and not self._has(lane, wanted.also):
            return []
        table = self._table(lane, _RECORDED if wanted.buckets is None else (*_RECORDED, "bucket"), wanted)
        return [] if table is None else recorded_in(table)

    def places(self) -> Places:
        """Returns which positions each lane has, in order."""
        tables = (self._table(lane, ("position",), Wanted()) for lane in range(LANES))
        return [_NOWHERE if table is None else _numbers(table["position"].combine_chunks()) for table in tables]

    def run(self, lane: int, buckets: range | None = None) -> Run:
        """Returns the rows of a lane, or of some of its buckets, as columns."""
        table = self._table(lane, (*_RECORDED, "bucket"), Wanted())
        if table is None:
            return Run(_NOTHING, None)
        mask, further = _mask(table, Wanted(buckets=buckets), self.about), self._further_of(lane)
        if mask is None:
            return Run(table, further)
        return Run(table.filter(mask), None if further is None else further.filter(mask))

    def _has(self, lane: int, positions: pa.Array) -> bool:
        """Whether a lane has some of these positions: a few are in few lanes, and nothing else is read of the others."""
        table = self._table(lane, ("position",), Wanted())
        return table is not None and bool(pc.any(pc.is_in(table["position"], value_set=positions)).as_py())

    def _further_of(self, lane: int) -> pa.Table | None:
        if self._further is None:
            return None
        try:
            table = self._further.read_row_group(self._groups[lane], use_threads=False)
        except (OSError, pa.ArrowException):
            raise ExportDamaged(f"{self._path}: columns") from None
        if len(table) != self.about.rows[lane]:
            raise ExportDamaged(f"{self._path}: columns")
        return table

    def rows(self, lane: int) -> Iterator[Row]:
        """Yields all rows of a lane with all they have, in the order in which they are."""
        table = self._table(lane, None, Wanted())
        if table is not None:
            changes = [tuple((one["stream_id"], one["sequence"]) for one in some or ()) for some in table["changes"].to_pylist()]
            columns: Iterable[Iterable[Any]] = (
                changes if name == "changes" else _values(table[name].combine_chunks()) for name in Row._fields
            )
            yield from map(Row._make, zip(*columns, strict=True))

    def _table(self, lane: int, columns: tuple[str, ...] | None, wanted: Wanted) -> pa.Table | None:
        group = self._groups[lane]
        if group is None:
            return None
        try:
            table = self._file.read_row_group(group, columns=columns and list(columns), use_threads=False)
        except (OSError, pa.ArrowException):
            raise ExportDamaged(self._path) from None
        mask = _mask(table, wanted, self.about)
        return table if mask is None else table.filter(mask)


def _checked(about: About | None, segment: Segment) -> About:
    if about is None:
        raise SegmentForeign(segment.path)
    if about.schema_version != SCHEMA_VERSION:
        raise SegmentSchemaUnknown(segment.path)
    if (about.first, about.last, about.digest) != (segment.first, segment.last, segment.digest):
        raise SegmentForeign(segment.path)
    return about


def _mask(table: pa.Table, wanted: Wanted, about: About) -> pa.ChunkedArray | None:
    """Returns which rows are wanted, None for all."""
    masks = []
    if wanted.kinds is not None:
        masks.append(is_of(table, wanted.kinds, wanted.also))
    if wanted.after >= about.first:
        masks.append(pc.greater(table["position"], wanted.after))
    if wanted.through is not None and wanted.through < about.last:
        masks.append(pc.less_equal(table["position"], wanted.through))
    if (buckets := wanted.buckets) is not None:
        masks.append(pc.and_(pc.greater_equal(table["bucket"], buckets.start), pc.less(table["bucket"], buckets.stop)))
    mask = None
    for one in masks:
        mask = one if mask is None else pc.and_(mask, one)
    return mask


def is_of(table: pa.Table, kinds: Iterable[str], also: Collection[int] | pa.Array) -> pa.ChunkedArray:
    """Returns which rows are of some kinds or at other positions."""
    found = pc.is_in(table["kind"].cast(pa.string()), value_set=pa.array(sorted(kinds), pa.string()))
    return pc.or_(found, pc.is_in(table["position"], value_set=also)) if len(also) else found


def recorded_in(table: pa.Table) -> list[Recorded]:
    """Returns the events of some rows."""
    return list(map(Recorded, *_columns(table.select(_RECORDED))))


def _columns(table: pa.Table) -> list[list[Any]]:
    """Returns the columns as Python lists; numbers and bytes straight from their buffers, which takes a tenth of `to_pylist`."""
    return [_values(table[name].combine_chunks()) for name in table.column_names]


def _values(array: Any) -> list[Any]:
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        words = array.dictionary.to_pylist()
        return [words[at] for at in _values(array.indices)]
    if array.null_count:
        return list(array.to_pylist())
    if pa.types.is_binary(array.type):
        begin, end = array.offset, array.offset + len(array)
        _, buffer, content = array.buffers()
        data = content.to_pybytes() if content is not None else b""
        return [data[start:stop] for start, stop in pairwise(memoryview(buffer).cast("i")[begin : end + 1].tolist())]
    return list(_numbers(array).tolist())


def _numbers(array: Any) -> "memoryview[int]":
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    numbers: Any = memoryview(array.buffers()[1])
    return numbers.cast(_CODES[array.type])[array.offset : array.offset + len(array)]  # type: ignore[no-any-return]
