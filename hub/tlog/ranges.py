"""Proof that entries that follow each other are in a tree, all of them and in this order: the hashes to their left and to their right.

For a window of many entries it is far shorter than a path for each: two edges of the tree, however many entries lie between them.
The order of the hashes is that in which they are met from left to right.
"""

from collections.abc import Iterable, Iterator, Sequence

from hub.tlog.tree import MOST_HASHES, ProofRefused, Read, check_hashes, left_size, node_hash, nodes


def window(first: int, end: int, size: int, read: Read) -> list[bytes]:
    """Returns the proof for the entries [first, end) of the tree of *size*; raises ProofRefused."""
    _check_bounds(first, end, size)
    span = nodes(size, read)
    return [span(start, stop) for start, stop in _outside(0, size, first, end)]


def check_window(leaves: Iterable[bytes], first: int, end: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Checks that these leaf hashes, taken one by one, are exactly the entries [first, end) of the tree; raises ProofRefused."""
    _check_bounds(first, end, size)
    check_hashes(proof, 2 * MOST_HASHES)
    rest, inside = iter(proof), iter(leaves)
    try:
        found = _rebuild(0, size, first, end, inside, rest)
    except StopIteration:
        raise ProofRefused(f"hashes are too few for the entries from {first} to {end - 1}.") from None
    if next(rest, None) is not None or next(inside, None) is not None:
        raise ProofRefused(f"hashes are too many for the entries from {first} to {end - 1}.")
    if found != expected_root:
        raise ProofRefused(f"the entries from {first} to {end - 1} are not those of the tree of size {size} with this root.")


def _check_bounds(first: int, end: int, size: int) -> None:
    if not 0 <= first < end <= size:
        raise ProofRefused(f"there is no window from {first} to {end} in a tree of size {size}.")


def _outside(start: int, stop: int, first: int, end: int) -> Iterator[tuple[int, int]]:
    if stop <= first or start >= end:
        yield start, stop
    elif not (first <= start and stop <= end):
        middle = start + left_size(stop - start)
        yield from _outside(start, middle, first, end)
        yield from _outside(middle, stop, first, end)


def _rebuild(start: int, stop: int, first: int, end: int, inside: Iterator[bytes], rest: Iterator[bytes]) -> bytes:
    if stop <= first or start >= end:
        return next(rest)
    if stop - start == 1:
        return next(inside)
    middle = start + left_size(stop - start)
    left = _rebuild(start, middle, first, end, inside, rest)
    return node_hash(left, _rebuild(middle, stop, first, end, inside, rest))
