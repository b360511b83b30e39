"""The offline hotlist: which cards are on it, and the two files, snapshot and delta, that say so exactly.

A snapshot is a filter over the hashes of what is listed, and a list of the known names that are not listed but that the filter would
take for listed. A delta names the hashes for which a gate that holds the epoch before would answer wrongly. So both are exact for every
card known at their position, and neither names a card: what is hashed under the epoch's key is the name a gate reads off the card.
The format is described byte by byte in docs/hotlist.md.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import control_pb2

from hub.domain import fuse_filter
from hub.domain.aggregate import HubAggregate
from hub.domain.card import Standing
from hub.domain.errors import HubError
from hub.domain.fuse_filter import FuseFilter
from hub.domain.pseudonym import hmac_sm3_under

# What a gate reads off a card: its number, or the number of its 交通联合 application.
READ_BY_GATES = ("card", "transit")
# Loss to transit hotlist file within 15 minutes, to the device within 24 hours [D].
STALE_AFTER_S = 86_400
SIGNATURE_BYTES = 64
SNAPSHOT, DELTA = 1, 2
DRAWS = 8
_MAGIC, _VERSION = b"CYHL", 1
_COMMON = struct.Struct(">4sBBHQQQqIIQQ")
_SNAPSHOT = struct.Struct(">32sQIII")
_DELTA = struct.Struct(">QII")
# States in which the card is still with its maker or was never made: no gate sees it, and online it is CARD_NOT_ISSUED.
_NOT_ISSUED = frozenset({"APPLIED", "REJECTED", "IN_PRODUCTION", "PRODUCTION_FAILED", "PRODUCED"})

Hashing = Callable[[bytes], Callable[[bytes], int]]
Cards = Callable[[], Iterable[tuple[bytes | None, bool]]]
Sign = Callable[[bytes], bytes]


class HashesCollide(HubError):
    """A listed and an unlisted card have one hash under every key drawn: a name must be there twice."""


def is_listed(card: Standing) -> bool:
    """Whether a gate must refuse the card: issued but not active (A02), provisionally blocked (A03), or its purse is hotlisted (A21)."""
    is_barred = card.social_status not in (None, "ACTIVE") and card.social_status not in _NOT_ISSUED
    return is_barred or card.block_until_us is not None or card.transit_purse_status == "HOTLISTED"


def hashing(key: bytes) -> Callable[[bytes], int]:
    """Returns what hashes names under an epoch's key: the first 64 bits of HMAC-SM3."""
    digest = hmac_sm3_under(key)
    return lambda name: int.from_bytes(digest(name)[:8], "big")


class Epoch(NamedTuple):
    """What heads either file: *listed* and *issued* count names, *unlistable* listed cards of which the vault has no name any more."""

    epoch: int
    base_epoch: int
    position: int
    instant_us: int
    stale_after_s: int
    unlistable: int = 0
    listed: int = 0
    issued: int = 0

    @classmethod
    def of(cls, data: bytes) -> Epoch:
        """Reads the head of a file."""
        return cls(*_COMMON.unpack_from(data)[4:])


@dataclass(slots=True)
class Held:
    """What a gate holds: a snapshot and the deltas since; *listed* and *cleared* are hashes beside the filter."""

    head: Epoch
    key: bytes
    filter: FuseFilter
    cleared: set[int]
    listed: set[int] = field(default_factory=set)

    def answers_listed(self, hashes: Collection[int]) -> set[int]:
        """Returns those of the hashes that the gate takes for listed."""
        hits = {value for value in self.filter.hits(array("Q", hashes)) if value not in self.cleared}
        return hits | self.listed.intersection(hashes)

    def apply(self, delta: bytes) -> None:
        """Brings the next delta in."""
        head, (previous, to_list, to_clear), entries = _parts(delta, DELTA, _DELTA)
        assert (head.base_epoch, previous) == (self.head.base_epoch, self.head.epoch), "deltas come in order, over one snapshot"
        values = _integers("Q", entries)
        for value in values[:to_list]:
            self.listed.add(value)
            self.cleared.discard(value)
        for value in values[to_list : to_list + to_clear]:
            self.cleared.add(value)
            self.listed.discard(value)
        self.head = head


