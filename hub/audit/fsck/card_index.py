"""The card index: each kept epoch is the one that was published, and the newest is what the view comes to as of its size."""

import struct
from collections.abc import Iterator

from hub.audit.card_proofs import chain_over
from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.journal.leaves import leaves_at
from hub.projections.card_epochs import group_at
from hub.projections.views.card_index import CARD_INDEX
from hub.tlog.card_index import EMPTY_GROUP, GROUP_BITS, HASH, Counted, Roots, groups_of, record_of

_PAGE = 10_000
_POSITION = struct.Struct(">q")


def examine_index(scene: Scene) -> Iterator[Difference]:
    """Compares kept epochs with what was published, and makes the newest again from the rows of the view."""
    published = {
        (event.tree_size, recorded.position): event.root
        for recorded in scene.decided["index_published"]
        for event in (recorded.event.index_published,)
    }
    newest = None
    for tree_size, position, root, group_roots in scene.rows(_EPOCHS, head=scene.head):
        if published.get((tree_size, position)) != root:
            yield Difference("index-epoch", position=position, size=tree_size)
        elif Roots(bytes(group_roots)).root != root:
            yield Difference("index-groups", position=position, size=tree_size)
        else:
            newest = tree_size, position, bytes(root)
    if newest is None:
        if published:
            scene.checked.left_out.append(
                "卡索引：没有保存任何根 the card index: none of its roots is kept; `hub prove index` publishes one"
            )
        return
    [(folded,)] = scene.rows("SELECT position FROM views.checkpoint WHERE view = %(view)s", view=CARD_INDEX.name) or [(0,)]
    if folded < newest[0] - 1:
        scene.checked.left_out.append(f"卡索引：视图只到 {folded:,} the card index: its view is at {folded:,}, the root at {newest[0]:,}")
    else:
        yield from _made_again(scene, *newest)


def _made_again(scene: Scene, tree_size: int, position: int, root: bytes) -> Iterator[Difference]:
    """The view counts on meanwhile: what came after the epoch is left out."""
    roots, bucket = Roots(), -1
    for number, hashes in _made_and_kept(scene, tree_size):
        if hashes != EMPTY_GROUP:
            roots.put(number, hashes)
        if bucket < 0 and (kept := group_at(scene.connection, number, tree_size)) != hashes:
            differing = next((at for at in range(0, len(hashes), HASH) if kept[at : at + HASH] != hashes[at : at + HASH]), 0)
            bucket = (number << GROUP_BITS) + differing // HASH
    if roots.root != root:
        yield Difference("index-root-differs", position=position, size=tree_size, bucket=bucket)
    elif bucket >= 0:
        yield Difference("index-groups", position=position, size=tree_size)


def _made_and_kept(scene: Scene, tree_size: int) -> Iterator[tuple[int, bytes]]:
    """Yields the groups that the rows come to, and then those that are kept and should be empty."""
    unmet = {number for (number,) in scene.rows(_GROUPS, size=tree_size)}
    for number, hashes in groups_of(_records(scene, tree_size)):
        unmet.discard(number)
        yield number, hashes
    yield from ((number, EMPTY_GROUP) for number in sorted(unmet))


def _records(scene: Scene, tree_size: int) -> Iterator[bytes]:
    """Yields the records of all keys as of a size, in ascending order."""
    after = b""
    while rows := scene.rows(_ROWS, after=after, most=_PAGE):
        for name, blind, count, chain, packed in rows:
            counted, positions = Counted(count, bytes(chain)), [one for (one,) in _POSITION.iter_unpack(packed)]
            if positions and positions[-1] >= tree_size:
                before = [one for one in positions if one < tree_size]
                if not before:
                    continue
                counted = chain_over(leaves_at(scene.connection, before))
            yield record_of(bytes(name), bytes(blind), counted)
        after = bytes(rows[-1][0])


_EPOCHS = "SELECT tree_size, position, root, group_roots FROM tlog.index_epoch WHERE position <= %(head)s ORDER BY tree_size"
_GROUPS = "SELECT DISTINCT number FROM tlog.index_group WHERE tree_size <= %(size)s"
_ROWS = f"""
    SELECT id, blind, count, chain, positions FROM views.{CARD_INDEX.name} WHERE id > %(after)s ORDER BY id LIMIT %(most)s"""  # noqa: S608
