"""Which events of a page a view reads, what it is handed for each of them, and which rows that touches."""

from collections.abc import Iterable, Mapping
from functools import partial

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


def read_by(view: View, events: list[Recorded], changed: Mapping[int, Change]) -> tuple[list[Recorded], Mapping[int, Change]]:
    """Returns those of some events that a view reads, and what corrections among them change for it."""
    kinds, changed = view.kinds, changed if view.follows_corrections else {}
    if kinds is None:
        return events, changed
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
