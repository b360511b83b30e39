"""Proof that several entries are in a tree, wherever they lie: the hash of each largest subtree that has none of them, from left to right.

For one entry it is its path in another order, for a window its two edges; neighbours share what lies between them.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence

from hub.runs import Run
from hub.tlog.tree import ProofRefused, Read, left_size, node_hash, nodes


def several(runs: Sequence[Run], size: int, read: Read) -> Iterator[bytes]:
    """Yields the hashes for the entries of *runs*, ascending and apart, in the tree of *size*."""
    span, starts, stops = nodes(size, read), [first for first, _ in runs], [end for _, end in runs]
    # Subtrees that are still to be looked at, each with the runs that it may have a part of: those from *low* up to *high*.
    waiting = [(0, size, 0, len(runs))]
    while waiting:
        start, stop, low, high = waiting.pop()
        low = bisect_right(stops, start, low, high)
        high = bisect_left(starts, stop, low, high)
        if low == high:
            yield span(start, stop)
        elif not (runs[low][0] <= start and runs[low][1] >= stop):
            middle = start + left_size(stop - start)
            waiting += [(middle, stop, low, high), (start, middle, low, high)]


def check_several(leaves: Iterable[tuple[int, bytes]], size: int, proof: Iterator[bytes], expected_root: bytes) -> None:
    """Checks that these (index, leaf hash), ascending and taken one by one, are in the tree; raises ProofRefused."""
    given = iter(leaves)
    following = next(given, None)
    # Whole subtrees by where they begin and end, the newest last; what waits is (start, stop), joined once both halves are there.
    done: list[tuple[int, int, bytes]] = []
    waiting: list[tuple[int, int, bool]] = [(0, size, False)]
    while waiting:
        start, stop, is_joined = waiting.pop()
        if is_joined:
            _, _, right = done.pop()
            _, _, left = done.pop()
            done.append((start, stop, node_hash(left, right)))
        elif following is None or following[0] >= stop:
            if (missing := next(proof, None)) is None or len(missing) != 32:
                raise ProofRefused(f"hashes are too few for the entries in a tree of size {size}.")
            done.append((start, stop, missing))
        elif stop - start == 1:
            done.append((start, stop, following[1]))
            following = next(given, None)
        else:
            middle = start + left_size(stop - start)
            waiting += [(start, stop, True), (middle, stop, False), (start, middle, False)]
    if following is not None or next(proof, None) is not None:
        raise ProofRefused(f"entries or hashes are left over for a tree of size {size}.")
    if done[-1][2] != expected_root:
        raise ProofRefused(f"the entries are not those of the tree of size {size} with this root.")
