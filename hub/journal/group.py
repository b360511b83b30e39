"""One group, one transaction: the only code that appends to the journal.

All batches that wait go in together: the head row is locked, each feed row decides about its batches, the events go in by one
hand-packed binary COPY, and the answers are given after the commit. Three waits for the server a group:
BEGIN + lock; close + COPY; data + COMMIT.
"""

import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import psycopg
from psycopg import pq

from hub.domain.archiving import SequenceArchived
from hub.domain.errors import ClockDrift, FeedUnknown, NotFeedOwner, SequenceConflict, SequenceGap
from hub.domain.quarantine import QuarantineHandled
from hub.journal.batch import COLUMNS, PG_EPOCH_US, PREFIX, Appended, Batch, Deferred, Outcome
from hub.journal.envelope import leaf_head
from hub.journal.joins import named_sql
from hub.journal.literals import byteas, ints, texts
from hub.journal.statements import ANSWER_WITHIN_S, Answers, ConnectionLost, GroupFailed, check, run

_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_ORIGINAL = struct.Struct(">hiqiqiii")
_COLUMNS = "position, recorded_at, stream_id, sequence, occurred_at, kind, digest, data, leaf"


@dataclass(slots=True)
class _Group:
    """What one transaction gathers before it writes."""

    position: int
    recorded_us: int
    streams: list[int]
    next_sequences: dict[int, int]
    owners: dict[int, str]
    names: dict[int, bytes]
    rows: list[bytes] = field(default_factory=list)
    batches: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    corrections: list[tuple[int, int, int]] = field(default_factory=list)
    vault_rows: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    originals: list[tuple[int, int, int, bytes]] = field(default_factory=list)


def commit_group(connection: pq.abc.PGconn, batches: Sequence[Batch], *, all_or_nothing: bool = False) -> list[Outcome]:
    """Writes a group in one transaction and returns an outcome for each batch, in order.

    With *all_or_nothing* nothing is written unless every batch is new as a whole. Raises GroupFailed (rolled back, e.g. a row the
    database refuses), ClockDrift (rolled back: its time would be ahead of this clock) or ConnectionLost (fate unknown).
    """
    try:
        group = _lock(connection, batches)
        outcomes = [_place(connection, group, batch) for batch in batches]
        is_wanted = not all_or_nothing or all(isinstance(o, Appended) and not o.duplicates for o in outcomes)
        if group.rows and is_wanted:
            _write(connection, group)
        else:
            # What was found may be on this server's disk alone, if it fell meanwhile. The commit of the locked head waits for its standby.
            run(connection, b"COMMIT")
        return outcomes
    except (GroupFailed, ClockDrift):
        run(connection, b"ROLLBACK")
        raise


def _lock(connection: pq.abc.PGconn, batches: Sequence[Batch]) -> _Group:
    streams = sorted({batch.stream_id for batch in batches})
    sql = f"BEGIN; SELECT * FROM journal.open_group({ints(streams)}, {time.time_ns() // 1000})"  # noqa: S608 (integers only)
    result = run(connection, sql.encode())
    head, recorded, sequences, owners, names = (result.get_value(0, column) or b"{}" for column in range(5))
    next_sequences = [int(v) if v != b"NULL" else 0 for v in sequences[1:-1].split(b",")]
    owner_names = ["" if v == b"NULL" else v.decode().strip('"') for v in owners[1:-1].split(b",")]
    return _Group(
        position=int(head),
        recorded_us=int(recorded),
        streams=streams,
        next_sequences=dict(zip(streams, next_sequences, strict=True)),
        owners=dict(zip(streams, owner_names, strict=True)),
        names=dict(zip(streams, map(_name, names[1:-1].split(b",")), strict=True)),
    )


def _name(value: bytes) -> bytes:
    """Returns a stream's name from an element of an array of bytea: a quote, three signs and the digits; "" of an unknown stream."""
    return b"" if value == b"NULL" else bytes.fromhex(value[4:-1].decode())


def _place(connection: pq.abc.PGconn, group: _Group, batch: Batch) -> Outcome:
    """Decides about one batch under the lock and adds its rows to the group."""
    expected, owner = group.next_sequences[batch.stream_id], group.owners[batch.stream_id]
    if owner != batch.owner:
        return NotFeedOwner() if owner else FeedUnknown()
    if batch.handles is not None and _is_corrected(connection, *batch.handles):
        return QuarantineHandled()
    first = batch.first_sequence
    if first > expected:
        return SequenceGap(expected_sequence=expected)
    known = min(expected - first, len(batch.tails))
    old: list[tuple[int, bytes]] = []
    if known:
        if batch.stream_id in group.touched:
            return Deferred()
        old = _recorded(connection, batch.stream_id, first, first + known - 1)
        if len(old) < known:  # and those that are here are not beside their own digests
            return SequenceArchived(next_sequence=expected)
        for offset, (digest, (_, recorded_digest)) in enumerate(zip(batch.digests, old, strict=False)):
            if digest != recorded_digest and (batch.otherwise is None or batch.otherwise(offset) != recorded_digest):
                return SequenceConflict(sequence=first + offset)
    if known < len(batch.tails):
        _add(group, batch, first, known)
    new_positions = range(group.position - len(batch.tails) + known + 1, group.position + 1)
    positions = [*(position for position, _ in old), *new_positions] if known else new_positions
    return Appended(positions, 0 if batch.uncertain else known, first, group.recorded_us)


