"""What a view makes of the events of a lane in one segment, in parts that are whole by themselves: events that share rows, and those rows.

A part is folded once, when its segment is written, by the view's own functions. It is taken as it is where nothing else has to do with
its rows: no event of another segment, no correction, no verdict. So a view needs nothing but what it has to be kept in parts.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from hub.export.lanes import event_bucket
from hub.journal.reader import Recorded
from hub.lanes.touches import hash_of
from hub.projections.ledgers import Rows, fold_events
from hub.projections.packing import packed_rows
from hub.projections.projection import First, Projection, Row, Signed
from hub.projections.touched import Touched, folds_in, keys_of, named_rows, read_by

# Sums of a unit stay far below what a column of them can have; an event that moves one by more is folded by itself.
MOST_MOVED = 1 << 40


class Part(NamedTuple):
    """Events that share rows, the rows, and by how much each event moves which cell."""

    events: list[Touched]
    rows: list[Row]
    moved: Sequence[Signed | None]


def parts_of(view: Projection, events: Sequence[Recorded]) -> list[Part]:
    """Returns the parts that some events are in; one that may have to do with events elsewhere is in none."""
    touched, _ = named_rows(view, folds_in((event for event in read_by(view, list(events), {})[0] if _is_plain(view, event)), {}))
    made = (_made(view, some) for some in _sharing(touched))
    return [part for part in made if part is not None]


def _is_plain(view: Projection, event: Recorded) -> bool:
    """Whether an event takes nothing out and names no other by its number."""
    try:
        return not event.is_reversal and (event.kind not in view.refers or view.refers[event.kind](event) is None)
    except Exception:
        # A fold that decodes the event meets the same error, and parks it.
        return False


def _sharing(touched: Sequence[Touched]) -> Iterable[list[Touched]]:
    """Returns the events that share rows together, each in order; rows whose keys have one hash are taken for one."""
    above = list(range(len(touched)))
    first: dict[int, int] = {}

    def top(at: int) -> int:
        while above[at] != at:
            above[at] = at = above[above[at]]
        return at

    for number, touch in enumerate(touched):
        for key in keys_of(touch):
            one, other = sorted((top(number), top(first.setdefault(hash_of(key), number))))
            above[other] = one
    found: dict[int, list[Touched]] = {}
    for number, touch in enumerate(touched):
        found.setdefault(top(number), []).append(touch)
    return found.values()


def _made(view: Projection, events: list[Touched]) -> Part | None:
    """Folds a part; None where it is none by itself, or cannot be folded: then a fold of all says why."""
    named = events[0][3]
    if len(events) == 1 and isinstance(named, First):
        return Part(events, [named.row], [named.moved]) if _is_small(named.moved) else None
    # A unit may be less than a lane.
    if len({event_bucket(touch[1].event, touch[1].stream_id) for touch in events}) > 1:
        return None
    rows, moved, keys = Rows(), list[Signed | None](), [len(keys_of(touch)) for touch in events]
    try:
        for touch in events:
            rows.sums = {}
            if fold_events(view, [touch], rows, set()):
                return None
            moves = [(key, tuple(values)) for key, values in rows.sums.items() if any(values)]
            if len(moves) > 1 or not all(map(_is_small, moves)):
                return None
            moved.append(moves[0] if moves else None)
        written = [(*key, *view.encode(state)) for key, state in rows.states.items() if state is not None]
    except Exception:
        return None
    # A row above, or one that waits, belongs to other events too.
    return Part(events, [*rows.fresh.values(), *written], moved) if keys == [len(keys_of(touch)) for touch in events] else None


def _is_small(moved: Signed | None) -> bool:
    return moved is None or max(map(abs, moved[1])) < MOST_MOVED


class _Kept(NamedTuple):
    """What is kept beside an event: the position of the first event of its part, the hashes of its rows, and what it moves."""

    part: int
    hashes: list[int]
    moved: Signed | None


def columns_of(view: Projection, events: Sequence[Recorded]) -> dict[str, pa.Array]:
    """Returns the parts of some events as columns, a row each event. The first event of a part has its *rows*, as a COPY has them."""
    parts = parts_of(view, events)
    written = [row for part in parts for row in part.rows]
    packed = iter(packed_rows([kind for _, kind in view.rows.columns], written) if written else ())
    rows: dict[int, bytes] = {}
    # One without the bytes that the view looks for is a part that comes to nothing.
    marks = ((event, view.marks.get(event.kind)) for event in events)
    kept = {event.position: _Kept(event.position, [], None) for event, mark in marks if mark is not None and mark not in event.data}
    for part in parts:
        first = part.events[0][0]
        rows[first] = b"".join([next(packed) for _ in part.rows])
        for touch, moved in zip(part.events, part.moved, strict=True):
            kept[touch[0]] = _Kept(first, [hash_of(key) for key in keys_of(touch)], moved)
    return _arrays(view, events, [kept.get(event.position) for event in events], rows)


def _arrays(view: Projection, events: Sequence[Recorded], kept: Sequence[_Kept | None], rows: Mapping[int, bytes]) -> dict[str, pa.Array]:
    waiting = view.waiting
    waits = [
        None if one is None or waiting is None or (key := waiting(event)) is None else hash_of(key)
        for event, one in zip(events, kept, strict=True)
    ]
    moved = [None if one is None else one.moved for one in kept]
    cells = [None if one is None else json.dumps(one[0], ensure_ascii=False) for one in moved]
    columns = {
        "part": pa.array([None if one is None else one.part for one in kept], pa.int64()),
        "rows": pa.array([rows.get(event.position) for event in events], pa.binary()),
        "hashes": pa.array([None if one is None else one.hashes for one in kept], pa.list_(pa.int64())),
        "waits": pa.array(waits, pa.int64()),
        "cell": pa.array(cells, pa.string()).dictionary_encode(),
    }
    for number, (name, _) in enumerate(view.cells.value_columns if view.cells is not None else ()):
        columns[f"sum.{name}"] = pa.array([None if one is None else one[1][number] for one in moved], pa.int64())
    return columns
