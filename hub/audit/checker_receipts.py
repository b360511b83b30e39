"""Checks the receipts of a bundle: each is of the very batch whose events are shown, and signed by the hub; and the sender's signatures."""

import base64
import binascii
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

from chuanyu.exchange.v1 import event_pb2, receipts_pb2
from google.protobuf.message import DecodeError

from hub.audit.checker_file import BundleRefused, Shown, read_json
from hub.domain.participant import Participant
from hub.domain.receipt_book import BOOK
from hub.journal.own_events import is_hubs_stream
from hub.trust.batch_texts import ReceiptSays, ReceiptUnreadable, batch_text, read_receipt
from hub.trust.signatures import is_signed

# The tag of the field sent_batch, without which an event ends no batch.
_SENT_TAG = b"\x8a\x01"
_FIELDS = ({"text": str, "signature": str, "sender": object}, {"feed": str, "first": int, "last": int, "lost": str})
_LAST = 2**63


class _Feed:
    """The numbers of a feed that are shown: where each is and when it was recorded; and what the last of each batch keeps of it."""

    def __init__(self) -> None:
        self.numbers, self.positions, self.recorded_us = array("q"), array("q"), array("q")
        self.ends: dict[int, receipts_pb2.SentBatch] = {}
        self.covered = bytearray()
        self.done = set[int]()

    def span(self, first: int, last: int) -> range:
        """Returns where the numbers from *first* to *last* are among those that are shown."""
        return range(bisect_left(self.numbers, first), bisect_right(self.numbers, last))


class Batches:
    """Takes what is shown of feeds and of keys, and then checks the receipts against it."""

    def __init__(self) -> None:
        """Begins with nothing."""
        self._feeds: dict[str, _Feed] = {}
        # Keys of receipts with the times between which they sign, and senders' keys with whose they are.
        self._keys: dict[str, tuple[bytes, int]] = {}
        self._ended: dict[str, int] = {}
        self._senders: dict[str, receipts_pb2.ParticipantSigningKeyRegistered] = {}
        self._signed_by: set[str] = set()

    def take_key(self, shown: Shown) -> bool:
        """Takes an event about a key, if it is one; raises BundleRefused."""
        kind = shown.kind
        if kind not in ("receipt_key_taken_up", "receipt_key_retired", "participant_signing_key_registered") or shown.data is None:
            return False
        event = _event(shown)
        if event.WhichOneof("kind") != kind:
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        if kind == "participant_signing_key_registered":
            key = event.participant_signing_key_registered
            if shown.stream != str(Participant.create_id(key.participant)):
                raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
            self._senders[key.key_id] = key
            return True
        if shown.stream != str(BOOK):
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        if kind == "receipt_key_taken_up":
            self._keys[event.receipt_key_taken_up.key_id] = event.receipt_key_taken_up.public_key, shown.recorded_us
        else:
            self._ended[event.receipt_key_retired.key_id] = shown.recorded_us
        return True

    def take(self, shown: Shown) -> None:
        """Takes an event, of whatever stream; raises BundleRefused."""
        if shown.data is None or is_hubs_stream(shown.stream):
            return
        feed = self._feeds.setdefault(shown.stream, _Feed())
        if feed.numbers and shown.sequence <= feed.numbers[-1]:
            raise BundleRefused("ENTRIES_DISORDERED", f"position {shown.position}")
        feed.numbers.append(shown.sequence)
        feed.positions.append(shown.position)
        feed.recorded_us.append(shown.recorded_us)
        if _SENT_TAG in shown.data and (sent := _event(shown).sent_batch).events_digest:
            feed.ends[shown.sequence] = sent

    def check(self, parts: Iterable[tuple[str, bytes]], origin: str) -> Iterator[tuple[str, str]]:
        """Checks the members of `receipts/`, and yields what they come to; raises BundleRefused."""
        for feed in self._feeds.values():
            feed.covered = bytearray(len(feed.numbers))
        counts, before = [0, 0], ("", 0)
        for number, (name, data) in enumerate(parts):
            if name != f"{number:06d}":
                raise BundleRefused("MEMBER_UNKNOWN", name)
            for item in _items(data):
                says = _says(item) if "text" in item else None
                at = (item["feed"], item["first"], item["last"]) if says is None else (says.feed, says.first, says.last)
                # Each number is in one item: so they take no longer to check than there are numbers.
                if at[:2] <= before:
                    raise BundleRefused("RECEIPT_MALFORMED", "order")
                before = at[0], at[2]
                self._take_item(item, says, origin)
                counts[says is None] += 1
        for name, feed in self._feeds.items():
            missing = next((number for number in feed.ends if number not in feed.done), 0)
            if missing or not all(feed.covered):
                raise BundleRefused("RECEIPT_MISSING", f"{name} {missing or feed.numbers[feed.covered.index(0)]}")
        if self._feeds:
            who = ", ".join(sorted(self._signed_by)) or "—"
            yield f"回执 {counts[0]} 份，报送方签名 {who}", f"{counts[0]} receipts, signed by their senders: {who}"
        if counts[1]:
            yield f"{counts[1]} 段编号没有回执", f"{counts[1]} runs of numbers have no receipt"

    def _take_item(self, item: dict[str, Any], says: ReceiptSays | None, origin: str) -> None:
        name, first, last = (item["feed"], item["first"], item["last"]) if says is None else (says.feed, says.first, says.last)
        feed = self._feeds.get(name) or _Feed()
        span = feed.span(first, last)
        if not span:
            raise BundleRefused("RECEIPT_DIFFERS", f"{name} {first}-{last} is not shown")
        if says is None:
            ends = [number for number in feed.ends if first <= number <= last]
            if (item["lost"] and (item["lost"] not in self._ended or item["lost"] not in self._keys)) or (ends and not item["lost"]):
                raise BundleRefused("RECEIPT_MISSING", f"{name} {first}-{last}")
            feed.done.update(ends)
        else:
            _check_batch(says, feed, span, origin)
            self._check_signature(item, says)
            self._check_sender(item["sender"], says, feed.ends.get(last))
            feed.done.add(last)
        for at in span:
            feed.covered[at] = 1

    def _check_signature(self, item: dict[str, Any], says: ReceiptSays) -> None:
        if says.key_id not in self._keys:
            raise BundleRefused("RECEIPT_KEY_MISSING", says.key_id)
        public, from_us = self._keys[says.key_id]
        is_valid = from_us <= says.recorded_us <= self._ended.get(says.key_id, says.recorded_us)
        signature = _decoded(item["signature"])
        if not is_valid or not is_signed(receipts_pb2.SIGNING_ALGORITHM_ED25519, public, signature, item["text"].encode()):
            raise BundleRefused("RECEIPT_WRONG", f"{says.feed} {says.first}-{says.last}")

    def _check_sender(self, sender: dict[str, str] | None, says: ReceiptSays, kept: receipts_pb2.SentBatch | None) -> None:
        where = f"{says.feed} {says.first}-{says.last}"
        said = ("", b"") if sender is None else (sender["key"], _decoded(sender["signature"]))
        if kept is not None and (kept.key_id, kept.signature) != said:
            raise BundleRefused("SENDER_WRONG", f"{where}: another one is in the log")
        if sender is None:
            return
        key = self._senders.get(said[0])
        if key is None:
            raise BundleRefused("RECEIPT_KEY_MISSING", said[0])
        text = batch_text(says.feed, says.first, says.last - says.first + 1, says.events_digest)
        if not is_signed(key.algorithm, key.public_key, said[1], text):
            raise BundleRefused("SENDER_WRONG", where)
        self._signed_by.add(key.participant)


