"""The verifiable log: rows, leaves, tiles, roots and checkpoints are all recomputed from the rows, up to what was sealed when it began.

A hub may run meanwhile: rows and full tiles never change, the last tile of a level only grows, and each page is read in one snapshot.
"""

from collections.abc import Generator, Iterator, Sequence

from hub.audit.fsck.diagnosis import Altered, diagnose
from hub.audit.fsck.differences import Difference
from hub.audit.fsck.log_chain import Log, examine_chain, logs_of
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
from hub.tlog.tree import HASH, HEIGHT, WIDTH, root_of, tile_width

_PAGE_TILES = 256


def examine_log(scene: Scene) -> Iterator[Difference]:
    """Compares rows with leaves and tiles, tiles with one another, roots with checkpoints, and these with the keys that signed them."""
    logs = logs_of(scene)
    yield from examine_chain(scene, logs)
    scene.policy = policy_of(scene)
    # The newest that was signed: one that has just begun has nothing yet to be compared with.
    log = next((one for one in reversed(logs) if one.sealed), None)
    for one in logs:
        if not one.sealed:
            scene.checked.left_out.append(f"{one.origin}：尚未封存 nothing of it is sealed yet")
    if not logs:
        scene.checked.left_out.append("日志树：尚未封存 the log: nothing is sealed yet")
    if log is not None:
        yield from _compared(scene, log, logs[: logs.index(log)])
    yield from examine_checkpoint_notes(scene)
    yield from examine_cosignatures(scene, logs[-1].origin if logs else "")
    yield from examine_contradictions(scene)
    yield from examine_other_notes(scene, logs)


def _compared(scene: Scene, log: Log, former: Sequence[Log]) -> Iterator[Difference]:
    """Compares the journal with a log, and with those before it as far as they have the same leaves."""
    scene.checked.sealed = log.end
    [(head,)] = scene.rows("SELECT position FROM journal.head")
    if head + 1 < log.end:
        yield Difference("tail-cut", position=head, sealed=log.end - 1)
    yield from examine_policy(scene)
    altered: list[Altered] = []
    yield from _tiles(scene, log, former, altered)
    for one in (*former, log):
        yield from _tiles_above(scene, one, is_former=one is not log)
        yield from _roots(one)
    yield from diagnose(scene, altered)