def make_snapshot(head: Epoch, cards: Cards, draw: Callable[[], bytes], sign: Sign, hashing: Hashing = hashing) -> bytes:
    """Returns the file of a snapshot: *cards* yields every known (name, is listed) again on each call, *draw* a fresh key of 32 bytes.

    A listed card without a name (None) is only counted. The key is drawn when the set is fixed, so nobody can choose a card that
    collides; should one do so, another key is drawn. Raises HashesCollide.
    """
    for _ in range(DRAWS):
        key = draw()
        listed, others, unlistable = _hash(cards, hashing(key))
        if listed.isdisjoint(others):
            break
    else:
        raise HashesCollide
    made = fuse_filter.build(listed)
    exceptions = sorted(set(made.hits(others)))
    head = head._replace(listed=len(listed), issued=len(listed) + len(others), unlistable=unlistable)
    body = _COMMON.pack(_MAGIC, _VERSION, SNAPSHOT, 0, *head)
    body += _SNAPSHOT.pack(key, made.seed, made.segment_length, made.segments, len(exceptions))
    body += _big_endian("Q", exceptions) + _big_endian("H", made.fingerprints)
    return body + sign(body)


def make_delta(head: Epoch, cards: Cards, held: Held, sign: Sign, hashing: Hashing = hashing) -> bytes | None:
    """Returns the file that brings a gate to the cards as they are now, None if the base's key cannot distinguish two cards any more."""
    listed, others, unlistable = _hash(cards, hashing(held.key))
    if not listed.isdisjoint(others):
        return None
    to_list = sorted(listed - held.answers_listed(listed))
    to_clear = sorted({value for value in held.filter.hits(others) if value not in held.cleared} | held.listed.intersection(others))
    head = head._replace(listed=len(listed), issued=len(listed) + len(others), unlistable=unlistable)
    body = _COMMON.pack(_MAGIC, _VERSION, DELTA, 0, *head) + _DELTA.pack(held.head.epoch, len(to_list), len(to_clear))
    body += _big_endian("Q", chain(to_list, to_clear))
    return body + sign(body)


def read_snapshot(data: bytes) -> Held:
    """Reads what `make_snapshot` made; the signature is the gate's to check, not the hub's own."""
    head, (key, seed, length, segments, exceptions), rest = _parts(data, SNAPSHOT, _SNAPSHOT)
    cleared, fingerprints = _integers("Q", rest[: 8 * exceptions]), _integers("H", rest[8 * exceptions :])
    return Held(head, key, FuseFilter(seed, length, segments, fingerprints), set(cleared))


def _parts(data: bytes, kind: int, own: struct.Struct) -> tuple[Epoch, tuple[Any, ...], bytes]:
    """Returns the common head, the kind's own fields, and what lies between them and the signature."""
    magic, version, its_kind, _, *fields = _COMMON.unpack_from(data)
    assert (magic, version, its_kind) == (_MAGIC, _VERSION, kind), "the hub reads its own files"
    return Epoch(*fields), own.unpack_from(data, _COMMON.size), data[_COMMON.size + own.size : -SIGNATURE_BYTES]


def _hash(cards: Cards, hash_of: Callable[[bytes], int]) -> tuple[set[int], array[int], int]:
    """Returns the hashes of listed names, those of the others, and how many are listed without a name."""
    listed, others, unlistable = set(), array("Q"), 0
    for name, stands_on_it in cards():
        if name is None:
            unlistable += 1
        elif stands_on_it:
            listed.add(hash_of(name))
        else:
            others.append(hash_of(name))
    return listed, others, unlistable


def _big_endian(code: str, values: Iterable[int]) -> bytes:
    packed = array(code, values)
    if sys.byteorder == "little":
        packed.byteswap()
    return packed.tobytes()


def _integers(code: str, data: bytes) -> array[int]:
    values = array(code, data)
    if sys.byteorder == "little":
        values.byteswap()
    return values


class Hotlist(HubAggregate):
    """The sequence of published epochs: an epoch's number is the version of its event, so no number is given twice."""

    ID: UUID = uuid5(NAMESPACE_URL, "urn:chuanyu:hotlist")

    def __init__(self, _: control_pb2.HotlistPublished | None = None) -> None:
        """Keeps nothing of an epoch: the files are in the `hotlist` schema."""

    @classmethod
    def at(cls, epoch: int) -> Hotlist:
        """The hotlist with so many epochs published, 0 for none."""
        hotlist = cls()
        hotlist.id, hotlist.version, hotlist._pending = cls.ID, epoch, []
        return hotlist

    def apply(self, kind: str, message: object) -> None:
        """Folds nothing."""
