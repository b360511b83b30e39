"""Consistency of a subtree with the tree around it (draft-ietf-plants-merkle-tree-certs, 4): what a witness checks before it signs one.

A subtree [start, end) is one that the whole tree has as a node, or had when it ended there. That a leaf is in it is the ordinary
inclusion of the index minus *start* in a tree of `end - start` leaves.
"""

from collections.abc import Sequence

from hub.tlog.tree import ProofRefused, check_hashes, node_hash


def is_subtree(start: int, end: int) -> bool:
    """Says whether [start, end) is one: *start* is a multiple of the power of two that is not below its length."""
    return 0 <= start < end and start % (1 << (end - start - 1).bit_length()) == 0


def check_subtree(start: int, end: int, size: int, proof: Sequence[bytes], subtree_root: bytes, expected_root: bytes) -> None:
    """Checks that the tree of *size* contains the subtree [start, end) with this root; raises ProofRefused."""
    if not is_subtree(start, end) or end > size:
        raise ProofRefused(f"from {start} to {end} there is no subtree in a tree of size {size}.")
    check_hashes(proof)
    low, high, last = start, end - 1, size - 1
    # Up to where the subtree is a node of the tree: below that, both are the same.
    while low != high and (high == last or high & 1):
        low, high, last = low >> 1, high >> 1, last >> 1
    rest = [subtree_root, *proof] if low == high else list(proof)
    if not rest:
        raise ProofRefused("it has no hash.")
    old, new, last = _folded(low, high, last, rest)
    if last or old != subtree_root or new != expected_root:
        raise ProofRefused(f"the tree of size {size} does not contain this subtree from {start} to {end}.")


def _folded(low: int, high: int, last: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes, int]:
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofRefused("it has too many hashes.")
        if high & 1 or high == last:
            if low < high:
                old = node_hash(sibling, old)
            new = node_hash(sibling, new)
            while not high & 1 and high:
                low, high, last = low >> 1, high >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        low, high, last = low >> 1, high >> 1, last >> 1
    return old, new, last
