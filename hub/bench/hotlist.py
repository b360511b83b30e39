"""Hotlist: size and build time of a snapshot over made-up card numbers, without a database."""

import resource
import secrets
import time
from collections.abc import Callable, Iterator
from typing import Any

from gmssl_pyx import sm2_key_generate

from hub.domain.fuse_filter import build
from hub.domain.hotlist import Epoch, hashing, make_snapshot, read_snapshot
from hub.trust.hotlist_key import HotlistKey

Report = Callable[[str], None]
_PART = 100_000_000


def measure(issued: int, listed: list[int], report: Report) -> dict[str, Any]:
    """Returns a row for each number of listed cards: bytes, bits a listed card, exceptions, seconds."""
    public, private = sm2_key_generate()
    rows = []
    for count in listed:
        rows.append(_row(issued, count, HotlistKey(private, public)))
        report(f"{count:,} / {issued:,}: {rows[-1]['bytes']:,} bytes, {rows[-1]['bits_per_listed']} bits, {rows[-1]['seconds']} s")
    return {"bench": "hotlist", "issued": issued, "rows": rows, "peak_memory_mb": _peak_mb()}


def _row(issued: int, listed: int, key: HotlistKey) -> dict[str, Any]:
    def cards() -> Iterator[tuple[bytes, bool]]:
        every = issued // listed
        for number in range(issued):
            # Letters and digits as on real cards: A00000000 to Z99999999.
            name = b"card|50|%c%08d" % (65 + number // _PART, number % _PART)
            yield name, number % every == 0 and number // every < listed

    started = time.perf_counter()
    data = make_snapshot(Epoch(1, 1, 1, 0, 86_400), cards, lambda: secrets.token_bytes(32), key.sign)
    seconds = time.perf_counter() - started
    held = read_snapshot(data)
    hash_of = hashing(held.key)
    members = {hash_of(name) for name, is_listed in cards() if is_listed}
    assert held.answers_listed(members) == members
    started = time.perf_counter()
    build(members)
    return {
        "listed": held.head.listed,
        "bytes": len(data),
        "bits_per_listed": round(len(data) * 8 / held.head.listed, 2),
        "exceptions": len(held.cleared),
        "seconds": round(seconds, 1),
        "filter_seconds": round(time.perf_counter() - started, 1),
    }


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
