"""Proofs from the card index: that these events, and no others, name a key as of an epoch; or that none does."""

import base64
from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from hub.domain.errors import HubError
from hub.journal.leaves import leaves_at
from hub.projections.card_epochs import Epoch, group_at, roots_at
from hub.projections.views.card_index import Entry, entries_in
from hub.tlog.card_index import GROUP_BITS, NO_CHAIN, Counted, blind_of, bucket_of, chained, id_of, record_of, root_by


class IndexGone(HubError):
    """卡索引与已公布的根不符：请运行 `hub fsck` the card index is not what its root says; run `hub fsck`, and `hub prove index` again."""


class CardProof(NamedTuple):
    """What the index has of a key as of an epoch: *bucket* are the records of its bucket, *path* the hashes from it to the root."""

    what: str
    key: bytes
    positions: tuple[int, ...]
    published: int
    bucket: bytes
    path: bytes

    @property
    def name(self) -> bytes:
        """The name of the key in the index."""
        return id_of(self.what, self.key)

    @property
    def said(self) -> dict[str, object]:
        """The proof as a bundle has it."""
        return {
            "what": self.what,
            "key": self.key.hex(),
            "positions": list(self.positions),
            "published": self.published,
            "bucket": base64.b64encode(self.bucket).decode(),
            "path": base64.b64encode(self.path).decode(),
        }


def chain_over(leaves: Iterable[bytes]) -> Counted:
    """Returns what a record says of these leaves."""
    count, chain = 0, NO_CHAIN
    for leaf in leaves:
        count, chain = count + 1, chained(chain, leaf)
    return Counted(count, chain)


def prove(connection: psycopg.Connection, epoch: Epoch, what: str, key: bytes) -> CardProof:
    """Returns the proof for a key as of an epoch that is kept; raises IndexGone."""
    name = id_of(what, key)
    number = bucket_of(name)
    found = [(entry, _as_of(connection, entry, epoch.tree_size)) for entry in entries_in(connection, number)]
    bucket = b"".join(record_of(entry.name, entry.blind, counted) for entry, counted in found if counted is not None)
    own = next((entry for entry, counted in found if entry.name == name and counted is not None), None)
    assert own is None or own.blind == blind_of(key), "a row has the blind of its key"
    positions = () if own is None else tuple(one for one in own.positions if one < epoch.tree_size)
    path = roots_at(connection, epoch.tree_size).path(number, group_at(connection, number >> GROUP_BITS, epoch.tree_size))
    if root_by(number, bucket, path) != epoch.root:
        raise IndexGone(f"epoch at size {epoch.tree_size}")
    return CardProof(what, key, positions, epoch.position, bucket, path)


def _as_of(connection: psycopg.Connection, entry: Entry, tree_size: int) -> Counted | None:
    """Returns what the record of a row said at an epoch, None if it had none: a chain that has grown since is made again from leaves."""
    if entry.positions[-1] < tree_size:
        return entry.counted
    before = [position for position in entry.positions if position < tree_size]
    return chain_over(leaves_at(connection, before)) if before else None
