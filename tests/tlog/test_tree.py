"""Roots and proofs: by published vectors, and by every size and index of small trees over tiles."""

import random
from hashlib import sha256
from typing import Any

import pytest

from hub.tlog import subtrees, tree
from hub.tlog.tree import Appender, ProofRefused, TileRefused
from tests.tlog.vectors_of import bytes_of, hashes_of, published

# Of a size of 0 there is nothing to prove, so these are errors; a witness takes the empty proof (`check_growth`, tested below).
OF_SIZE_0 = {
    "additional/size1-is-zero-and-does-not-equal-size2",
    "additional/size1-is-zero-and-size2-is-not-zero",
    "additional/sizes-are-equal-zero-and-proof-is-empty",
}
# Their authors take a subtree without leaves; tlog-witness and the draft do not, so nobody needs them.
WITHOUT_LEAVES = "subtree-is-empty"


def leaves(count: int) -> bytes:
    return b"".join([tree.leaf_hash(number.to_bytes(4, "big")) for number in range(count)])


class Tiles:
    """Tiles in memory, as an appender yields them."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, int], bytes] = {}

    def add(self, appender: Appender, more: bytes) -> None:
        for level, number, hashes in appender.add(more):
            self.kept[level, number] = hashes

    def read(self, level: int, number: int, width: int) -> bytes:
        return self.kept[level, number][: 32 * width]


def grown(count: int) -> tuple[Appender, Tiles]:
    appender, tiles = Appender(0, ()), Tiles()
    tiles.add(appender, leaves(count))
    return appender, tiles


def plain_root(hashes: list[bytes]) -> bytes:
    """The definition of RFC 6962, 2.1, word by word."""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256().digest()
    middle = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1" + plain_root(hashes[:middle]) + plain_root(hashes[middle:])).digest()


def is_taken(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except ProofRefused:
        return False
    return True


def test_published_inclusion_proofs_are_judged_as_their_authors_do() -> None:
    found = published("merkle-inclusion")
    judged = {
        one["file"]: is_taken(
            tree.check_inclusion, bytes_of(one["leafHash"]), one["leafIdx"], one["treeSize"], hashes_of(one["proof"]), bytes_of(one["root"])
        )
        for one in found
    }
    assert len(found) == 98
    assert judged == {one["file"]: not one["wantErr"] for one in found}


def test_published_consistency_proofs_are_judged_as_their_authors_do() -> None:
    found = published("merkle-consistency")
    judged = {
        one["file"]: is_taken(
            tree.check_consistency, one["size1"], one["size2"], hashes_of(one["proof"]), bytes_of(one["root1"]), bytes_of(one["root2"])
        )
        for one in found
    }
    assert len(found) == 98
    assert judged == {one["file"]: not one["wantErr"] for one in found}
    assert not any(judged[name] for name in OF_SIZE_0)


def test_published_subtree_inclusion_proofs_are_judged_as_their_authors_do() -> None:
    found = published("merkle-subtreeinclusion")

    def check(one: Any) -> None:
        if not subtrees.is_subtree(one["start"], one["end"]):
            raise ProofRefused()
        index, size = one["leafIdx"] - one["start"], one["end"] - one["start"]
        tree.check_inclusion(bytes_of(one["leafHash"]), index, size, hashes_of(one["proof"]), bytes_of(one["root"]))

    assert len(found) == 204
    assert {one["file"]: is_taken(check, one) for one in found} == {one["file"]: not one["wantErr"] for one in found}


def test_published_subtree_consistency_proofs_are_judged_as_their_authors_do() -> None:
    found = published("merkle-subtreeconsistency")
    judged = {
        one["file"]: is_taken(
            subtrees.check_subtree,
            one["start"],
            one["end"],
            one["size"],
            hashes_of(one["proof"]),
            bytes_of(one["root1"]),
            bytes_of(one["root2"]),
        )
        for one in found
    }
    assert len(found) == 118
    assert judged == {one["file"]: not one["wantErr"] and WITHOUT_LEAVES not in one["file"] for one in found}


def test_published_tiles_are_those_of_their_entries() -> None:
    log = published("tessera-log")
    files = {name: bytes_of(data) for name, data in log["files"].items()}
    for size in range(1, 16):
        assert files[f"tile/0/000.p/{size}"] == b"".join([tree.leaf_hash(one) for one in bundle(files, size)])


def bundle(files: dict[str, bytes], width: int) -> list[bytes]:
    from hub.tlog import paths

    return paths.decode_bundle(files[paths.entries(0, width)], width)


@pytest.mark.parametrize("size", [*range(20), 255, 256, 257, 511, 513, 70_000])
def test_a_root_is_that_of_the_definition(size: int) -> None:
    appender, tiles = grown(size)
    all_leaves = leaves(size)
    expected = plain_root([all_leaves[at : at + 32] for at in range(0, len(all_leaves), 32)])
    assert appender.root() == tree.root(size, tiles.read) == expected
    assert size > 600 or tree.root_of([all_leaves[at : at + 32] for at in range(0, len(all_leaves), 32)]) == expected


def test_a_tree_of_70_000_has_the_tiles_of_the_specification() -> None:
    _, tiles = grown(70_000)
    widths = {level: [len(tiles.kept[at]) // 32 for at in sorted(tiles.kept) if at[0] == level] for level in (0, 1, 2)}
    assert widths == {0: [256] * 273 + [112], 1: [256, 17], 2: [1]}


def test_however_leaves_come_the_tiles_are_the_same() -> None:
    seed = random.randrange(1 << 32)
    chance, all_leaves = random.Random(seed), leaves(2_000)
    appender, tiles, at = Appender(0, ()), Tiles(), 0
    while at < len(all_leaves):
        more = 32 * chance.choice([1, 2, 255, 256, 257, 700])
        tiles.add(appender, all_leaves[at : at + more])
        at += more
        appender = chance.choice([appender, Appender.at(appender.size, tiles.read)])
    assert tiles.kept == grown(2_000)[1].kept, f"seed {seed}"


def test_every_inclusion_proof_of_every_small_tree_holds_and_nothing_else_does() -> None:
    appender, tiles = grown(40)
    every = [leaves(40)[at : at + 32] for at in range(0, 40 * 32, 32)]
    for size in range(1, 41):
        head = tree.root(size, tiles.read)
        for index in range(size):
            proof = tree.inclusion(index, size, tiles.read)
            tree.check_inclusion(every[index], index, size, proof, head)
            assert not is_taken(tree.check_inclusion, every[index - 1], index, size, proof, head) or size == 1
            assert not is_taken(tree.check_inclusion, every[index], index, size, [*proof, head], head)
    assert appender.root() == head


def test_every_consistency_proof_of_every_small_tree_holds() -> None:
    _, tiles = grown(40)
    roots = [tree.root(size, tiles.read) for size in range(41)]
    for second in range(1, 41):
        for first in range(1, second + 1):
            proof = tree.consistency(first, second, tiles.read)
            tree.check_consistency(first, second, proof, roots[first], roots[second])
            assert not is_taken(tree.check_consistency, first, second, proof, roots[first], roots[second - 1])


def test_proofs_of_a_tree_with_several_levels_of_tiles_hold() -> None:
    _, tiles = grown(70_000)
    seed = random.randrange(1 << 32)
    chance, all_leaves, head = random.Random(seed), leaves(70_000), tree.root(70_000, tiles.read)
    for _ in range(50):
        index, first = chance.randrange(70_000), chance.randrange(1, 70_000)
        leaf = all_leaves[32 * index : 32 * index + 32]
        tree.check_inclusion(leaf, index, 70_000, tree.inclusion(index, 70_000, tiles.read), head)
        proof = tree.consistency(first, 70_000, tiles.read)
        tree.check_consistency(first, 70_000, proof, tree.root(first, tiles.read), head)


def test_a_witness_takes_the_empty_proof_from_size_0_and_no_other() -> None:
    head = grown(5)[0].root()
    tree.check_growth(0, 5, [], tree.EMPTY_ROOT, head)
    tree.check_growth(0, 0, [], tree.EMPTY_ROOT, tree.EMPTY_ROOT)
    with pytest.raises(ProofRefused, match="from size 0 the proof must be empty"):
        tree.check_growth(0, 5, [head], tree.EMPTY_ROOT, head)
    with pytest.raises(ProofRefused, match="another root than the empty tree"):
        tree.check_growth(0, 0, [], tree.EMPTY_ROOT, head)
    with pytest.raises(ProofRefused, match="no proof from size 0"):
        tree.check_consistency(0, 5, [], tree.EMPTY_ROOT, head)


def test_a_proof_of_64_hashes_is_refused() -> None:
    with pytest.raises(ProofRefused, match="64 hashes"):
        tree.check_inclusion(bytes(32), 0, 1 << 62, [bytes(32)] * 64, bytes(32))
    with pytest.raises(ProofRefused, match="64 hashes"):
        tree.check_consistency(1, 1 << 62, [bytes(32)] * 64, bytes(32), bytes(32))


def test_an_index_that_is_not_in_the_tree_is_refused() -> None:
    _, tiles = grown(5)
    with pytest.raises(ProofRefused, match="index 5 is not in a tree of size 5"):
        tree.inclusion(5, 5, tiles.read)
    with pytest.raises(ProofRefused, match="index 5 is not in a tree of size 5"):
        tree.check_inclusion(bytes(32), 5, 5, [], bytes(32))


def test_a_tile_of_another_length_is_refused() -> None:
    with pytest.raises(TileRefused, match="level 0, number 0: 0 bytes instead of 160"):
        tree.root(5, lambda *_: b"")
    with pytest.raises(TileRefused, match="level 0 ends with 32 bytes instead of 160"):
        Appender(5, [bytes(32)])
