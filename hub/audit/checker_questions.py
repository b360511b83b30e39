"""Checks that the entries of a bundle are the answer to its question: all of it, and nothing else."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Protocol

from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import DecodeError

from hub.audit.card_identifiers import identifiers_in
from hub.audit.checker_audits import OfAudit
from hub.audit.checker_file import BundleRefused, Shown
from hub.audit.checker_index import Indexed
from hub.audit.checker_receipts import Batches
from hub.domain.instants import DAY_US, epoch_day_of, midnight_us
from hub.domain.quarantine import QUARANTINE_FEED
from hub.journal.reader import Recorded

Line = tuple[str, str]


class Answering(Protocol):
    """What takes the entries in their order; *archive* is the digest of the rules' archive, where a decision names one."""

    archive: bytes

    @property
    def batches(self) -> Batches | None:
        """What receipts are checked against, None where a bundle has none."""

    def take(self, shown: Shown) -> None:
        """Takes an entry; raises BundleRefused."""

    def finish(self) -> Iterator[Line]:
        """Checks that nothing is missing, and yields what was found; raises BundleRefused."""


def answering(question: dict[str, Any], indexed: Sequence[Indexed], size: int) -> Answering:
    """Returns what checks the entries for a question; raises BundleRefused."""
    about, said = question.get("about"), {name: value for name, value in question.items() if name != "about"}
    fields = _FIELDS.get(about) if isinstance(about, str) else None
    if fields is None or said.keys() != fields.keys() or any(type(said[name]) is not kind for name, kind in fields.items()):
        raise BundleRefused("QUESTION_UNKNOWN")
    if about in ("card", "decision"):
        return _ByKey(said, indexed)
    if indexed:
        raise BundleRefused("QUESTION_DIFFERS", "an index that was not asked for")
    if about == "audit":
        return OfAudit(said["code"])
    if about == "day":
        return _OfDay(said["day"], said["feed"], size)
    return _Run(said.get("feed"), said["first"], said["last"])


_FIELDS: dict[str, dict[str, type]] = {
    "decision": {"position": int, "as_of": int, "keys": list, "rules": int},
    "card": {"card": str, "keys": list},
    "feed": {"feed": str, "first": int, "last": int},
    "range": {"first": int, "last": int},
    "day": {"day": str, "feed": str},
    "audit": {"code": str},
}


class _Run:
    """Numbers of a feed, or positions where there is none, each following the one before."""

    archive = b""

    def __init__(self, feed: str | None, first: int, last: int) -> None:
        if first > last or (feed is None and first < 1):
            raise BundleRefused("QUESTION_DIFFERS")
        self._feed, self._first, self._last, self._count = feed, first, last, 0
        self.batches = None if feed is None else Batches()

    def take(self, shown: Shown) -> None:
        if self.batches is not None and self.batches.take_key(shown):
            return
        if self._feed is not None and shown.stream != self._feed:
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        if (shown.position if self._feed is None else shown.sequence) != self._first + self._count:
            raise self._incomplete()
        if shown.data is None:
            raise BundleRefused("CONTENT_MISSING", f"position {shown.position}")
        if self.batches is not None:
            self.batches.take(shown)
        self._count += 1

    def finish(self) -> Iterator[Line]:
        if self._count != self._last - self._first + 1:
            raise self._incomplete()
        what = self._feed or "positions"
        yield f"{what} {self._first}–{self._last} 无缺", f"{what} {self._first} to {self._last}, none missing"

    def _incomplete(self) -> BundleRefused:
        return BundleRefused("RANGE_INCOMPLETE" if self._feed is None else "FEED_INCOMPLETE", f"{self._first + self._count}")


class _OfDay:
    """All that was recorded on a day, with the event before it and the one after it as neighbours without content."""

    archive = b""
    batches: None = None

    def __init__(self, day: str, feed: str, size: int) -> None:
        try:
            begin = date.fromisoformat(day)
        except ValueError:
            raise BundleRefused("QUESTION_DIFFERS", "day") from None
        if begin.isoformat() != day:
            raise BundleRefused("QUESTION_DIFFERS", "day")
        self._begin_us = midnight_us(epoch_day_of(begin))
        self._day, self._feed, self._size = day, feed, size
        self._within = range(self._begin_us, self._begin_us + DAY_US)
        self._last: Shown | None = None
        self._count = 0

    def _number(self, shown: Shown) -> int:
        return shown.sequence if self._feed else shown.position

    def take(self, shown: Shown) -> None:
        if self._feed and shown.stream != self._feed:
            raise BundleRefused("QUESTION_DIFFERS", f"position {shown.position}")
        is_of_day, last = shown.recorded_us in self._within, self._last
        if last is None:
            is_right = shown.recorded_us < self._begin_us or self._number(shown) == 1
        else:
            is_right = self._number(shown) == self._number(last) + 1 and shown.recorded_us >= self._begin_us
            is_right = is_right and last.recorded_us < self._within.stop
        if not is_right:
            raise BundleRefused("DAY_INCOMPLETE", f"position {shown.position}")
        if is_of_day is (shown.data is None):
            raise BundleRefused("CONTENT_MISSING" if is_of_day else "QUESTION_DIFFERS", f"position {shown.position}")
        self._last, self._count = shown, self._count + is_of_day

    def finish(self) -> Iterator[Line]:
        last = self._last
        if last is None or not (self._feed or last.recorded_us >= self._within.stop or last.position == self._size - 1):
            raise BundleRefused("DAY_INCOMPLETE", "its end")
        yield f"{self._day} 入账 {self._count} 条，无缺", f"{self._day}: {self._count} events, none missing"


