"""Reads an evidence bundle for the hub's own checker: the tar, its JSON and its records of entries, exactly as the hub writes them."""

import json
import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from hub.audit.bundle_file import BLOCK, as_json, header
from hub.domain.errors import HubError
from hub.journal import envelope

MOST_MEMBER_BYTES, MOST_MEMBERS, MOST_JSON_BYTES = 1 << 28, 1_000_000, 1 << 24
_KINDS = {
    tarfile.LNKTYPE: "TAR_LINK",
    tarfile.SYMTYPE: "TAR_LINK",
    tarfile.CHRTYPE: "TAR_DEVICE",
    tarfile.BLKTYPE: "TAR_DEVICE",
    tarfile.FIFOTYPE: "TAR_DEVICE",
    tarfile.GNUTYPE_SPARSE: "TAR_SPARSE",
}
_PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")


class BundleRefused(HubError):
    """证据包不成立，不可采信 the evidence bundle does not hold; do not rely on it:"""

    def __init__(self, name: str, detail: str = "") -> None:
        """*name* is that of the refusal, in capitals; docs/verify.md has a row for each."""
        super().__init__(f"{name} {detail}".strip())
        self.name = name


class Reading:
    """The members of a bundle, one after the other; each must be where the order has it, and is read when it is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises BundleRefused, here and below, for what is no such file."""
        self._file, self._names = file, set[str]()
        self._waiting: tuple[str, int] | None = None
        self._is_over = False

    def one(self, name: str) -> bytes:
        """Reads the member that must be next."""
        if self._peek() != name:
            raise BundleRefused("MEMBER_MISSING", name)
        return self._read()

    def one_if_there(self, name: str) -> bytes:
        """Reads the next member if it is this one, b"" if it is not."""
        return self._read() if self._peek() == name else b""

    def folder(self, name: str) -> Iterator[tuple[str, bytes]]:
        """Yields the members of a folder that are next, by their names in it."""
        before = ""
        while (found := self._peek()) is not None and found.startswith(name):
            if found <= before:
                raise BundleRefused("MEMBER_UNKNOWN", found)
            before = found
            yield found[len(name) :], self._read()

    def over(self) -> None:
        """Refuses a further member."""
        if (found := self._peek()) is not None:
            raise BundleRefused("MEMBER_UNKNOWN", found)

    def _peek(self) -> str | None:
        if self._waiting is None and not self._is_over:
            self._waiting = self._header()
        return None if self._waiting is None else self._waiting[0]

    def _header(self) -> tuple[str, int] | None:
        block = self._file.read(BLOCK)
        if block == bytes(BLOCK):
            if self._file.read(BLOCK) != bytes(BLOCK):
                raise BundleRefused("TAR_TRUNCATED", "the end mark is missing")
            if self._file.read(1):
                raise BundleRefused("TAR_TRAILING")
            self._is_over = True
            return None
        if not self._names and block.startswith(_PACKED):
            raise BundleRefused("TAR_COMPRESSED")
        if len(block) < BLOCK:
            raise BundleRefused("TAR_TRUNCATED", f"after {len(self._names)} members")
        name, size = _named(block)
        if name in self._names:
            raise BundleRefused("TAR_DOUBLED", name)
        self._names.add(name)
        if len(self._names) > MOST_MEMBERS:
            raise BundleRefused("TAR_TOO_LARGE", "too many members")
        return name, size

    def _read(self) -> bytes:
        assert self._waiting is not None
        (name, size), self._waiting = self._waiting, None
        data = self._file.read(size)
        rest = self._file.read(-size % BLOCK)
        if len(data) < size or len(rest) < -size % BLOCK:
            raise BundleRefused("TAR_TRUNCATED", name)
        if rest.strip(b"\0"):
            raise BundleRefused("TAR_HEADER", name)
        return data