def _tiles(scene: Scene, log: Log, former: Sequence[Log], altered: list[Altered]) -> Iterator[Difference]:
    """Compares rows and tiles page by page, and builds the trees again from the tiles."""
    tiles = -(-log.end // WIDTH)
    for first in range(0, tiles, _PAGE_TILES):
        last = min(first + _PAGE_TILES, tiles) - 1
        page = {"log": log.number, "first": first, "last": last, "from": max(1, first * WIDTH), "to": min(log.end, (last + 1) * WIDTH) - 1}
        with scene.recalling([(page["from"], page["to"])]):
            found = {number: (hashes, agrees) for number, hashes, agrees in scene.rows(_TILES, **page)}
        others = [(one, dict(scene.rows(_TILES_ALONE, **(page | {"log": one.number})))) for one in former]
        for number in range(first, last + 1):
            hashes, agrees = found.get(number, (None, None))
            width = tile_width(log.end, 0, number)
            if hashes is None or len(hashes) < width * HASH:
                yield Difference("tile-missing", level=0, tile=number)
                return
            leaves = hashes[: width * HASH]
            if number == 0 and leaves[:HASH] != leaf_hash(log.genesis):
                yield Difference("genesis-altered", origin=log.origin)
            if not agrees:
                leaves = yield from _inside(scene, log, number, leaves, altered)
            for one, kept in others:
                own = one.grow(leaves, number * WIDTH)
                if kept.get(number, own)[: len(own)] != own:
                    yield Difference("tile-altered", level=0, tile=number)
            log.grow(leaves, number * WIDTH)
        scene.report("log", min(log.end, (last + 1) * WIDTH) - 1, log.end - 1)


def _inside(scene: Scene, log: Log, number: int, leaves: bytes, altered: list[Altered]) -> Generator[Difference, None, bytes]:
    """Finds the rows of a tile that are not what was sealed, or that it is the tile; returns the leaves that the tree goes on with."""
    first, last = max(1, number * WIDTH), number * WIDTH + len(leaves) // HASH - 1
    with scene.recalling([(first, last)]):
        rows = scene.rows(_LEAVES, first=first, last=last)
    above = b"".join(bytes(hashes) for (hashes,) in scene.rows(_ABOVE_IT, log=log.number, number=number >> HEIGHT))
    above = above[(number % WIDTH) * HASH :][:HASH]
    derived_all = leaves[: (first - number * WIDTH) * HASH] + b"".join(derived or b"" for _, _, derived, _, _ in rows)
    # Where a segment cannot be read not all rows are here.
    is_other = derived_all != leaves and len(derived_all) == len(leaves)
    if above and is_other and root_of([derived_all[at : at + HASH] for at in range(0, len(derived_all), HASH)]) == above:
        yield Difference("tile-altered", level=0, tile=number)
        leaves = derived_all
    for position, leaf, derived, stream, sequence in rows:
        at = (position - number * WIDTH) * HASH
        sealed = leaves[at : at + HASH]
        if derived is None:
            # Nothing that the hub writes gives no leaf: a value is missing, or none that an entry can have, or the stream is.
            yield Difference("event-altered", position=position, feed=stream or "?", sequence=sequence, was="?")
        elif derived != sealed:
            if leaf == derived:
                yield Difference("leaf-rewritten", position=position)
            altered.append(Altered(position, sealed))
        elif leaf is not None and leaf != derived:
            yield Difference("leaf-altered", position=position)
    return leaves


def _tiles_above(scene: Scene, log: Log, *, is_former: bool) -> Iterator[Difference]:
    """Compares each tile above the leaves with the one that is made of those below it; those of a former log need not be there."""
    kept = {(level, tile): bytes(hashes) for level, tile, hashes in scene.rows(_ABOVE, log=log.number)}
    for (level, number), hashes in sorted(log.above.items()):
        stored = kept.get((level, number), hashes if is_former else b"")
        if len(stored) < len(hashes):
            yield Difference("tile-missing", level=level, tile=number)
        elif stored[: len(hashes)] != hashes:
            yield Difference("tile-altered", level=level, tile=number)


def _roots(log: Log) -> Iterator[Difference]:
    """A tree that was rewritten has other roots than the checkpoints from there on; one that was signed again agrees with the last."""
    differing, agreeing = log.differing, log.agreeing
    if not differing:
        return
    first = differing[0]
    before = max((size for size in agreeing if size < first), default=0)
    code = "history-forked" if agreeing and agreeing[-1] > differing[-1] else "root-differs"
    yield Difference(code, sealed=first, before=before, count=len(differing))


# What the hub never writes, such as a time without end or a name that no entry has room for, has no leaf: to compute one could fail.
_DERIVED = f"""
    CASE WHEN e.recorded_at BETWEEN '0001-01-01Z' AND '10000-01-01Z' AND COALESCE(e.occurred_at, e.recorded_at)
                  BETWEEN '0001-01-01Z' AND '10000-01-01Z' AND octet_length(e.kind) < 256 AND octet_length(s.name) < 256
         THEN {DERIVED} END"""
# What the rows give is compared here and does not leave the server: a tile at once, so that no estimate of how many tiles there are has
# the leaves of all rows be made for each of them. A row without a leaf makes its tile shorter.
_TILES = f"""
    SELECT t.number, t.hashes, COALESCE(c.agrees AND c.made = substr(t.hashes, CASE WHEN t.number = 0 THEN {HASH} + 1 ELSE 1 END,
               (LEAST(%(to)s, t.number * {WIDTH} + {WIDTH - 1}) - GREATEST(1, t.number * {WIDTH}) + 1)::int * {HASH}), false)
    FROM (SELECT number, hashes FROM tlog.tile
          WHERE incarnation = %(log)s AND level = 0 AND number BETWEEN %(first)s AND %(last)s) t LEFT JOIN (
        SELECT e.position >> {HEIGHT} AS number, string_agg(e.derived, ''::bytea ORDER BY e.position) AS made,
               bool_and(COALESCE(e.leaf = e.derived, true)) AS agrees
        FROM (SELECT e.position, e.leaf, {_DERIVED} AS derived FROM journal.history e LEFT JOIN journal.stream s USING (stream_id)
              WHERE e.position BETWEEN %(from)s AND %(to)s OFFSET 0) e
        GROUP BY 1) c USING (number)"""  # noqa: S608 (our own text)
_LEAVES = f"""
    SELECT e.position, e.leaf, {_DERIVED}, s.name, e.sequence FROM journal.history e LEFT JOIN journal.stream s USING (stream_id)
    WHERE e.position BETWEEN %(first)s AND %(last)s ORDER BY e.position"""  # noqa: S608 (our own text)
_ABOVE = "SELECT level, number, hashes FROM tlog.tile WHERE incarnation = %(log)s AND level > 0"
_ABOVE_IT = "SELECT hashes FROM tlog.tile WHERE incarnation = %(log)s AND level = 1 AND number = %(number)s"
_TILES_ALONE = "SELECT number, hashes FROM tlog.tile WHERE incarnation = %(log)s AND level = 0 AND number BETWEEN %(first)s AND %(last)s"
