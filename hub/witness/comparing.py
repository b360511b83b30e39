"""Compares two checkpoints of one log: whether they contradict each other by themselves, or by the tiles of the larger one."""

from typing import NamedTuple

from hub.domain.errors import HubError
from hub.tlog import paths, tree
from hub.tlog.note import Checkpoint, Note
from hub.witness import evidence
from hub.witness.evidence import Kind
from hub.witness.folder import WatchedLog
from hub.witness.sources import Source


class NotesOfTwoLogs(HubError):
    """The notes are of two logs, so they cannot contradict each other."""


class TilesUnfit(HubError):
    """The tiles do not lead to the larger checkpoint's root, so they show nothing; take another mirror."""


class Compared(NamedTuple):
    """*kind* is None where they agree; *is_certain* is False where only tiles could say so."""

    kind: Kind | None
    is_certain: bool


def compare(log: WatchedLog, first: Note, second: Note, source: Source | None) -> Compared:
    """Compares two notes; raises NotesOfTwoLogs, TilesUnfit and what refuses a note that is not of this log."""
    heads = Checkpoint.parse(first.text), Checkpoint.parse(second.text)
    if {head.origin for head in heads} != {log.origin}:
        raise NotesOfTwoLogs(" · ".join(head.origin for head in heads))
    kind = evidence.contradiction(log, first, second)
    small, large = sorted(heads, key=lambda head: head.size)
    if kind or small.size in (0, large.size):
        return Compared(kind, True)
    if source is None:
        return Compared(None, False)
    fetched = source

    def read(level: int, number: int, width: int) -> bytes:
        return fetched(paths.tile(level, number, width))

    if tree.root(large.size, read) != large.root:
        raise TilesUnfit()
    # The path to both roots is over the same tiles, so what differs is the smaller note.
    proof = tree.consistency(small.size, large.size, read)
    try:
        tree.check_consistency(small.size, large.size, proof, small.root, large.root)
    except tree.ProofRefused:
        return Compared(Kind.FORK, True)
    return Compared(None, True)