def _event(shown: Shown) -> event_pb2.Event:
    assert shown.data is not None
    try:
        return event_pb2.Event.FromString(shown.data)
    except DecodeError:
        raise BundleRefused("ENTRY_MALFORMED", f"position {shown.position}") from None


def _items(data: bytes) -> Iterator[dict[str, Any]]:
    said = read_json(data, "RECEIPT_MALFORMED")
    if said.keys() != {"receipts"} or not isinstance(said["receipts"], list):
        raise BundleRefused("RECEIPT_MALFORMED")
    for item in said["receipts"]:
        fields = next((one for one in _FIELDS if isinstance(item, dict) and item.keys() == one.keys()), None)
        if fields is None or any(kind is not object and type(item[name]) is not kind for name, kind in fields.items()):
            raise BundleRefused("RECEIPT_MALFORMED")
        sender = item.get("sender")
        if sender is not None and (not isinstance(sender, dict) or {name: type(one) for name, one in sender.items()} != _SENDER):
            raise BundleRefused("RECEIPT_MALFORMED", "sender")
        if "text" not in item and not 0 < item["first"] <= item["last"] < _LAST:
            raise BundleRefused("RECEIPT_MALFORMED", "numbers")
        yield item


_SENDER = {"key": str, "signature": str}


def _says(item: dict[str, Any]) -> ReceiptSays:
    try:
        says = read_receipt(item["text"])
    except ReceiptUnreadable:
        raise BundleRefused("RECEIPT_MALFORMED", "text") from None
    count = sum(last - first + 1 for first, last in says.positions)
    is_whole = all(0 < first <= last < _LAST for first, last in [(says.first, says.last), *says.positions])
    if not is_whole or count != says.last - says.first + 1 or len(says.events_digest) != 32:
        raise BundleRefused("RECEIPT_MALFORMED", "numbers")
    return says


def _check_batch(says: ReceiptSays, feed: _Feed, span: range, origin: str) -> None:
    """Checks that a receipt is of the batch that is shown; raises BundleRefused."""
    wrong = BundleRefused("RECEIPT_DIFFERS", f"{says.feed} {says.first}-{says.last}")
    if says.origin != origin:
        raise wrong
    starts = list(accumulate((last - first + 1 for first, last in says.positions), initial=0))
    for at in span:
        offset = feed.numbers[at] - says.first
        run = bisect_right(starts, offset) - 1
        if says.positions[run][0] + offset - starts[run] != feed.positions[at] or feed.recorded_us[at] > says.recorded_us:
            raise wrong
    if feed.numbers[span[-1]] == says.last:
        kept = feed.ends.get(says.last)
        is_its_own = kept is not None and (kept.first_sequence, kept.events_digest) == (says.first, says.events_digest)
        if not is_its_own or feed.recorded_us[span[-1]] != says.recorded_us:
            raise wrong


def _decoded(text: str) -> bytes:
    """Reads base64 that is written in one way."""
    try:
        data = base64.b64decode(text.encode(errors="replace"), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if base64.b64encode(data).decode() != text:
        raise BundleRefused("RECEIPT_MALFORMED", "base64")
    return data
