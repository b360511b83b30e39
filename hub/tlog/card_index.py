"""The card index: which events name a card or a person, so that "these are all" and "there is none" can be proved.

A key has a name here, `id`, and a record: how many events name it, and a chain over their leaves, in order. Records lie in 2^20 buckets by
the first bits of the id; the hash of a bucket is over its records, and a binary tree over the buckets has one root. A proof is a bucket and
the 20 hashes beside its way to the root, whether the key is in it or not. Neighbours in a bucket show only that somebody exists: what they
come to is blinded. docs/log-format.md has the bytes.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

MAP_VERSION = 1
BUCKET_BITS = 20
# Buckets are kept in groups of 2^8, so that a root of a sparse index is made of few rows.
GROUP_BITS = 8
GROUPS = 1 << BUCKET_BITS - GROUP_BITS
HASH, RECORD = 32, 64
NO_CHAIN = bytes(HASH)
_PREFIX = {"card": b"chuanyu-index/1", "person": b"chuanyu-index-person/1"}


class Counted(NamedTuple):
    """How many events name a key, and the chain over their leaves."""

    events: int
    chain: bytes


def id_of(what: str, key: bytes) -> bytes:
    """Returns the name of a key in the index; *what* is card or person."""
    return sha256(_PREFIX[what] + key).digest()


def blind_of(key: bytes) -> bytes:
    """Returns what blinds the record of a key: who does not have the key cannot test a guess about it."""
    return sha256(b"chuanyu-index-blind/1" + key).digest()


def chained(chain: bytes, leaf: bytes) -> bytes:
    """Returns the chain with one more leaf."""
    return sha256(chain + leaf).digest()


def record_of(name: bytes, blind: bytes, counted: Counted) -> bytes:
    """Returns the record of an id."""
    return name + sha256(blind + counted.events.to_bytes(8, "big") + counted.chain).digest()


def bucket_of(name: bytes) -> int:
    """Returns the number of the bucket of an id."""
    return int.from_bytes(name[:3], "big") >> 24 - BUCKET_BITS


def bounds_of(bucket: int) -> tuple[bytes, bytes]:
    """Returns the lowest id of a bucket and the highest."""
    first = bucket << 256 - BUCKET_BITS
    return first.to_bytes(HASH, "big"), (first + (1 << 256 - BUCKET_BITS) - 1).to_bytes(HASH, "big")


def bucket_hash(records: bytes) -> bytes:
    """Returns the hash of a bucket: of its records in ascending order, one after the other."""
    return sha256(b"\0" + records).digest()


def _above(hashes: bytes) -> bytes:
    return b"".join([sha256(b"\1" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 64)])


def _root(hashes: bytes) -> bytes:
    while len(hashes) > HASH:
        hashes = _above(hashes)
    return hashes


EMPTY_BUCKET = bucket_hash(b"")
EMPTY_GROUP = EMPTY_BUCKET * (1 << GROUP_BITS)
_EMPTY_GROUP_ROOT = _root(EMPTY_GROUP)


def groups_of(records: Iterable[bytes], groups: Mapping[int, bytes] | None = None) -> Iterator[tuple[int, bytes]]:
    """Yields (group, hashes of its buckets) for records in ascending order; a group has what *groups* has of its other buckets."""
    number, hashes, bucket, held = -1, bytearray(), -1, list[bytes]()

    def close() -> None:
        if held:
            at = (bucket & (1 << GROUP_BITS) - 1) * HASH
            hashes[at : at + HASH] = bucket_hash(b"".join(held))

    for record in records:
        if (found := bucket_of(record)) != bucket:
            close()
            bucket, held = found, []
            if bucket >> GROUP_BITS != number:
                if number >= 0:
                    yield number, bytes(hashes)
                number = bucket >> GROUP_BITS
                hashes = bytearray((groups or {}).get(number, EMPTY_GROUP))
        held.append(record)
    close()
    if number >= 0:
        yield number, bytes(hashes)


class Roots:
    """The roots of all groups, and the root above them."""

    def __init__(self, roots: bytes = _EMPTY_GROUP_ROOT * GROUPS) -> None:
        """*roots* is as `kept` returned it."""
        assert len(roots) == GROUPS * HASH, "a root for each group"
        self._roots = bytearray(roots)

    def put(self, group: int, hashes: bytes) -> None:
        """Takes the buckets of a group."""
        self._roots[group * HASH : (group + 1) * HASH] = _root(hashes)

    @property
    def kept(self) -> bytes:
        """What to keep of them."""
        return bytes(self._roots)

    @property
    def root(self) -> bytes:
        """The root of the index."""
        return _root(bytes(self._roots))

    def path(self, bucket: int, hashes: bytes) -> bytes:
        """Returns the hashes beside the way from a bucket to the root; *hashes* are those of its group."""
        path, level, at = [], hashes, bucket & (1 << GROUP_BITS) - 1
        for row, start in ((level, at), (bytes(self._roots), bucket >> GROUP_BITS)):
            level, at = row, start
            while len(level) > HASH:
                path.append(level[(at ^ 1) * HASH : (at ^ 1) * HASH + HASH])
                level, at = _above(level), at >> 1
        return b"".join(path)


def root_by(bucket: int, records: bytes, path: bytes) -> bytes:
    """Returns the root that a bucket and the hashes beside its way lead to."""
    node = bucket_hash(records)
    for height in range(len(path) // HASH):
        sibling = path[height * HASH : (height + 1) * HASH]
        node = sha256(b"\1" + (sibling + node if bucket >> height & 1 else node + sibling)).digest()
    return node