def _is_corrected(connection: pq.abc.PGconn, stream_id: int, sequence: int, after: int) -> bool:
    sql = f"SELECT FROM journal.correction WHERE stream_id = {stream_id:d} AND sequence = {sequence:d} AND position > {after:d} LIMIT 1"
    return run(connection, sql.encode()).ntuples > 0


def _add(group: _Group, batch: Batch, first: int, known: int) -> None:
    position, recorded_us, stream_id = group.position, group.recorded_us, batch.stream_id
    sequence = first + known
    name, recorded_since_1970 = group.names[stream_id], recorded_us + PG_EPOCH_US
    pack, head, rows, length = PREFIX.pack, leaf_head(name).pack, group.rows, len(name)
    at, number = position, sequence
    for columns, end in batch.tails[known:] if known else batch.tails:
        at += 1
        rows += (
            pack(COLUMNS, 8, at, 8, recorded_us, 8, stream_id, 8, number),
            columns,
            sha256(head(0, 1, at, recorded_since_1970, number, length, name) + end).digest(),
        )
        number += 1
    last = first + len(batch.tails) - 1
    group.batches.append((stream_id, sequence, last, position + 1, batch.trace_parent))
    base = position + 1 - known
    group.corrections += [(stream, target, base + at) for at, stream, target in batch.corrections if at >= known]
    group.originals += [(stream_id, first + at, version, sealed) for at, version, sealed in batch.originals if at >= known]
    group.vault_rows += batch.vault_rows
    group.position = base + len(batch.tails) - 1
    group.next_sequences[stream_id] = last + 1
    group.touched.add(stream_id)


def _recorded(connection: pq.abc.PGconn, stream_id: int, first: int, last: int) -> list[tuple[int, bytes]]:
    """Returns (position, digest) of the stream's events first … last, in order."""
    result = run(connection, named_sql(stream_id, first, last).encode())
    values = [(result.get_value(n, 0), result.get_value(n, 1)) for n in range(result.ntuples)]
    return [(int(position or 0), bytes.fromhex((digest or b"\\x")[2:].decode())) for position, digest in values]


def _write(connection: pq.abc.PGconn, group: _Group) -> None:
    touched = sorted(group.touched)
    streams, firsts, lasts, positions, traces = zip(*group.batches, strict=True)
    if group.originals:
        _write_originals(connection, group)
    sql = f"""{_vault_sql(group)}
        SELECT journal.close_group({group.position:d}, {group.recorded_us:d}, {ints(touched)},
            {ints([group.next_sequences[stream] for stream in touched])},
            {ints(streams)}, {ints(firsts)}, {ints(lasts)}, {ints(positions)}, {texts(traces)},
            {ints([c[0] for c in group.corrections])}, {ints([c[1] for c in group.corrections])},
            {ints([c[2] for c in group.corrections])});
        COPY journal.event ({_COLUMNS}) FROM STDIN (FORMAT BINARY); COMMIT"""  # noqa: S608 (integers and hex only)
    run(connection, sql.encode())
    write_rows(connection, group.rows)


def write_rows(connection: pq.abc.PGconn, rows: Sequence[bytes]) -> None:
    """Sends the rows of a COPY that was begun with its COMMIT behind it, and waits for that; raises GroupFailed or ConnectionLost."""
    if _copied(connection, rows) != b"COMMIT":
        raise ConnectionLost


def _write_originals(connection: pq.abc.PGconn, group: _Group) -> None:
    """Writes originals of quarantined events. As text in a statement a megabyte of them took three times as long, and questions waited."""
    run(connection, b"COPY vault.original (stream_id, sequence, key_version, sealed) FROM STDIN (FORMAT BINARY)")
    rows = [
        _ORIGINAL.pack(4, 8, stream, 8, sequence, 4, version, len(sealed)) + sealed for stream, sequence, version, sealed in group.originals
    ]
    if not (_copied(connection, rows) or b"").startswith(b"COPY"):
        raise ConnectionLost


def _copied(connection: pq.abc.PGconn, rows: Sequence[bytes]) -> bytes | None:
    """Sends the rows of a COPY that was begun, and returns what the server says of the last statement; raises as `write_rows` does."""
    try:
        connection.put_copy_data(b"".join((_COPY_HEAD, *rows, _COPY_END)))
        connection.put_copy_end()
        answers = Answers(connection, ANSWER_WITHIN_S)
        answers.flush()
        status = None
        while (result := answers.following()) is not None:
            status = check(connection, result).command_status
    except psycopg.OperationalError:
        raise ConnectionLost from None
    return status


def _vault_sql(group: _Group) -> str:
    if not group.vault_rows:
        return ""
    keys, versions, sealed = zip(*group.vault_rows, strict=True)
    return f"""
        INSERT INTO vault.identifier (key, key_version, sealed)
        SELECT * FROM unnest({byteas(keys)}, {ints(versions)}::int[], {byteas(sealed)}) ON CONFLICT (key) DO NOTHING;"""  # noqa: S608
