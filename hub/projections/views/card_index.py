"""View: how many events name a card or a person, where they are, and the chain over their leaves (`hub.tlog.card_index`).

A row belongs to a key under its name in the index, so that rows in order are buckets in order. What an event names is found by the
descriptors: a card itself, the one before it, its other identifiers, and who holds it; in facts, in answers and in looks alike.
An event is counted as it was recorded: what a correction takes out of force is still in the log.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from hashlib import sha256
from itertools import chain as joined
from operator import attrgetter
from typing import Any, NamedTuple

import psycopg
from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.descriptor import Descriptor

from hub.domain.pseudonym import Place, places
from hub.journal.reader import Recorded
from hub.projections.projection import Key, Projection, Row
from hub.tlog.card_index import NO_CHAIN, Counted, blind_of, bounds_of, id_of, record_of

_POSITION = struct.Struct(">q")
_WHAT = {references_pb2.CardRef.DESCRIPTOR: "card", references_pb2.PersonRef.DESCRIPTOR: "person"}
_MESSAGES = {field.name: field.message_type for field in event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields}
# The key of a reference, or the references of a repeated field.
Getter = tuple[str, bool, Callable[[Any], Any]]


class Mention(NamedTuple):
    """A key that an event names; *what* is card or person."""

    what: str
    key: bytes


# A row: how many events, the chain, the blind, the positions that the row had, packed, and those since, as (earlier ones, position).
# Plain tuples: of each event some are made.
State = tuple[int, bytes, bytes, bytes, Any]


def mentions(recorded: Recorded) -> Iterator[Mention]:
    """Yields what an event names, a key as often as it is named."""
    event = recorded.event
    for what, is_repeated, get in _getters(recorded.kind):
        for ref in get(event) if is_repeated else (get(event),):
            if ref.key:
                yield Mention(what, ref.key)


@cache
def _getters(kind: str) -> tuple[Getter, ...]:
    own = ((place, (kind, *place.path)) for place in places(_MESSAGES[kind])) if kind in _MESSAGES else ()
    envelope = ((place, place.path) for place in places(event_pb2.Event.DESCRIPTOR))
    return tuple(_getter(place, path) for place, path in joined(envelope, own) if _what(path) is not None)


def _getter(place: Place, path: tuple[str, ...]) -> Getter:
    what = _what(path)
    assert what is not None
    return what, place.is_repeated, attrgetter(".".join(path))


def _what(path: tuple[str, ...]) -> str | None:
    descriptor: Descriptor | None = event_pb2.Event.DESCRIPTOR
    for name in path:
        assert descriptor is not None, "a path leads through messages"
        descriptor = descriptor.fields_by_name[name].message_type
    return None if descriptor is None else _WHAT.get(descriptor)


def _names(recorded: Recorded) -> dict[bytes, bytes]:
    """Returns the keys that an event names, by their names in the index."""
    event, found = recorded.event, {}
    for what, is_repeated, get in _getters(recorded.kind):
        known = _known[what]
        for ref in get(event) if is_repeated else (get(event),):
            if key := ref.key:
                if (name := known.get(key)) is None:
                    if len(known) == _MOST_KNOWN:
                        known.clear()
                    name = known[key] = id_of(what, key)
                found[name] = key
    return found


# The names of keys that were met: cards come again.
_known: dict[str, dict[bytes, bytes]] = {"card": {}, "person": {}}
_MOST_KNOWN = 1 << 16


def keys(recorded: Recorded, _: Recorded | None) -> list[Key]:
    """Names the rows of all that the event names."""
    return [(name,) for name in recorded.derived(_names)]


def evolve(key: Key, state: State | None, recorded: Recorded, _: Recorded | None) -> State:
    """Adds the event to the chain."""
    if state is None:
        chain, blind = sha256(NO_CHAIN + recorded.leaf).digest(), blind_of(recorded.derived(_names)[key[0]])
        return 1, chain, blind, b"", (None, recorded.position)
    count, chain, blind, before, since = state
    return count + 1, sha256(chain + recorded.leaf).digest(), blind, before, (since, recorded.position)


def _decode(row: Row) -> State:
    count, chain, blind, positions = row
    return count, bytes(chain), bytes(blind), bytes(positions), None


def _encode(state: State) -> Row:
    count, chain, blind, before, since = state
    added = []
    while since is not None:
        since, position = since
        added.append(_POSITION.pack(position))
    return count, chain, blind, before + b"".join(reversed(added))


CARD_INDEX = Projection(
    name="card_index",
    key_columns=(("id", "bytea"),),
    value_columns=(("count", "bigint"), ("chain", "bytea"), ("blind", "bytea"), ("positions", "bytea")),
    kinds=None,
    keys=keys,
    evolve=evolve,
    follows_corrections=False,
    reads_leaves=True,
    decode=_decode,
    encode=_encode,
)


class Entry(NamedTuple):
    """A row as it is read: *positions* are of all events that name the key, in order."""

    name: bytes
    counted: Counted
    blind: bytes
    positions: tuple[int, ...]

    @property
    def record(self) -> bytes:
        """Its record in a bucket."""
        return record_of(self.name, self.blind, self.counted)


def _entry(row: Row) -> Entry:
    name, count, chain, blind, positions = row
    return Entry(bytes(name), Counted(count, bytes(chain)), bytes(blind), tuple(one for (one,) in _POSITION.iter_unpack(bytes(positions))))


def entry_of(connection: psycopg.Connection, what: str, key: bytes) -> Entry | None:
    """Returns the row of a key, None if no event names it."""
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(f"{_SELECT} WHERE id = %b", (id_of(what, key),)).fetchone()
    return None if row is None else _entry(row)


def entries_in(connection: psycopg.Connection, bucket: int) -> list[Entry]:
    """Returns the rows of a bucket, in order."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(f"{_SELECT} WHERE id BETWEEN %b AND %b ORDER BY id", bounds_of(bucket)).fetchall()
    return [_entry(row) for row in rows]


