"""Which rows of a view are touched from more than one unit, and which belong together with them: those are folded again, from all units.

A unit folds the events of some buckets, and an event may touch any row. Most rows are touched from one unit alone, so what the unit
makes of them is all there is. Each touch is written down as the hash of the row's key and the position of the event; two keys with one
hash cost a fold and change nothing.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zlib import adler32, crc32

import pyarrow as pa
import pyarrow.compute as pc

from hub.projections.projection import Key

# So many hashes are compared at once; there are several rounds where there are more.
HASHES_AT_ONCE = 4_000_000


def hash_of(key: Key) -> int:
    """Returns the hash of a row's key, the same in every process: 62 bits at most."""
    first = key[0]
    data = first if len(key) == 1 and type(first) is bytes else repr(key).encode()
    # Keys that differ in one number have different checks by either.
    return crc32(data) << 30 ^ adler32(data)


class Touches:
    """The touches of a view in a unit: by event the hashes of the rows that it touched."""

    def __init__(self) -> None:
        """None yet."""
        self._hashes, self._positions = array("q"), array("q")

    def add(self, rows: Sequence[tuple[int, Key]]) -> None:
        """Adds which events, by position, touched which rows."""
        self._hashes.extend([hash_of(key) for _, key in rows])
        self._positions.extend([position for position, _ in rows])

    @property
    def hashes(self) -> pa.Array:
        """The hashes of all rows that were touched."""
        return pa.array(self._hashes, pa.int64())

    def extend(self, hashes: pa.ChunkedArray, positions: pa.ChunkedArray) -> None:
        """Adds the rows with some hashes, each touched by the event at a position."""
        for column, values in ((self._hashes, hashes), (self._positions, positions)):
            for chunk in values.chunks:
                column.frombytes(memoryview(chunk.buffers()[1])[8 * chunk.offset : 8 * (chunk.offset + len(chunk))])

    def write(self, path: Path) -> None:
        """Writes them to a file: the hashes, then the positions."""
        with path.open("wb") as file:
            self._hashes.tofile(file)
            self._positions.tofile(file)


def _read(path: Path) -> tuple[pa.Array, pa.Array]:
    count = path.stat().st_size // 16
    with pa.memory_map(str(path)) as source:
        buffer = source.read_buffer()
    hashes, positions = buffer.slice(0, 8 * count), buffer.slice(8 * count)
    return pa.Array.from_buffers(pa.int64(), count, [None, hashes]), pa.Array.from_buffers(pa.int64(), count, [None, positions])


def shared(paths: Iterable[Path]) -> pa.Array:
    """Returns the hashes that are in more than one of the files of a view."""
    files = [path for path in paths if path.stat().st_size]
    rounds = sum(path.stat().st_size for path in files) // 16 // HASHES_AT_ONCE + 1
    found = [_shared([_of_round(path, rounds, number) for path in files]) for number in range(rounds)]
    return pa.concat_arrays(found) if found else pa.array([], pa.int64())


def _of_round(path: Path, rounds: int, number: int) -> pa.Array:
    hashes, _ = _read(path)
    if rounds > 1:
        hashes = hashes.filter(pc.equal(pc.subtract(hashes, pc.multiply(pc.divide(hashes, rounds), rounds)), number))
    return pc.unique(hashes)


def _shared(units: list[pa.Array]) -> pa.Array:
    counts = pa.concat_arrays(units).value_counts() if units else None
    if counts is None:
        return pa.array([], pa.int64())
    return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def positions_of(path: Path, hashes: pa.Array) -> pa.Array:
    """Returns the positions of the events of a file that touched rows with some hashes."""
    touched, positions = _read(path)
    return pc.unique(positions.filter(pc.is_in(touched, value_set=hashes)))


def closure(paths: list[Path], hashes: pa.Array) -> pa.Array:
    """Returns the hashes of all rows that belong together with some: those that one event touched, and so on."""
    known = hashes
    while True:
        found = list(_together(paths, known))
        grown = pc.unique(pa.concat_arrays([known, *found]))
        if len(grown) == len(known):
            return known
        known = grown


def _together(paths: list[Path], hashes: pa.Array) -> Iterator[pa.Array]:
    for path in paths:
        touched, positions = _read(path)
        yield touched.filter(pc.is_in(positions, value_set=positions_of(path, hashes)))


def without(hashes: pa.Array, others: pa.Array) -> pa.Array:
    """Returns those of the hashes that are not among others."""
    return hashes.filter(pc.invert(pc.is_in(hashes, value_set=others)))
