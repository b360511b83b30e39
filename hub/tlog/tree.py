"""The Merkle tree of RFC 6962 and RFC 9162 over tiles of height 8 (C2SP tlog-tiles): roots, proofs, and the appender that makes tiles.

It reads and writes nothing: *read* gives the first *width* hashes of a tile, wherever tiles are kept. Every proof that comes from
elsewhere is checked by `check_…`, which raise ProofRefused and never return a verdict that a caller could forget to look at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

from hub.domain.errors import HubError

HASH = 32
HEIGHT = 8
WIDTH = 1 << HEIGHT
# A size has 63 bits, so no proof is longer: tlog-witness allows a client no more lines either.
MOST_HASHES = 63
MOST_SIZE = (1 << 63) - 1
EMPTY_ROOT = sha256().digest()

Read = Callable[[int, int, int], bytes]


class ProofRefused(HubError):
    """The proof does not prove it; take neither the proof nor what it was given for."""


class TileRefused(HubError):
    """A tile is not of the length that the tree's size asks for; fetch it again, or take it from another mirror."""


def leaf_hash(entry: bytes) -> bytes:
    """Returns the hash of an entry as a leaf."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns the hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Returns the root over leaf hashes, all of them in memory."""
    appender = Appender(0, ())
    for _ in appender.add(b"".join(leaves)):
        pass
    return appender.root()


def tile_width(size: int, level: int, number: int) -> int:
    """Returns how many hashes the tile has in a tree of *size*: 256 in a full one, 0 where there is none."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - number * WIDTH))


def root(size: int, read: Read) -> bytes:
    """Returns the root of the tree of the first *size* leaves."""
    return nodes(size, read)(0, size) if size else EMPTY_ROOT


def inclusion(index: int, size: int, read: Read) -> list[bytes]:
    """Returns the proof that the leaf *index* is in the tree of *size*, from the leaf's sibling up; raises ProofRefused."""
    if not 0 <= index < size:
        raise ProofRefused(f"index {index} is not in a tree of size {size}.")
    span, path, first, end = nodes(size, read), [], 0, size
    while end - first > 1:
        middle = first + left_size(end - first)
        if index < middle:
            path.append(span(middle, end))
            end = middle
        else:
            path.append(span(first, middle))
            first = middle
    return path[::-1]


