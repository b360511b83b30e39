"""Where tiles and entry bundles of a log are below its prefix, and what an entry bundle is in bytes (C2SP tlog-tiles)."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog.tree import WIDTH

CHECKPOINT = "checkpoint"
MOST_ENTRY_BYTES = 65_535
_PATH = re.compile(r"tile/(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)


class PathRefused(HubError):
    """No tile and no entry bundle of a log has this path; paths are those of C2SP tlog-tiles."""


class BundleRefused(HubError):
    """The bytes are not an entry bundle of so many entries; fetch it again, or take it from another mirror."""


class TilePath(NamedTuple):
    """*level* is None for an entry bundle; *width* is 256 for a full one."""

    level: int | None
    number: int
    width: int


def tile(level: int, number: int, width: int = WIDTH) -> str:
    """Returns the path of a tile below the log's prefix."""
    return f"tile/{level}/{_number(number, width)}"


def entries(number: int, width: int = WIDTH) -> str:
    """Returns the path of an entry bundle below the log's prefix."""
    return f"tile/entries/{_number(number, width)}"


def parse(path: str) -> TilePath:
    """Reads a path below the log's prefix; raises PathRefused, also for a number that is written with more elements than it needs."""
    found = _PATH.fullmatch(path)
    if not found:
        raise PathRefused()
    kind, number, width = found[1], int(re.sub(r"[x/]", "", found[2])), int(found[3] or WIDTH)
    read = TilePath(None if kind == "entries" else int(kind), number, width)
    canonical = entries(number, width) if read.level is None else tile(read.level, number, width)
    if (read.level or 0) > 63 or canonical != path:
        raise PathRefused()
    return read


def encode_bundle(found: Iterable[bytes]) -> bytes:
    """Returns entries as a bundle: the length of each as 16 bits, then its bytes."""
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in found])


def decode_bundle(bundle: bytes, width: int) -> list[bytes]:
    """Returns the entries of a bundle; raises BundleRefused if it has fewer or more than *width*."""
    found = decode_first(bundle, width)
    rest = len(bundle) - sum(2 + len(entry) for entry in found)
    if rest:
        raise BundleRefused(f"it has {rest} bytes after {width} entries.")
    return found


def decode_first(bundle: bytes, width: int) -> list[bytes]:
    """Returns the first entries of a bundle; raises BundleRefused if it has fewer than *width*."""
    found: list[bytes] = []
    at = 0
    while len(found) < width:
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise BundleRefused(f"it ends before entry {len(found) + 1} of {width}.")
        found.append(bundle[at + 2 : end])
        at = end
    return found


def _number(number: int, width: int) -> str:
    digits = str(number)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:]) + ("" if width == WIDTH else f".p/{width}")
