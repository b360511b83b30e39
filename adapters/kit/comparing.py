"""Compares what an adapter sent with a copy of the hub's log: each receipt, and where sent events are still kept, each event.

What the hub signed must be there: every number at the position that the receipt says, recorded by the time that it says, and with the mark
of the very event. What is not is a difference, by name, and the receipt is the proof.
"""

import hmac
import time
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5

from adapters.kit.kept import Kept
from adapters.kit.log_copy import Checkpoint, Entry
from adapters.kit.proofs import HubKey, ReceiptFault, Says, check, read

MARK_BYTES = 16
_BLOCK_BITS = 8

NOWHERE, MISSING, POSITION, LATER = "BATCH_NOWHERE", "MISSING", "OTHER_POSITION", "LATER_THAN_SAID"
CONTENT, GAP, TWICE = "OTHER_CONTENT", "NUMBER_MISSING", "NUMBER_TWICE"
RECEIPT, LOG, DIGEST, OPENED = "RECEIPT_WRONG", "OTHER_LOG", "RECEIPT_OF_OTHER_EVENTS", "OPENED_ELSEWHERE"
# The event from which on digests open, and the stream that has it.
_OPENING, _BOOK = "digests_opened", str(uuid5(NAMESPACE_URL, "urn:chuanyu:receipt-book"))
WORDS = {
    NOWHERE: ("有回执的整批在日志中不存在", "the hub signed for a batch that is nowhere in the log"),
    MISSING: ("有回执的事件在日志中不存在", "the hub signed for an event that is not in the log"),
    POSITION: ("事件在日志中的位置与回执不同", "the event is at another position than the receipt says"),
    LATER: ("日志中的入账时间晚于回执所说", "the log says a later time than the receipt"),
    CONTENT: ("日志中的内容不是所报送的", "what is in the log is not what was sent"),
    GAP: ("日志中数据流缺号", "the feed lacks a number in the log"),
    TWICE: ("日志中数据流同号两次", "the feed has a number twice in the log"),
    RECEIPT: ("回执不可信", "the receipt proves nothing"),
    LOG: ("回执属于另一日志", "the receipt is of another log"),
    DIGEST: ("回执不是所存事件的", "the receipt is not of the events that are kept here"),
    OPENED: ("摘要可开启的起点与日志所记不同", "the hub says another position than the log from which on digests open"),
}


class Difference(NamedTuple):
    """What does not agree: its name, the feed, the first and last number, and the facts."""

    name: str
    feed: str
    first: int
    last: int
    facts: str = ""


@dataclass
class FeedRows:
    """The entries of one feed, in order of its numbers."""

    sequences: "array[int]" = field(default_factory=lambda: array("q"))
    positions: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    marks: bytearray = field(default_factory=bytearray)

    def add(self, entry: Entry) -> None:
        """Adds the next entry."""
        self.sequences.append(entry.sequence)
        self.positions.append(entry.position)
        self.times.append(entry.recorded_us)
        self.marks += entry.mark.ljust(MARK_BYTES, b"\0")[:MARK_BYTES]

    def find(self, sequence: int) -> int | None:
        """Returns where a number is in the rows."""
        at = bisect_left(self.sequences, sequence)
        return at if at < len(self.sequences) and self.sequences[at] == sequence else None

    def mark(self, at: int) -> bytes:
        """Returns the mark of a row."""
        return bytes(self.marks[at * MARK_BYTES : (at + 1) * MARK_BYTES])


class Openers(NamedTuple):
    """What opens the marks of a feed: the key of each block, and the position after which marks are under them."""

    keys: dict[int, bytes]
    opened_after: int


# Gives the digest that the receipt of a batch must have, by feed, first number and the events as they were sent.
DigestOf = Callable[[str, int, list[bytes]], bytes]


