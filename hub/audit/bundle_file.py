"""The bytes of an evidence bundle (`*.hubaudit`): a plain tar of named members in one order, and records of entries.

The same question on the same log gives the same bytes: headers have one owner, one mode and no time. docs/log-format.md describes them.
"""

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

FORMAT = "chuanyu-bundle/2"
BLOCK = 512
MOST_ENTRIES_A_PART, MOST_BYTES_A_PART = 4_096, 1 << 22
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_CLOSED, _OPENED = struct.Struct(">BH"), struct.Struct(">qBI")


class Held(NamedTuple):
    """An entry as the bundle has it; *content* is (blind, occurred_us, data), None where only the header is shown."""

    entry: bytes
    content: tuple[bytes, int, bytes] | None


def header(name: str, size: int) -> bytes:
    """Returns the header of a member."""
    fields = (name.encode(), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size, b"00000000000\0")
    whole = _HEADER.pack(*fields, b" " * 8, b"0", b"", b"ustar\0", b"00", b"", b"", b"", b"", b"")
    return whole[:148] + b"%06o\0 " % sum(whole) + whole[156:]


def as_json(said: dict[str, Any]) -> bytes:
    """Returns JSON in the one way that a bundle has it."""
    return json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


class Writer:
    """Writes a bundle, and hashes it meanwhile."""

    def __init__(self, file: BinaryIO) -> None:
        """*file* is written from where it is."""
        self._file, self._hash = file, hashlib.sha256()
        self.size = 0

    def add(self, name: str, data: bytes) -> None:
        """Adds a member, none that is empty."""
        assert data, f"{name} is not empty"
        self._put(header(name, len(data)))
        self._put(data)
        self._put(bytes(-len(data) % BLOCK))

    def end(self) -> bytes:
        """Ends the file and returns its SHA-256."""
        self._put(bytes(2 * BLOCK))
        return self._hash.digest()

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)


def packed(held: Held) -> bytes:
    """Returns the record of an entry."""
    if held.content is None:
        return _CLOSED.pack(0, len(held.entry)) + held.entry
    blind, occurred_us, data = held.content
    return b"".join((_CLOSED.pack(1, len(held.entry)), held.entry, _OPENED.pack(occurred_us, len(blind), len(data)), blind, data))


def parts(entries: Iterable[Held]) -> Iterator[tuple[str, bytes]]:
    """Yields the members of the entries, each small enough to be read at once."""
    number, waiting, size = 0, list[bytes](), 0
    for held in entries:
        record = packed(held)
        waiting.append(record)
        size += len(record)
        if len(waiting) == MOST_ENTRIES_A_PART or size >= MOST_BYTES_A_PART:
            yield f"entries/{number:06d}", b"".join(waiting)
            number, waiting, size = number + 1, [], 0
    if waiting:
        yield f"entries/{number:06d}", b"".join(waiting)
