"""A copy of the hub's log: a mirror's folder, or the site where the hub publishes it, in the layout of C2SP tlog-tiles.

An entry shows feed, number, kind, time and a mark of its event, nothing of the content. All entries are read and hashed, so that what is
compared is what the checkpoint commits to; whether the checkpoint is the log's, its signature says.
"""

import base64
import hashlib
import struct
import time
import urllib.request
from collections.abc import Iterator, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.error import URLError
from urllib.parse import urlsplit

from adapters.kit.errors import AdapterError
from adapters.kit.log_trust import LogKey, check_signed
from adapters.kit.loopback import is_here

WIDTH = 256
_HEAD = struct.Struct(">BQqq")
_VERSION = 1
_TIMEOUT_S, _WHOLE_S = 30.0, 120.0
# 256 entries of 64 kB.
_MOST_BYTES = 1 << 24


class LogUnreadable(AdapterError):
    """The copy of the log cannot be read, or is not what its checkpoint commits to."""


class Entry(NamedTuple):
    """What an entry shows of an event; *mark* is the first half of its digest, b"" where it has none."""

    position: int
    recorded_us: int
    sequence: int
    stream: str
    kind: str
    mark: bytes


class Checkpoint(NamedTuple):
    """The head of the log: so many entries, with this root."""

    origin: str
    size: int
    root: bytes


class LogCopy:
    """A folder, or the prefix of a site."""

    def __init__(self, place: str) -> None:
        """*place* is a path, or a URL."""
        self._place = place

    def checkpoint(self, keys: Sequence[LogKey] = ()) -> Checkpoint:
        """Returns the head; where keys are given, one that counts must have signed it. Raises LogUnreadable, LogKeyWrong."""
        note = self._read("checkpoint")
        text, _, signatures = note.decode(errors="replace").partition("\n\n")
        try:
            origin, size, root = text.split("\n")
            head = Checkpoint(origin, int(size), base64.b64decode(root, validate=True))
        except ValueError:
            raise LogUnreadable("checkpoint") from None
        if str(head.size) != size or not 0 <= head.size < 1 << 63:
            raise LogUnreadable("checkpoint")
        if keys:
            check_signed(f"{text}\n", signatures, head.origin, head.size, keys)
        return head

    def entries(self, head: Checkpoint) -> Iterator[Entry]:
        """Yields the entries of events in order, and raises LogUnreadable at the end unless they are those of the head."""
        tree: list[tuple[int, bytes]] = []
        for number in range(-(-head.size // WIDTH)):
            width = min(WIDTH, head.size - number * WIDTH)
            for index, data in enumerate(_bundle(self._bundle(number, width), width), number * WIDTH):
                _add(tree, hashlib.sha256(b"\0" + data).digest())
                if index:
                    yield _entry(data, index)
        if _root(tree) != head.root:
            raise LogUnreadable("the entries are not those of the checkpoint")

    def _bundle(self, number: int, width: int) -> bytes:
        """Reads a bundle; a mirror may have it whole by now."""
        whole = f"tile/entries/{_path(number)}"
        if width == WIDTH:
            return self._read(whole)
        try:
            return self._read(f"{whole}.p/{width}")
        except LogUnreadable:
            return self._read(whole)

    def _read(self, path: str) -> bytes:
        if "://" not in self._place:
            try:
                return (Path(self._place) / path).read_bytes()
            except OSError as error:
                raise LogUnreadable(f"{path}: {error.strerror}") from None
        url = f"{self._place.rstrip('/')}/{path}"
        if not url.startswith(("http://", "https://")):
            raise LogUnreadable(self._place)
        try:
            handlers = [urllib.request.ProxyHandler({})] if is_here(urlsplit(url).hostname or "") else []
            with urllib.request.build_opener(*handlers).open(url, timeout=_TIMEOUT_S) as answer:
                return _whole(answer, url)
        except (URLError, OSError, HTTPException, ValueError) as error:
            raise LogUnreadable(f"{url}: {error}") from None


def _whole(answer: HTTPResponse, url: str) -> bytes:
    """Returns a body; one that is longer than any file of a log, or takes longer than one may, is given up."""
    found, until = bytearray(), time.monotonic() + _WHOLE_S
    while part := answer.read1(1 << 16):
        found += part
        if len(found) > _MOST_BYTES or time.monotonic() > until:
            raise LogUnreadable(f"{url}: more than {_MOST_BYTES} bytes, or longer than {_WHOLE_S:g} s")
    if answer.length:
        raise LogUnreadable(f"{url}: ends {answer.length} bytes early")
    return bytes(found)


def _path(number: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _bundle(data: bytes, width: int) -> Iterator[bytes]:
    """Yields the first *width* entries: each behind its length in two bytes."""
    at = 0
    for _ in range(width):
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise LogUnreadable("an entry is cut")
        yield data[at + 2 : end]
        at = end


def _entry(data: bytes, index: int) -> Entry:
    try:
        version, position, recorded_us, sequence = _HEAD.unpack_from(data)
        stream, at = _sized(data, _HEAD.size)
        kind, at = _sized(data, at)
        mark, at = _sized(data, at)
        name, kind_name = stream.decode(), kind.decode()
    except (struct.error, IndexError, UnicodeDecodeError):
        raise LogUnreadable(f"entry {index}") from None
    if version != _VERSION or position != index or len(data) != at + 32:
        raise LogUnreadable(f"entry {index}")
    return Entry(position, recorded_us, sequence, name, kind_name, mark)


def _sized(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end], end


def _add(tree: list[tuple[int, bytes]], leaf: bytes) -> None:
    """Adds a leaf to the roots of whole subtrees, the largest first."""
    height, node = 0, leaf
    while tree and tree[-1][0] == height:
        node = hashlib.sha256(b"\1" + tree.pop()[1] + node).digest()
        height += 1
    tree.append((height, node))


def _root(tree: list[tuple[int, bytes]]) -> bytes:
    if not tree:
        return hashlib.sha256().digest()
    root = tree[-1][1]
    for _, node in reversed(tree[:-1]):
        root = hashlib.sha256(b"\1" + node + root).digest()
    return root
