"""A batch for the journal, its rows as COPY takes them, and what becomes of it."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256

from hub.domain.errors import HubError
from hub.journal.envelope import INSTANT, LEAF_BYTES, LENGTHS, MARK_BYTES, entry_end, inner_hash
from hub.telemetry.spans import GroupTiming

PG_EPOCH_US = 946_684_800_000_000
PREFIX = struct.Struct(">hiqiqiqiq")
COLUMNS = 9
_OCCURRED = struct.Struct(">iq")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
# A digest and a leaf have as many bytes.
_HASH = _LENGTH.pack(LEAF_BYTES)
_MARK = LENGTHS[MARK_BYTES]

Tail = tuple[bytes, bytes]


@dataclass(slots=True)
class Batch:
    """Events for one stream, ready to be written.

    *tails* are what is known before the lock of rows and of their entries in the log (`pack_tail`). *digests* distinguish a resend from
    a conflict (empty for aggregates, whose versions are not resent). *handles* names a quarantined event by (stream, sequence, position):
    the batch is refused if an event after that position corrects or reverses it.
    """

    stream_id: int
    owner: str
    first_sequence: int
    tails: list[Tail]
    digests: list[bytes] = field(default_factory=list)
    trace_parent: str = ""
    vault_rows: list[tuple[bytes, int, bytes]] = field(default_factory=list)
    originals: list[tuple[int, int, bytes]] = field(default_factory=list)
    corrections: list[tuple[int, int, int]] = field(default_factory=list)
    uncertain: bool = False
    handles: tuple[int, int, int] | None = None
    # What the event at an offset has for a digest if it was recorded under the other key; it costs, and is rarely asked for.
    otherwise: Callable[[int], bytes] | None = None

    def part(self, start: int, stop: int) -> "Batch":
        """Returns a batch of the events from offset *start* up to *stop*; the first part takes the new identifiers of all."""
        otherwise = self.otherwise
        return replace(
            self,
            first_sequence=self.first_sequence + start,
            tails=self.tails[start:stop],
            digests=self.digests[start:stop],
            vault_rows=[] if start else self.vault_rows,
            originals=[(at - start, version, sealed) for at, version, sealed in self.originals if start <= at < stop],
            corrections=[(at - start, stream, target) for at, stream, target in self.corrections if start <= at < stop],
            otherwise=otherwise and (lambda at: otherwise(start + at)),
        )


@dataclass(slots=True)
class Appended:
    """Where a batch is now: *positions* of all its events, of which the first *duplicates* were there before.

    *group* says when the commit that it took part in began and ended, and of how many events.
    """

    positions: Sequence[int]
    duplicates: int
    first_sequence: int
    recorded_us: int
    group: GroupTiming = field(default=GroupTiming(0, 0, 0), compare=False)


class Deferred:
    """The batch overlaps one of its own group and must wait for the next group."""


Outcome = Appended | Deferred | HubError


@cache
def _kind_heads(kind: bytes) -> tuple[bytes, bytes]:
    """Returns a kind as the columns have it, before the digest, and as the entry has it, before the mark."""
    return _LENGTH.pack(len(kind)) + kind + _HASH, LENGTHS[len(kind)] + kind + _MARK


def pack_tail(occurred_us: int | None, kind: bytes, digest: bytes | None, data: bytes) -> Tail:
    """Packs the columns occurred_at (microseconds since 1970, None for NULL), kind, digest and data, and what the event's entry ends with.

    The columns end with the length of the leaf, which follows them.
    """
    if occurred_us is not None and digest is not None:
        # Every event of a province passes here: the same as below, without a call for each part.
        column, named = _kind_heads(kind)
        inner = sha256(digest[MARK_BYTES:] + INSTANT.pack(occurred_us) + data)
        return (
            b"".join((_OCCURRED.pack(8, occurred_us - PG_EPOCH_US), column, digest, _LENGTH.pack(len(data)), data, _HASH)),
            named + digest[:MARK_BYTES] + inner.digest(),
        )
    occurred = _NULL if occurred_us is None else struct.pack(">iq", 8, occurred_us - PG_EPOCH_US)
    digest_column = _NULL if digest is None else _LENGTH.pack(len(digest)) + digest
    columns = b"".join((occurred, _LENGTH.pack(len(kind)), kind, digest_column, _LENGTH.pack(len(data)), data, _HASH))
    return columns, entry_end(kind, digest, inner_hash(digest, occurred_us, data))


def pack_row(
    position: int, recorded_us: int, stream_id: int, sequence: int, occurred_us: int, kind: bytes, digest: bytes, data: bytes, leaf: bytes
) -> bytes:
    """Packs a whole row; *recorded_us* counts from 2000, as in a group."""
    columns, _ = pack_tail(occurred_us, kind, digest, data)
    return b"".join((PREFIX.pack(COLUMNS, 8, position, 8, recorded_us, 8, stream_id, 8, sequence), columns, leaf))
