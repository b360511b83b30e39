"""Bundles changed by chance where what they say is known: a value, a line, a member, or those of another bundle."""

import json
import random
from collections.abc import Iterator
from typing import Any

from hub.audit.bundle_file import as_json
from hub.bench.tampering.bundles import Members

_ODD = (None, True, 0, -1, 2**53, 2**63, 10**30, 1.5, "", "-1", "é", "\u0000", "１", "2025-13-40", [], {}, [[]], ["a"], {"a": 1}, "A" * 300)
_ENDS = (b"\r", b" ", b"\t", b"x", b"=")


def changed(bundle: Members, other: Members, draw: random.Random) -> Members:
    """Returns the members of a bundle with one to three changes; what is of the other one is in its form."""
    members = dict(bundle)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if not members:
            break
        name = draw.choice(sorted(members))
        if name.endswith(".json"):
            members[name] = as_json(_other_value(json.loads(members[name]), json.loads(other.get(name, b"{}")), draw))
        elif (what := draw.random()) < 0.25 and name in other:
            members[name] = other[name]
        elif what < 0.5:
            members[name] = b"\n".join(_other_lines(members[name].split(b"\n"), draw))
        elif what < 0.9:
            members[name] = _other_bytes(members[name], draw)
        else:
            del members[name]
    # None is empty in a bundle that the hub writes; a tar with one is refused before it is read.
    return {name: data for name, data in members.items() if data}


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Names every value in a value: what it is in, and under which name or number."""
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from _places(value[key])


def _other_value(value: Any, other: Any, draw: random.Random) -> Any:
    if not (places := list(_places(value))):
        return draw.choice(_ODD)
    parent, key = draw.choice(places)
    what, old = draw.random(), parent[key]
    if what < 0.15:
        parent.pop(key)
    elif what < 0.3 and isinstance(parent, list):
        parent.insert(key, old)
    elif what < 0.5 and (others := list(_places(other))):
        of, there = draw.choice(others)
        parent[key] = of[there]
    elif what < 0.7 and isinstance(old, int):
        parent[key] = old + draw.choice((-1, 1, 256, 2**32))
    elif what < 0.8 and isinstance(old, str):
        at = draw.randrange(len(old) + 1)
        parent[key] = old[:at] + draw.choice(("=", "A", "\n", " ", "é")) + old[at + draw.randrange(2) :]
    else:
        parent[key] = draw.choice(_ODD)
    return value


def _other_lines(lines: list[bytes], draw: random.Random) -> list[bytes]:
    at, what = draw.randrange(len(lines)), draw.randrange(4)
    if what == 0:
        lines.insert(at, lines[at])
    elif what == 1:
        lines.pop(at)
    elif what == 2:
        draw.shuffle(lines)
    else:
        lines[at] += draw.choice(_ENDS)
    return lines


def _other_bytes(data: bytes, draw: random.Random) -> bytes:
    first, end = sorted((draw.randrange(len(data) + 1), draw.randrange(len(data) + 1)))
    if (what := draw.randrange(3)) == 0 and data:
        first = min(first, len(data) - 1)
        return data[:first] + bytes([data[first] ^ 1 << draw.randrange(8)]) + data[first + 1 :]
    return data[:first] + data[end:] if what == 1 else data[:end] + data[first:]
