"""The texts that are signed about a batch, byte for byte as docs/receipts.md gives them: what its sender signs, and the hub's receipt.

Both name the events by one SHA-256 of the bytes as they were sent. It begins with a blind, since a batch may be one event, whose card
number could otherwise be found by trying.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

from hub.domain.errors import HubError
from hub.runs import runs_of

BATCH, RECEIPT = "chuanyu-batch/1", "chuanyu-receipt/1"
_NAMES = ("log", "feed", "numbers", "positions", "recorded", "events", "key")
_LENGTH = struct.Struct(">I").pack


class ReceiptUnreadable(HubError):
    """The text is no receipt of a format known here."""


class ReceiptSays(NamedTuple):
    """What a receipt says: *positions* are runs (first, last), one after the other those of the numbers; *recorded_us* counts from 1970."""

    origin: str
    feed: str
    first: int
    last: int
    positions: Sequence[tuple[int, int]]
    recorded_us: int
    events_digest: bytes
    key_id: str


def events_digest(blind: bytes, sent: Sequence[bytes]) -> bytes:
    """Returns the SHA-256 of a batch: the blind behind its length in a byte, then each event behind its length in four, big-endian."""
    parts = [bytes((len(blind),)), blind]
    for event in sent:
        parts += (_LENGTH(len(event)), event)
    return sha256(b"".join(parts)).digest()


def batch_text(feed: str, first: int, count: int, digest: bytes) -> bytes:
    """Returns what a sender signs."""
    return f"{BATCH}\nfeed {feed}\nfirst {first}\ncount {count}\nevents {digest.hex()}\n".encode()


def receipt_text(says: ReceiptSays) -> str:
    """Returns what the hub signs."""
    recorded = datetime.fromtimestamp(says.recorded_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    positions = ",".join(f"{first}-{last}" for first, last in says.positions)
    return (
        f"{RECEIPT}\nlog {says.origin}\nfeed {says.feed}\nnumbers {says.first}-{says.last}\npositions {positions}\n"
        f"recorded {recorded}.{says.recorded_us % 1_000_000:06d}Z\nevents {says.events_digest.hex()}\nkey {says.key_id}\n"
    )


def runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Returns positions as runs of such that follow each other, (first, last)."""
    if isinstance(positions, range):
        return [(positions[0], positions[-1])]
    return [(first, end - 1) for first, end in runs_of(positions)]


def read_receipt(text: str) -> ReceiptSays:
    """Reads a text as `receipt_text` writes it; raises ReceiptUnreadable for any other."""
    try:
        version, *lines = text.splitlines()
        names, values = zip(*(line.split(" ", 1) for line in lines), strict=True)
        origin, feed, numbers, positions, recorded, digest, key_id = values
        first, last = map(int, numbers.split("-"))
        at = datetime.fromisoformat(recorded)
        recorded_us = int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond
        says = ReceiptSays(origin, feed, first, last, list(map(_run, positions.split(","))), recorded_us, bytes.fromhex(digest), key_id)
    except ValueError:
        raise ReceiptUnreadable from None
    if (version, names) != (RECEIPT, _NAMES) or receipt_text(says) != text:
        raise ReceiptUnreadable
    return says


def _run(text: str) -> tuple[int, int]:
    first, last = map(int, text.split("-"))
    return first, last
