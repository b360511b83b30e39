"""Finds in the journal what corrections and reversals change: which events were in force and are no more, and which are now.

An event that comes after what corrects or reverses it changes nothing or less than it says, so it is looked for too: what is in force
follows from all that the journal has, not from the order in which it came. `hub.domain.corrections` has the rules.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import psycopg

from hub.domain.corrections import Member
from hub.domain.corrections import standing as in_force
from hub.journal import archived
from hub.journal.joins import EVENT_AT, NAME_AT, POSITION_OF
from hub.journal.reader import Recorded, events_at

# An event by its stream and its number there.
Name = tuple[int, int]


class Change(NamedTuple):
    """What an event changes of what is in force: *out* was in force and is no more, *into* is from now on, if anything is."""

    out: tuple[Recorded, ...]
    into: Recorded | None


class Reads(NamedTuple):
    """What a reader reads: events of some kinds, and of a kind in *marks* only those that have some of its bytes."""

    kinds: Collection[str]
    marks: Mapping[str, Collection[bytes]]

    def has(self, row: tuple[Any, ...]) -> bool:
        """Whether it reads an event of the database, a row of a family."""
        kind, data = row[4:6]
        return kind in self.kinds and (kind not in self.marks or any(mark in data for mark in self.marks[kind]))


def changes(connection: psycopg.Connection, after: int, end: int, reads: Reads | None = None) -> dict[int, Change]:
    """Returns, by position, what the events with after < position <= end change, for those that have to do with a correction.

    Families with archived events of which none is what *reads* reads are left out: no segment is opened for them.
    """
    touched = _touched(connection, after, end)
    if not touched:
        return {}
    return _changes(touched, *_families(connection, {name for _, name in touched}, end, reads))


def changes_in(connection: psycopg.Connection, names: Collection[Name], end: int) -> dict[int, Change]:
    """Returns, by position, what each event of some families changes up to a position: those too that are in force by themselves."""
    if not names:
        return {}
    members, recorded = _families(connection, names, end)
    return _changes([(member.position, member.name) for member in members], members, recorded)


def _changes(touched: Iterable[tuple[int, Hashable]], members: list[Member], recorded: dict[int, Recorded]) -> dict[int, Change]:
    by_name = _by_name(members)
    found: dict[int, Change] = {}
    for position, family in {position: by_name[name] for position, name in touched if name in by_name}.items():
        stood = in_force(member for member in family if member.position < position)
        stands = in_force(member for member in family if member.position <= position)
        into = [recorded[new] for new in stands - stood]
        out = sorted(stood - stands)
        found[position] = Change(tuple(recorded[old] for old in out), into[0] if into else None)
    return found


def corrected_by(connection: psycopg.Connection, stream_id: int, sequence: int) -> list[int]:
    """Returns the positions of what corrects or reverses an event, in order."""
    rows = connection.execute(
        "SELECT position FROM journal.correction WHERE stream_id = %s AND sequence = %s ORDER BY position", (stream_id, sequence)
    ).fetchall()
    return [int(position) for (position,) in rows]


def _by_name(members: Iterable[Member]) -> dict[Hashable, list[Member]]:
    """Returns the family of each name: what one event changes has to do with its own family alone."""
    families: dict[Hashable, list[Member]] = {}
    for member in members:
        names = (member.name, *member.changes)
        known = {id(family): family for name in names if (family := families.get(name)) is not None}
        family = [member, *(one for some in known.values() for one in some)]
        for one in family:
            families |= dict.fromkeys((one.name, *one.changes), family)
    return families


def changed_since(
    connection: psycopg.Connection, names: Collection[Name], position: int, reached: int
) -> tuple[list[Recorded], list[Recorded]]:
    """Returns what of some families was in force at *position* and is not at *reached*, and what had come by then and is so only now."""
    if not names:
        return [], []
    members, recorded = _families(connection, names, reached)
    stood = in_force(member for member in members if member.position <= position)
    stands = in_force(members)
    return [recorded[old] for old in sorted(stood - stands)], [recorded[new] for new in sorted(stands - stood) if new <= position]


def corrected_among(connection: psycopg.Connection, positions: Sequence[int], end: int) -> set[Name]:
    """Returns the names of those of some events that correct or reverse, or were corrected or reversed by a position."""
    rows = connection.execute(_CORRECTED_AMONG, {"positions": list(positions), "end": end}).fetchall()
    return {(stream_id, sequence) for stream_id, sequence in rows}


def corrected_by_kind(connection: psycopg.Connection, kind: str, after: int, end: int) -> set[Name]:
    """Returns what events of one kind with after < position <= end correct or reverse, or what of that kind was reversed by them."""
    rows = connection.execute(_CORRECTED_BY_KIND, {"after": after, "end": end}).fetchall()
    away = {one.position: one.kind for one in events_at(connection, [row[2] for row in rows if row[3] is None])}
    return {(stream_id, sequence) for stream_id, sequence, position, found in rows if (found or away.get(position)) == kind}


def _touched(connection: psycopg.Connection, after: int, end: int) -> list[tuple[int, Name]]:
    """Returns (position, a name of its family) of the events that correct or reverse, and of those that were corrected before they came."""
    rows = connection.execute(_TOUCHED, {"after": after, "end": end}).fetchall()
    return [(position, (stream_id, sequence)) for position, stream_id, sequence in rows]


def _families(
    connection: psycopg.Connection, names: Iterable[Name], end: int, reads: Reads | None = None
) -> tuple[list[Member], dict[int, Recorded]]:
    """Reads the whole families of some names, up to a position; with *reads* as in `changes`."""
    streams, sequences = zip(*names, strict=True)
    rows = connection.execute(FAMILIES, {"streams": list(streams), "sequences": list(sequences), "end": end}).fetchall()
    recorded = {row[0]: Recorded(*row[:6]) for row in rows if row[1] is not None}
    if reads is not None and len(recorded) < len(rows):
        labels = archived.labels_at(connection, [row[0] for row in rows if row[1] is None])
        unread = {at: label.kind for at, label in labels.items() if not label.is_read(*reads)}
        rows = _read_of(rows, unread, reads)
        # What nobody reads and changes nothing is known by its number: it is in force or not, and that is all.
        bare = [row for row in rows if row[0] in unread and not row[6]]
        recorded |= {row[0]: Recorded(row[0], 0, row[2], row[3], unread[row[0]], b"") for row in bare}
    recorded |= {one.position: one for one in events_at(connection, [row[0] for row in rows if row[0] not in recorded])}
    members = [_member(recorded[row[0]], list(zip(*row[6:], strict=True))) for row in rows if row[0] in recorded]
    return members, recorded


def _read_of(rows: list[tuple[Any, ...]], unread: Collection[int], reads: Reads) -> list[tuple[Any, ...]]:
    """Returns the rows of those families that have no archived event, or some event that is read; *unread*: archived ones that are not."""
    families = _by_name(Member(row[0], row[2:4], tuple(zip(*row[6:8], strict=True))) for row in rows)
    away = {row[2:4] for row in rows if row[1] is None}
    read = {row[2:4] for row in rows if (row[0] not in unread if row[1] is None else reads.has(row))}
    names = {name: {member.name for member in family} for name, family in families.items()}
    return [row for row in rows if away.isdisjoint(names[row[2:4]]) or not read.isdisjoint(names[row[2:4]])]


def _member(recorded: Recorded, changed: list[tuple[int, int, str]]) -> Member:
    name, is_quarantined = (recorded.stream_id, recorded.sequence), recorded.kind == "event_quarantined"
    if not changed:
        return Member(recorded.position, name, is_quarantined=is_quarantined)
    event: Any = recorded.event
    said = event.reverses if recorded.is_reversal else event.corrects
    names = tuple((stream_id, sequence) for stream_id, sequence, _ in changed)
    own = next(((stream, number) for stream, number, feed in changed if (feed, number) == (said.feed, said.sequence)), names[0])
    return Member(recorded.position, name, names, own, recorded.is_reversal, is_quarantined)


# The second half finds what came after its correction, through the batches of these positions: there is no other index to go by.
_TOUCHED = """
    SELECT position, stream_id, sequence FROM journal.correction WHERE position > %(after)s AND position <= %(end)s
    UNION ALL
    SELECT b.first_position + c.sequence - b.first_sequence, c.stream_id, c.sequence
    FROM journal.batch b
    JOIN journal.correction c ON c.stream_id = b.stream_id AND c.sequence BETWEEN b.first_sequence AND b.last_sequence
    WHERE b.first_position <= %(end)s
      AND b.first_position >= COALESCE((SELECT max(first_position) FROM journal.batch WHERE first_position <= %(after)s + 1), 0)
      AND b.first_position + c.sequence - b.first_sequence > GREATEST(%(after)s, c.position)
      AND b.first_position + c.sequence - b.first_sequence <= %(end)s"""
_CORRECTED_AMONG = f"""
    SELECT DISTINCT n.stream_id, n.sequence
    FROM unnest(%(positions)s::bigint[]) o (position) {NAME_AT}
    WHERE EXISTS (SELECT FROM journal.correction c WHERE c.stream_id = n.stream_id AND c.sequence = n.sequence AND c.position <= %(end)s)
       OR EXISTS (SELECT FROM journal.correction c WHERE c.position = o.position)"""  # noqa: S608 (our own text)
_CORRECTED_BY_KIND = f"""
    SELECT DISTINCT t.stream_id, t.sequence, o.position, e.kind FROM journal.correction t {POSITION_OF} {EVENT_AT}
    WHERE t.position > %(after)s AND t.position <= %(end)s"""  # noqa: S608 (our own text)
# From a name to all that it changes and all that change it, and from each of them again; UNION drops what was found, so this ends.
FAMILIES = f"""
    WITH RECURSIVE family AS (
        SELECT * FROM unnest(%(streams)s::bigint[], %(sequences)s::bigint[]) t (stream_id, sequence)
        UNION
        SELECT n.stream_id, n.sequence FROM family t CROSS JOIN LATERAL (
            SELECT c.stream_id, c.sequence FROM (SELECT t.stream_id, t.sequence) t {POSITION_OF} JOIN journal.correction c USING (position)
            WHERE o.position <= %(end)s
            UNION ALL
            SELECT n.stream_id, n.sequence FROM journal.correction o {NAME_AT}
            WHERE o.stream_id = t.stream_id AND o.sequence = t.sequence AND o.position <= %(end)s) n
    )
    SELECT o.position, (extract(epoch FROM e.recorded_at) * 1000000)::bigint, t.stream_id, t.sequence, e.kind, e.data,
           n.streams, n.sequences, n.feeds
    FROM family t {POSITION_OF} {EVENT_AT}
    CROSS JOIN LATERAL (
        SELECT COALESCE(array_agg(c.stream_id), '{{}}') AS streams, COALESCE(array_agg(c.sequence), '{{}}') AS sequences,
               COALESCE(array_agg(s.name), '{{}}') AS feeds
        FROM journal.correction c JOIN journal.stream s USING (stream_id) WHERE c.position = o.position) n
    WHERE o.position <= %(end)s"""  # noqa: S608 (our own text)