class _ByKey:
    """What names a card or a person; of a decision also the decision itself, and the version of its rules."""

    archive = b""

    def __init__(self, said: dict[str, Any], indexed: Sequence[Indexed]) -> None:
        if not indexed or said["keys"] != sorted(f"{one.proof.what}:{one.proof.key.hex()}" for one in indexed):
            raise BundleRefused("QUESTION_DIFFERS", "keys")
        if said.get("position", 1) < 1:
            raise BundleRefused("QUESTION_DIFFERS", "position")
        cards = [one.proof.key.hex() for one in indexed if one.proof.what == "card"]
        if "card" in said and said["card"] not in (cards or [""]):
            raise BundleRefused("QUESTION_DIFFERS", "card")
        self._said, self._indexed = said, indexed
        self._shown: dict[int, Shown] = {}
        self.batches = Batches()

    def take(self, shown: Shown) -> None:
        if not self.batches.take_key(shown):
            self._shown[shown.position] = shown
            self.batches.take(shown)

    def finish(self) -> Iterator[Line]:
        wanted = {self._said[name] for name in ("position", "rules") if self._said.get(name)}
        for one in self._indexed:
            wanted |= {*one.proof.positions, one.proof.published}
        if wanted != self._shown.keys():
            raise BundleRefused("QUESTION_DIFFERS", "entries")
        reaches = [self._covered(one) for one in self._indexed]
        for one in self._indexed:
            count, key = len(one.proof.positions), one.proof.key.hex()[:16]
            yield f"{one.proof.what} {key}… 共 {count} 条，无遗漏", f"{one.proof.what} {key}…: {count} events, none missing"
        if "as_of" in self._said:
            yield from self._decision(min(reaches))
        elif any(shown.data is None for shown in self._shown.values()):
            raise BundleRefused("CONTENT_MISSING")
        elif self._said["card"]:
            self._check_identifiers(bytes.fromhex(self._said["card"]), min(reaches) - 1)

    def _covered(self, one: Indexed) -> int:
        """Checks a key against the index, and returns the size of the tree that the index covers."""
        at = one.proof.published
        event = self._event(at, "index_published")
        if self._shown[at].stream != "hub.index":
            raise BundleRefused("INDEX_WRONG", f"position {at}")
        one.check(event.index_published, self._shown)
        tree_size, named = int(event.index_published.tree_size), set(one.proof.positions)
        for shown in self._shown.values():
            if shown.data is not None and shown.position < tree_size and (one.proof.key in shown.data) != (shown.position in named):
                raise BundleRefused("CARD_INCOMPLETE", f"position {shown.position}")
        return tree_size

    def _decision(self, reach: int) -> Iterator[Line]:
        position, as_of = self._said["position"], self._said["as_of"]
        event = self._event(position, "decision_made")
        decision = event.decision_made
        if f"card:{event.card.key.hex()}" not in self._said["keys"]:
            raise BundleRefused("QUESTION_DIFFERS", "the decision is about another card")
        if (self._shown[position].stream, self._shown[position].kind) != ("hub.decisions", "decision_made"):
            raise BundleRefused("QUESTION_DIFFERS", f"position {position}")
        if decision.as_of_position != as_of or as_of >= position:
            raise BundleRefused("DECISION_DIFFERS", f"as of {as_of}")
        if as_of >= reach:
            raise BundleRefused("CARD_INCOMPLETE", f"the index ends before {as_of}")
        rests_on = {position for one in self._indexed for position in one.proof.positions if position <= as_of}
        for shown in (self._shown[one] for one in rests_on):
            if shown.data is None and (not shown.stream.startswith("hub.") or shown.stream == QUARANTINE_FEED):
                raise BundleRefused("CONTENT_MISSING", f"position {shown.position}")
        self._check_identifiers(event.card.key, as_of)
        if rules := self._said["rules"]:
            published = self._event(rules, "rules_published").rules_published
            if rules >= position or published.rules_digest != decision.rules_digest:
                raise BundleRefused("RULES_DIFFER")
            self.archive = published.archive_digest
        yield f"答复 {position}，依据位置 {as_of}", f"decision {position}, as of position {as_of}"

    def _check_identifiers(self, card: bytes, position: int) -> None:
        """Checks that each identifier of the card at a position has its proof: without one, facts may be left out."""
        shown = [one for at, one in sorted(self._shown.items()) if at <= position]
        events = [Recorded(one.position, 0, 0, one.sequence, one.kind, one.data) for one in shown if one.data is not None]
        try:
            found = identifiers_in(events, card)
        except DecodeError:
            raise BundleRefused("ENTRY_MALFORMED") from None
        proved = {one.proof.key for one in self._indexed if one.proof.what == "card"}
        if left_out := sorted(found - proved):
            raise BundleRefused("IDENTIFIER_MISSING", left_out[0].hex())

    def _event(self, position: int, kind: str) -> event_pb2.Event:
        data = self._shown[position].data
        if data is None:
            raise BundleRefused("CONTENT_MISSING", f"position {position}")
        try:
            event = event_pb2.Event.FromString(data)
        except DecodeError:
            raise BundleRefused("ENTRY_MALFORMED", f"position {position}") from None
        if event.WhichOneof("kind") != kind:
            raise BundleRefused("QUESTION_DIFFERS", f"position {position}")
        return event
