"""Checks what a bundle says of the card index: that the events it shows are all that name a key, or that none does."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from chuanyu.exchange.v1 import hub_decisions_pb2

from hub.audit.card_proofs import CardProof, chain_over
from hub.audit.checker_file import BundleRefused, Shown, read_json
from hub.tlog.card_index import BUCKET_BITS, HASH, MAP_VERSION, RECORD, blind_of, bucket_of, record_of, root_by


class Indexed(NamedTuple):
    """A proof of the index as a bundle has it."""

    proof: CardProof

    def check(self, published: hub_decisions_pb2.IndexPublished, entries: Mapping[int, Shown]) -> None:
        """Checks that exactly the shown entries are in the index under the key; raises BundleRefused."""
        proof, name = self.proof, self.proof.name
        if not 0 < published.tree_size <= proof.published or any(one >= published.tree_size for one in proof.positions):
            raise BundleRefused("INDEX_WRONG", "tree size")
        records = [proof.bucket[at : at + RECORD] for at in range(0, len(proof.bucket), RECORD)]
        names, number = [record[:HASH] for record in records], bucket_of(name)
        if any(bucket_of(one) != number for one in names) or any(one >= other for one, other in pairwise(names)):
            raise BundleRefused("INDEX_WRONG", "bucket")
        counted = chain_over(entries[position].leaf for position in proof.positions)
        own = record_of(name, blind_of(proof.key), counted)
        if (own not in records) if counted.events else (name in names):
            raise BundleRefused("CARD_INCOMPLETE", f"{proof.what} {proof.key.hex()}")
        if root_by(number, proof.bucket, proof.path) != published.root or published.map_fn_version != MAP_VERSION:
            raise BundleRefused("INDEX_WRONG", "root")


def read_indexed(members: Iterable[tuple[str, bytes]]) -> list[Indexed]:
    """Reads the members of `index/`; raises BundleRefused."""
    return [Indexed(_proof(name, data)) for name, data in members]


def _whole(number: object) -> int:
    """Returns a number of JSON that is written as a whole one; raises TypeError."""
    if type(number) is not int:
        raise TypeError
    return number


def _proof(name: str, data: bytes) -> CardProof:
    said = read_json(data, "INDEX_MALFORMED")
    if said.keys() != {"key", "what", "positions", "published", "bucket", "path"} or said["what"] not in ("card", "person"):
        raise BundleRefused("INDEX_MALFORMED", name)
    try:
        key, positions = bytes.fromhex(said["key"]), tuple(map(_whole, (*said["positions"], said["published"])))
        bucket, path = (base64.b64decode(said[part], validate=True) for part in ("bucket", "path"))
        proof = CardProof(said["what"], key, positions[:-1], positions[-1], bucket, path)
    except (TypeError, ValueError, binascii.Error):
        raise BundleRefused("INDEX_MALFORMED", name) from None
    is_ascending = all(one < other for one, other in pairwise(proof.positions))
    # One way to write it: neither capitals nor bits of base64 that say nothing.
    written = {"key": key.hex(), "bucket": base64.b64encode(bucket).decode(), "path": base64.b64encode(path).decode()}
    if (
        not is_ascending
        or {part: said[part] for part in written} != written
        or len(path) != BUCKET_BITS * HASH
        or len(bucket) % RECORD
        or proof.name.hex() != name
    ):
        raise BundleRefused("INDEX_MALFORMED", name)
    return proof
