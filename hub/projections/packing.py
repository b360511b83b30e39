"""Rows in PostgreSQL's binary format: of a COPY, and as arrays of one column each.

The client library dumps an array value by value through an object each, which cost a third of a fold; here a column is one pass.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
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


def _bytes(value: bytes) -> bytes:
    return _length(len(value)) + value


def _text(value: str) -> bytes:
    data = value.encode()
    return _length(len(data)) + data


def _bigint(value: int) -> bytes:
    return _EIGHT(8, value)


def _integer(value: int) -> bytes:
    return _FOUR(4, value)


def _boolean(value: bool) -> bytes:
    return _TRUE if value else _FALSE


# What packs a value with its length, and the number of the type in the catalogue; its array's is beside it.
_TYPES: dict[str, tuple[Callable[[Any], bytes], int, int]] = {
    "bytea": (_bytes, 17, 1001),
    "text": (_text, 25, 1009),
    "bigint": (_bigint, 20, 1016),
    "integer": (_integer, 23, 1007),
    "int": (_integer, 23, 1007),
    "boolean": (_boolean, 16, 1000),
}


def copied(kinds: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Returns rows as the data of a binary COPY into columns of these types."""
    head, packs = struct.pack(">h", len(kinds)), [_TYPES[kind][0] for kind in kinds]
    parts = [_COPY_HEAD]
    append = parts.append
    for row in rows:
        append(head)
        for pack, value in zip(packs, row, strict=True):
            append(_NULL if value is None else pack(value))
    append(_COPY_END)
    return b"".join(parts)


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
    pack, number, _ = _TYPES[kind]
    packed = [_NULL if value is None else pack(value) for value in values]
    return _ARRAYS[kind](_ARRAY_HEAD.pack(1, int(_NULL in packed), number, len(values), 1) + b"".join(packed))


def arrays(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]]) -> list[Packed | list[Any]]:
    """Returns rows, of which there is one at least, as an array for each of their columns (name, type)."""
    return [array(kind, values) for (_, kind), values in zip(columns, zip(*rows, strict=True), strict=True)]
