"""Counts of uses under five are not shown, nor is what they could be computed from: the other counts of a sum that is shown beside them.

The sums of a page are a network. A count is an edge between the two sums that it is in, or between its one sum and the outside; what flows
into a sum flows out of it. A hidden count may be another number if, and only if, one can be moved along a circle of hidden counts that it
lies on: then all that is shown stays the same. Who reads the page knows that zeros are shown, so a hidden count is one at least.
"""

import heapq
from collections.abc import Hashable, Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple, TypeVar

Name = TypeVar("Name", bound=Hashable)
# A count of uses below this is not shown, but for none at all.
LEAST = 5
_OUTSIDE = -1
# A total is left out last.
_OF_A_TOTAL = 10**12


class Sum(NamedTuple):
    """A sum that a page shows, or that its readers can make: a total and all its parts, by the names of the counts."""

    total: Hashable
    parts: Sequence[Hashable]


class _Step(NamedTuple):
    """A move of one along a count, to the sum at its other end."""

    to: int
    along: Hashable
    cost: int


class CannotHide(ValueError):
    """What may not be shown could be computed whatever else is left out; nothing of it may be shown."""


def published(
    counts: Mapping[Name, int], sums: Iterable[Sum], also: Set[Name] = frozenset(), known: Set[Name] = frozenset()
) -> dict[Name, int | None]:
    """Returns the counts as they may be shown, None for each that may not; a count is in two sums at most.

    *also* may not be shown although they are no small counts. *known* are known to the readers, so that leaving them out hides nothing.
    Raises CannotHide, only where some are known or a sum is not what its parts add up to.
    """
    hidden = _hidden(counts, list(sums), also, known)
    return {name: None if name in hidden else count for name, count in counts.items()}


def table_sums(rows: Sequence[Hashable], columns: Sequence[Hashable], total: Hashable) -> list[Sum]:
    """Returns the sums of a table that has its sums beside it: (row, column) names a cell, a row or a column the sum of its own."""
    across = [Sum(row, [(row, column) for column in columns]) for row in rows]
    down = [Sum(column, [(row, column) for row in rows]) for column in columns]
    return [*across, *down, Sum(total, rows), Sum(total, columns)]


def _hidden(counts: Mapping[Any, int], sums: list[Sum], also: Set[Any], known: Set[Any]) -> set[Hashable]:
    edges = _edges(counts, sums)
    totals = {one.total for one in sums}
    hidden: set[Hashable] = {name for name, count in counts.items() if count and (count < LEAST or name in also)}
    movable = {name: count for name, count in counts.items() if name in hidden or name not in known}
    safe: set[Hashable] = set()
    for name in sorted(hidden, key=lambda name: (-counts[name], str(name))):
        if name not in safe:
            # All that lies on one circle is safe by it.
            circle = _circle(name, movable, edges, hidden, totals)
            hidden |= circle
            safe |= {name, *circle}
    return hidden


def _edges(counts: Mapping[Name, int], sums: list[Sum]) -> dict[Hashable, tuple[int, int]]:
    """Returns the two ends of each count: what is added at the one is taken off at the other."""
    within: dict[Hashable, list[tuple[int, int]]] = {name: [] for name in counts}
    for number, one in enumerate(sums):
        for name, sign in ((one.total, -1), *((part, 1) for part in one.parts)):
            if name in within:
                within[name].append((number, sign))
    signs = _signs(len(sums), list(within.values()))
    edges = {}
    for name, places in within.items():
        into = [number for number, sign in places if sign * signs[number] > 0]
        out = [number for number, sign in places if sign * signs[number] < 0]
        assert len(into) < 2 and len(out) < 2, f"{name}: a count is in two sums at most, and these are no network"
        edges[name] = (out[0] if out else _OUTSIDE, into[0] if into else _OUTSIDE)
    return edges


def _signs(number: int, places: list[list[tuple[int, int]]]) -> list[int]:
    """Turns sums round so that a count in two of them flows out of the one and into the other."""
    beside: dict[int, list[tuple[int, int]]] = {one: [] for one in range(number)}
    for pair in places:
        if len(pair) == 2:
            (one, sign), (other, opposite) = pair
            beside[one].append((other, -sign * opposite))
            beside[other].append((one, -sign * opposite))
    signs = [0] * number
    for first in range(number):
        waiting = [(first, 1)] if not signs[first] else []
        while waiting:
            one, sign = waiting.pop()
            if not signs[one]:
                signs[one] = sign
                waiting += [(other, sign * turn) for other, turn in beside[one]]
    return signs


def _circle(
    name: Hashable, counts: Mapping[Any, int], edges: Mapping[Hashable, tuple[int, int]], hidden: set[Hashable], totals: set[Hashable]
) -> set[Hashable]:
    """Returns the other counts of the circle on which a count can be moved that hides least."""
    steps: dict[int, list[_Step]] = {}
    for other, count in counts.items():
        # Zeros are shown: none of them moves.
        if other == name or not count:
            continue
        tail, head = edges[other]
        cost = 0 if other in hidden else count + (_OF_A_TOTAL if other in totals else 0)
        steps.setdefault(tail, []).append(_Step(head, other, cost))
        if count > 1:
            steps.setdefault(head, []).append(_Step(tail, other, cost))
    tail, head = edges[name]
    ways = [_cheapest(steps, head, tail)] + ([_cheapest(steps, tail, head)] if counts[name] > 1 else [])
    found = [way for way in ways if way is not None]
    # All the totals above a count can grow with it, unless they are known.
    if not found:
        raise CannotHide(name)
    return min(found, key=lambda way: way[0])[1]


def _cheapest(steps: Mapping[int, list[_Step]], begin: int, end: int) -> tuple[int, set[Hashable]] | None:
    """Returns the cheapest way from one sum to another, with its cost; None if there is none."""
    came: dict[int, tuple[int, Hashable] | None] = {}
    waiting: list[tuple[int, int, int, int, Hashable]] = [(0, 0, begin, begin, None)]
    order = 0
    while waiting:
        cost, _, at, before, by = heapq.heappop(waiting)
        if at in came:
            continue
        came[at] = None if at == begin else (before, by)
        if at == end:
            return cost, _back(came, end)
        for step in steps.get(at, []):
            if step.to not in came:
                order += 1
                heapq.heappush(waiting, (cost + step.cost, order, step.to, at, step.along))
    return None


def _back(came: Mapping[int, tuple[int, Hashable] | None], end: int) -> set[Hashable]:
    way: set[Hashable] = set()
    at = end
    while (step := came[at]) is not None:
        at, by = step
        way.add(by)
    return way