def bucket_hashes(connection: psycopg.Connection, bounds: Sequence[tuple[bytes, bytes]]) -> Iterator[tuple[int, bytes]]:
    """Yields (bucket, hash) of the buckets between bounds of ids, ascending, but for empty ones.

    The server makes them: to send each row and to hash it here takes several times as long.
    """
    for at in range(0, len(bounds), _BOUNDS_AT_ONCE):
        firsts, lasts = zip(*bounds[at : at + _BOUNDS_AT_ONCE], strict=True)
        with connection.cursor(binary=True) as cursor:
            yield from cursor.execute(_HASHES, (list(firsts), list(lasts))).fetchall()


def records_in_order(connection: psycopg.Connection) -> Iterator[bytes]:
    """Yields the records of all rows in ascending order, as a stream."""
    with connection.cursor() as cursor, cursor.copy(_ALL) as copy:
        copy.set_types(["bytea", "bytea", "bigint", "bytea"])
        for name, blind, count, chain in copy.rows():
            yield record_of(name, blind, Counted(count, chain))


_BOUNDS_AT_ONCE = 256
# As record_of and bucket_hash of hub.tlog.card_index; the first 20 bits of an id are its bucket.
_HASHES = f"""
    SELECT b.bucket, b.hash FROM unnest(%b::bytea[], %b::bytea[]) WITH ORDINALITY t (first, last, n) CROSS JOIN LATERAL (
        SELECT (get_byte(v.id, 0) << 12) | (get_byte(v.id, 1) << 4) | (get_byte(v.id, 2) >> 4) AS bucket,
               sha256('\\x00'::bytea
                      || string_agg(v.id || sha256(v.blind || int8send(v.count) || v.chain), ''::bytea ORDER BY v.id)) AS hash
        FROM views.{CARD_INDEX.name} v WHERE v.id BETWEEN t.first AND t.last GROUP BY 1 ORDER BY 1) b ORDER BY t.n, b.bucket"""  # noqa: S608
_SELECT = f"SELECT id, count, chain, blind, positions FROM views.{CARD_INDEX.name}"  # noqa: S608 (our own name)
_ALL = f"COPY (SELECT id, blind, count, chain FROM views.{CARD_INDEX.name} ORDER BY id) TO STDOUT (FORMAT BINARY)"  # noqa: S608
