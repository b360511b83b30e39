"""Rows in PostgreSQL's binary format: of a COPY, and as arrays of one column each.

The client library dumps an array value by value through an object each, which cost a third of a fold; here a column is one pass.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_COPY_HEAD, _COPY_END = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8, b"\xff\xff"
_ARRAY_HEAD = struct.Struct(">iiIii")
_length = struct.Struct(">i").pack
_NULL = _length(-1)
_EIGHT, _FOUR = struct.Struct(">iq").pack, struct.Struct(">ii").pack
_TRUE, _FALSE = _length(1) + b"\1", _length(1) + b"\0"


# A column at a time: a call for each value would cost more than the packing.


def _bytes(values: Sequence[bytes]) -> list[bytes]:
    return [_length(len(value)) + value for value in values]


def _texts(values: Sequence[str]) -> list[bytes]:
    return _bytes([value.encode() for value in values])


def _bigints(values: Sequence[int]) -> list[bytes]:
    return [_EIGHT(8, value) for value in values]


def _integers(values: Sequence[int]) -> list[bytes]:
    return [_FOUR(4, value) for value in values]


def _booleans(values: Sequence[bool]) -> list[bytes]:
    return [_TRUE if value else _FALSE for value in values]


# What packs values, each with its length, and the number of the type in the catalogue; its array's is beside it.
_TYPES: dict[str, tuple[Callable[[Any], list[bytes]], int, int]] = {
    "bytea": (_bytes, 17, 1001),
    "text": (_texts, 25, 1009),
    "bigint": (_bigints, 20, 1016),
    "integer": (_integers, 23, 1007),
    "int": (_integers, 23, 1007),
    "boolean": (_booleans, 16, 1000),
}
# Those of which each value takes as much: how many bytes, and how they are packed.
_SIZES = {"bigint": (8, "q"), "integer": (4, "i"), "int": (4, "i"), "boolean": (1, "?")}


def _column(kind: str, values: Sequence[Any]) -> list[bytes]:
    pack = _TYPES[kind][0]
    if None not in values:
        return pack(values)
    there = iter(pack([value for value in values if value is not None]))
    return [_NULL if value is None else next(there) for value in values]


def _same_size(kind: str, values: Sequence[Any]) -> int | None:
    """Returns how many bytes each value of a column takes, None if not all take as many, or that is not known without packing them."""
    if kind in _SIZES:
        return None if None in values else _SIZES[kind][0]
    if kind != "bytea" or None in values:
        return None
    sizes = set(map(len, values))
    return sizes.pop() if len(sizes) == 1 else None


def packed_rows(kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> Iterator[bytes]:
    """Yields rows, of which there is one at least, each as a binary COPY into columns of these types has it.

    Neighbours of which all values have one size are packed together, a row at a time.
    """
    pieces: list[Iterable[bytes]] = []
    layout, values = ">h", list[Iterable[Any]]([repeat(len(kinds))])
    for kind, column in zip(kinds, zip(*rows, strict=True), strict=True):
        if (size := _same_size(kind, column)) is not None:
            layout += f"i{_SIZES[kind][1] if kind in _SIZES else f'{size}s'}"
            values += [repeat(size), column]
            continue
        if values:
            pieces.append(map(struct.Struct(layout).pack, *values))
        pieces.append(_column(kind, column))
        layout, values = ">", []
    if values:
        pieces.append(map(struct.Struct(layout).pack, *values))
    return map(b"".join, zip(*pieces, strict=False))


def copied(rows: Iterable[bytes | memoryview]) -> bytes:
    """Returns packed rows as the data of a binary COPY."""
    return b"".join([_COPY_HEAD, *rows, _COPY_END])


class Packed:
    """An array of one of the types, in binary."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        """*data* is what the server reads."""
        self.data = data


def _kind_of_array(number: int) -> type[Packed]:
    """Makes the class of the arrays of a type, and has the client library send them as they are."""
    kind = type(f"Packed{number}", (Packed,), {"__slots__": ()})

    class AsItIs(Dumper):
        format = Format.BINARY
        oid = number

        def dump(self, obj: Any) -> bytes:
            """Returns what was packed."""
            return obj.data  # type: ignore[no-any-return]

    psycopg.adapters.register_dumper(kind, AsItIs)
    return kind


_ARRAYS = {kind: _kind_of_array(array) for kind, (_, _, array) in _TYPES.items()}


def array(kind: str, values: Sequence[Any]) -> Packed | list[Any]:
    """Returns a column as an array parameter; of a type that is not packed here it stays a list."""
    if kind not in _TYPES:
        return list(values)
    number, packed = _TYPES[kind][1], _column(kind, values)
    return _ARRAYS[kind](_ARRAY_HEAD.pack(1, int(_NULL in packed), number, len(values), 1) + b"".join(packed))


def arrays(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> list[Packed | list[Any]]:
    """Returns rows, of which there is one at least, as an array for each of their columns (name, type)."""
    return [array(kind, values) for (_, kind), values in zip(columns, zip(*rows, strict=True), strict=True)]
