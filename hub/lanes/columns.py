"""Further columns of segments: the rows that views make of most events, made once, after a segment is written.

A view that has `first` makes a row of nearly every event, and that row follows from the event alone. So it is kept beside the event as it
is written, with the hash of its key, and a fold takes it as it is unless another event has to do with it. Columns of other code are passed
over: their version is the digest of all that they follow from.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
from chuanyu.exchange.v1 import event_pb2

import hub
from hub import durable
from hub.export.beside import open_beside, path_of, write_beside
from hub.export.lanes import LANES
from hub.export.manifest import ExportDamaged, ExportUnderWay, ExportUnwritable, Segment
from hub.export.reading import Segments, Wanted
from hub.journal.reader import Recorded, decode
from hub.lanes import parts
from hub.projections import PROJECTIONS
from hub.projections.engine import collector_at_rest
from hub.projections.projection import Projection, View, marks_of

Report = Callable[[str, int, int], None]

# What rows follow from: the messages, the domain with its tables, the views and what hands them events.
_FOLLOWS_FROM = ("domain", "projections", "journal/reader.py", "lanes/columns.py", "lanes/parts.py", "lanes/touches.py")
# Whether an event has some of the bytes without which no view reads one of its kind.
MARKED = "marked"


def has_columns(view: View) -> bool:
    """Whether rows of a view are kept beside the events."""
    return isinstance(view, Projection) and view.in_parts


def kept_views() -> list[Projection]:
    """Returns the views of which rows are kept."""
    return [view for view in PROJECTIONS if isinstance(view, Projection) and has_columns(view)]


@cache
def version() -> str:
    """Names what the columns follow from (SM3)."""
    hasher, root = hashlib.new("sm3", event_pb2.DESCRIPTOR.serialized_pb), Path(hub.__file__).parent
    for file in sorted({dependency.name: dependency for dependency in event_pb2.DESCRIPTOR.dependencies}.items()):
        hasher.update(file[1].serialized_pb)
    for place in (root / name for name in _FOLLOWS_FROM):
        for path in [place] if place.is_file() else sorted(one for one in place.rglob("*") if one.suffix in {".py", ".csv"}):
            hasher.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return hasher.hexdigest()


def bring(directory: Path, report: Report = lambda _what, _done, _of: None) -> int:
    """Writes the columns of segments that have none of this version, and returns the bytes; raises ExportUnwritable, ExportUnderWay."""
    written = 0
    with durable.holding(directory, ExportUnderWay(), to_write=True):
        export = Segments(directory)
        for segment in export.manifest.segments:
            if _is_there(directory, segment):
                continue
            try:
                written += write_beside(directory, segment, version(), _groups(export, segment))
            except OSError as error:
                raise ExportUnwritable(f"{error.strerror}") from None
            report("columns 列", segment.last, export.position)
    return written


def _is_there(directory: Path, segment: Segment) -> bool:
    try:
        known = open_beside(directory, segment, version())
    except ExportDamaged:
        return False
    if known is not None:
        known.close()
    return known is not None


def check(directory: Path) -> None:
    """Raises ExportDamaged unless the columns of this version are those that the segments' events make."""
    export = Segments(directory)
    for segment in export.manifest.segments:
        if (known := open_beside(directory, segment, version())) is None:
            continue
        with known:
            made = list(_groups(export, segment))
            try:
                same = known.num_row_groups == len(made) and all(known.read_row_group(at).equals(one) for at, one in enumerate(made))
            except (OSError, pa.ArrowException):
                same = False
        if not same:
            raise ExportDamaged(path_of(directory, segment).name)


def _groups(export: Segments, segment: Segment) -> Iterable[pa.Table]:
    views = kept_views()
    with export.open(segment) as opened:
        for lane in range(LANES):
            if events := opened.events(lane, Wanted()):
                with collector_at_rest():
                    made = columns_of(views, events)
                yield made


def columns_of(views: Sequence[Projection], events: Sequence[Recorded]) -> pa.Table:
    """Returns the columns of some events, a row each."""
    read = frozenset().union(*(view.kinds or () for view in views))
    decode(event for event in events if event.kind in read)
    marks = marks_of(view for view in PROJECTIONS if view.kinds is not None)
    columns = {MARKED: pa.array([any(mark in event.data for mark in marks.get(event.kind, ())) for event in events], pa.bool_())}
    for view in views:
        columns |= {f"{view.name}.{name}": array for name, array in parts.columns_of(view, events).items()}
    return pa.table(columns)
