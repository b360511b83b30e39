"""Folds pages into views of cells: what the events of a page add and take off comes together, one statement writes it."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence

import psycopg

from hub.journal.corrections import Change
from hub.journal.reader import Recorded
from hub.projections.naming import refer
from hub.projections.projection import CellView, Key
from hub.projections.rows import add_up
from hub.projections.touched import Fold, Parked, folds_in


def fold_into_cells(connection: psycopg.Connection, view: CellView, page: list[Recorded], changed: Mapping[int, Change]) -> Parked:
    """Folds a page and returns what was parked: an event whose cells cannot be named or added, by itself."""
    folds = folds_in(page, changed)
    if view.refers:
        refer(connection, view.refers, folds)
    sums: dict[Key, list[int]] = {}
    parked = derived(view, folds, sums)
    add_up(connection, view.tables[0], sums, view.greatest, below_zero=view.below_zero)
    return parked


def derived(view: CellView, folds: Iterable[Fold], sums: MutableMapping[Key, list[int]]) -> Parked:
    """Adds to *sums* what folds add and take off, and returns what was parked."""
    parked: Parked = set()
    derive, is_sum = view.derive, is_summed(view)
    for position, recorded, corrected in folds:
        try:
            # All or nothing: an event that cannot be added as a whole is parked.
            moved = tuple(derive(recorded, corrected))
        except Exception as error:
            parked.add((f"position {position}", position, type(error).__name__))
            continue
        for key, values in moved:
            bring(sums, key, values, is_sum)
    return parked


def is_summed(view: CellView) -> list[bool]:
    """Returns which columns of a view have the sum of what is added; the others have the greatest of it."""
    return [name not in view.greatest for name, _ in view.value_columns]


def bring(sums: MutableMapping[Key, list[int]], key: Key, values: Sequence[int], is_sum: Sequence[bool]) -> None:
    """Brings values to a cell."""
    if (known := sums.get(key)) is None:
        sums[key] = list(values)
        return
    for column, value in enumerate(values):
        if is_sum[column]:
            known[column] += value
        elif value > known[column]:
            known[column] = value
