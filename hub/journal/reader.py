"""Reads the journal: pages of events in binary, single events by feed and number, and the position of the head.

Every read is bounded by positions, never by an open snapshot: an old snapshot would keep the versions of the hot head row alive. What is
archived is read from its segments (`hub.journal.archived`), so what is read here is all of history.
"""

import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg
from chuanyu.exchange.v1 import event_pb2

from hub.domain.business_keys import card_key
from hub.domain.errors import JournalUnavailable
from hub.domain.instants import SECOND_US, microseconds
from hub.domain.reported import Reported
from hub.journal import archived
from hub.journal.batch import PG_EPOCH_US
from hub.journal.joins import EVENT_AT, POSITION_OF
from hub.journal.sessions import Role, session

Derived = TypeVar("Derived")

_COPY_HEAD_LENGTH = 19
_FIXED = struct.Struct(">hiqiqiqiqi")
_LENGTH = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed's row id and owner, which never change."""

    stream_id: int
    owner: str


class Recorded:
    """One event as the journal holds it; *event* is parsed when it is first asked for, and then serves every view that reads it."""

    __slots__ = (
        "_derived",
        "about",
        "card",
        "data",
        "event",
        "in_force_since",
        "is_reversal",
        "kind",
        "known_us",
        "leaf",
        "occurred_us",
        "position",
        "recorded_us",
        "refers_to",
        "sequence",
        "stream_id",
    )
    # The stored message, key arms only.
    event: event_pb2.Event
    # When it happened by the source's clock, in microseconds since 1970 UTC.
    occurred_us: int
    # Whether nothing is in force by this event: what it is folded with is taken out.
    is_reversal: bool
    # The key of the card number that it names, else of whatever identifier it is addressed by, empty if by none.
    card: bytes
    leaf: bytes  # of the log, where `hub.journal.leaves` filled it in

    def __init__(self, position: int, recorded_us: int, stream_id: int, sequence: int, kind: str, data: bytes) -> None:
        """*recorded_us* counts microseconds since 1970 UTC."""
        self.position = position
        self.recorded_us = recorded_us
        self.stream_id = stream_id
        self.sequence = sequence
        self.kind = kind
        self.data = data
        # The position and the instant of the event by which this one is in force: its own, unless a later one gave it back.
        self.in_force_since = position
        self.known_us = recorded_us
        # Of an event that names another by its number: the (stream, sequence) of that one, and itself if it was recorded before.
        self.refers_to: tuple[int, int] | None = None
        self.about: Recorded | None = None
        self._derived: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        """Fills what was not asked for before: after that it is a plain attribute, which is the fastest there is."""
        value: Any
        if name == "event":
            value = event_pb2.Event.FromString(self.data)
        elif name == "occurred_us":
            value = microseconds(self.event.occurred_at)
        elif name == "is_reversal":
            value = self.event.HasField("reverses")
        elif name == "card":
            value = self.event.event_quarantined.blocked_card.key if self.kind == "event_quarantined" else card_key(self.event)
        else:
            raise AttributeError(name)
        setattr(self, name, value)
        return value

    @property
    def reported(self) -> Reported:
        """The event as ledgers are folded from it."""
        return Reported(self.kind, self.event, self.occurred_us, self.position)

    def derived(self, derive: Callable[["Recorded"], Derived]) -> Derived:
        """Returns what *derive* makes of this event, made once however often it is asked for."""
        known = self._derived
        if known is None:
            known = self._derived = {}
        if derive not in known:
            known[derive] = derive(self)
        return known[derive]  # type: ignore[no-any-return]

    def taking_out(self) -> "Recorded":
        """Returns this event as one by which nothing is in force, for what else it takes out."""
        other = self._copy()
        other.is_reversal = True
        return other

    def given_back_by(self, event: "Recorded") -> "Recorded":
        """Returns this event as one that another has put in force again."""
        other = self._copy()
        other.in_force_since, other.known_us = event.position, event.recorded_us
        return other

    def _copy(self) -> "Recorded":
        return Recorded(self.position, self.recorded_us, self.stream_id, self.sequence, self.kind, self.data)


