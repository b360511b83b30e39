"""View: how many events name a card or a person, where they are, and the chain over their leaves (`hub.tlog.card_index`).

A row belongs to a key under its name in the index, so that rows in order are buckets in order. What an event names is found by the
descriptors: a card itself, the one before it, its other identifiers, and who holds it; in facts, in answers and in looks alike.
An event is counted as it was recorded: what a correction takes out of force is still in the log.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def names_of(recorded: Recorded) -> dict[bytes, bytes]:
    """Returns the keys that an event names, by their names in the index.

    A key is 32 bytes that nobody can choose, behind a tag and a length. So what looks like one and was met before is what it was then, and
    the event is not parsed: most are about cards that are known.
    """
    likely, found = _like_keys(recorded.data), {}
    for key in likely:
        if (name := _known.get(key)) is None:
            _learn(recorded, likely)
            return {name: key for key in likely if (name := _known[key])}
        if name:
            found[name] = key
    return found


def _learn(recorded: Recorded, likely: Iterable[bytes]) -> None:
    """Notes what the keys in an event are, and that what only looks like one is none."""
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    for key in likely:
        _known.setdefault(key, b"")
    _known.update((mention.key, id_of(*mention)) for mention in mentions(recorded))


def _like_keys(data: bytes) -> list[bytes]:
    """Returns what looks like the key of a card or a person: the tag of the field, its length, and so many bytes."""
    found = []
    for tag in _KEY_TAGS:
        at = data.find(tag)
        while at >= 0:
            found.append(data[at + 2 : at + 34])
            # One may begin within what only looks like another.
            at = data.find(tag, at + 1)
    return found


_KEY_TAGS = tuple(bytes((descriptor.fields_by_name["key"].number << 3 | 2, 32)) for descriptor in _WHAT)
# The names of keys that were met, empty where it is none of a card or a person: cards come again.
_known: dict[bytes, bytes] = {}
_MOST_KNOWN = 1 << 17


def keys(recorded: Recorded, _: Recorded | None) -> list[Key]:
    """Names the rows of all that the event names."""
    return [(name,) for name in recorded.derived(names_of)]


def evolve(key: Key, state: State | None, recorded: Recorded, _: Recorded | None) -> State:
    """Adds the event to the chain."""
    if state is None:
        chain, blind = sha256(NO_CHAIN + recorded.leaf).digest(), blind_of(recorded.derived(names_of)[key[0]])
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
    return Entry(bytes(name), Counted(count, bytes(chain)), bytes(blind), _positions(positions))


def _positions(packed: bytes) -> tuple[int, ...]:
    return tuple(one for (one,) in _POSITION.iter_unpack(bytes(packed)))


def entry_of(connection: psycopg.Connection, what: str, key: bytes) -> Entry | None:
    """Returns the row of a key, None if no event names it."""
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(f"{_SELECT} WHERE id = %b", (id_of(what, key),)).fetchone()
    return None if row is None else _entry(row)


def positions_naming(connection: psycopg.Connection, names: Iterable[tuple[str, bytes]], through: int) -> list[int]:
    """Returns, in order, where the events up to a position are that name some cards or persons, as far as they are folded."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(_NAMING, ([id_of(*name) for name in names],)).fetchall()
    return sorted({at for (packed,) in rows for at in _positions(packed) if at <= through})


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


def all_bucket_hashes(connection: psycopg.Connection) -> Iterator[tuple[int, bytes]]:
    """Yields (bucket, hash) of all buckets but the empty ones, ascending; in a transaction, whose sorts get more memory.

    The rows are read as they lie and sorted on the server, by one more of its processes if it has one free. In the order of their ids each
    row would be another page: once they are more than the server's cache, that takes five times as long, and more on a slow disk.
    """
    connection.execute(_TO_SORT)
    with connection.cursor() as cursor, cursor.copy(_ALL_HASHES) as copy:
        copy.set_types(["int4", "bytea"])
        yield from copy.rows()


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
_TO_SORT = """
    SET LOCAL work_mem = '64MB';
    SET LOCAL max_parallel_workers_per_gather = 1; SET LOCAL parallel_setup_cost = 0; SET LOCAL parallel_tuple_cost = 0"""
# Records are made before they are sorted: what is sorted has half of the bytes. Sorted below, they are not made again for the aggregate.
_ALL_HASHES = f"""
    COPY (SELECT bucket, sha256('\\x00'::bytea || string_agg(record, ''::bytea ORDER BY record)) FROM (
        SELECT (get_byte(v.id, 0) << 12) | (get_byte(v.id, 1) << 4) | (get_byte(v.id, 2) >> 4) AS bucket,
               v.id || sha256(v.blind || int8send(v.count) || v.chain) AS record
        FROM views.{CARD_INDEX.name} v ORDER BY 1, 2 OFFSET 0) r GROUP BY bucket ORDER BY bucket) TO STDOUT (FORMAT BINARY)"""  # noqa: S608
_NAMING = f"SELECT positions FROM views.{CARD_INDEX.name} WHERE id = ANY (%b)"  # noqa: S608 (our own name)
_SELECT = f"SELECT id, count, chain, blind, positions FROM views.{CARD_INDEX.name}"  # noqa: S608 (our own name)
_ALL = f"COPY (SELECT id, blind, count, chain FROM views.{CARD_INDEX.name} ORDER BY id) TO STDOUT (FORMAT BINARY)"  # noqa: S608
