"""An event's entry in the log, and the leaf that is its hash.

    entry = 01 ‖ position ‖ recorded_us ‖ sequence ‖ len ‖ stream ‖ len ‖ kind ‖ len ‖ mark ‖ inner
    inner = SHA-256(blind ‖ occurred_us ‖ data)
    leaf  = SHA-256(00 ‖ entry)

Numbers have 8 bytes, big-endian, lengths one; instants count from 1970. *mark* is the first half of the event's digest, *blind* the other.
An entry shows the feed, number, time and kind, so that anybody can see whether a feed is complete. It shows nothing of the content, and
nobody can test a guess about it: half of a keyed digest is hashed with it. The function journal.leaf does the same for a row.
"""

import struct
from hashlib import sha256

MARK_BYTES = 16
LEAF_BYTES = 32
# Where an event has no instant of its own.
NO_INSTANT = -(2**63)
INSTANT = struct.Struct(">q")
# One byte, the length of what follows it.
LENGTHS = [bytes((length,)) for length in range(256)]
_VERSION = 1


def inner_hash(digest: bytes | None, occurred_us: int | None, data: bytes) -> bytes:
    """Returns what an entry has of the content: *digest* is that of the event as it was sent, *data* the event as it is stored."""
    blind = b"" if digest is None else digest[MARK_BYTES:]
    return sha256(b"".join((blind, INSTANT.pack(NO_INSTANT if occurred_us is None else occurred_us), data))).digest()


def entry_end(kind: bytes, digest: bytes | None, inner: bytes) -> bytes:
    """Returns the part of an entry that is known before the event has its place."""
    mark = b"" if digest is None else digest[:MARK_BYTES]
    return b"".join((LENGTHS[len(kind)], kind, LENGTHS[len(mark)], mark, inner))


def leaf_head(stream: bytes) -> struct.Struct:
    """Returns what packs, for the events of a stream, all that is hashed before the end of an entry.

    It takes 0, the version 1, position, recorded_us, sequence, the length of the stream's name, and the name.
    """
    return struct.Struct(f">BBqqqB{len(stream)}s")


def entry(position: int, recorded_us: int, sequence: int, stream: bytes, kind: bytes, digest: bytes | None, inner: bytes) -> bytes:
    """Returns the whole entry of an event."""
    head = leaf_head(stream).pack(0, _VERSION, position, recorded_us, sequence, len(stream), stream)
    return head[1:] + entry_end(kind, digest, inner)


def leaf_hash(entry: bytes) -> bytes:
    """Returns the leaf of an entry, as RFC 6962 hashes leaves."""
    return sha256(b"\0" + entry).digest()


# The half of an event's digest that no entry of the log shows; of one without a digest, as much of a hash of its content.
BLIND = """
    SELECT COALESCE(substr(digest, 17), substr(sha256(data), 1, 16)) FROM journal.history WHERE position = %(position)s"""