def decode(events: Iterable[Recorded]) -> None:
    """Fills of each event what nearly every view asks of it: in a loop it takes half of what it takes one by one."""
    parse = event_pb2.Event.FromString
    for one in events:
        event = one.event = parse(one.data)
        one.is_reversal = event.HasField("reverses")
        at = event.occurred_at
        one.occurred_us = at.seconds * SECOND_US + at.nanos // 1_000


@contextmanager
def reading(dsn: str, role: Role, name: str) -> Iterator[psycopg.Connection]:
    """Gives a connection for one read; raises JournalUnavailable when the database is away."""
    try:
        with session(dsn, role, name) as connection:
            yield connection
    except psycopg.OperationalError:
        raise JournalUnavailable from None


def head_position(connection: psycopg.Connection) -> int:
    """Returns the position of the newest event, 0 for an empty journal."""
    row = connection.execute("SELECT position FROM journal.head").fetchone()
    assert row is not None
    return int(row[0])


def read_page(
    connection: psycopg.Connection,
    after: int,
    through: int,
    kinds: Iterable[str] | None = None,
    *,
    also: Collection[int] = (),
    marks: Mapping[str, Collection[bytes]] = MappingProxyType({}),
) -> list[Recorded]:
    """Returns the events with after < position <= through in order, of all kinds or of *kinds* (filtered by the server).

    Of a kind in *marks* it returns only those that have some of its bytes. It also returns those at the positions *also*, of whatever kind.
    Raises SegmentAway and what the reader of segments raises.
    """
    wanted = ""
    if kinds is not None:
        is_wanted = is_read(kinds, marks)
        if also:
            is_wanted += f" OR position = ANY ('{{{','.join(map(str, sorted(also)))}}}'::bigint[])"
        wanted = f"AND ({is_wanted})"
    sql = f"""
        COPY (SELECT position, recorded_at, stream_id, sequence, kind, data FROM journal.event
              WHERE position > {after:d} AND position <= {through:d} {wanted} ORDER BY position)
        TO STDOUT (FORMAT BINARY)"""  # noqa: S608 (integers and names of our own oneof)
    run = (after + 1, through)
    page, away = archived.asked(connection, [run], lambda: _page(connection, sql))
    return archived.joined(away, page, run, kinds if kinds is None else set(kinds), also, marks)


def is_read(kinds: Iterable[str], marks: Mapping[str, Collection[bytes]]) -> str:
    """Returns the condition of SQL by which a row is of some kinds, and of those in *marks* has some of their bytes."""
    found = f"kind = ANY ('{{{','.join(sorted(set(kinds) - marks.keys()))}}}'::text[])"
    for marked, mark in ((marked, mark) for marked, some in sorted(marks.items()) for mark in sorted(some)):
        found += f" OR kind = '{marked}' AND position('\\x{mark.hex()}'::bytea in data) > 0"
    return found


def _page(connection: psycopg.Connection, sql: str) -> list[Recorded]:
    page: list[Recorded] = []
    append, unpack, names = page.append, _FIXED.unpack_from, KIND_NAMES
    with connection.cursor() as cursor, cursor.copy(sql.encode()) as copy:
        for block in copy:
            start = _COPY_HEAD_LENGTH if not page and block[:6] == b"PGCOPY" else 0
            if len(block) - start < _FIXED.size:
                continue
            _, _, position, _, recorded, _, stream_id, _, sequence, length = unpack(block, start)
            kind_at = start + _FIXED.size
            kind = bytes(block[kind_at : kind_at + length])
            data = bytes(block[kind_at + length + 4 :])
            append(Recorded(position, recorded + PG_EPOCH_US, stream_id, sequence, names.get(kind) or kind.decode(), data))
    return page


