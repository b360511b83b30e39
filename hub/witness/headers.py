"""What anybody sees of an entry: position, time, feed, number, kind. From these alone it shows whether a feed is complete."""

import json
import struct
from pathlib import Path
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.witness.folder import write

_HEAD = struct.Struct(">BqqqB")
_VERSION = 1


class EntryRefused(HubError):
    """An entry of the log breaks the order that the log promises; nothing is cosigned."""


class Header(NamedTuple):
    """*sequence* is the number in the feed *stream*; *recorded_us* counts from 1970."""

    position: int
    recorded_us: int
    sequence: int
    stream: str
    kind: str


def header_of(entry: bytes) -> Header:
    """Reads what an entry shows; raises EntryRefused for one of another form."""
    try:
        version, position, recorded_us, sequence, length = _HEAD.unpack_from(entry)
        stream = entry[_HEAD.size : _HEAD.size + length]
        at = _HEAD.size + length
        kind = entry[at + 1 : at + 1 + entry[at]]
        if version != _VERSION or len(stream) != length or len(kind) != entry[at]:
            raise EntryRefused("It is not an entry of version 1.")
        return Header(position, recorded_us, sequence, stream.decode(), kind.decode())
    except (struct.error, IndexError, UnicodeDecodeError):
        raise EntryRefused("It is not an entry of version 1.") from None


class Order:
    """Follows the entries of a log: positions without a gap, times that never go back, and the numbers of each feed 1, 2, 3 …"""

    def __init__(self, size: int, recorded_us: int, last: dict[str, int]) -> None:
        """*size* is how many entries were seen, *recorded_us* the time of the last, *last* the last number of each feed."""
        self.size, self.recorded_us, self.last = size, recorded_us, last

    def take(self, entry: bytes) -> None:
        """Follows one more entry; raises EntryRefused with what is broken. The first, the genesis, is text."""
        if self.size:
            found = header_of(entry)
            expected = self.last.get(found.stream, 0) + 1
            if found.position != self.size:
                raise EntryRefused(f"The entry at index {self.size} says that its position is {found.position}.")
            if found.sequence != expected:
                raise EntryRefused(f"Position {found.position}: {found.stream} has number {found.sequence} where {expected} comes next.")
            if found.recorded_us < self.recorded_us:
                raise EntryRefused(f"Position {found.position} was recorded before the position ahead of it: the time was set back.")
            self.recorded_us, self.last[found.stream] = found.recorded_us, found.sequence
        self.size += 1

    def store(self, path: Path) -> None:
        """Writes what is known beside the mirror's checkpoint."""
        fields = {"size": self.size, "recorded_us": self.recorded_us, "last": self.last}
        write(path, json.dumps(fields, ensure_ascii=False, sort_keys=True).encode() + b"\n")

    @classmethod
    def load(cls, path: Path, size: int) -> "Order | None":
        """Reads it again, None where it is not there or of another size."""
        try:
            fields = json.loads(path.read_bytes())
            found = cls(int(fields["size"]), int(fields["recorded_us"]), {str(name): int(last) for name, last in fields["last"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return found if found.size == size else None
