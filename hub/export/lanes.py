"""Which lane an event is in: by the hash of its card, so that what is about one card is together; by another key where it has none.

The lane follows from the event alone. So another reader of the journal, or another release, finds the same;
identifiers that are tied to a card by another event do not move it.
"""

import struct
from zlib import crc32

from chuanyu.exchange.v1 import event_pb2
from chuanyu.exchange.v1 import references_pb2 as references

LANES = 64
# A lane is the first bits of a bucket: who has little memory takes a lane in parts.
BUCKET_BITS = 16
_LANE_SHIFT = BUCKET_BITS - LANES.bit_length() + 1
_CARD_NO = references.CARD_IDENTIFIER_KIND_CARD_NO
_STREAM = struct.Struct(">q")


def lane_key(event: event_pb2.Event, stream_id: int) -> bytes:
    """Returns what an event is laid out by: its card's number, else another identifier of it, else its holder, else its stream."""
    card = event.card
    if not card.key:
        card = event.event_quarantined.blocked_card
    if card.key:
        if card.kind != _CARD_NO:
            return next((alias.key for alias in event.card_aliases if alias.kind == _CARD_NO), card.key)
        return card.key
    return event.holder.key or _STREAM.pack(stream_id)


def bucket_of(key: bytes) -> int:
    """Returns the bucket of a key, 0 … 65535."""
    return crc32(key) >> (32 - BUCKET_BITS)


def event_bucket(event: event_pb2.Event, stream_id: int) -> int:
    """Returns the bucket that an event is in."""
    return bucket_of(lane_key(event, stream_id))


def lane_of(bucket: int) -> int:
    """Returns the lane that a bucket is part of, 0 … 63."""
    return bucket >> _LANE_SHIFT
