"""The verifiable log: rows, leaves, tiles, roots and checkpoints are all recomputed from the rows, up to what was sealed when it began.

A hub may run meanwhile: rows and full tiles never change, the last tile of a level only grows, and each page is read in one snapshot.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from hub.audit.fsck.diagnosis import Altered, diagnose
from hub.audit.fsck.differences import Difference
from hub.audit.fsck.log_notes import (
    examine_checkpoint_notes,
    examine_contradictions,
    examine_cosignatures,
    examine_other_notes,
    examine_policy,
    policy_of,
)
from hub.audit.fsck.scene import Scene
from hub.journal.envelope import leaf_hash
from hub.journal.leaves import DERIVED
from hub.tlog.tree import HASH, HEIGHT, WIDTH, Appender, root_of, tile_width

_PAGE_TILES = 256


@dataclass
class Log:
    """A log of the hub, up to the size that was signed last when the check began, and what is found while its tree is built again."""

    number: int
    origin: str
    genesis: bytes
    size: int
    tree: Appender = field(default_factory=lambda: Appender(0, ()))
    # By level and number: the hashes of each tile above the leaves, as they are kept and as they are made again.
    kept: dict[tuple[int, int], bytes] = field(default_factory=dict)
    above: dict[tuple[int, int], bytes] = field(default_factory=dict)
    altered: list[Altered] = field(default_factory=list)
    # Sizes whose checkpoint has another root, and those whose root is right.
    differing: list[int] = field(default_factory=list)
    agreeing: list[int] = field(default_factory=list)


def examine_log(scene: Scene) -> Iterator[Difference]:
    """Compares rows with leaves and tiles, tiles with one another, roots with checkpoints, and these with the keys that signed them."""
    rows = scene.rows(_NEWEST)
    if not rows or rows[0][3] is None:
        scene.checked.left_out.append("日志树：尚未封存 the log: nothing is sealed yet")
        return
    [(number, origin, genesis, size, head)] = rows
    log, scene.policy = Log(number, origin, genesis, size), policy_of(scene)
    scene.checked.sealed = size
    log.kept = {(level, tile): hashes for level, tile, hashes in scene.rows(_ABOVE, log=number)}
    if head + 1 < size:
        yield Difference("tail-cut", position=head, sealed=size - 1)
    if f"\norigin {origin}\n".encode() not in genesis:
        yield Difference("genesis-altered", origin=origin)
    yield from examine_policy(scene)
    yield from _tiles(scene, log)
    yield from _tiles_above(log)
    yield from _roots(log)
    yield from diagnose(scene, log.altered)
    yield from examine_checkpoint_notes(scene)
    yield from examine_cosignatures(scene, log.origin)
    yield from examine_contradictions(scene)
    yield from examine_other_notes(scene, log.number, log.origin, log.size)


def _tiles(scene: Scene, log: Log) -> Iterator[Difference]:
    """Compares rows and tiles page by page, and builds the tree again from the tiles."""
    checkpoints = iter(scene.rows(_CHECKPOINTS, log=log.number, size=log.size))
    upcoming = next(checkpoints, None)
    tiles = -(-log.size // WIDTH)
    for first in range(0, tiles, _PAGE_TILES):
        last = min(first + _PAGE_TILES, tiles) - 1
        page = {"log": log.number, "first": first, "last": last, "from": max(1, first * WIDTH), "to": min(log.size, (last + 1) * WIDTH) - 1}
        with scene.recalling([(page["from"], page["to"])]):
            found = {number: (hashes, agrees) for number, hashes, agrees in scene.rows(_TILES, **page)}
        for number in range(first, last + 1):
            hashes, agrees = found.get(number, (None, None))
            width = tile_width(log.size, 0, number)
            if hashes is None or len(hashes) < width * HASH:
                yield Difference("tile-missing", level=0, tile=number)
                return
            leaves = hashes[: width * HASH]
            if number == 0 and leaves[:HASH] != leaf_hash(log.genesis):
                yield Difference("genesis-altered", origin=log.origin)
            if not agrees:
                leaves = yield from _inside(scene, log, number, leaves)
            while upcoming is not None and upcoming[0] <= number * WIDTH + width:
                _grow(log, leaves, number, upcoming[0])
                (log.agreeing if log.tree.root() == upcoming[1] else log.differing).append(upcoming[0])
                upcoming = next(checkpoints, None)
            _grow(log, leaves, number, number * WIDTH + width)
        scene.report("log", min(log.size, (last + 1) * WIDTH) - 1, log.size - 1)


def _grow(log: Log, leaves: bytes, number: int, size: int) -> None:
    """Adds those leaves of a tile that the tree does not have yet, up to a size."""
    first = log.tree.size - number * WIDTH
    for level, tile, hashes in log.tree.add(leaves[first * HASH : (size - number * WIDTH) * HASH]):
        if level:
            log.above[level, tile] = hashes


def _inside(scene: Scene, log: Log, number: int, leaves: bytes) -> Generator[Difference, None, bytes]:
    """Finds the rows of a tile that are not what was sealed, or that it is the tile; returns the leaves that the tree goes on with."""
    first, last = max(1, number * WIDTH), number * WIDTH + len(leaves) // HASH - 1
    with scene.recalling([(first, last)]):
        rows = scene.rows(_LEAVES, first=first, last=last)
    above = log.kept.get((1, number >> HEIGHT), b"")[(number % WIDTH) * HASH :][:HASH]
    derived_all = leaves[: (first - number * WIDTH) * HASH] + b"".join(derived for _, _, derived in rows)
    # Where a segment cannot be read not all rows are here.
    is_other = derived_all != leaves and len(derived_all) == len(leaves)
    if above and is_other and root_of([derived_all[at : at + HASH] for at in range(0, len(derived_all), HASH)]) == above:
        yield Difference("tile-altered", level=0, tile=number)
        leaves = derived_all
    for position, leaf, derived in rows:
        at = (position - number * WIDTH) * HASH
        sealed = leaves[at : at + HASH]
        if derived != sealed:
            if leaf == derived:
                yield Difference("leaf-rewritten", position=position)
            log.altered.append(Altered(position, sealed))
        elif leaf is not None and leaf != derived:
            yield Difference("leaf-altered", position=position)
    return leaves


def _tiles_above(log: Log) -> Iterator[Difference]:
    """Compares each tile above the leaves with the one that is made of those below it."""
    for (level, number), hashes in sorted(log.above.items()):
        stored = log.kept.get((level, number), b"")
        if len(stored) < len(hashes):
            yield Difference("tile-missing", level=level, tile=number)
        elif stored[: len(hashes)] != hashes:
            yield Difference("tile-altered", level=level, tile=number)


def _roots(log: Log) -> Iterator[Difference]:
    """A tree that was rewritten has other roots than the checkpoints from there on; one that was signed again agrees with the last."""
    if not log.differing:
        return
    first = log.differing[0]
    before = max((size for size in log.agreeing if size < first), default=0)
    code = "history-forked" if log.agreeing and log.agreeing[-1] > log.differing[-1] else "root-differs"
    yield Difference(code, sealed=first, before=before, count=len(log.differing))


_NEWEST = """
    SELECT i.incarnation, i.origin, i.genesis,
           (SELECT max(c.size) FROM tlog.checkpoint c WHERE c.incarnation = i.incarnation), (SELECT h.position FROM journal.head h)
    FROM tlog.incarnation i ORDER BY i.incarnation DESC LIMIT 1"""
_CHECKPOINTS = "SELECT size, root FROM tlog.checkpoint WHERE incarnation = %(log)s AND size <= %(size)s AND size > 0 ORDER BY size"
# What the rows give is compared here, hash by hash, and does not leave the server. A tile is brought into memory once, not for each row.
_WANTED = "incarnation = %(log)s AND level = 0 AND number BETWEEN %(first)s AND %(last)s"
_TILES = f"""
    SELECT t.number, t.hashes, COALESCE(c.agrees, false)
    FROM (SELECT number, hashes FROM tlog.tile WHERE {_WANTED}) t LEFT JOIN (
        SELECT w.number, bool_and(e.derived = substr(w.hashes, ((e.position & {WIDTH - 1}) * {HASH})::int + 1, {HASH})
                                  AND COALESCE(e.leaf = e.derived, true)) AS agrees
        FROM (SELECT e.position, e.leaf, {DERIVED} AS derived FROM journal.history e JOIN journal.stream s USING (stream_id)
              WHERE e.position BETWEEN %(from)s AND %(to)s OFFSET 0) e
        JOIN (SELECT number, hashes || ''::bytea AS hashes FROM tlog.tile WHERE {_WANTED} OFFSET 0) w ON w.number = e.position >> {HEIGHT}
        GROUP BY w.number) c USING (number)"""  # noqa: S608 (our own text)
_LEAVES = f"""
    SELECT e.position, e.leaf, {DERIVED} FROM journal.history e JOIN journal.stream s USING (stream_id)
    WHERE e.position BETWEEN %(first)s AND %(last)s ORDER BY e.position"""  # noqa: S608 (our own text)
_ABOVE = "SELECT level, number, hashes FROM tlog.tile WHERE incarnation = %(log)s AND level > 0"
