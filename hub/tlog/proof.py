"""A proof that fits in one text file (`.tlog-proof`, C2SP tlog-proof): an index, the path to the root, and the checkpoint."""

from dataclasses import dataclass

from hub.domain.errors import HubError
from hub.tlog import note, tree
from hub.tlog.note import Checkpoint, Note, decimal, decode64, encode64

FIRST_LINE = "c2sp.org/tlog-proof@v1"


class ProofFileRefused(HubError):
    """The file is not a proof in the form of c2sp.org/tlog-proof; ask for it again."""


@dataclass(frozen=True, slots=True)
class Proof:
    """*extra* is what the application adds; no signature covers it."""

    index: int
    path: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        """The head of the log that the path leads to; raises CheckpointRefused."""
        return Checkpoint.parse(self.note.text)

    def format(self) -> bytes:
        """Returns the file."""
        extra = [] if self.extra is None else [f"extra {encode64(self.extra)}"]
        lines = [FIRST_LINE, *extra, f"index {self.index}", *[encode64(one) for one in self.path], "", ""]
        return "\n".join(lines).encode() + self.note.format()

    def check(self, leaf: bytes) -> None:
        """Checks that the leaf hash is at the index under the checkpoint; raises ProofRefused. Who signed it, a policy says."""
        head = self.checkpoint
        tree.check_inclusion(leaf, self.index, head.size, self.path, head.root)


def parse(data: bytes) -> Proof:
    """Reads such a file; raises ProofFileRefused, and NoteRefused or CheckpointRefused for its checkpoint."""
    head, gap, signed = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProofFileRefused("its first lines are not ASCII.") from None
    if not gap or lines[0] != FIRST_LINE:
        raise ProofFileRefused(f"its first line is not {FIRST_LINE}, or no empty line ends the path.")
    extra = None
    if len(lines) > 1 and lines[1].startswith("extra "):
        extra = decode64(lines.pop(1).removeprefix("extra "))
        if extra is None:
            raise ProofFileRefused("its extra data is not base64.")
    index = decimal(lines[1].removeprefix("index ")) if len(lines) > 1 and lines[1].startswith("index ") else None
    if index is None:
        raise ProofFileRefused("its index is not a number below 2^63 without leading zeros.")
    proof = Proof(index, _path(lines[2:]), note.parse(signed), extra)
    if index >= proof.checkpoint.size:
        raise ProofFileRefused(f"index {index} is not in a tree of size {proof.checkpoint.size}.")
    return proof


def _path(lines: list[str]) -> tuple[bytes, ...]:
    if len(lines) > tree.MOST_HASHES:
        raise ProofFileRefused(f"it has {len(lines)} hashes, of which {tree.MOST_HASHES} are enough for any tree.")
    hashes = [decode64(line) for line in lines]
    found = tuple(one for one in hashes if one is not None and len(one) == tree.HASH)
    if len(found) != len(lines):
        raise ProofFileRefused("a hash is not base64 of 32 bytes.")
    return found
