"""What is sent to a witness that is to sign a part of a tree that it cosigned (C2SP tlog-witness, sign-subtree)."""

from typing import NamedTuple

from hub.tlog import note
from hub.tlog.add_checkpoint import RequestRefused
from hub.tlog.note import Note, decimal, decode64, encode64
from hub.tlog.subtrees import is_subtree
from hub.tlog.tree import HASH, MOST_HASHES

PATH = "sign-subtree"


class SubtreeRequest(NamedTuple):
    """A subtree [start, end) with its root, the proof that the tree of a checkpoint has it, and that checkpoint."""

    start: int
    end: int
    root: bytes
    proof: tuple[bytes, ...]
    note: Note

    def format(self) -> bytes:
        """Returns the body."""
        lines = [f"subtree {self.start} {self.end}", encode64(self.root), *[encode64(one) for one in self.proof], "", ""]
        return "\n".join(lines).encode() + self.note.format()


def parse(body: bytes) -> SubtreeRequest:
    """Reads a body; raises RequestRefused or NoteRefused."""
    head, gap, signed = body.partition(b"\n\n")
    first, *lines = head.decode("ascii", "replace").split("\n")
    word, *numbers = first.split(" ")
    bounds = [number for text in numbers if (number := decimal(text)) is not None]
    if not gap or word != "subtree" or len(numbers) != 2 or len(bounds) != 2 or not is_subtree(*bounds):
        raise RequestRefused("It does not begin with `subtree` and the bounds of one, without leading zeros.")
    hashes = [found for line in lines if (found := decode64(line)) is not None and len(found) == HASH]
    if not hashes or len(hashes) != len(lines) or len(hashes) > MOST_HASHES + 1:
        raise RequestRefused("Its root is missing, a hash is not base64 of 32 bytes, or it has more hashes than any tree asks for.")
    return SubtreeRequest(bounds[0], bounds[1], hashes[0], tuple(hashes[1:]), note.parse(signed))