def consistency(first: int, second: int, read: Read) -> list[bytes]:
    """Returns the proof that the tree of size *second* begins with that of size *first*; it is empty from size 0. Raises ProofRefused."""
    if not 0 <= first <= second:
        raise ProofRefused(f"a tree of size {second} does not begin with one of size {first}.")
    span, path, start, end, is_whole = nodes(second, read), [], 0, second, True
    while 0 < first < end:
        middle = start + left_size(end - start)
        if first <= middle:
            path.append(span(middle, end))
            end = middle
        else:
            path.append(span(start, middle))
            start, is_whole = middle, False
    if first and not is_whole:
        path.append(span(start, end))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Checks by RFC 9162, 2.1.3.2, that the leaf hash is at *index*; raises ProofRefused."""
    if not 0 <= index < size:
        raise ProofRefused(f"index {index} is not in a tree of size {size}.")
    check_hashes(proof)
    check_hashes([leaf])
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofRefused(f"{len(proof)} hashes are too many for index {index} in a tree of size {size}.")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofRefused(f"{len(proof)} hashes are too few for index {index} in a tree of size {size}.")
    if found != expected_root:
        raise ProofRefused(f"the leaf at index {index} is not in the tree of size {size} with this root.")


def check_consistency(first: int, second: int, proof: Sequence[bytes], root_first: bytes, root_second: bytes) -> None:
    """Checks by RFC 9162, 2.1.4.2, that the tree only grew; raises ProofRefused, always from size 0, which every tree begins with."""
    if not 0 < first <= second:
        raise ProofRefused(f"there is no proof from size {first} to size {second}.")
    check_hashes(proof)
    if first == second:
        if proof or root_first != root_second:
            raise ProofRefused(f"two trees of size {first} have different roots, or the proof is not empty.")
        return
    path = list(proof) if first & (first - 1) else [root_first, *proof]
    if not path:
        raise ProofRefused(f"0 hashes are too few from size {first} to size {second}.")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofRefused(f"{len(proof)} hashes are too many from size {first} to size {second}.")
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofRefused(f"{len(proof)} hashes are too few from size {first} to size {second}.")
    if old != root_first or new != root_second:
        raise ProofRefused(f"the tree of size {second} does not begin with the tree of size {first}.")


def check_growth(first: int, second: int, proof: Sequence[bytes], root_first: bytes, root_second: bytes) -> None:
    """Checks the same as a witness does (C2SP tlog-witness): from size 0 an empty proof is right, and no other is; raises ProofRefused."""
    if second == 0 and root_second != EMPTY_ROOT:
        raise ProofRefused("a tree of size 0 has another root than the empty tree.")
    if first:
        check_consistency(first, second, proof, root_first, root_second)
    elif proof:
        raise ProofRefused("from size 0 the proof must be empty.")


def check_hashes(proof: Sequence[bytes], most: int = MOST_HASHES) -> None:
    """Checks that a proof is of hashes and not longer than any tree asks for; raises ProofRefused."""
    if len(proof) > most:
        raise ProofRefused(f"it has {len(proof)} hashes, of which {most} are enough for any tree.")
    if any(len(one) != HASH for one in proof):
        raise ProofRefused("a hash is not 32 bytes long.")


def left_size(size: int) -> int:
    """Returns how many leaves lie in the left half: the largest power of two below *size*."""
    return 1 << (size - 1).bit_length() - 1


def _fold(hashes: bytes) -> bytes:
    """Returns the hash over a power of two of hashes."""
    while len(hashes) > HASH:
        hashes = b"".join([sha256(b"\1" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])
    return hashes


def nodes(size: int, read: Read) -> Callable[[int, int], bytes]:
    """Returns what gives the hash over the leaves [first, end), where *first* begins a subtree of a tree of *size*; tiles are read once."""
    return _Nodes(size, read).span


class _Nodes:
    """Nodes of one tree, out of tiles that are read once each."""

    def __init__(self, size: int, read: Read) -> None:
        self._size, self._read = size, read
        self._tiles: dict[tuple[int, int], bytes] = {}

    def span(self, first: int, end: int) -> bytes:
        """Returns the hash over the leaves [first, end), where *first* is where such a subtree begins."""
        parts = []
        while first < end:
            height = (end - first).bit_length() - 1
            parts.append(self._perfect(height, first >> height))
            first += 1 << height
        found = parts.pop()
        while parts:
            found = node_hash(parts.pop(), found)
        return found

    def _perfect(self, height: int, index: int) -> bytes:
        level, rest = divmod(height, HEIGHT)
        number, at = divmod(index << rest, WIDTH)
        return _fold(self._tile(level, number)[at * HASH : (at + (1 << rest)) * HASH])

    def _tile(self, level: int, number: int) -> bytes:
        if (level, number) not in self._tiles:
            width = tile_width(self._size, level, number)
            hashes = self._read(level, number, width)
            if len(hashes) != width * HASH:
                raise TileRefused(f"level {level}, number {number}: {len(hashes)} bytes instead of {width * HASH}.")
            self._tiles[level, number] = hashes
        return self._tiles[level, number]


class Appender:
    """Grows a tree. *edge* has for each level the hashes of its last tile where that is partial: `(size >> 8 * level) % 256` of them."""

    def __init__(self, size: int, edge: Iterable[bytes]) -> None:
        """Raises TileRefused where the edge is not one of a tree of *size*."""
        self.size = size
        self._edge = list(edge)
        self._edge += [b""] * (self._levels() - len(self._edge))
        for level, hashes in enumerate(self._edge):
            width = (size >> HEIGHT * level) % WIDTH
            if len(hashes) != width * HASH:
                raise TileRefused(f"level {level} ends with {len(hashes)} bytes instead of {width * HASH}.")

    @classmethod
    def at(cls, size: int, read: Read) -> "Appender":
        """Returns the appender of a tree whose tiles are kept."""
        numbers = [(level, size >> HEIGHT * (level + 1), (size >> HEIGHT * level) % WIDTH) for level in range(_levels(size))]
        return cls(size, [read(level, number, width) if width else b"" for level, number, width in numbers])

    def add(self, leaves: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Adds leaf hashes, one after the other, and yields (level, number, hashes) of each new or wider tile; run it to its end."""
        assert len(leaves) % HASH == 0, "leaves are hashes of 32 bytes"
        added, level, before = leaves, 0, self.size
        self.size += len(leaves) // HASH
        while added:
            if level == len(self._edge):
                self._edge.append(b"")
            hashes, number = self._edge[level] + added, before >> HEIGHT * (level + 1)
            whole = len(hashes) // (WIDTH * HASH)
            above = []
            for at in range(0, whole * WIDTH * HASH, WIDTH * HASH):
                full = hashes[at : at + WIDTH * HASH]
                yield level, number, full
                above.append(_fold(full))
                number += 1
            self._edge[level] = hashes[whole * WIDTH * HASH :]
            if self._edge[level]:
                yield level, number, self._edge[level]
            added, level = b"".join(above), level + 1

    def root(self) -> bytes:
        """Returns the root of the tree as it is."""
        if not self.size:
            return EMPTY_ROOT
        found = None
        for hashes in self._edge:
            at = len(hashes) // HASH
            while at:
                width = at & -at
                part = _fold(hashes[(at - width) * HASH : at * HASH])
                found = part if found is None else node_hash(part, found)
                at -= width
        assert found is not None, "a tree with leaves has an edge"
        return found

    def _levels(self) -> int:
        return _levels(self.size)


def _levels(size: int) -> int:
    return -(-size.bit_length() // HEIGHT)
