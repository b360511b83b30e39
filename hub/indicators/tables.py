"""What was found, added up: a total and the cells of a breakdown, and which of them may be shown.

Each cell has what is in the numerator, what is not, and both together. A few people are not shown, nor what they could be computed from:
the other figures of a sum (`hub.domain.small_counts`), or the report before this one beside this one.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hub.domain.counts_beside import Published, published_beside
from hub.domain.indicators.definition import Definition
from hub.domain.small_counts import Sum
from hub.indicators.found import Counted

TOTAL = ""
IN, OUT, ALL = "in", "out", "all"
# The cell of what nobody said a place of.
NOWHERE = "UNKNOWN"
# Between the places of a cell of several breakdowns.
BETWEEN = "/"

# A figure by the cell and the part that it is of.
Name = tuple[str, str]
Figures = Mapping[Name, int]
Shown = Mapping[Name, int | None]


class Report(NamedTuple):
    """A report that was given out: its figures, and what of them was shown."""

    figures: Figures
    shown: Shown


def figures(counted: Iterable[Counted], cells: Iterable[Counted], definition: Definition, by: Sequence[str]) -> dict[Name, int]:
    """Returns the figures of the total, from what is *counted* in all, and of each cell; a subject counts once in each of them."""
    sums: dict[str, list[int]] = {TOTAL: [0, 0]}
    subjects: dict[str, dict[Any, bool]] = {}
    placed = [(TOTAL, one) for one in counted] + ([(_cell_of(one, by), one) for one in cells] if by else [])
    for cell, one in placed:
        known = sums.setdefault(cell, [0, 0])
        if one.subject is not None:
            some = subjects.setdefault(cell, {})
            some[one.subject] = some.get(one.subject, False) or one.inside > 0
        else:
            known[0], known[1] = known[0] + one.inside, known[1] + one.whole
    found: dict[Name, int] = {}
    for cell in sorted(sums):
        some = subjects.get(cell, {})
        inside, whole = sums[cell][0] + sum(some.values()), sums[cell][1] + len(some)
        found[cell, ALL] = whole
        if definition.has_share and not _is_weighed(definition):
            found |= {(cell, IN): inside, (cell, OUT): whole - inside}
    return found


def weights(counted: Iterable[Counted], by: Sequence[str]) -> dict[Name, int]:
    """Returns the sums of the units used and of those granted, of the total and of each cell."""
    found: dict[Name, int] = {}
    for one in counted:
        for cell in (TOTAL, _cell_of(one, by)) if by else (TOTAL,):
            for part, units in ((IN, one.inside), (ALL, one.whole)):
                found[cell, part] = found.get((cell, part), 0) + units
    return found


def _cell_of(one: Counted, by: Sequence[str]) -> str:
    """Returns the cell of a breakdown that something counts in."""
    return BETWEEN.join(one.places[name] or NOWHERE for name in by)


def _is_weighed(definition: Definition) -> bool:
    return definition.counts == "UNITS"


def shown(found: Figures, definition: Definition, before: Report | None = None) -> dict[Name, int | None]:
    """Returns the figures as they may be shown, also beside the report that was given out before; None for what may not."""
    if not definition.is_of_people:
        return dict(found)
    earlier = [_as_published(before.figures, before.shown)] if before is not None else []
    counts, sums = _with_sums(found)
    may_show = published_beside(counts, sums, earlier)
    return {name: may_show[name] for name in found}


def _as_published(found: Figures, was_shown: Shown) -> Published:
    """Returns what the readers of a report have: what they can add up of it, too."""
    counts, sums = _with_sums(found)
    known = dict(was_shown)
    for cell, part in counts.keys() - found.keys():
        parts = [name for name in found if name[1] == part and (cell == _TWICE or name[0] != TOTAL)]
        known[cell, part] = None if any(known.get(name) is None for name in parts) else counts[cell, part]
    return Published(counts, sums, known)


# What cells come to, and how much that is more than their total: no cell has such a name.
_ADDED, _TWICE = "added/", "twice/"


def _with_sums(found: Figures) -> tuple[dict[Name, int], list[Sum]]:
    """Returns the figures, and the sums of a table: each cell of its parts, each part of its cells.

    Who is in several cells counts in each and once in all. How many more that makes follows from what is shown, so it is a figure, too.
    """
    counts = dict(found)
    cells = [cell for cell, part in found if part == ALL]
    inner = [cell for cell in cells if cell != TOTAL]
    sums = [Sum((cell, ALL), [(cell, IN), (cell, OUT)]) for cell in cells if (cell, IN) in found]
    for part in [part for cell, part in found if cell == TOTAL] if inner else []:
        added, total = sum(found[cell, part] for cell in inner), found[TOTAL, part]
        if added >= total:
            counts |= {(_ADDED, part): added, (_TWICE, part): added - total}
            sums += [Sum((_ADDED, part), [(cell, part) for cell in inner]), Sum((_ADDED, part), [(TOTAL, part), (_TWICE, part)])]
    return counts, sums