@dataclass
class Compared:
    """What a comparison found, and how much of what it looked at."""

    differences: list[Difference] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class Comparison:
    """One run over a copy of the log."""

    def __init__(self, head: Checkpoint, entries: Iterable[Entry], feeds: Sequence[str]) -> None:
        """Reads the entries of *feeds*."""
        self._head, self.result = head, Compared()
        self._rows = {feed: FeedRows() for feed in feeds}
        self._newest_us, self._opened_at = 0, 0
        for entry in entries:
            self._newest_us = max(self._newest_us, entry.recorded_us)
            if entry.kind == _OPENING and entry.stream == _BOOK and not self._opened_at:
                self._opened_at = entry.position
            if (rows := self._rows.get(entry.stream)) is not None:
                self._note_order(entry, rows)
                rows.add(entry)
        self.result.counts["entries"] = head.size

    def _note_order(self, entry: Entry, rows: FeedRows) -> None:
        expected = rows.sequences[-1] + 1 if rows.sequences else 1
        if entry.sequence > expected:
            self._differs(GAP, entry.stream, expected, entry.sequence - 1, f"before position {entry.position}")
        elif entry.sequence < expected:
            self._differs(TWICE, entry.stream, entry.sequence, entry.sequence, f"again at position {entry.position}")

    def _differs(self, name: str, feed: str, first: int, last: int, facts: str = "") -> None:
        self.result.differences.append(Difference(name, feed, first, last, facts))

    def receipts(self, documents: Iterable[str], keys: dict[str, HubKey], patience_s: float) -> list[Says]:
        """Compares receipts with the log and returns those that are what they say; what is not sealed yet has *patience_s* for it."""
        sound: list[Says] = []
        for document in documents:
            self.result.counts["receipts"] += 1
            try:
                says = check(document, keys)
            except ReceiptFault as fault:
                self._differs(RECEIPT, *_named(document), str(fault))
                continue
            if not _is_of(says.origin, self._head.origin):
                self._differs(LOG, says.feed, says.first, says.last, f"{says.origin}, not {self._head.origin}")
                continue
            sound.append(says)
            self._compare(says, patience_s)
        return sound

    def _compare(self, says: Says, patience_s: float) -> None:
        rows = self._rows.setdefault(says.feed, FeedRows())
        places = [rows.find(sequence) for sequence in range(says.first, says.last + 1)]
        missing = [says.first + at for at, place in enumerate(places) if place is None]
        signed = f"signed {says.events_digest.hex()[:16]}… at {says.positions[0][0]}"
        if missing and says.positions[-1][1] >= self._head.size and self._may_be_unsealed(says, patience_s):
            self.result.counts["not sealed yet"] += 1
        elif len(missing) == len(places):
            self._differs(NOWHERE, says.feed, says.first, says.last, signed)
        elif missing:
            for sequence in missing:
                self._differs(MISSING, says.feed, sequence, sequence, signed)
        for at, (place, position) in enumerate(zip(places, says.places(), strict=True)):
            if place is None:
                continue
            self.result.counts["events under receipt"] += 1
            sequence = says.first + at
            if rows.positions[place] != position:
                self._differs(POSITION, says.feed, sequence, sequence, f"{rows.positions[place]}, signed {position}")
            elif rows.times[place] > says.recorded_us:
                self._differs(LATER, says.feed, sequence, sequence, f"by {rows.times[place] - says.recorded_us} µs")

    def _may_be_unsealed(self, says: Says, patience_s: float) -> bool:
        """Whether what a receipt says may still come: time never goes back along positions, and sealing takes only so long."""
        return self._newest_us <= says.recorded_us and time.time() * 1e6 < says.recorded_us + patience_s * 1e6

    def contents(self, sound: Sequence[Says], kept: Kept, digest_of: DigestOf, openers: Callable[[Says], Openers | None]) -> None:
        """Compares the events that are still kept with their receipts, and with the marks of the log where *openers* open them."""
        for says in sound:
            sent = kept.sent(says.feed, says.first, says.last)
            if len(sent) == says.last - says.first + 1:
                self.result.counts["receipts compared with events"] += 1
                if digest_of(says.feed, says.first, [event for _, event in sent]) != says.events_digest:
                    self._differs(DIGEST, says.feed, says.first, says.last)
            if sent and (opener := openers(says)) is not None:
                self._note_opening(says, opener)
                self._compare_marks(says.feed, sent, opener)

    def _note_opening(self, says: Says, opener: Openers) -> None:
        """Compares from where on digests open, as the hub says it, with the log: with a later position it would hide what it changed."""
        is_sealed = opener.opened_after < self._head.size
        if opener.opened_after != self._opened_at and (self._opened_at or is_sealed):
            self._differs(OPENED, says.feed, says.first, says.last, f"{opener.opened_after}, in the log {self._opened_at or 'never'}")

    def _compare_marks(self, feed: str, sent: Sequence[tuple[int, bytes]], opener: Openers) -> None:
        rows = self._rows[feed]
        for sequence, event in sent:
            place = rows.find(sequence)
            if place is None:
                continue
            # The log says it; the hub's word counts only where the opening is not sealed yet.
            if rows.positions[place] <= (self._opened_at or opener.opened_after):
                self.result.counts["events that cannot be opened"] += 1
                continue
            self.result.counts["events compared"] += 1
            if hmac.digest(opener.keys[sequence >> _BLOCK_BITS], event, "sm3")[:MARK_BYTES] != rows.mark(place):
                self._differs(CONTENT, feed, sequence, sequence, f"at position {rows.positions[place]}")


def feeds_of(documents: Iterable[str]) -> list[str]:
    """Returns the feeds of receipts; one that cannot be read is a difference later, and of no feed."""
    return sorted({feed for feed, first, _ in map(_named, documents) if first})


def _named(document: str) -> tuple[str, int, int]:
    try:
        says = read(document)
    except ReceiptFault:
        return "?", 0, 0
    return says.feed, says.first, says.last


def _is_of(said: str, origin: str) -> bool:
    """Whether a receipt is of this log or of an earlier incarnation of it, whose entries it begins with."""
    (name, _, number), (own, _, newest) = said.rpartition("/"), origin.rpartition("/")
    return name == own and number.isdecimal() and newest.isdecimal() and int(number) <= int(newest)
