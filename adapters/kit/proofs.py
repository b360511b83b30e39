"""What is signed about a batch, byte for byte as docs/receipts.md gives it: the text that a sender signs, and the hub's receipt.

Both name the events by one SHA-256 of the bytes as they are sent. It begins with a blind, so that nobody who has a receipt can find a card
number by trying; the blind follows from a key file, so that it need not be kept with the receipts.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from chuanyu.exchange.v1.receipts_pb2 import SIGNING_ALGORITHM_ED25519, Receipt, ReceiptKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_RECEIPT = "chuanyu-receipt/1"
_NAMES = ("log", "feed", "numbers", "positions", "recorded", "events", "key")
_SIGNATURE = "signature "


class ReceiptFault(ValueError):
    """Why a receipt proves nothing, in a word or two."""


class Says(NamedTuple):
    """What a receipt says: *positions* are runs (first, last), one after the other those of the numbers; *recorded_us* counts from 1970."""

    origin: str
    feed: str
    first: int
    last: int
    positions: Sequence[tuple[int, int]]
    recorded_us: int
    events_digest: bytes
    key_id: str

    def places(self) -> list[int]:
        """The position of each number."""
        return [position for first, last in self.positions for position in range(first, last + 1)]


class HubKey(NamedTuple):
    """A key with which the hub signs receipts: public half, and between which instants (microseconds since 1970) it may."""

    public: bytes
    from_us: int
    until_us: int | None = None


def key_id(public: bytes) -> str:
    """Returns what a key is known by."""
    return hashlib.sha256(public).hexdigest()[:16]


def events_digest(blind: bytes, sent: Sequence[bytes]) -> bytes:
    """Returns the SHA-256 of a batch: the blind behind its length in a byte, then each event behind its length in four, big-endian."""
    digest = hashlib.sha256(bytes((len(blind),)) + blind)
    for event in sent:
        digest.update(struct.pack(">I", len(event)) + event)
    return digest.digest()


def blind_of(blind_key: bytes, feed: str, first: int, count: int) -> bytes:
    """Returns the blind of a batch."""
    return hmac.digest(blind_key, f"{feed}\0{first}\0{count}".encode(), "sha256")


def batch_text(feed: str, first: int, count: int, digest: bytes) -> bytes:
    """Returns what the sender of a batch signs."""
    return f"chuanyu-batch/1\nfeed {feed}\nfirst {first}\ncount {count}\nevents {digest.hex()}\n".encode()


def document(receipt: Receipt) -> str:
    """Returns a receipt as it is kept: its text, and the signature in a last line."""
    return f"{receipt.text}{_SIGNATURE}{receipt.signature.hex()}\n"


def read(kept: str) -> Says:
    """Reads what a kept receipt says, unchecked; raises ReceiptFault."""
    text, _, _ = kept.rpartition(_SIGNATURE)
    try:
        version, *lines = text.splitlines()
        names, values = zip(*(line.split(" ", 1) for line in lines), strict=True)
        origin, feed, numbers, positions, recorded, digest, key = values
        first, last = map(int, numbers.split("-"))
        at = datetime.fromisoformat(recorded)
        recorded_us = int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
        runs = [(int(begin), int(end)) for begin, end in (run.split("-") for run in positions.split(","))]
        says = Says(origin, feed, first, last, runs, recorded_us, bytes.fromhex(digest), key)
    except ValueError:
        raise ReceiptFault("unreadable") from None
    if (version, names) != (_RECEIPT, _NAMES) or first > last or sum(end - begin + 1 for begin, end in runs) != last - first + 1:
        raise ReceiptFault("unreadable")
    return says


def check(kept: str, keys: dict[str, HubKey]) -> Says:
    """Reads a kept receipt whose signature is one by a key of the hub that was valid then; raises ReceiptFault."""
    says = read(kept)
    text, _, signature = kept.rpartition(_SIGNATURE)
    key = keys.get(says.key_id)
    if key is None:
        raise ReceiptFault("unknown key")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(bytes.fromhex(signature.strip()), text.encode())
    except (InvalidSignature, ValueError):
        raise ReceiptFault("wrong signature") from None
    if says.recorded_us < key.from_us or (key.until_us is not None and says.recorded_us > key.until_us):
        raise ReceiptFault("key not valid then")
    return says


def usable_keys(published: Iterable[ReceiptKey]) -> dict[str, HubKey]:
    """Returns the keys that a hub publishes, by id; one whose id is not that of its public half is left out."""
    keys: dict[str, HubKey] = {}
    for one in published:
        public: bytes = one.public_key
        if one.algorithm == SIGNING_ALGORITHM_ED25519 and one.key_id == key_id(public):
            until = one.valid_until.ToMicroseconds() if one.HasField("valid_until") else None
            keys[one.key_id] = HubKey(public, one.valid_from.ToMicroseconds(), until)
    return keys
