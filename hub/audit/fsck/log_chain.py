"""The logs of a hub, one after the other: each but the first goes on from the one before, whose heads hold for what both have in common.

A log that begins again is nobody's secret and needs no key: a row does it. So the heads of those before are compared too, with the tree
that the same leaves make under their own first entry, and what is said to be lost is said here as well.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.journal.envelope import leaf_hash
from hub.tlog.genesis import Continued, Genesis, GenesisRefused
from hub.tlog.note import Checkpoint, CheckpointRefused
from hub.tlog.tree import HASH, Appender


@dataclass
class Log:
    """A log with its tree as it is made again, up to *end*: what was signed, but for what a later log says is lost.

    *heads* are the sizes at which a root was signed, *roots* what the tree has at these, as far as it could be made.
    """

    number: int
    origin: str
    genesis: bytes
    sealed: int | None
    continued: Continued | None = None
    end: int = 1 << 63
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    # Sizes at which the root is to be noted, the largest first.
    asked: list[int] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    tree: Appender = field(default_factory=lambda: Appender(0, ()))
    # By level and number: the hashes of each tile above the leaves, as they are made again.
    above: dict[tuple[int, int], bytes] = field(default_factory=dict)

    def grow(self, leaves: bytes, first: int) -> bytes:
        """Takes the leaves from an index on and notes the roots that are asked for; returns these leaves as they are in this log."""
        if first == 0:
            leaves = leaf_hash(self.genesis) + leaves[HASH:]
        last = min(self.end, first + len(leaves) // HASH)
        while self.tree.size < last:
            is_asked = bool(self.asked) and self.asked[-1] <= last
            size = self.asked.pop() if is_asked else last
            for level, tile, hashes in self.tree.add(leaves[(self.tree.size - first) * HASH : (size - first) * HASH]):
                if level:
                    self.above[level, tile] = hashes
            if is_asked:
                self.roots[size] = self.tree.root()
        return leaves[: max(0, last - first) * HASH]

    @property
    def differing(self) -> list[int]:
        """Sizes at which another root was signed than the tree has."""
        return [size for size, root in self.heads if self.roots.get(size, root) != root]

    @property
    def agreeing(self) -> list[int]:
        """Sizes at which the root was signed that the tree has."""
        return [size for size, root in self.heads if self.roots.get(size) == root]


def logs_of(scene: Scene) -> list[Log]:
    """Returns the logs in their order, each with how far it holds, and the roots that are to be compared."""
    logs = [Log(number, origin, bytes(genesis), sealed) for number, origin, genesis, sealed in scene.rows(_LOGS)]
    for log in logs:
        try:
            log.continued = Genesis.parse(log.genesis).continued
        except GenesisRefused:
            continue
    end = 1 << 63
    for log in reversed(logs):
        log.end = min(end, log.sealed or 0)
        end = min(end, log.continued.common_size) if log.continued is not None else end
    for log in logs:
        log.heads = [(size, bytes(root)) for size, root in scene.rows(_HEADS, log=log.number, end=log.end)]
    for before, after in pairwise(logs):
        # What a log says of the one before was signed by none, and is in its first entry, which each of its heads covers.
        if after.continued is not None and after.continued.common_size <= before.end:
            before.heads.append((after.continued.common_size, after.continued.common_root))
    noted = _noted(scene)
    for log in logs:
        sizes = {size for size, _ in log.heads} | {size for origin, size in noted if origin == log.origin}
        log.asked = sorted((size for size in sizes if 0 < size <= log.end), reverse=True)
    return logs


def _noted(scene: Scene) -> set[tuple[str, int]]:
    """Returns of which logs and sizes others gave a checkpoint."""
    found = set()
    for note in scene.others:
        try:
            said = Checkpoint.parse(note.text)
        except CheckpointRefused:
            continue
        found.add((said.origin, said.size))
    return found


def examine_chain(scene: Scene, logs: Sequence[Log]) -> Iterator[Difference]:
    """Each log begins with its own first entry, and goes on from the one before; none of them is missing."""
    numbers = {log.number for log in logs}
    for number in sorted({*range(1, max(numbers, default=0)), *(number for (number,) in scene.rows(_USED))} - numbers):
        yield Difference("incarnation-missing", number=number)
    before: Genesis | None = None
    for log in logs:
        try:
            genesis = Genesis.parse(log.genesis)
        except GenesisRefused:
            genesis = None
        if genesis is None or genesis.origin != log.origin or not _follows(genesis, before, log.number):
            yield Difference("genesis-altered", origin=log.origin)
        elif (after := genesis.continued) is not None and after.common_size < after.previous.size:
            scene.checked.left_out.append(
                f"{after.previous.origin} 大小 {after.common_size} 至 {after.previous.size}：{log.origin} 的首条称恢复时已失 "
                f"sizes {after.common_size} to {after.previous.size} of {after.previous.origin}, "
                f"which a restore lost as the first entry of {log.origin} says"
            )
        before = genesis


def _follows(genesis: Genesis, before: Genesis | None, number: int) -> bool:
    """Says whether a log goes on from the one before: the first from none, each other as the same hub's."""
    if number == 1 or genesis.continued is None:
        return number == 1 and genesis.continued is None
    return before is None or (genesis.hub, genesis.continued.previous.origin) == (before.hub, before.origin)


_LOGS = """
    SELECT i.incarnation, i.origin, i.genesis, (SELECT max(c.size) FROM tlog.checkpoint c WHERE c.incarnation = i.incarnation)
    FROM tlog.incarnation i ORDER BY i.incarnation"""
_HEADS = "SELECT size, COALESCE(root, '') FROM tlog.checkpoint WHERE incarnation = %(log)s AND size BETWEEN 1 AND %(end)s ORDER BY size"
_USED = "SELECT DISTINCT incarnation FROM tlog.checkpoint"
