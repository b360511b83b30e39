"""Which events of a page a view reads, what it is handed for each of them, and which rows that touches."""

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property, partial
from itertools import chain
from operator import attrgetter

from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.projection import First, Items, Key, Projection, View

Fold = tuple[int, Recorded, Recorded | None]
# An event with the rows that it touches, or the only one as it makes it.
Touched = tuple[int, Recorded, Recorded | None, list[Key] | First]
# What was parked, as (key, position, why).
Parked = set[tuple[str, int, str]]


def folds_of(recorded: Recorded, change: Change | None) -> list[tuple[Recorded, Recorded | None]]:
    """Returns what a view is handed for an event, as (recorded, corrected): once, and again for each further event that it takes out."""
    if change is None:
        return [(recorded, None)]
    first, others = (change.out[0], change.out[1:]) if change.out else (None, ())
    nothing = recorded if recorded.is_reversal else recorded.taking_out()
    into = change.into
    if into is not None and into.position != recorded.position:
        into = into.given_back_by(recorded)
    return [(into or nothing, first), *((nothing, before) for before in others)]


class ByKind(list[Recorded]):
    """Events in the order of the journal that many views read, so that a view does not look at those of other kinds."""

    @cached_property
    def _by_kind(self) -> dict[str, list[Recorded]]:
        found: dict[str, list[Recorded]] = {}
        for event in self:
            if (some := found.get(event.kind)) is None:
                found[event.kind] = [event]
            else:
                some.append(event)
        return found

    @cached_property
    def _by_position(self) -> dict[int, Recorded]:
        return {event.position: event for event in self}

    def of(self, kinds: frozenset[str], also: Collection[int]) -> list[Recorded]:
        """Returns the events of some kinds, and those at other positions, in order."""
        some = [mine for kind, mine in self._by_kind.items() if kind in kinds]
        at = self._by_position if also else {}
        others = [event for position in also if (event := at.get(position)) is not None and event.kind not in kinds]
        found = [*chain.from_iterable(some), *others]
        # Each kind is in order: to sort them is to merge them.
        found.sort(key=_position)
        return found


_position = attrgetter("position")


def read_by(view: View, events: list[Recorded], changed: Mapping[int, Change]) -> tuple[list[Recorded], Mapping[int, Change]]:
    """Returns those of some events that a view reads, and what corrections among them change for it."""
    kinds, changed = view.kinds, changed if view.follows_corrections else {}
    if kinds is None:
        return events, changed
    if isinstance(events, ByKind):
        wanted = events.of(kinds, changed)
    else:
        wanted = [event for event in events if event.kind in kinds or event.position in changed]
    if marks := view.marks:
        wanted = [one for one in wanted if (mark := marks.get(one.kind)) is None or mark in one.data or one.position in changed]
    return wanted, changed


def folds_in(page: Iterable[Recorded], changed: Mapping[int, Change]) -> list[Fold]:
    """Returns what a view is handed for the events of a page, each with the position of its event."""
    if not changed:
        return [(event.position, event, None) for event in page]
    folds: list[Fold] = []
    for event in page:
        if (change := changed.get(event.position)) is None:
            folds.append((event.position, event, None))
        else:
            folds += [(event.position, *fold) for fold in folds_of(event, change)]
    return folds


def named_rows(projection: Projection, folds: Iterable[Fold]) -> tuple[list[Touched], Parked]:
    """Returns the folds with the rows they name, and those whose rows cannot be named."""
    touched: list[Touched] = []
    parked: Parked = set()
    named, append = projection.keys, touched.append
    first = projection.first if projection.items is None else partial(_grown, projection, projection.items)
    for position, recorded, before in folds:
        try:
            may_be_first = first is not None and before is None and recorded.position == position and not recorded.is_reversal
            if may_be_first and first is not None and (made := first(recorded)) is not None:
                append((position, recorded, None, made))
                continue
            keys = list(named(recorded, before))
        except Exception as error:
            parked.add((f"position {position}", position, type(error).__name__))
            continue
        # A row that is named twice is folded once.
        append((position, recorded, before, list(dict.fromkeys(keys)) if len(keys) > 1 else keys))
    return touched, parked


def gathering(projection: Projection, touched: Iterable[Touched]) -> set[Key]:
    """Returns the rows that events may join with all rows below them."""
    below = projection.linked.below if projection.linked is not None else None
    return {key for touch in touched if touch[1].kind in below.kinds for key in keys_of(touch)} if below is not None else set()


def keys_of(touch: Touched) -> list[Key]:
    """Returns the keys of the rows that an event touches."""
    named = touch[3]
    return named.keys if isinstance(named, First) else named


def _grown(projection: Projection, items: Items, recorded: Recorded) -> First | None:
    """Returns the item that an event adds to its only row, if it does no more where the row is not there."""
    if recorded.kind not in items.kinds or (item := items.added(None, recorded, None)) is None:
        return None
    keys = list(projection.keys(recorded, None))
    return First(keys, (*keys[0], *item), None) if len(keys) == 1 else None
