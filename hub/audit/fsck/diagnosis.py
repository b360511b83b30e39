"""What an altered row was before: the sealed leaf says whether a guess is right, so a likely change is found by trying.

Nobody can do so with a leaf alone: half of the digest that blinds an event is in its row and nowhere else.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import chain

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.message import DecodeError

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.audit.fsck.streams import HUB_FEEDS
from hub.domain.instants import SECOND_US, in_local
from hub.journal.envelope import INSTANT, MARK_BYTES, NO_INSTANT, entry_end, inner_hash, leaf_head
from hub.journal.reader import KIND_NAMES
from hub.words.outcomes import outcome_name

# So many rows are looked into, each for a part of a second; and so far a time may have been moved, in whole seconds.
MOST = 24
_MOST_SECONDS = 2 * 86_400
_MOST_POSITIONS = 200_000
_MOST_UNEXPLAINED = 3
_DECISION = "decision_made"


@dataclass(frozen=True, slots=True)
class Altered:
    """A position whose row is not what was sealed, and the leaf that was."""

    position: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """What a leaf is made of."""

    position: int
    recorded_us: int
    sequence: int
    stream: str
    occurred_us: int | None
    kind: str
    digest: bytes | None
    data: bytes

    @property
    def end(self) -> bytes:
        """The end of its entry, which is known before the event has its place."""
        return entry_end(self.kind.encode(), self.digest, inner_hash(self.digest, self.occurred_us, self.data))

    @property
    def leaf(self) -> bytes:
        """Its leaf."""
        name = self.stream.encode()
        head = leaf_head(name).pack(0, 1, self.position, self.recorded_us, self.sequence, len(name), name)
        return sha256(head + self.end).digest()


def diagnose(scene: Scene, altered: Sequence[Altered]) -> Iterator[Difference]:
    """Yields for each altered row what was done to it, as far as trying finds that; beyond the first rows it is only said to be altered."""
    if not altered:
        return
    positions = [one.position for one in altered[:MOST]]
    with scene.recalling([(position, position) for position in positions]):
        rows = {row[0]: Row(*row) for row in scene.rows(_ROWS, positions=positions)}
    for (name,) in scene.rows(_REPLACED_PARTITIONS, positions=positions):
        yield Difference("partition-replaced", partition=name)
    tries = Tries(rows, _names(scene), [one.event.rules_published.rules_digest for one in scene.decided["rules_published"]])
    renamed: set[tuple[str, str]] = set()
    for one in altered[:MOST]:
        difference = tries.explain(rows[one.position], one.sealed)
        pair = (difference.values["feed"], difference.values["was"])
        # A stream that got another name alters all its rows, and is said once.
        if difference.code != "stream-renamed" or pair not in renamed:
            yield difference
            renamed.add(pair)
    for one in altered[MOST:]:
        yield Difference("event-altered", position=one.position, feed="", sequence=0, was="?")


def _names(scene: Scene) -> list[str]:
    """Returns the names that streams have, and those that feeds were registered under."""
    names = [*HUB_FEEDS, *(name for (name,) in scene.rows("SELECT name FROM journal.stream ORDER BY stream_id LIMIT 10000"))]
    for recorded in scene.decided["participant_registered"]:
        names += recorded.event.participant_registered.feeds
    return [*names, *(recorded.event.participant_feed_added.feed for recorded in scene.decided["participant_feed_added"])]


class Tries:
    """What is tried: other altered rows, names of streams, rules that were in effect, and by how much times were moved before."""

    def __init__(self, rows: dict[int, Row], names: Sequence[str], rules: Sequence[bytes]) -> None:
        self._rows, self._names, self._rules = rows, names, rules
        self._moved_us: list[int] = []
        # How many rows of a stream nothing was found for: what altered them has altered its others too.
        self._unexplained: Counter[str] = Counter()

    def explain(self, row: Row, sealed: bytes) -> Difference:
        """Returns what was done to a row."""
        place = {"position": row.position, "feed": row.stream, "sequence": row.sequence}
        for other in self._rows.values():
            if other is not row and any(guess.leaf == sealed for guess in _swapped(row, other)):
                return Difference("events-swapped", **place, was=other.position)
        for name in self._names:
            if name != row.stream and replace(row, stream=name).leaf == sealed:
                return Difference("stream-renamed", **place, was=name)
        for kind in KIND_NAMES.values():
            if kind != row.kind and replace(row, kind=kind).leaf == sealed:
                return Difference("kind-altered", **place, was=kind)
        if row.kind == _DECISION and (found := _decision(row, sealed, self._rules)) is not None:
            return Difference(found[0], **place, was=found[1])
        if self._unexplained[row.stream] < _MOST_UNEXPLAINED:
            if (offset := _byte(row, sealed)) is not None:
                return Difference("byte-altered", **place, was=offset)
            if (recorded_us := self._time(row, sealed)) is not None:
                return Difference("time-altered", **place, was=in_local(recorded_us).isoformat())
        self._unexplained[row.stream] += 1
        return Difference("decision-altered" if row.kind == _DECISION else "event-altered", **place, was="?")

    def _time(self, row: Row, sealed: bytes) -> int | None:
        """Returns when the event was recorded, if that was changed by whole seconds, or by as much as another's."""
        name, end = row.stream.encode(), row.end
        pack = leaf_head(name).pack
        steps = (step * SECOND_US for seconds in range(1, _MOST_SECONDS) for step in (seconds, -seconds))
        for moved_us in chain(self._moved_us, steps):
            recorded_us = row.recorded_us + moved_us
            if sha256(pack(0, 1, row.position, recorded_us, row.sequence, len(name), name) + end).digest() == sealed:
                self._moved_us = list(dict.fromkeys((moved_us, *self._moved_us)))
                return recorded_us
        return None


