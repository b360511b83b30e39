"""What a log sends to a witness, and what comes back (C2SP tlog-witness, add-checkpoint)."""

from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import note
from hub.tlog.note import MOST_BYTES, Note, decimal, decode64, encode64
from hub.tlog.tree import HASH, MOST_HASHES

PATH = "add-checkpoint"
# Of the answer that says from which size on the proof must be.
SIZE_TYPE = "text/x.tlog.size"
MOST_BODY_BYTES = MOST_BYTES + 64 * 46


class RequestRefused(HubError):
    """The body is not that of add-checkpoint; see c2sp.org/tlog-witness."""


class Request(NamedTuple):
    """The checkpoint, and the proof that its tree begins with that of size *old*."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def format(self) -> bytes:
        """Returns the body."""
        lines = [f"old {self.old}", *[encode64(one) for one in self.proof], "", ""]
        return "\n".join(lines).encode() + self.note.format()


def parse(body: bytes) -> Request:
    """Reads a body; raises RequestRefused or NoteRefused."""
    head, gap, signed = body.partition(b"\n\n")
    first, *lines = head.decode("ascii", "replace").split("\n")
    old = decimal(first.removeprefix("old ")) if first.startswith("old ") else None
    if not gap or old is None:
        raise RequestRefused("It does not begin with `old`, a size below 2^63 without leading zeros, and an empty line after the proof.")
    if len(lines) > MOST_HASHES:
        raise RequestRefused(f"It has {len(lines)} hashes, of which {MOST_HASHES} are enough for any tree.")
    proof = tuple(found for line in lines if (found := decode64(line)) is not None and len(found) == HASH)
    if len(proof) != len(lines):
        raise RequestRefused("A hash is not base64 of 32 bytes.")
    return Request(old, proof, note.parse(signed))


def parse_size(body: bytes) -> int:
    """Reads the size that a witness answers with; raises RequestRefused."""
    size = decimal(body.removesuffix(b"\n").decode("ascii", "replace")) if body.endswith(b"\n") else None
    if size is None:
        raise RequestRefused("A witness answered with something else than its size.")
    return size