def _named(block: bytes) -> tuple[str, int]:
    kind = block[156:157]
    name = block[:100].rstrip(b"\0").decode("ascii", "replace")
    if block[257:262] != b"ustar":
        raise BundleRefused("TAR_HEADER", "this is no evidence bundle; `hub verify` takes a .tlog-proof or a checkpoint")
    if kind in _KINDS:
        raise BundleRefused(_KINDS[kind], name)
    # A prefix is a way to climb, too: the hub's names are short.
    if name.startswith("/") or ".." in name.split("/") or block[345:500].strip(b"\0"):
        raise BundleRefused("TAR_CLIMBS", name)
    try:
        size = tarfile.TarInfo.frombuf(block, "ascii", "strict").size
    except (tarfile.HeaderError, UnicodeDecodeError):
        raise BundleRefused("TAR_HEADER", name) from None
    if size == 0:
        raise BundleRefused("TAR_EMPTY_MEMBER", name)
    if size > MOST_MEMBER_BYTES:
        raise BundleRefused("TAR_TOO_LARGE", name)
    if size < 0 or block != header(name, size):
        raise BundleRefused("TAR_HEADER", name)
    return name, size


def read_json(data: bytes, refusal: str) -> dict[str, Any]:
    """Reads JSON that is written in the one way that a bundle has it."""
    if len(data) > MOST_JSON_BYTES:
        raise BundleRefused("TAR_TOO_LARGE", refusal)
    try:
        said = json.loads(data)
        is_same = isinstance(said, dict) and as_json(said) == data
    except (ValueError, RecursionError):
        is_same = False
    if not is_same:
        raise BundleRefused(refusal, "JSON")
    return dict(said)


class Shown(NamedTuple):
    """An entry of a bundle; *data* is the content, None where only the header is shown."""

    position: int
    recorded_us: int
    sequence: int
    stream: str
    kind: str
    leaf: bytes
    data: bytes | None


class _Cursor:
    """Reads numbers and bytes from a part, and refuses to read beyond its end."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise BundleRefused("ENTRY_MALFORMED", f"byte {self.at}")
        found, self.at = self._data[self.at : end], end
        return found

    def number(self, size: int, *, is_signed: bool = False) -> int:
        return int.from_bytes(self.take(size), "big", signed=is_signed)

    def short(self) -> bytes:
        return self.take(self.number(1))

    @property
    def is_at_end(self) -> bool:
        return self.at == len(self._data)


def shown_in(part: bytes) -> Iterator[Shown]:
    """Yields the entries of a part, each content compared with what the log has of it; raises BundleRefused."""
    records = _Cursor(part)
    while not records.is_at_end:
        is_open = records.number(1)
        raw = records.take(records.number(2))
        entry = _Cursor(raw)
        version, position = entry.number(1), entry.number(8)
        recorded_us, sequence = entry.number(8, is_signed=True), entry.number(8, is_signed=True)
        stream, kind, mark = entry.short(), entry.short(), entry.short()
        inner = entry.take(envelope.LEAF_BYTES)
        if version != 1 or is_open > 1 or not entry.is_at_end:
            raise BundleRefused("ENTRY_MALFORMED", f"position {position}")
        data = None
        if is_open:
            occurred_us = records.number(8, is_signed=True)
            sizes = records.number(1), records.number(4)
            # How long the blind is, the signed header says: its mark is the other half of the digest.
            if sizes[0] != len(mark):
                raise BundleRefused("ENTRY_MALFORMED", f"position {position}")
            blind, data = records.take(sizes[0]), records.take(sizes[1])
            # As a digest whose first half is in the header: only the second half is hashed with the content.
            if envelope.inner_hash(bytes(envelope.MARK_BYTES) + blind, occurred_us, data) != inner:
                raise BundleRefused("CONTENT_DIFFERS", f"position {position}")
        names = stream.decode("utf-8", "replace"), kind.decode("utf-8", "replace")
        yield Shown(position, recorded_us, sequence, *names, envelope.leaf_hash(raw), data)