def _swapped(row: Row, other: Row) -> Iterator[Row]:
    """Yields a row with what another has, all but the position, the content and its time, or the data alone."""
    yield replace(other, position=row.position)
    yield replace(row, kind=other.kind, digest=other.digest, occurred_us=other.occurred_us, data=other.data)
    yield replace(row, data=other.data)
    yield replace(row, recorded_us=other.recorded_us)


def _decision(row: Row, sealed: bytes, rules: Sequence[bytes]) -> tuple[str, str] | None:
    """Returns the code and what was recorded, where the outcome, the rules or the position of an answer were altered."""
    try:
        event = event_pb2.Event.FromString(row.data)
    except DecodeError:
        return None
    decision = event.decision_made

    def was() -> bool:
        return replace(row, data=event.SerializeToString()).leaf == sealed

    outcome, basis, digest = decision.outcome, decision.as_of_position, decision.rules_digest
    for guess in acceptance.AcceptanceOutcome.values():
        decision.outcome = guess
        if was():
            return "decision-altered", outcome_name(guess)
    decision.outcome = outcome
    for known in rules:
        decision.rules_digest = known
        if was():
            return "decision-rules-altered", known.hex()[:12]
    decision.rules_digest = digest
    for position in range(row.position - 1, max(0, row.position - _MOST_POSITIONS), -1):
        decision.as_of_position = position
        if was():
            return "decision-basis-altered", str(position)
    decision.as_of_position = basis
    return None


def _byte(row: Row, sealed: bytes) -> int | None:
    """Returns the place of the byte of the data that was changed, if one was."""
    name, kind = row.stream.encode(), row.kind.encode()
    head = leaf_head(name).pack(0, 1, row.position, row.recorded_us, row.sequence, len(name), name) + entry_end(kind, row.digest, b"")
    occurred_us = NO_INSTANT if row.occurred_us is None else row.occurred_us
    before = sha256((row.digest or b"")[MARK_BYTES:] + INSTANT.pack(occurred_us))
    for offset, now in enumerate(row.data):
        behind = row.data[offset + 1 :]
        for byte in _BYTES:
            inner = before.copy()
            inner.update(byte + behind)
            if sha256(head + inner.digest()).digest() == sealed:
                return offset
        before.update(_BYTES[now])
    return None


_BYTES = [bytes((byte,)) for byte in range(256)]
_ROWS = """
    SELECT e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.sequence, s.name,
           (extract(epoch FROM e.occurred_at) * 1000000)::bigint, e.kind, e.digest, e.data
    FROM journal.history e JOIN journal.stream s USING (stream_id) WHERE e.position = ANY (%(positions)s) ORDER BY e.position"""
# Partitions are made in their order, so one that was made after the one behind it was put in the place of the first.
_REPLACED_PARTITIONS = """
    WITH parts AS (SELECT c.oid, c.relname, substring(pg_get_expr(c.relpartbound, c.oid) FROM 'FROM \\(''?(\\d+)')::bigint AS first
                   FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'journal.event'::regclass)
    SELECT p.relname::text FROM parts p
    WHERE p.oid IN (SELECT e.tableoid FROM journal.event e WHERE e.position = ANY (%(positions)s))
      AND EXISTS (SELECT FROM parts l WHERE l.first > p.first AND l.oid < p.oid) ORDER BY 1"""
