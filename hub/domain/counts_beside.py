"""Counts of a few that may be shown beside others: reports given out one after the other, and changes compared side by side.

A reader of two has what is between them, and may know which counts did not move. So a count that moved by a few is not shown, nor what
would give away a count, or a move, that is not shown. Where no choice hides that, nothing of the later one is shown.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from hub.domain.row_space import determined
from hub.domain.small_counts import LEAST, CannotHide, Sum, published

Counts = Mapping[Any, int]
Shown = dict[Any, int | None]


@dataclass(frozen=True, slots=True)
class Published:
    """Counts with the sums that a page of them shows, and what of them may be shown: None where it may not."""

    counts: Counts
    sums: Sequence[Sum]
    shown: Shown = field(default_factory=dict)
    # Nothing of it may be shown: a page that lists only what is there lists none of its names either.
    is_withheld: bool = False

    def __getitem__(self, name: Hashable) -> int | None:
        """Returns a count as it may be shown."""
        return self.shown[name]


def published_beside(counts: Counts, sums: Sequence[Sum], before: Sequence[Published]) -> Published:
    """Returns which of some counts may be shown to readers of all that was published *before*, the first first."""
    if not before:
        return Published(counts, sums, published(counts, sums))
    for hide in (_as_little, _as_before):
        try:
            found = Published(counts, sums, hide(counts, sums, before))
        except CannotHide:
            continue
        if not _gives_away(found, before):
            return found
    # Where nothing is shown, nothing new is known.
    return Published(counts, sums, dict.fromkeys(counts), is_withheld=True)


def _as_little(counts: Counts, sums: Sequence[Sum], before: Sequence[Published]) -> Shown:
    """Hides what moved by a few, and what did not move and was not shown; what was shown before is known."""
    same = {name for one in before for name in _same(counts, one)}
    were_hidden = {name for one in before for name in _same(counts, one) if one.shown.get(name, 0) is None}
    return published(counts, sums, _moved_by_few(counts, before) | were_hidden, same - were_hidden)


def _as_before(counts: Counts, sums: Sequence[Sum], before: Sequence[Published]) -> Shown:
    """Hides all that was hidden; what is to be hidden with what is new is only what moved."""
    same = {name for one in before for name in _same(counts, one)}
    moving = {name: count for name, count in counts.items() if name not in same}
    were_hidden = {name for one in before for name, count in one.shown.items() if count is None}
    also = _moved_by_few(counts, before) | were_hidden
    may_show = published(moving, sums, also & moving.keys())
    return {name: may_show[name] if name in moving else None if name in also and count else count for name, count in counts.items()}


def _same(counts: Counts, before: Published) -> Iterator[Any]:
    return (name for name, count in counts.items() if count == before.counts.get(name, 0))


def _moved_by_few(counts: Counts, before: Sequence[Published]) -> set[Any]:
    return {name for one in before for name, count in counts.items() if 0 < abs(count - one.counts.get(name, 0)) < LEAST}


def _gives_away(found: Published, before: Sequence[Published]) -> bool:
    """Whether a reader of all, who knows which counts did not move, could compute what is not shown, or that it moved by a few.

    A count that did not move is one unknown, so a name and a count are what an unknown is called.
    """
    were_hidden = {(name, one.counts[name]) for one in before for name, count in one.shown.items() if count is None}
    known = {pair for one in before for pair in one.counts.items() if one.shown.get(pair[0], 0) is not None}
    shown = {(name, count) for name, count in found.counts.items() if found.shown[name] is not None}
    if (shown & were_hidden) - known:
        return True
    known |= shown
    rows: list[dict[Any, int]] = []
    for one in (*before, found):
        for total in one.sums:
            names = [name for name in (total.total, *total.parts) if name in one.counts]
            unknown = [name for name in names if (name, one.counts[name]) not in known]
            rows.append({(name, one.counts[name]): -1 if name == total.total else 1 for name in unknown})
    for name, count, other in _few_between((*before, found)):
        row: dict[Any, int] = {(name, end): sign for end, sign in ((other, 1), (count, -1)) if end and (name, end) not in known}
        rows.append(row | {("moved", name, count, other): -1})
    return bool(determined(rows))


def _few_between(published_so_far: Sequence[Published]) -> set[tuple[Any, int, int]]:
    """Returns what moved by a few from any one to a later one: between two that were before, what is shown last may say it."""
    pairs = (
        (name, one.counts.get(name, 0), count) for one, later in combinations(published_so_far, 2) for name, count in later.counts.items()
    )
    return {(name, count, other) for name, count, other in pairs if 0 < abs(other - count) < LEAST}
