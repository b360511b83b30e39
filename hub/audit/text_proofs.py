"""Checks what is one text file: a proof that an event is in the log (`.tlog-proof`), and a checkpoint with its signatures."""

from typing import NamedTuple

from hub.tlog import note, policy
from hub.tlog.proof import FIRST_LINE
from hub.tlog.proof import parse as parse_proof

_SIGNATURES = "\n\n— ".encode()
_MOST_BYTES = 1 << 19


class Checked(NamedTuple):
    """A checkpoint that a policy takes, with who cosigned it when, and the position of the event that is in its log, if one was named."""

    origin: str
    size: int
    witnesses: dict[str, int]
    position: int | None
    # Whether the event's leaf was given, so that its path was followed up to the root.
    is_included: bool


def is_text(begin: bytes) -> bool:
    """Whether a file that begins so is such a text, and no bundle."""
    return begin.startswith(FIRST_LINE.encode()) or (_SIGNATURES in begin and b"\0" not in begin)


def check_text(data: bytes, rules: bytes, leaf: bytes | None = None) -> Checked:
    """Checks a proof or a checkpoint by a policy, and that an event with this *leaf* is where the proof says.

    Raises ProofFileRefused, ProofRefused, NoteRefused, CheckpointRefused, PolicyRefused, and what a policy raises.
    """
    proof = parse_proof(data[:_MOST_BYTES]) if data.startswith(FIRST_LINE.encode()) else None
    signed = note.parse(data) if proof is None else proof.note
    judged = policy.parse(rules).judge(signed)
    if proof is not None and leaf is not None:
        proof.check(leaf)
    position = None if proof is None else proof.index
    return Checked(judged.checkpoint.origin, judged.checkpoint.size, judged.seen_s, position, proof is not None and leaf is not None)