def find_event(connection: psycopg.Connection, stream_id: int, sequence: int) -> Recorded | None:
    """Returns the event of a number as it was recorded, whatever corrected it since; None if there is none."""
    row = connection.execute(_EVENT_OF, {"stream": stream_id, "sequence": sequence}).fetchone()
    return None if row is None else next(iter(events_at(connection, [row[0]])), None)


def events_named(
    connection: psycopg.Connection, names: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], tuple[tuple[int, int], Recorded | None]]:
    """Returns for each (feed, sequence) its (stream, sequence) and the event, None if not recorded yet; unknown feeds are not in it."""
    feeds, sequences = zip(*names, strict=True) if names else ((), ())
    rows = connection.execute(_EVENTS_NAMED, {"feeds": list(feeds), "sequences": list(sequences)}).fetchall()
    found = {row[3]: Recorded(*row[4:]) for row in rows if row[4] is not None}
    found |= {one.position: one for one in events_at(connection, [row[3] for row in rows if row[3] and row[4] is None])}
    return {(feed, sequence): ((stream_id, sequence), found.get(position)) for feed, sequence, stream_id, position, *_ in rows}


def events_at(connection: psycopg.Connection, positions: Sequence[int], kinds: Collection[str] | None = None) -> list[Recorded]:
    """Returns the events at some positions, all or those of some kinds, in the order of *positions*; one that is not there is left out."""
    found = _found_at(connection, positions, kinds)
    missing = [at for at in positions if at not in found]
    if missing and kinds is not None:
        # No segment is opened for what is seen to be of another kind.
        labels = archived.labels_at(connection, missing)
        missing = [at for at in missing if (label := labels.get(at)) is None or label.kind in kinds]
    if missing:
        more, away = archived.asked(connection, [(at, at) for at in missing], lambda: _found_at(connection, missing, kinds))
        found |= {one.position: one for one in archived.events_at(away, missing, kinds)} | more
    return [found[position] for position in positions if position in found]


def _found_at(connection: psycopg.Connection, positions: Sequence[int], kinds: Collection[str] | None) -> dict[int, Recorded]:
    """Returns what the database has at some positions."""
    if not positions:
        return {}
    asked = {"positions": list(positions), "kinds": None if kinds is None else sorted(kinds)}
    return {row[0]: Recorded(*row) for row in connection.execute(_EVENTS_AT, asked).fetchall()}


_EVENT_OF = f"""
    SELECT o.position FROM (VALUES (%(stream)s::bigint, %(sequence)s::bigint)) t (stream_id, sequence) {POSITION_OF}"""  # noqa: S608
_EVENTS_NAMED = f"""
    SELECT t.feed, t.sequence, s.stream_id, o.position,
           e.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, e.stream_id, e.sequence, e.kind, e.data
    FROM (SELECT DISTINCT * FROM unnest(%(feeds)s::text[], %(sequences)s::bigint[]) u (feed, sequence)) t
    JOIN journal.stream s ON s.name = t.feed AND s.is_feed
    LEFT JOIN LATERAL (
        SELECT b.first_position + t.sequence - b.first_sequence AS position FROM (
            SELECT * FROM journal.batch b WHERE b.stream_id = s.stream_id AND b.first_sequence <= t.sequence
            ORDER BY b.first_sequence DESC LIMIT 1) b
        WHERE b.last_sequence >= t.sequence) o ON true
    {EVENT_AT}"""  # noqa: S608 (our own text)
_EVENTS_AT = """
    SELECT position, (extract(epoch FROM recorded_at) * 1000000)::bigint, stream_id, sequence, kind, data
    FROM journal.event WHERE position = ANY (%(positions)s) AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s))"""
KIND_NAMES = {
    field.name.encode(): field.name for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
}  # one string object a kind instead of one an event


def first_position(connection: psycopg.Connection) -> int:
    """Returns the oldest position that is kept, in the database or in segments, 1 for an empty journal."""
    row = connection.execute(archived.FIRST).fetchone()
    return 1 if row is None or row[0] is None else int(row[0])
